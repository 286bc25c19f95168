"""A file of rows in, the same rows with their answers out: CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kerasft.data.split import Split
from kerasft.data.table import unique_names
from kerasft.errors import ConfigError
from kerasft.files import whole_file

_STREAM = 5_000  # rows answered between two writes
NOTE = "kerasft_note"  # column that says why a row has no answer


def check_target(out: Path) -> None:
    """See that answers can be written to a file.

    Raises:
        ConfigError: It is there, its folder is not, or its ending is none that is known.
    """
    if out.exists():
        raise ConfigError(f"'{out}' is there already.", hint="Choose another name, or remove it.")
    if not out.parent.is_dir():
        raise ConfigError(f"There is no folder '{out.parent}' for '{out.name}'.", hint="Make it, or choose another.")
    _writer_of(out)


def _writer_of(out: Path) -> type[Rows]:
    """What writes a file, by its ending."""
    if out.suffix.lower() not in WRITERS:
        raise ConfigError(f"Answers are written as {', '.join(WRITERS)}. Received: {out.name!r}.")
    return WRITERS[out.suffix.lower()]


def answer_file(
    split: Split,
    out: Path,
    answer: Callable[[Split, Callable[[float], None]], list[Any]],
    cells: Callable[[Any], dict[str, str]],
    progress: Callable[[int], None] | None,
    *,
    harmless: bool = False,
) -> int:
    """Write the rows of a split with their answers, whole or not at all.

    Args:
        split: The rows; those without a text, or that could not be read, get empty answers and the reason in `NOTE`.
        out: File to write, by its ending `.csv`, `.jsonl` or `.parquet`; UTF-8.
        answer: From some rows to one answer each; what it is called with besides takes the share that is done, 0 to 1.
        cells: From an answer to cells by column name; the same names for every answer.
        progress: Called with the number of rows done.
        harmless: Put an apostrophe before cells of a CSV that a spreadsheet would compute (`=1+1`), see `harmless_cell`.

    Returns:
        How many rows have no answer.

    Raises:
        ConfigError: The file's ending is another.
    """
    writer = _writer_of(out)
    unanswered = reported = 0
    with whole_file(out) as temporary, writer(temporary) as rows:
        for start in range(0, len(split), _STREAM):
            part = split.take(np.arange(start, min(start + _STREAM, len(split))))

            def share(done: float, start: int = start, rows: int = len(part)) -> None:
                nonlocal reported
                if progress and start + int(done * rows) > reported:
                    reported = start + int(done * rows)
                    progress(reported)

            found = [cells(one) for one in answer(part, share)]
            reasons = _reasons(part)
            unanswered += sum(map(bool, reasons))
            answered = _answered(part, found, reasons)
            rows.write(_harmless(answered) if harmless and writer is _CsvRows else answered)
            share(1.0)
    return unanswered


def _reasons(part: Split) -> list[str]:
    """Why each row has no answer; empty for those that have one."""
    unread = part.table.unread
    texts = part.cells("text")
    return [
        unread.get(int(row), "" if (text or "").strip() else "no text") for row, text in zip(part.table.rows, texts, strict=True)
    ]


def _answered(part: Split, found: list[dict[str, str]], reasons: list[str]) -> pa.Table:
    """The rows with a column for each cell of their answers, empty where there is a reason for having none, and the reasons."""
    names = list(found[0])
    answers = [["" if reason else row[name] for row, reason in zip(found, reasons, strict=True)] for name in names]
    added = [pa.array(column, pa.string()) for column in (*answers, reasons)]
    columns = [part.table.columns[name] for name in part.table.names] + added
    all_names = unique_names([*part.table.names, *names, NOTE])
    return pa.Table.from_arrays([_whole(column) for column in columns], names=all_names)


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def harmless_cell(cell: str | None) -> str | None:
    """A cell that no spreadsheet takes for a formula: an apostrophe is put before `=`, `+`, `-`, `@`, a tab or a line end.

    Numbers stay as they are. Whoever opens a file of others' texts would compute what they wrote (OWASP, CSV injection).
    """
    if not cell or cell[0] not in "=+-@\t\r\n＝＋－＠":
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _harmless(table: pa.Table) -> pa.Table:
    cells = [[harmless_cell(cell if cell is None else str(cell)) for cell in column.to_pylist()] for column in table.columns]
    return pa.table(dict(zip(map(str, map(harmless_cell, table.column_names)), cells, strict=True)))


class Rows(ABC):
    """A file that rows are appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Rows:
        return self

    @abstractmethod
    def write(self, table: pa.Table) -> None:
        """Append rows; the columns are always the same."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Close the file."""


class _CsvRows(Rows):
    def __enter__(self) -> Rows:
        self.file = self.path.open("w", encoding="utf-8", newline="")
        self.writer = csv.writer(self.file)
        self.begun = False
        return self

    def write(self, table: pa.Table) -> None:
        if not self.begun:
            self.writer.writerow(table.column_names)
            self.begun = True
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            self.writer.writerow(["" if cell is None else cell for cell in row])

    def __exit__(self, *_: object) -> None:
        self.file.close()


class _JsonRows(Rows):
    def __enter__(self) -> Rows:
        self.file = self.path.open("w", encoding="utf-8")
        return self

    def write(self, table: pa.Table) -> None:
        self.file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in table.to_pylist())

    def __exit__(self, *_: object) -> None:
        self.file.close()


class _ParquetRows(Rows):
    writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table.cast(self.writer.schema))

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()


WRITERS: dict[str, type[Rows]] = {".csv": _CsvRows, ".jsonl": _JsonRows, ".parquet": _ParquetRows}
