"""Exports that are recognised but not supported: Argilla, LightTag, INCEpTION's JSON, notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.formats.base import Rows, objects
from kerasft.data.table import Note
from kerasft.errors import DataError

NAME = ""
_HINT = "Export it as JSON lines of texts with labels, or of texts with spans: see docs/data.md for the supported formats."


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    return _tool(sample) is not None


def _tool(sample: Sequence[Any]) -> str | None:
    rows = objects(sample[:50])
    if not rows:
        return None
    keys = set.intersection(*(set(row) for row in rows))
    if {"fields", "responses"} <= keys or {"fields", "suggestions"} <= keys or {"inputs", "prediction", "annotation"} <= keys:
        return "Argilla"
    if (
        {"annotations_and_relations"} <= keys
        or {"example_id", "content", "annotations"} <= keys
        or {"content", "metadata", "annotations"} <= keys
    ):
        return "LightTag"
    if "%FEATURE_STRUCTURES" in keys or "_referenced_fss" in keys:
        return "INCEpTION or WebAnno (UIMA CAS JSON)"
    if {"cells", "nbformat"} <= keys:
        return "Jupyter Notebook"
    return None


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    first = [row for _, row in zip(range(50), rows, strict=False)]
    tool = _tool([row for _, row in first])
    raise DataError(f"The rows are an export of {tool}, which KerasFT does not read.", where=source, hint=_HINT)
