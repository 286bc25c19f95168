"""Rows with nested fields, `{"content": {"text": ...}, "annotation": {"label": ...}}` -> a column for each field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.columns import LABEL_NAMES, TEXT_NAMES, plain_name
from kerasft.data.formats.base import Rows, objects
from kerasft.data.table import Note

NAME = ""
_WHOLE = frozenset({"answers", "answer", "cats", "translation"})  # objects that must stay whole


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    if not rows:
        return False
    outer = {plain_name(str(key)) for row in rows for key, value in row.items() if not isinstance(value, Mapping)}
    inner = {plain_name(str(key)) for row in rows for _, value in _inner(row) for key in value}
    return bool((TEXT_NAMES & inner and not TEXT_NAMES & outer) or (LABEL_NAMES & inner and not LABEL_NAMES & outer))


def _inner(row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in row.items():
        answer = isinstance(value, Mapping) and ("answer_start" in value or isinstance(value.get("text"), list))
        if isinstance(value, Mapping) and plain_name(str(key)) not in _WHOLE and not answer:
            yield str(key), value


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    for number, row in rows:
        if not isinstance(row, Mapping):
            yield number, row
            continue
        inner = list(_inner(row))
        counts = Counter([str(key) for _, value in inner for key in value])
        columns = {str(key): value for key, value in row.items() if not any(key == name for name, _ in inner)}
        for name, value in inner:
            for key, item in value.items():
                is_unique = counts[str(key)] == 1 and str(key) not in columns
                columns[str(key) if is_unique else f"{name}.{key}"] = item
        yield number, columns
