"""Chatbot files, `{"tag": "greeting", "patterns": ["Hi", "Hello"], ...}` -> a row for each pattern, with the tag as its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.formats.base import Rows, objects, row_error
from kerasft.data.table import Note, row_notes

NAME = "intents with their patterns, a row for each pattern"
_LABELS = ("tag", "intent", "name", "label")


def recognise(sample: Sequence[Any]) -> bool:
    """Whether every row has a list of patterns and a label for them."""
    rows = objects(sample[:100])
    return bool(rows) and all(isinstance(row.get("patterns"), list) and _label(row) is not None for row in rows)


def _label(row: Mapping[str, Any]) -> str | None:
    return next((str(row[name]) for name in _LABELS if isinstance(row.get(name), str)), None)


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield a row for each pattern, with the number of its intent."""
    empty = []
    for number, row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("patterns"), list):
            raise row_error(number, row, source, NAME)
        patterns = [text for text in row.get("patterns") or [] if isinstance(text, str) and text.strip()]
        if not patterns:
            empty.append(number)
        for pattern in patterns:
            yield number, {"text": pattern, "label": _label(row)}
    notes += row_notes(("no_patterns", empty, "{count} intents have no pattern and are left out."))
