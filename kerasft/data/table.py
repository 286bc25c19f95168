"""The one shape every reader produces: named columns of strings, each row with its number in the file."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kerasft.data.limits import check_columns
from kerasft.data.spool import Spool, taken
from kerasft.errors import DataError, name_rows

CHUNK = 50_000  # rows held as Python objects at a time; keeps a million-row file in bounded memory
CHUNK_CHARACTERS = 16 * 2**20  # and characters, where rows are whole documents


@dataclass(frozen=True)
class Note:
    """Something the reader did or left out that a person should know.

    Attributes:
        code: Short stable name: `ragged_rows`, `encoding`.
        message: One sentence.
        rows: The row numbers concerned, as a spreadsheet shows them.
    """

    code: str
    message: str
    rows: tuple[int, ...] = ()


def row_notes(*entries: tuple[str, Sequence[int], str]) -> list[Note]:
    """Make a note of each entry (code, row numbers, message) that has rows.

    `{count}` in a message becomes the number of its rows, `{rows}` their numbers.
    """
    notes = []
    for code, rows, message in entries:
        if rows:
            text = message.replace("{count}", f"{len(rows):,}")
            text = text.replace("{rows}", name_rows(rows)) if "{rows}" in text else text
            notes.append(Note(code, text, tuple(rows)))
    return notes


@dataclass(frozen=True)
class Table:
    """Columns of strings (`None` is a missing value).

    Attributes:
        columns: Arrow table, every column `large_string`.
        rows: (rows,) int64, the number of each row in its source: for a CSV file the record's number, header
            and blank lines counted, so that it is the row a spreadsheet shows.
        source: File name, or what the rows came from, for messages.
        notes: What the reader did that is worth knowing.
        renamed: The column that now holds what a column of the source held: `{"Word": "tokens"}`.
        delimiter: What separates the cells in the source, if known; it indicates how the language of the file writes numbers.
        unread: Why rows that are kept only for completeness cannot be used, by row number; see `ReadOptions.every_record`.
    """

    columns: pa.Table
    rows: np.ndarray
    source: str
    notes: tuple[Note, ...] = field(default=())
    renamed: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[int, str] = field(default_factory=dict)
    delimiter: str | None = None

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return list(self.columns.column_names)

    def take(self, indices: np.ndarray) -> Table:
        """The rows at `indices`, in that order."""
        columns = taken(self.columns, np.asarray(indices), self.rows_at_a_time())
        return Table(columns, self.rows[indices], self.source, self.notes, unread=self.unread)

    def rows_at_a_time(self, most: int = CHUNK) -> int:
        """How many rows may be held as Python objects at once: at most `most`, fewer where they are long."""
        each = self.columns.nbytes / max(1, len(self))
        return max(1, min(most, int(CHUNK_CHARACTERS / max(1.0, each))))


class TableBuilder:
    """Collects rows in chunks, so that Python objects never pile up.

    Args:
        names: Of the columns.
        source: File, for a message.

    Raises:
        DataError: There are more columns than the limit.
    """

    def __init__(self, names: Sequence[str], source: str = "the table") -> None:
        check_columns(len(names), source)
        self._names = list(names)
        self._pending: list[Sequence[str | None]] = []
        self._numbers: list[int] = []
        self._characters = 0
        self._spool = Spool()
        self._row_chunks: list[np.ndarray] = []

    def add(self, number: int, values: Sequence[str | None]) -> None:
        """Add one row; `values` is as long as there are columns."""
        self._pending.append(values)
        self._numbers.append(number)
        self._characters += sum(map(len, filter(None, values)))
        if len(self._pending) >= CHUNK or self._characters > CHUNK_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._pending, strict=True) if self._pending else ([] for _ in self._names)
        arrays = [text_array(list(column)) for column in columns]
        self._spool.add(pa.RecordBatch.from_arrays(arrays, names=self._names))
        self._row_chunks.append(np.asarray(self._numbers, dtype=np.int64))
        self._pending, self._numbers, self._characters = [], [], 0

    def build(self, source: str, notes: Iterable[Note] = (), *, unread: Mapping[int, str] | None = None) -> Table:
        """The table of all rows added."""
        if self._pending or not self._row_chunks:
            self._flush()
        return Table(self._spool.table(), np.concatenate(self._row_chunks), source, tuple(notes), unread=unread or {})


def whole_characters(text: str) -> str:
    """The text with its lone surrogates (halves of characters, as a cut JSON escape leaves them) as U+FFFD."""
    return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")


def text_array(values: Sequence[str | None]) -> pa.Array:
    """Strings as an Arrow array; lone surrogates, which Arrow cannot hold, as U+FFFD."""
    try:
        return pa.array(values, type=pa.large_string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else whole_characters(value) for value in values], type=pa.large_string())


def unique_names(names: Iterable[object]) -> list[str]:
    """Column names as text; one that is there before gets a number: `text`, `text (2)`."""
    taken: Counter[str] = Counter()
    unique = []
    for name in names:
        text = numbered = whole_characters(str(name))
        while numbered in taken:
            taken[text] += 1
            numbered = f"{text} ({taken[text]})"
        taken[numbered] += 1
        unique.append(numbered)
    return unique


def as_text(value: Any) -> str | None:
    """A cell as text: integral floats without `.0` (pandas makes them of integers), lists and objects as JSON.

    Raises:
        DataError: Lists or objects are nested too deeply.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return None
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, list | dict | tuple | np.ndarray):
        return _as_json(value.tolist() if isinstance(value, np.ndarray) else value)
    # pandas.NA and NaT compare to nothing; their type names are the one thing that needs no pandas import.
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # keys that are no strings; a list that holds itself
        return str(value)
    except RecursionError:
        raise DataError("A cell holds lists or objects that are nested too deeply.") from None
