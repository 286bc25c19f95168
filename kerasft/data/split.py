"""`Split`: the rows of one split, with the roles of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kerasft.data.cells import first_cells, holds_tokens, trimmed
from kerasft.data.columns import Columns
from kerasft.data.label_spelling import INVISIBLE
from kerasft.data.table import CHUNK, Note, Table
from kerasft.errors import DataError, are, count_of

_GROUPS = 200  # a column of more values is no grouping


@dataclass(frozen=True)
class Split:
    """The rows of one split.

    Attributes:
        name: `train`, `validation`, `test` or what it was loaded as.
        table: The rows.
        columns: Which column has which role.
    """

    name: str
    table: Table
    columns: Columns

    def __len__(self) -> int:
        return len(self.table)

    def cells(self, role: str) -> list[str | None]:
        """All values of a role (`text`, `text_pair`, `label`); all None when no column has it."""
        name = getattr(self.columns, role)
        return [None] * len(self) if name is None else self.table.columns[name].to_pylist()

    def batches(self, size: int = CHUNK) -> Iterator[tuple[list[str | None], list[str | None], list[str | None]]]:
        """Texts, second texts and labels, at most `size` rows at a time and fewer where they are long, in order."""
        for part in self.parts(size):
            yield part.cells("text"), part.cells("text_pair"), part.cells("label")

    def parts(self, size: int = CHUNK) -> Iterator[Split]:
        """The rows a few at a time, as `batches` does."""
        size = self.table.rows_at_a_time(size)
        for start in range(0, len(self), size):
            yield self.slice(start, size)

    def slice(self, start: int, size: int) -> Split:
        """At most `size` rows from `start` on."""
        return replace(self, table=_slice(self.table, start, size))

    @property
    def has_tokens(self) -> bool:
        """True when the texts are lists of tokens."""
        return holds_tokens(first_cells(self.table.columns[self.columns.text]))

    @property
    def is_unlabelled_test(self) -> bool:
        """True for a test split none of whose rows has a label, as in GLUE and Kaggle: it cannot be scored."""
        return self.name == "test" and self.columns.label is not None and not self._filled("label").any()

    @property
    def labelled(self) -> int:
        """Number of rows with a label; where no column has labels, of all rows."""
        return len(self) if self.columns.label is None else int(self._filled("label").sum())

    def take(self, indices: np.ndarray) -> Split:
        """The rows at `indices`, in that order."""
        return replace(self, table=self.table.take(indices))

    def groups(self, by: str) -> Iterator[tuple[str, np.ndarray]]:
        """Each value of a column with the places of its rows, most rows first.

        Raises:
            DataError: There is no such column, or it has too many values to be a grouping.
        """
        if by not in self.table.names:
            hint = f"There are: {', '.join(self.table.names[:20])}."
            raise DataError(f"There is no column {by!r} to group by.", where=self.table.source, hint=hint)
        values = np.asarray([value or "(empty)" for value in self.table.columns[by].to_pylist()], dtype=object)
        names, counts = np.unique(values.astype(str), return_counts=True)
        if len(names) > _GROUPS:
            raise DataError(
                f"Column {by!r} has {len(names):,} different values; a grouping has up to {_GROUPS}.",
                where=self.table.source,
                hint="Name a column such as a language or a source.",
            )
        for name in names[np.argsort(-counts, kind="stable")]:
            yield str(name), np.flatnonzero(values == name)

    def usable(self, *, need_label: bool = True) -> tuple[Split, list[Note]]:
        """The rows that can be learned from, and what was left out: empty texts (or lists of tokens), missing labels."""
        masks = [("empty_text", "empty text", self._filled("text", r"^\[\s*\]$" if self.has_tokens else None))]
        if need_label and self.columns.label:
            masks.append(("missing_label", "no label", self._filled("label")))
        keep = np.ones(len(self), dtype=bool)
        notes = []
        for code, what, mask in masks:
            bad = keep & ~mask
            if bad.any():
                rows = tuple(int(row) for row in self.table.rows[bad])
                notes.append(
                    Note(code, f"{count_of(len(rows), 'row')} of {self.name} with {what} {are(len(rows))} left out.", rows)
                )
            keep &= mask
        return (self if keep.all() else self.take(np.flatnonzero(keep))), notes

    def _filled(self, role: str, empty: str | None = None) -> np.ndarray:
        """(rows,) True where the cell of a role is not blank and does not match the pattern `empty`."""
        masks = [np.zeros(0, dtype=bool)]
        for part in self.parts():
            cells = trimmed(part.table.columns[getattr(self.columns, role)])
            if role == "label":
                cells = pc.replace_substring_regex(cells, INVISIBLE, "") if _may_be_invisible(cells) else cells
            filled = pc.not_equal(cells, "")
            if empty:
                filled = pc.and_(filled, pc.invert(pc.match_substring_regex(cells, empty)))
            masks.append(filled.to_numpy(zero_copy_only=False))
        return np.concatenate(masks)


def _may_be_invisible(cells: Any) -> bool:
    """Whether a cell begins with an invisible character, so that it may hold nothing else."""
    return bool(pc.any(pc.match_substring_regex(cells, f"^{INVISIBLE}")).as_py())


def _slice(table: Table, start: int, size: int) -> Table:
    return Table(table.columns.slice(start, size), table.rows[start : start + size], table.source, unread=table.unread)
