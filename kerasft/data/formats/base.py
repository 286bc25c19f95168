"""The protocol of a format, and the choice of the format that fits the rows."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Protocol

from kerasft.data.table import Note
from kerasft.errors import DataError

Rows = Iterable[tuple[int, Any]]  # row number, and what the file holds there
_SAMPLE = 1000
_MODULES = ("refused", "label_studio", "prodigy", "spacy", "chat", "token_spans", "intents", "doccano", "nested")


class Format(Protocol):
    """A module of this package."""

    NAME: str

    def recognise(self, sample: Sequence[Any]) -> bool:
        """Whether rows are of this format, judged by the first of them."""

    def read(self, rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield rows of plain columns; after the last one, append to `notes` what was left out or changed."""


def read_rows(
    rows: Rows, source: str, notes: list[Note], *, every_record: bool = False
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read rows with the first format that recognises them; rows of no known format are returned unchanged.

    Args:
        rows: Row number and content.
        source: File name, for messages.
        notes: Receives what the user should know.
        every_record: Whether each row must stay one row, as for predictions on a file; then only nested fields are flattened.

    Raises:
        DataError: The format is known but not supported, or a row breaks its rules.
    """
    iterator = iter(rows)
    first = list(islice(iterator, _SAMPLE))
    sample = [row for _, row in first]
    for name in ("nested",) if every_record else _MODULES:
        module: Any = importlib.import_module(f"kerasft.data.formats.{name}")
        if sample and module.recognise(sample):
            if module.NAME:
                notes.append(Note("format", f"Read as {module.NAME}."))
            return iter(module.read(chain(first, iterator), source, notes))
    return chain(first, iterator)


def row_error(number: int, row: Any, source: str, name: str) -> DataError:
    """The error for a row that breaks the format of the other rows."""
    hint = "Correct the row or remove it; the rows around it show what is expected."
    return DataError(
        f"The rows are {name}, but this one is not. Received: {str(row)[:80]!r}.", where=f"{source}, row {number}", hint=hint
    )


def objects(sample: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The rows that are objects if nearly all are; otherwise an empty list."""
    rows = [row for row in sample if isinstance(row, Mapping)]
    return rows if len(rows) >= 0.9 * len(sample) else []
