"""Convert spans of texts, in the shapes that annotation tools write, to objects of start, end and label."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, parse_json
from kerasft.data.columns import TEXT_NAMES, plain_name
from kerasft.data.table import Note, Table, row_notes, text_array

_NAMES = frozenset({"entities", "spans", "annotations", "label", "labels", "ner"})
_STARTS = ("start", "start_offset", "start_char", "begin")
_ENDS = ("end", "end_offset", "end_char")
_LABELS = ("label", "entity", "type", "tag", "entity_group", "entity_type")
_SURFACES = ("text", "word", "surface", "value", "span")


def with_spans(table: Table, label: str | None = None) -> Table:
    """Convert columns of spans to `[{"start": 0, "end": 5, "label": "PER"}, ...]`; any other table is returned unchanged.

    A span may be `[0, 5, "PER"]`, as in doccano and spaCy, or an object with other usual keys. Offsets in UTF-16 units
    (JavaScript, Java) are recognised if the spans contain the text they mark, and are converted to characters.
    Only columns with a usual name and the column that the user named as the label are converted; other cells stay unchanged.
    """
    for name in table.names:
        if name.lower() not in _NAMES and name != label:
            continue
        lists = [parse_json(cell, list) for cell in first_cells(table.columns[name])]
        items = [item for cell in lists for item in cell or []]
        if None in lists or not items or any(_span(item) is None for item in items):
            continue
        texts = next((column for column in table.names if column != name and plain_name(column) in TEXT_NAMES), None)
        cells, moved, contradicted = _converted_column(table, name, texts)
        if contradicted:
            message = "{count} rows hold spans whose text is not what stands at their positions; the positions are used."
            table = replace(table, notes=(*table.notes, *row_notes(("span_texts", contradicted, message))))
        if not moved and all(isinstance(item, dict) and {"start", "end", "label"} <= set(item) for item in items):
            continue
        columns = table.columns.set_column(table.names.index(name), name, text_array(cells))
        table = replace(table, columns=columns)
        if moved:
            message = (
                f"The offsets of {len(moved):,} rows count UTF-16 units, as the marked words show; "
                "they were converted to characters."
            )
            table = replace(table, notes=(*table.notes, Note("utf16_offsets", message, tuple(moved))))
    return table


def _converted_column(table: Table, name: str, texts: str | None) -> tuple[list[str | None], list[int], list[int]]:
    """The converted cells, the rows whose offsets counted UTF-16 units, and those whose spans contain another text."""
    row_texts = table.columns[texts].to_pylist() if texts else [None] * len(table)
    cells: list[str | None] = []
    moved: list[int] = []
    contradicted: list[int] = []
    for row, cell, text in zip(table.rows, table.columns[name].to_pylist(), row_texts, strict=True):
        items = parse_json(cell, list) or []
        spans = [_span(item) for item in items]
        if cell is None or not items or None in spans:
            cells.append(cell)
            continue
        known = [span for span in spans if span is not None]
        if text is not None and not text.isascii() and _counts_utf16(text, items, known):
            known = [_in_characters(text, span) for span in known]
            moved.append(int(row))
        if text is not None and any(_contradicts(text, item, span) for item, span in zip(items, known, strict=True)):
            contradicted.append(int(row))
        cells.append(as_json(known))
    return cells, moved, contradicted


def _contradicts(text: str, item: Any, span: dict[str, Any]) -> bool:
    """Whether a span contains another text than the one at its positions; spaces and letter case do not count."""
    if not isinstance(item, dict):
        return False
    surface = next((item[key] for key in ("text", "word", "surface") if isinstance(item.get(key), str)), None)
    found = text[span["start"] : span["end"]]
    return surface is not None and _comparable(surface) != _comparable(found)


def _comparable(text: str) -> str:
    """Without spaces, letter case, composition and the marks of sub-words."""
    return unicodedata.normalize("NFC", "".join(text.replace("##", "").split())).casefold()


def _counts_utf16(text: str, items: list[Any], spans: list[dict[str, Any]]) -> bool:
    """Whether the spans contain their text, and it agrees with offsets in UTF-16 units but not in characters."""
    if not any(ord(character) > 0xFFFF for character in text):
        return False
    surfaces = [(next((item[key] for key in _SURFACES if isinstance(item.get(key), str)), None), span) for item, span in
            zip(items, spans, strict=True) if isinstance(item, dict)]  # fmt: skip
    surfaces = [(surface, span) for surface, span in surfaces if surface is not None]
    if not surfaces or all(text[span["start"] : span["end"]] == surface for surface, span in surfaces):
        return False
    units = text.encode("utf-16-le", errors="surrogatepass")
    return all(
        units[2 * span["start"] : 2 * span["end"]].decode("utf-16-le", errors="replace") == surface for surface, span in surfaces
    )


def _in_characters(text: str, span: dict[str, Any]) -> dict[str, Any]:
    units = text.encode("utf-16-le", errors="surrogatepass")
    start, end = (len(units[: 2 * span[side]].decode("utf-16-le", errors="replace")) for side in ("start", "end"))
    return {**span, "start": start, "end": end}


def _span(item: Any) -> dict[str, Any] | None:
    """A span as an object of start, end and label; None for anything else."""
    if isinstance(item, list):
        return dict(zip(("start", "end", "label"), item, strict=True)) if _is_triple(item) else None
    if not isinstance(item, dict):
        return None
    values = [next((item[key] for key in keys if key in item), None) for keys in (_STARTS, _ENDS, _LABELS)]
    if values[2] is None and isinstance(item.get("labels"), list) and len(item["labels"]) == 1:
        values[2] = item["labels"][0]
    return {"start": values[0], "end": values[1], "label": values[2]} if _is_triple(values) else None


def _is_triple(item: list[Any]) -> bool:
    return len(item) == 3 and all(type(place) is int for place in item[:2]) and isinstance(item[2], str)
