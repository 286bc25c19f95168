"""Plain text: a paragraph a row, and how to tell it from a table in a file of the same ending."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from kerasft.data.columns import LABEL_NAMES, PAIR_NAMES, SPLIT_NAMES, TEXT_NAMES
from kerasft.data.csv_files import DELIMITERS, parse
from kerasft.data.table import Table, TableBuilder
from kerasft.data.text_files import detect_encoding, encoding_notes, open_text
from kerasft.errors import DataError

_SAMPLE = 1_000  # lines that are looked at
_KNOWN = TEXT_NAMES | PAIR_NAMES | LABEL_NAMES | SPLIT_NAMES


def first_lines(path: Path, encoding: str | None = None, count: int = _SAMPLE) -> list[str]:
    """The first lines of a text file.

    Raises:
        DataError: The file cannot be read as text.
    """
    chosen = encoding or detect_encoding(path)
    with open_text(path, chosen, forgiving=encoding is None and not chosen.startswith("utf")) as file:
        return list(islice(file, count))


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
            return True  # a header, whatever the rows are like: the CSV reader tells what is wrong with them
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
    """Prose has a space after each comma, and no column in which values come back."""
    joined = "".join(lines)
    spaced = joined.count(f"{delimiter} ")
    if spaced > 0.5 * joined.count(delimiter) or len(records) < 3:
        return False
    width = min(map(len, records))
    return any(len({record[column] for record in records}) <= 0.6 * len(records) for column in range(width))


def read_plain_text(path: Path, *, encoding: str | None = None) -> Table:
    """Read a text file as one column `text`.

    A row is a paragraph when blank lines part paragraphs, its lines joined by a line end; else a row is a line.
    Rows are numbered by their first line. A first line that only says `text` is a header.

    Args:
        path: Plain or gzip file.
        encoding: None detects it.

    Raises:
        DataError: The file holds nothing but blank lines, or cannot be read as text.
    """
    chosen = encoding or detect_encoding(path)
    forgiving = encoding is None and not chosen.startswith("utf")
    with open_text(path, chosen, forgiving=forgiving) as file:
        paragraphs = _has_paragraphs(file)
    builder = TableBuilder(["text"])
    pending: list[str] = []
    first = rows = 0
    with open_text(path, chosen, forgiving=forgiving) as file:
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
        raise DataError("The file holds nothing but blank lines.", where=str(path), hint="Choose a file that holds text.")
    return builder.build(path.name, encoding_notes(chosen))


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
