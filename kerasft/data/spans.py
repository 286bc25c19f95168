"""Marked parts of texts in the shapes that annotation tools write -> the one shape of start, end and label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, parse_json
from kerasft.data.table import Table, text_array

_NAMES = frozenset({"entities", "spans", "annotations", "label", "labels"})
_STARTS = ("start", "start_offset", "start_char", "begin")
_ENDS = ("end", "end_offset", "end_char")
_LABELS = ("label", "entity", "type", "tag", "entity_group", "entity_type")


def with_spans(table: Table, label: str | None = None) -> Table:
    """A table whose columns of spans hold `[{"start": 0, "end": 5, "label": "PER"}, ...]`; any other table as it is.

    Read are `[0, 5, "PER"]`, as doccano and spaCy write it, and objects whose keys have other usual names.
    A column is looked at when it has a usual name or is the label a person named; cells of another shape stay.
    """
    for name in table.names:
        if name.lower() not in _NAMES and name != label:
            continue
        lists = [parse_json(cell, list) for cell in first_cells(table.columns[name])]
        items = [item for cell in lists for item in cell or []]
        if (
            None in lists
            or not items
            or any(_span(item) is None for item in items)
            or all(isinstance(item, dict) and {"start", "end", "label"} <= set(item) for item in items)
        ):
            continue
        cells = [_converted(cell) for cell in table.columns[name].to_pylist()]
        columns = table.columns.set_column(table.names.index(name), name, text_array(cells))
        table = replace(table, columns=columns)
    return table


def _converted(cell: str | None) -> str | None:
    spans = [_span(item) for item in parse_json(cell, list) or [None]]
    return cell if None in spans else as_json(spans)


def _span(item: Any) -> dict[str, Any] | None:
    """A span in the one shape; None for what is no span."""
    if isinstance(item, list):
        return dict(zip(("start", "end", "label"), item, strict=True)) if _is_triple(item) else None
    if not isinstance(item, dict):
        return None
    found = [next((item[key] for key in keys if key in item), None) for keys in (_STARTS, _ENDS, _LABELS)]
    return {"start": found[0], "end": found[1], "label": found[2]} if _is_triple(found) else None


def _is_triple(item: list[Any]) -> bool:
    return len(item) == 3 and all(type(place) is int for place in item[:2]) and isinstance(item[2], str)
