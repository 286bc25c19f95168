"""spaCy's training rows: `[text, {"entities": [[0, 5, "PER"]]}]`, `[text, {"cats": {"POS": 1.0}}]`, and objects with `cats`.

If exactly one category applies in each row, it is the label; otherwise the label is a list of categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.cells import as_json
from kerasft.data.formats.base import Rows, row_error
from kerasft.data.table import Note

NAME = "training rows of spaCy"
_APPLIES = 0.5  # a category applies from this value on


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    return bool(sample) and all(_parts(row) is not None for row in sample[:100])


def _parts(row: Any) -> tuple[Any, Mapping[str, Any], Mapping[str, Any]] | None:
    """Text, annotations and the other columns of a row; None if it is of another format."""
    if isinstance(row, list | tuple) and len(row) == 2 and isinstance(row[0], str) and isinstance(row[1], Mapping):
        known = {"entities", "cats"} & set(row[1])
        if "cats" in known and not (isinstance(row[1]["cats"], Mapping) and _are_values(row[1]["cats"])):
            return None
        return (row[0], row[1], {}) if known else None
    if isinstance(row, Mapping) and "text" in row and isinstance(row.get("cats"), Mapping) and _are_values(row["cats"]):
        rest = {key: value for key, value in row.items() if key not in ("text", "cats", "tokens", "sents")}
        return row["text"], {"cats": row["cats"]}, rest
    return None


def _are_values(cats: Mapping[str, Any]) -> bool:
    return all(isinstance(value, int | float) for value in cats.values())


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    parsed_rows = []
    for number, row in rows:
        parts = (row[0], {}, {}) if isinstance(row, list | tuple) and len(row) == 2 and row[1] == {} else _parts(row)
        if parts is None or not isinstance(parts[0], str):
            raise row_error(number, row, source, NAME)
        parsed_rows.append((number, parts))
    categories = [
        [name for name, value in parts[1]["cats"].items() if value >= _APPLIES] for _, parts in parsed_rows if "cats" in parts[1]
    ]
    one_each = bool(categories) and all(len(names) == 1 for names in categories)
    entities = any("entities" in parts[1] for _, parts in parsed_rows)
    for number, (text, details, rest) in parsed_rows:
        columns: dict[str, Any] = {"text": text, **rest}
        if entities:
            spans = details.get("entities") or []
            columns["entities"] = as_json([_span(item) for item in spans])
        if "cats" in details:
            names = [name for name, value in details["cats"].items() if value >= _APPLIES]
            columns["label"] = names[0] if one_each else as_json(names)
        yield number, columns


def _span(item: Any) -> Any:
    if isinstance(item, list | tuple) and len(item) >= 3:
        return {"start": item[0], "end": item[1], "label": item[2]}
    return item
