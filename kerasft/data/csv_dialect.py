"""What a CSV file is written in: its delimiter, its quoting character, and whether a mark can stand for itself."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

DELIMITERS = (",", ";", "\t", "|")
BACKSLASH = "\\"
LARGEST_CELL = 64 << 20  # characters
_ESCAPED_MARK = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
_SURELY_QUOTES = 20  # so many cells within apostrophes are no chance
_MANY_DISTINCT = 0.2  # a column with a larger share of different values is not a closed set of values
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How the cells of a file are written.

    Attributes:
        delimiter: One character.
        quote: The quoting character, `"` or `'`; None when no character quotes.
        escape: The character that makes a quotation mark part of the text (a backslash), or None (marks are doubled).
        skip_blank: A blank after a delimiter is no part of the cell, since a mark follows it.
        by_line: Every line is a record, and a quotation mark that is not closed within its line is a character of the text.
    """

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None
    by_line: bool = False
    skip_blank: bool = False


def parse(lines: Iterable[str], dialect: Dialect | str, *, strict: bool = False) -> Iterator[list[str]]:
    """The records of lines of CSV."""
    if isinstance(dialect, str):
        dialect = Dialect(dialect)
    csv.field_size_limit(LARGEST_CELL)  # a setting of the whole module: made wherever it matters, lest another undo it
    if dialect.by_line:
        return (cells_of_line(line, dialect) for line in lines)
    if dialect.quote is None:
        return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
    if dialect.escape:
        lines = (without_escapes(line) if BACKSLASH in line else line for line in lines)
    return csv.reader(
        lines, delimiter=dialect.delimiter, quotechar=dialect.quote, skipinitialspace=dialect.skip_blank, strict=strict
    )


def without_escapes(line: str) -> str:
    r"""A line in which every `\"` is written as `""`, which is how CSV itself has it."""
    return _ESCAPED_MARK.sub(r'\1""', line)


def cells_of_line(line: str, dialect: Dialect, width: int | None = None) -> list[str]:
    """The cells of one line that is a record by itself: quoted where the marks are balanced, else as it stands.

    Args:
        line: With or without its line end.
        dialect: With `by_line`.
        width: Number of cells a record has, if that is known: a line whose quoted reading has another number is read as it
            stands.
    """
    text = line.rstrip("\r\n")
    plain = text.split(dialect.delimiter)
    if '"' not in text:
        return plain if text else []
    try:
        quoted = next(csv.reader([text], delimiter=dialect.delimiter, strict=True), [])
        if width is None or len(quoted) == width:
            return quoted
    except csv.Error:
        pass
    return [_unwrapped(cell) for cell in plain]


def _unwrapped(cell: str) -> str:
    """A cell without the marks around the whole of it."""
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")
    return cell[1:-1].replace('""', '"') if whole else cell


def find_dialect(
    lines: Sequence[str], *, delimiter: str | None = None, quote: str = "auto", escape: str | None = None
) -> Dialect:
    """The dialect under which most of the first lines have the same number of cells, more than one.

    Args:
        lines: The first lines of a file.
        delimiter: None finds it among comma, semicolon, tab and bar.
        quote: `auto`, `"`, `'` or `none`.
        escape: A backslash; None decides by the lines.
    """
    candidates = [
        Dialect(sign, mark, escape) for sign in ([delimiter] if delimiter else DELIMITERS) for mark in _quotes(lines, sign, quote)
    ]
    candidates = [replace(one, skip_blank=_has_blank_before_marks(lines, one)) for one in candidates]
    if escape is None and quote in ("auto", '"'):
        candidates = [replace(one, escape=BACKSLASH) if has_escapes(lines, one) else one for one in candidates]
    best, best_score = candidates[0], 0.0
    for candidate in candidates:
        try:
            widths = [len(record) for record in parse(lines, candidate) if any(cell.strip() for cell in record)]
        except csv.Error:
            continue
        usual, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if usual > 1:
            score = count / len(widths) + 0.001 * min(usual, 20)
            if score > best_score:
                best, best_score = candidate, score
    return best


def _has_blank_before_marks(lines: Sequence[str], dialect: Dialect) -> bool:
    """Whether cells are written as `a, "b, c"`: more marks stand after a delimiter and a blank than right after a delimiter."""
    if dialect.quote is None or dialect.delimiter == "\t":
        return False
    text = "\n".join(lines)
    apart = text.count(f"{dialect.delimiter} {dialect.quote}")
    return apart >= 2 and apart > text.count(f"{dialect.delimiter}{dialect.quote}") and apart >= 0.5 * len(lines)


def _quotes(lines: Sequence[str], delimiter: str, quote: str) -> list[str | None]:
    """The quoting characters that may be meant, the likeliest first."""
    if quote != "auto":
        return [None if quote == "none" else quote]
    return ['"', "'"] if _quotes_with_apostrophes(lines, delimiter) else ['"']


def _quotes_with_apostrophes(lines: Sequence[str], delimiter: str) -> bool:
    """Whether cells may stand within `'...'`: most cells that begin with an apostrophe end with one."""
    sign = re.escape(delimiter)
    opened = re.compile(f"(?:^|{sign})'")
    whole = re.compile(f"(?:^|{sign})'(?:[^']|'')*'(?={sign}|[\\r\\n]|$)")
    filled = [line for line in lines if line.strip()]
    begun = [line for line in filled if opened.search(line)]
    cells = [found.group() for line in begun if (found := whole.search(line))]
    closed = len(cells)
    needed = any(delimiter in cell[2:] or "''" in cell[2:-1] for cell in cells)  # else the apostrophes may belong to the values
    if not needed and closed < _SURELY_QUOTES:
        return False
    return closed >= 2 and closed > 0.5 * len(begun)


def has_escapes(lines: Sequence[str], dialect: Dialect) -> bool:
    r"""Whether lines with `\"` can be read only when the backslash makes the mark part of the text.

    A path that ends with a backslash (`"C:\data\"`) is no escape: there the file can be read as it stands.
    """
    if dialect.quote != '"' or dialect.by_line or not any('\\"' in line for line in lines):
        return False
    return _faults(lines, dialect) > _faults(lines, replace(dialect, escape=BACKSLASH))


def _faults(lines: Sequence[str], dialect: Dialect) -> int:
    """How many records do not obey the rules of quoting; a record that is open at the end of the lines is not counted."""
    faults = 0
    rest = list(lines)
    while rest:
        seen = 0

        def counted(source: Sequence[str] = tuple(rest)) -> Iterator[str]:
            nonlocal seen
            for line in source:
                seen += 1
                yield line

        try:
            for _ in parse(counted(), dialect, strict=True):
                pass
            return faults
        except csv.Error as error:
            if "unexpected end" in str(error):
                return faults
            faults += 1
        rest = rest[max(1, seen) :]
        if faults > 50:
            return faults
    return faults


def fits_by_line(lines: Iterable[str], dialect: Dialect, width: int, *, failed: bool) -> bool:
    """Whether a file makes sense when every line is a record, although quotation marks seem to join some of its lines.

    Every line that is not blank must have as many cells as the header. Where the quoted reading did not fail, the lines it joined
    must also look like records: in a column whose values come back (or are numbers) each of them has such a value. Otherwise a
    text of several lines, of which each happens to hold one delimiter, would be torn apart.

    Args:
        lines: The file below its header.
        dialect: With `by_line`.
        width: Number of cells of the header.
        failed: Whether the quoted reading failed.
    """
    if width < 2:
        return failed
    plain: list[Counter[str]] = [Counter() for _ in range(width)]
    doubtful: list[list[str]] = []
    within = False
    count = 0
    for line in lines:
        cells = cells_of_line(line, dialect, width)
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != width:
            return False
        odd = line.count('"') % 2 == 1
        if odd or within:
            if len(doubtful) < 100_000:
                doubtful.append(cells)
        else:
            count += 1
            for counter, cell in zip(plain, cells, strict=True):
                if len(counter) < 1000:
                    counter[cell.strip()] += 1
        within = within != odd
    if failed:
        return True
    closed = [i for i, counter in enumerate(plain) if _is_closed(counter, count)]
    numeric = [i for i, counter in enumerate(plain) if counter and sum(map(_is_number, counter)) >= 0.9 * len(counter)]
    if not closed and not numeric:
        return dialect.delimiter == "\t"
    if any(all(row[i].strip() in plain[i] for row in doubtful) for i in closed):
        return True
    return any(all(_is_number(row[i].strip()) for row in doubtful) for i in numeric)


def _is_closed(counter: Counter[str], count: int) -> bool:
    return count >= 4 and len(counter) <= max(2, _MANY_DISTINCT * count)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell))
