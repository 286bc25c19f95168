"""Convert multi-hot lists (`[0, 1, 1]`, one position per class) and nested lists (`[["joy"]]`) to lists of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, holds_tokens, parse_json
from kerasft.data.columns import Columns, plain_name
from kerasft.data.table import Note, Table, text_array
from kerasft.errors import DataError, name_rows

_VOTES = 0.1  # share of lists of ones alone, from which on lists of marks are the votes of annotators
_VOTE_NAMES = frozenset({"votes", "annotations", "annotators", "ratings", "judgments", "judgements"})
_Cells = Sequence[list[Any] | None]


def with_label_lists(tables: Mapping[str, Table], columns: Columns) -> dict[str, Table]:
    """Convert the label column of every split if the lists of the first split are multi-hot or nested.

    Raises:
        DataError: Another split has lists of another shape; names the rows.
    """
    name, first = columns.label, next(iter(tables.values()))
    first = tables.get("train", first)
    if name is None or holds_tokens(first_cells(first.columns[columns.text])):
        return dict(tables)
    near = first_cells(first.columns[name])
    if not near or parse_json(near[0], list) is None:
        return dict(tables)  # most files; spares reading every cell
    cells = _lists(first, name)
    known = [items for items in cells if items is not None]
    filled = [items for items in known if items]
    if len(known) < sum(cell is not None for cell in first.columns[name].to_pylist()) or not filled:
        return dict(tables)
    if _are_marks(filled, name):
        width = len(filled[0])
        message = (
            f"The lists of column {name!r} mark which of {width} classes apply; they were read as the positions of "
            f"the marks, from 0: {as_json(filled[0])} is {as_json(_positions(filled[0]))}."
        )
        return _convert(
            tables,
            name,
            lambda items: len(items) == width and all(map(_is_mark, items)),
            _positions,
            Note("marked_labels", message),
        )
    if _are_nested(filled):
        message = f"The lists of column {name!r} hold lists of one label each, which were joined."
        return _convert(tables, name, lambda items: _are_nested([items]), _joined, Note("nested_labels", message))
    return dict(tables)


def _lists(table: Table, name: str) -> _Cells:
    return [parse_json(cell, list) for cell in table.columns[name].to_pylist()]


def _are_marks(lists: Sequence[list[Any]], name: str) -> bool:
    """Whether lists hold 0 or 1 for each class, and not labels called 0 and 1 or the votes of annotators."""
    width = len(lists[0])
    if width < 2 or plain_name(name) in _VOTE_NAMES:
        return False
    if any(len(items) != width or not all(map(_is_mark, items)) for items in lists):
        return False
    rows = [tuple(map(int, items)) for items in lists]
    all_ones = sum(all(row) for row in rows) / len(rows)
    unanimous = sum(len(set(row)) == 1 for row in rows) / len(rows)
    if all_ones >= _VOTES and unanimous > 0.5:
        return False
    return any(len(set(row)) < width for row in rows) or len(set(rows)) > 1


def _is_mark(item: Any) -> bool:
    return isinstance(item, bool) or (isinstance(item, int | float) and item in (0, 1))


def _are_nested(lists: Sequence[list[Any]]) -> bool:
    return all(isinstance(item, list) and len(item) == 1 for items in lists for item in items)


def _positions(items: list[Any]) -> list[str]:
    return [str(position) for position, item in enumerate(items) if item]


def _joined(items: list[Any]) -> list[Any]:
    return [item[0] for item in items]


def _convert(
    tables: Mapping[str, Table],
    name: str,
    fits: Callable[[list[Any]], bool],
    convert: Callable[[list[Any]], list[Any]],
    note: Note,
) -> dict[str, Table]:
    converted = {}
    for split, table in tables.items():
        cells = _lists(table, name)
        originals = table.columns[name].to_pylist()
        other_rows = [
            int(row)
            for row, items, cell in zip(table.rows, cells, originals, strict=True)
            if cell and (items is None or (items and not fits(items)))
        ]
        if other_rows:
            raise DataError(
                f"Column {name!r} holds other lists in the split {split!r} than in the training rows.",
                where=f"{table.source}, {name_rows(other_rows)}",
                hint="Write the labels of all splits in one way.",
            )
        values = [None if items is None else as_json(convert(items)) for items in cells]
        columns = table.columns.set_column(table.names.index(name), name, text_array(values))
        converted[split] = replace(table, columns=columns, notes=(*table.notes, note))
    return converted
