"""Read CSV and TSV files: any delimiter and quoting, lines before the table, a missing header, uneven rows, blank lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kerasft.data.csv_dialect import BACKSLASH, Dialect, cells_of_line, find_dialect, fits_by_line, has_escapes, parse
from kerasft.data.read_options import ReadOptions
from kerasft.data.records import read_records
from kerasft.data.table import Note, Table
from kerasft.data.table_layout import Layout, find_layout
from kerasft.data.text_files import TextFile, find_text
from kerasft.errors import ConfigError, DataError

_SAMPLE_RECORDS = 200
_SAMPLE_LINES = 5 * _SAMPLE_RECORDS
_MAX_ESCAPED_LINES = 1000  # lines with a backslash before a quotation mark that are kept to decide whether it is an escape


def read_csv(source: Path | TextFile, how: ReadOptions | None = None) -> Table:
    """Read a CSV or TSV file.

    Quotation marks are first read as the CSV rules define them. If some are never closed, the file is read line by line instead,
    provided that every line then has as many cells as the header; a note reports it.

    Args:
        source: Plain or compressed file, or one whose encoding is known.
        how: Its options; those that are None are decided by content.

    Raises:
        DataError: The file is empty, binary, has no rows, or most rows do not fit the header.
        ConfigError: The delimiter is not one character, or is a quotation mark or a line end.
    """
    how = how or ReadOptions()
    text = source if isinstance(source, TextFile) else find_text(source, how.encoding)
    _check_options(how, text.path)
    with text.open() as file:
        lines = list(islice(file, _SAMPLE_LINES))
    _refuse_wrapped_lines(lines, how, text.path)
    dialect = find_dialect(lines, delimiter=how.delimiter, quote=how.quote, escape=how.escape)
    reader = _Reader(text, how)
    if how.quote != "auto" or dialect.quote != '"':
        notes = _quoting_notes(dialect) if how.quote == "auto" else []
        return reader.read(dialect, lines, notes)
    return reader.read_best(dialect, lines)


def _refuse_wrapped_lines(lines: list[str], how: ReadOptions, path: Path) -> None:
    """Refuse a file in which every line as a whole is enclosed in quotation marks."""
    filled = [line.strip() for line in lines if line.strip()][:_SAMPLE_RECORDS]
    delimiter = how.delimiter or next((delimiter for delimiter in ",;\t|" if filled and filled[0].count(delimiter)), ",")
    enclosed = [
        line for line in filled if len(line) > 2 and line[0] == line[-1] == '"' and '"' not in line[1:-1].replace('""', "")
    ]
    if (
        how.quote != "none"
        and len(filled) > 1
        and len(enclosed) == len(filled)
        and len({line.count(delimiter) for line in enclosed}) == 1
        and delimiter in enclosed[0]
    ):
        hint = 'Remove the quotation mark at the start and the end of each line, and replace each "" within it by a single mark.'
        raise DataError(
            "Each line as a whole is enclosed in quotation marks, so it is a single cell.", where=f"{path}, row 1", hint=hint
        )


def _check_options(how: ReadOptions, path: Path) -> None:
    if how.delimiter is not None and (not isinstance(how.delimiter, str) or len(how.delimiter) != 1 or how.delimiter in '"\r\n'):
        message = f"A delimiter is one character, and neither a quotation mark nor a line end. Received: {how.delimiter!r}."
        raise ConfigError(message, where=str(path))
    if how.escape not in (None, BACKSLASH):
        raise ConfigError(f"'escape' can only be a backslash. Received: {how.escape!r}.", where=str(path))


def _quoting_notes(dialect: Dialect, rows: tuple[int, ...] = ()) -> list[Note]:
    if dialect.by_line:
        message = 'Quotation marks (") are read as part of the text and every line as a row, because some marks are never closed.'
        return [Note("quotes", message, rows)]
    if dialect.quote == "'":
        return [Note("quotes", "Apostrophes (') around cells are read as quotation marks.")]
    if dialect.escape:
        return [
            Note("quotes", r"A backslash before a quotation mark (\") is read as an escape: the mark is part of the text.", rows)
        ]
    return []


class _Reader:
    """Reads one file under one dialect, or tries several dialects in turn."""

    def __init__(self, text: TextFile, how: ReadOptions) -> None:
        self.text, self.how, self.path = text, how, text.path

    def read_best(self, dialect: Dialect, lines: list[str]) -> Table:
        """Read under a dialect that quotes with `"`; if that joins lines or fails, try an escape and a reading by lines."""
        source = _Lines(dialect, self.path)
        failure: DataError | None = None
        table = None
        try:
            table = self.read(dialect, lines, _quoting_notes(dialect), source)
        except DataError as error:
            if not source.unclosed:
                raise
            failure = error
        escaped = replace(dialect, escape=BACKSLASH)
        if dialect.escape is None and self.how.escape is None and has_escapes(source.escaped_lines, dialect):
            return self.read(escaped, lines, _quoting_notes(escaped, tuple(source.escaped_rows)))
        if failure is None and not source.joined:
            assert table is not None
            return table
        by_line = replace(dialect, by_line=True, escape=None)
        layout = self.layout(by_line, lines)
        with self.text.open() as file:
            fits = fits_by_line(islice(file, layout.first, None), by_line, len(layout.names), failed=failure is not None)
        if fits:
            with self.text.open() as file:
                rows = tuple(number for number, line in enumerate(file, start=1) if line.count('"') % 2)
            return self.read(by_line, lines, _quoting_notes(by_line, rows))
        if failure is not None:
            raise failure
        assert table is not None
        return table

    def layout(self, dialect: Dialect, lines: list[str]) -> Layout:
        sampled = islice(_Lines(dialect, self.path, whole=False).records(lines), _SAMPLE_RECORDS)
        return find_layout(
            ((number, record) for number, record, _ in sampled),
            str(self.path),
            header=self.how.header,
            named=(self.how.text, self.how.label),
        )

    def read(self, dialect: Dialect, lines: list[str], notes: list[Note], source: _Lines | None = None) -> Table:
        source = source or _Lines(dialect, self.path)
        layout = self.layout(dialect, lines)
        with self.text.open() as file:
            return read_records(
                source.records(file, len(layout.names)),
                self.path,
                layout,
                [*self.text.notes, *notes],
                delimiter=dialect.delimiter,
                every_record=self.how.every_record,
            )


class _Lines:
    """Parses lines into records and keeps track of the effect of quotation marks.

    Args:
        dialect: How the lines are written.
        path: For messages.
        whole: Whether the lines are the whole file; otherwise they may end within a record.

    Attributes:
        joined: Number of records that span several lines.
        unclosed: Whether a quotation mark was opened and never closed.
        escaped_lines: Lines of records with a backslash before a quotation mark.
        escaped_rows: Numbers of those records.
    """

    def __init__(self, dialect: Dialect, path: Path, *, whole: bool = True) -> None:
        self._dialect, self._path, self._whole = dialect, path, whole
        self._raw: list[str] = []
        self.joined = 0
        self.unclosed = False
        self._has_escape = False
        self.escaped_lines: list[str] = []
        self.escaped_rows: list[int] = []

    def records(self, lines: Iterable[str], width: int | None = None) -> Iterator[tuple[int, list[str], int]]:
        """The number, the cells and the count of lines of every record."""
        if self._dialect.by_line:
            yield from self._by_line(lines, width)
            return
        number, last = 0, [""]
        checks = self._whole and self._dialect.quote is not None
        try:
            for record in parse(self._watch_escapes(lines), self._dialect):
                number += 1
                last, self._raw = self._raw, []
                if len(last) > 1:
                    self.joined += 1
                    if checks:
                        self._check_quotes(last, number)
                if self._has_escape:
                    self._keep_escaped(last, number)
                yield number, record, len(last)
            if checks and len(last) == 1:
                self._check_quotes(last, number)
        except csv.Error as error:
            hint = "Look for a quotation mark that is opened and never closed in or before this row."
            where = f"{self._path}, row {number + 1}"
            self.unclosed = True
            self._keep_escaped(self._raw, number + 1)
            raise DataError(f"The file cannot be read as CSV: {error}.", where=where, hint=hint) from None

    def _by_line(self, lines: Iterable[str], width: int | None) -> Iterator[tuple[int, list[str], int]]:
        for number, line in enumerate(lines, start=1):
            yield number, cells_of_line(line, self._dialect, width), 1

    def _watch_escapes(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._raw.append(line)
            if BACKSLASH in line and '\\"' in line:
                self._has_escape = True
            yield line

    def _keep_escaped(self, record: list[str], number: int) -> None:
        """Keep all lines of a record with a backslash before a quotation mark."""
        self._has_escape = False
        if len(self.escaped_lines) < _MAX_ESCAPED_LINES:
            self.escaped_lines += record[:_MAX_ESCAPED_LINES]
            self.escaped_rows.append(number)

    def _check_quotes(self, raw: list[str], number: int) -> None:
        """Refuse a quote that is never closed: it swallows the rows up to the next quote, or to the end, into one cell.

        The end of the swallowed rows shows: the file ends, or text follows directly on what was taken for the
        closing quote. In a record of one line nothing is lost, so `"He said "hi" to me"` passes.
        """
        mark = self._dialect.quote or '"'
        # Spaces after a closing quote do no harm.
        spaces = re.compile(f"{mark} +(?={re.escape(self._dialect.delimiter)}|[\\r\\n]|$)")
        try:
            list(parse([spaces.sub(mark, line) for line in raw], self._dialect, strict=True))
        except csv.Error as error:
            if len(raw) > 1 or "unexpected end of data" in str(error):
                self.unclosed = True
                self._keep_escaped(raw, number)
                what = "1 line was" if len(raw) == 1 else f"{len(raw):,} lines were"
                hint = (
                    f'Close the quotation mark, or double those that belong to the text (""); {what} read as one row. '
                    "If no cell is quoted, use quote='none' (--data.quote none)."
                )
                if "unexpected end of data" in str(error):
                    hint += " If the file was cut off, get it anew, or remove what is left of its last row."
                where = f"{self._path}, row {number}"
                raise DataError("A quotation mark is opened and never closed.", where=where, hint=hint) from None
