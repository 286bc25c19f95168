"""Helpers for tests of what was read, noted or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kerasft as kft
from kerasft.data.quality import check_data
from kerasft.data.recognise import suggest_task
from kerasft.data.table import Table
from kerasft.errors import KerasFTError

PLAIN = [(f"plain row number {i} here", "ab"[i % 2]) for i in range(8)]


def load(source: Any, **options: Any) -> Any:
    """The data, without rows set aside for validation."""
    return kft.load_data(source, validation=0, **options)


def load_or_none(source: Any, **options: Any) -> Any:
    """The data; None if they are refused, which is always right. Any other exception fails the test."""
    try:
        return load(source, **options)
    except KerasFTError:
        return None


def findings(data: Any) -> dict[str, tuple[int, ...]]:
    """The rows of each finding by its code."""
    return {finding.code: finding.rows for finding in check_data(data).findings}


def reported_rows(data: Any) -> set[int]:
    """The rows that any finding names."""
    return {row for rows in findings(data).values() for row in rows}


def note_rows(table: Table) -> dict[str, tuple[int, ...]]:
    """The rows of each note by its code."""
    return {note.code: note.rows for note in table.notes}


def messages(data: Any) -> str:
    """The messages of all findings."""
    return " ".join(finding.message for finding in check_data(data).findings)


def mentions(data: Any) -> str:
    """The messages of all findings, and the columns that the suggestion of a task calls unclear."""
    suggestion = suggest_task(data)
    return " ".join([messages(data), suggestion.question, *suggestion.unclear])


def cells(data: Any) -> list[tuple[str | None, str | None]]:
    """Text and label of each training row."""
    return list(zip(data["train"].cells("text"), data["train"].cells("label"), strict=True))


def csv_table(texts: Sequence[str], labels: str = "pn") -> str:
    """A CSV file of texts in quotes, with labels in turn."""
    return "text,label\n" + "".join(f'"{text}",{labels[i % 2]}\n' for i, text in enumerate(texts))


def json_lines(rows: Sequence[Any]) -> str:
    """A JSONL file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by their paths within a folder; returns the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
