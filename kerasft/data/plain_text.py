"""Read plain text, one paragraph per row, and distinguish it from a table in a file of the same type."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from kerasft.data.columns import LABEL_NAMES, PAIR_NAMES, SPLIT_NAMES, TEXT_NAMES
from kerasft.data.csv_dialect import DELIMITERS, parse
from kerasft.data.limits import limits, variable
from kerasft.data.table import Table, TableBuilder
from kerasft.data.text_files import TextFile
from kerasft.errors import DataError

_SAMPLE = 1_000  # lines used to recognise a table
_KNOWN = TEXT_NAMES | PAIR_NAMES | LABEL_NAMES | SPLIT_NAMES


def first_lines(text: TextFile, count: int = _SAMPLE) -> list[str]:
    """The first lines of a text file.

    Raises:
        DataError: The file cannot be read as text, or a line is longer than any text is.
    """
    lines: list[str] = []
    with text.open() as file:
        while len(lines) < count and (line := _line(file, text.path, len(lines) + 1)):
            lines.append(line)
    return lines


def _line(file: TextIO, path: Path, number: int) -> str:
    """A line; of JSON, which may stand on a single one, whatever its length."""
    most = limits().line
    line = file.readline(most + 1)
    if len(line) <= most:
        return line
    if line.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return line + file.readline()
    hint = f"It may be a binary file, or use other line ends. If the line is correct, raise {variable('line')} (--max-line)."
    raise DataError(f"A line has more than {most:,} characters.", where=f"{path}, line {number}", hint=hint)


def looks_like_table(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are a table: one delimiter, and cells rather than sentences with commas."""
    for delimiter in DELIMITERS:
        try:
            records = [[cell.strip() for cell in record] for record in parse(lines, delimiter)]
        except csv.Error:
            continue
        records = [record for record in records if any(record)]
        if not records:
            return False
        usual, count = Counter(map(len, records)).most_common(1)[0]
        top = next(record for record in records if len(record) == usual)
        known = [name for name in top if _plain(name) in _KNOWN]
        if usual > 1 and len(known) == len(top):
            return True  # a header; if the rows do not fit it, the CSV reader reports the error
        if usual == 1 or count < 0.9 * len(records):
            continue
        if delimiter == "\t" and sum(not record[0] for record in records) > 0.5 * len(records):
            continue  # indented lines
        if known or delimiter == "\t" or _cells_not_prose(lines, delimiter, records):
            return True
    return False


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_").lstrip("\ufeff")


def _cells_not_prose(lines: Sequence[str], delimiter: str, records: Sequence[Sequence[str]]) -> bool:
    """Whether lines are cells, not prose, which has a space after each comma and no column of recurring values."""
    joined = "".join(lines)
    spaced = joined.count(f"{delimiter} ")
    if spaced > 0.5 * joined.count(delimiter) or len(records) < 3:
        return False
    width = min(map(len, records))
    return any(len({record[column] for record in records}) <= 0.6 * len(records) for column in range(width))


def read_plain_text(source: TextFile, *, every_record: bool = False) -> Table:
    """Read a text file as one column `text`.

    A row is a paragraph if there are blank lines between paragraphs, its lines joined by a line end; otherwise a row is a line.
    Rows are numbered by their first line. A first line that only says `text` is a header.

    Args:
        source: The file and its encoding.
        every_record: Whether every line is a row, even a blank one between others, as for predictions on a file.

    Raises:
        DataError: The file holds nothing but blank lines, or cannot be read as text.
    """
    with source.open() as file:
        paragraphs = not every_record and _has_paragraphs(file)
    if every_record:
        return _every_line(source)
    builder = TableBuilder(["text"])
    pending: list[str] = []
    first = rows = 0
    with source.open() as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            if number == 1 and text.lstrip("\ufeff").strip().lower() == "text":
                continue
            if text.strip(" \t\ufeff\x0b\x0c"):
                first = first if pending else number
                pending.append(text.removeprefix("\ufeff"))
                if paragraphs:
                    continue
            if pending:
                builder.add(first, ["\n".join(pending)])
                rows += 1
                pending = []
    if pending:
        builder.add(first, ["\n".join(pending)])
        rows += 1
    if not rows:
        raise DataError("The file holds nothing but blank lines.", where=str(source.path), hint="Choose a file that holds text.")
    return builder.build(source.path.name, source.notes)


def _every_line(source: TextFile) -> Table:
    """Read every line as a row, except blank lines at the end; other blank lines are marked as unread."""
    builder, unread, blank = TableBuilder(["text"]), {}, []
    with source.open() as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n").removeprefix("\ufeff")
            if number == 1 and text.strip().lower() == "text":
                continue
            if not text.strip():
                blank.append(number)
                continue
            for before in blank:
                builder.add(before, [None])
                unread[before] = "a blank line"
            blank.clear()
            builder.add(number, [text])
    table = builder.build(source.path.name, source.notes, unread=unread)
    if not len(table):
        raise DataError("The file holds nothing but blank lines.", where=str(source.path), hint="Choose a file that holds text.")
    return table


def _has_paragraphs(lines: Iterable[str]) -> bool:
    """Whether a blank line stands between lines that are not blank."""
    seen = blank = False
    for line in lines:
        if line.strip():
            if blank:
                return True
            seen = True
        else:
            blank = seen
    return False
