"""What a format is, and how the one that fits is found."""

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
        """Rows of plain columns; `notes` gets what was left out or changed, once all rows have been read."""


def read_rows(
    rows: Rows, source: str, notes: list[Note], *, every_record: bool = False
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows as plain columns: of the first format that recognises them, or as they are.

    Args:
        rows: Row number and content.
        source: File name, for messages.
        notes: Gets what a person should know.
        every_record: Whether each row must stay one row, as for answers to a file; only fields one level down are then taken out.

    Raises:
        DataError: The format is known and not read, or a row breaks its rules.
    """
    iterator = iter(rows)
    first = list(islice(iterator, _SAMPLE))
    sample = [row for _, row in first]
    for name in ("nested",) if every_record else _MODULES:
        found: Any = importlib.import_module(f"kerasft.data.formats.{name}")
        if sample and found.recognise(sample):
            if found.NAME:
                notes.append(Note("format", f"Read as {found.NAME}."))
            return iter(found.read(chain(first, iterator), source, notes))
    return chain(first, iterator)


def misfit(number: int, row: Any, source: str, name: str) -> DataError:
    """The error for a row that is not as the rows of a format are."""
    hint = "Correct the row or remove it; the rows around it show what is expected."
    return DataError(
        f"The rows are {name}, and this one is not. Received: {str(row)[:80]!r}.", where=f"{source}, row {number}", hint=hint
    )


def objects(sample: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The rows that are objects, when nearly all are; else none."""
    found = [row for row in sample if isinstance(row, Mapping)]
    return found if len(found) >= 0.9 * len(sample) else []
