"""Marked parts of texts in the shapes that annotation tools write -> the one shape of start, end and label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, parse_json
from kerasft.data.columns import TEXT_NAMES, plain_name
from kerasft.data.table import Note, Table, text_array

_NAMES = frozenset({"entities", "spans", "annotations", "label", "labels", "ner"})
_STARTS = ("start", "start_offset", "start_char", "begin")
_ENDS = ("end", "end_offset", "end_char")
_LABELS = ("label", "entity", "type", "tag", "entity_group", "entity_type")
_SURFACES = ("text", "word", "surface", "value", "span")


def with_spans(table: Table, label: str | None = None) -> Table:
    """A table whose columns of spans hold `[{"start": 0, "end": 5, "label": "PER"}, ...]`; any other table as it is.

    Read are `[0, 5, "PER"]`, as doccano and spaCy write it, and objects whose keys have other usual names. Offsets that count
    UTF-16 units (JavaScript, Java) are recognised where the spans say what they mark, and turned into characters.
    A column is looked at when it has a usual name or is the label a person named; cells of another shape stay.
    """
    for name in table.names:
        if name.lower() not in _NAMES and name != label:
            continue
        lists = [parse_json(cell, list) for cell in first_cells(table.columns[name])]
        items = [item for cell in lists for item in cell or []]
        if None in lists or not items or any(_span(item) is None for item in items):
            continue
        texts = next((column for column in table.names if column != name and plain_name(column) in TEXT_NAMES), None)
        cells, moved = _converted_column(table, name, texts)
        if not moved and all(isinstance(item, dict) and {"start", "end", "label"} <= set(item) for item in items):
            continue
        columns = table.columns.set_column(table.names.index(name), name, text_array(cells))
        table = replace(table, columns=columns)
        if moved:
            message = (
                f"The offsets of {len(moved):,} rows count UTF-16 units, as the marked words show; "
                "they were turned into characters."
            )
            table = replace(table, notes=(*table.notes, Note("utf16_offsets", message, tuple(moved))))
    return table


def _converted_column(table: Table, name: str, texts: str | None) -> tuple[list[str | None], list[int]]:
    """The cells in the one shape, and the rows whose offsets counted UTF-16 units."""
    held = table.columns[texts].to_pylist() if texts else [None] * len(table)
    cells: list[str | None] = []
    moved: list[int] = []
    for row, cell, text in zip(table.rows, table.columns[name].to_pylist(), held, strict=True):
        items = parse_json(cell, list) or []
        spans = [_span(item) for item in items]
        if cell is None or not items or None in spans:
            cells.append(cell)
            continue
        known = [span for span in spans if span is not None]
        if text is not None and not text.isascii() and _counts_utf16(text, items, known):
            known = [_in_characters(text, span) for span in known]
            moved.append(int(row))
        cells.append(as_json(known))
    return cells, moved


def _counts_utf16(text: str, items: list[Any], spans: list[dict[str, Any]]) -> bool:
    """Whether the spans say what they mark, and that agrees with offsets in UTF-16 units but not in characters."""
    if not any(ord(character) > 0xFFFF for character in text):
        return False
    said = [(next((item[key] for key in _SURFACES if isinstance(item.get(key), str)), None), span) for item, span in
            zip(items, spans, strict=True) if isinstance(item, dict)]  # fmt: skip
    said = [(surface, span) for surface, span in said if surface is not None]
    if not said or all(text[span["start"] : span["end"]] == surface for surface, span in said):
        return False
    units = text.encode("utf-16-le", errors="surrogatepass")
    return all(
        units[2 * span["start"] : 2 * span["end"]].decode("utf-16-le", errors="replace") == surface for surface, span in said
    )


def _in_characters(text: str, span: dict[str, Any]) -> dict[str, Any]:
    units = text.encode("utf-16-le", errors="surrogatepass")
    start, end = (len(units[: 2 * span[side]].decode("utf-16-le", errors="replace")) for side in ("start", "end"))
    return {**span, "start": start, "end": end}


def _span(item: Any) -> dict[str, Any] | None:
    """A span in the one shape; None for what is no span."""
    if isinstance(item, list):
        return dict(zip(("start", "end", "label"), item, strict=True)) if _is_triple(item) else None
    if not isinstance(item, dict):
        return None
    found = [next((item[key] for key in keys if key in item), None) for keys in (_STARTS, _ENDS, _LABELS)]
    if found[2] is None and isinstance(item.get("labels"), list) and len(item["labels"]) == 1:
        found[2] = item["labels"][0]
    return {"start": found[0], "end": found[1], "label": found[2]} if _is_triple(found) else None


def _is_triple(item: list[Any]) -> bool:
    return len(item) == 3 and all(type(place) is int for place in item[:2]) and isinstance(item[2], str)
