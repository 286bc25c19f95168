"""Convert multi-hot lists (`[0, 1, 1]`, one position per class) and nested lists (`[["joy"]]`) to lists of labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, parse_json
from kerasft.data.table import Note, Table, text_array

_SAMPLE = 1000
_VOTES = 0.1  # share of lists of ones alone, from which on lists of marks are the votes of annotators


def with_label_lists(table: Table, name: str | None) -> Table:
    """Convert a label column of multi-hot or nested lists to lists of labels; any other table is returned unchanged."""
    if name is None or name not in table.names:
        return table
    lists = [parse_json(cell, list) for cell in first_cells(table.columns[name], _SAMPLE)]
    filled = [items for items in lists if items]
    if not filled or None in lists:
        return table
    if _are_marks(filled):
        message = (
            f"The lists of column {name!r} mark which of {len(filled[0])} classes apply; they were read as the positions of "
            f"the marks, from 0: {as_json(filled[0])} is {as_json(_positions(filled[0]))}."
        )
        return _converted(table, name, _positions, Note("marked_labels", message))
    if all(isinstance(item, list) and len(item) == 1 for items in filled for item in items):
        message = f"The lists of column {name!r} hold lists of one label each, which were joined."
        return _converted(table, name, lambda items: [item[0] if isinstance(item, list) else item for item in items],
                          Note("nested_labels", message))  # fmt: skip
    return table


def _are_marks(lists: list[list[Any]]) -> bool:
    """Whether lists hold 0 or 1 for each class, and not labels called 0 and 1 or the votes of annotators."""
    width = len(lists[0])
    if width < 2 or any(len(items) != width or any(not _is_mark(item) for item in items) for items in lists):
        return False
    repeated = any(len(set(map(int, items))) < width for items in lists)
    all_ones = sum(all(items) for items in lists) / len(lists)
    unanimous = sum(len(set(map(int, items))) == 1 for items in lists) / len(lists)
    if all_ones >= _VOTES and unanimous > 0.5:
        return False
    return repeated or len({tuple(map(int, items)) for items in lists}) > 1


def _is_mark(item: Any) -> bool:
    return isinstance(item, bool) or (isinstance(item, int | float) and item in (0, 1))


def _positions(items: list[Any]) -> list[str]:
    return [str(position) for position, item in enumerate(items) if item]


def _converted(table: Table, name: str, convert: Any, note: Note) -> Table:
    cells = []
    for cell in table.columns[name].to_pylist():
        items = parse_json(cell, list)
        cells.append(cell if items is None else as_json(convert(items)))
    columns = table.columns.set_column(table.names.index(name), name, text_array(cells))
    return replace(table, columns=columns, notes=(*table.notes, note))
