"""Detect how a CSV file is written: its delimiter, its quoting character and how quotation marks are escaped."""

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
_SURELY_QUOTES = 20  # from this number on, cells enclosed in apostrophes are no coincidence
_MANY_DISTINCT = 0.2  # a column with a larger share of different values is not a closed set of values
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How the cells of a file are written.

    Attributes:
        delimiter: One character.
        quote: The quoting character, `"` or `'`; None when no character quotes.
        escape: The character that makes a quotation mark part of the text (a backslash), or None (marks are doubled).
        skip_blank: Whether a space between a delimiter and a quotation mark is ignored.
        by_line: Whether every line is a record, so that a quotation mark that its line does not close is part of the text.
    """

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None
    by_line: bool = False
    skip_blank: bool = False


def parse(lines: Iterable[str], dialect: Dialect | str, *, strict: bool = False) -> Iterator[list[str]]:
    """Parse lines of CSV into records."""
    if isinstance(dialect, str):
        dialect = Dialect(dialect)
    csv.field_size_limit(LARGEST_CELL)  # a global setting of the csv module, which other code may change
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
    r"""Replace every `\"` in a line by `""`, the escape that the csv module understands."""
    return _ESCAPED_MARK.sub(r'\1""', line)


def cells_of_line(line: str, dialect: Dialect, width: int | None = None) -> list[str]:
    """Split one line that is a record of its own; quotation marks count only if they are balanced.

    Args:
        line: With or without its line end.
        dialect: With `by_line`.
        width: Number of cells of a record, if known. A line that has another number of cells when its quotation marks count is
            split at every delimiter instead.
    """
    text = line.rstrip("\r\n")
    unquoted_cells = text.split(dialect.delimiter)
    if '"' not in text:
        return unquoted_cells if text else []
    try:
        quoted_cells = next(csv.reader([text], delimiter=dialect.delimiter, strict=True), [])
        if width is None or len(quoted_cells) == width:
            return quoted_cells
    except csv.Error:
        pass
    return [_unquote(cell) for cell in unquoted_cells]


def _unquote(cell: str) -> str:
    """Remove the quotation marks that enclose a whole cell."""
    is_enclosed = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")
    return cell[1:-1].replace('""', '"') if is_enclosed else cell


def find_dialect(
    lines: Sequence[str], *, delimiter: str | None = None, quote: str = "auto", escape: str | None = None
) -> Dialect:
    """Find the dialect under which most of the first lines have the same number of cells (more than one).

    Args:
        lines: The first lines of a file.
        delimiter: None tries comma, semicolon, tab and bar.
        quote: `auto`, `"`, `'` or `none`.
        escape: A backslash; None decides by content.
    """
    candidates = [
        Dialect(separator, mark, escape)
        for separator in ([delimiter] if delimiter else DELIMITERS)
        for mark in _possible_quotes(lines, separator, quote)
    ]
    candidates = [replace(dialect, skip_blank=_has_space_before_quotes(lines, dialect)) for dialect in candidates]
    if escape is None and quote in ("auto", '"'):
        candidates = [replace(dialect, escape=BACKSLASH) if has_escapes(lines, dialect) else dialect for dialect in candidates]
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


def _has_space_before_quotes(lines: Sequence[str], dialect: Dialect) -> bool:
    """Whether cells are written as `a, "b, c"`: more quotation marks follow a delimiter and a space than a delimiter alone."""
    if dialect.quote is None or dialect.delimiter == "\t":
        return False
    text = "\n".join(lines)
    spaced = text.count(f"{dialect.delimiter} {dialect.quote}")
    return spaced >= 2 and spaced > text.count(f"{dialect.delimiter}{dialect.quote}") and spaced >= 0.5 * len(lines)


def _possible_quotes(lines: Sequence[str], delimiter: str, quote: str) -> list[str | None]:
    """The quoting characters to try, the likeliest first."""
    if quote != "auto":
        return [None if quote == "none" else quote]
    return ['"', "'"] if _may_quote_with_apostrophes(lines, delimiter) else ['"']


def _may_quote_with_apostrophes(lines: Sequence[str], delimiter: str) -> bool:
    """Whether apostrophes may be quotation marks: most cells that begin with one also end with one."""
    separator = re.escape(delimiter)
    opened = re.compile(f"(?:^|{separator})'")
    quoted_cell = re.compile(f"(?:^|{separator})'(?:[^']|'')*'(?={separator}|[\\r\\n]|$)")
    filled = [line for line in lines if line.strip()]
    opened_lines = [line for line in filled if opened.search(line)]
    cells = [match.group() for line in opened_lines if (match := quoted_cell.search(line))]
    closed = len(cells)
    # Otherwise the apostrophes may belong to the values.
    must_quote = any(delimiter in cell[2:] or "''" in cell[2:-1] for cell in cells)
    if not must_quote and closed < _SURELY_QUOTES:
        return False
    return closed >= 2 and closed > 0.5 * len(opened_lines)


def has_escapes(lines: Sequence[str], dialect: Dialect) -> bool:
    r"""Whether lines with `\"` can be read only if the backslash escapes the quotation mark.

    The backslash at the end of a path (`"C:\data\"`) is not an escape: such a file can be read without any.
    """
    if dialect.quote != '"' or dialect.by_line or not any('\\"' in line for line in lines):
        return False
    return _count_violations(lines, dialect) > _count_violations(lines, replace(dialect, escape=BACKSLASH))


def _count_violations(lines: Sequence[str], dialect: Dialect) -> int:
    """The number of records that break the rules of quoting; one that is still open at the end of the lines does not count."""
    violations = 0
    remaining = list(lines)
    while remaining:
        lines_read = 0

        def counted(source: Sequence[str] = tuple(remaining)) -> Iterator[str]:
            nonlocal lines_read
            for line in source:
                lines_read += 1
                yield line

        try:
            for _ in parse(counted(), dialect, strict=True):
                pass
            return violations
        except csv.Error as error:
            if "unexpected end" in str(error):
                return violations
            violations += 1
        remaining = remaining[max(1, lines_read) :]
        if violations > 50:
            return violations
    return violations


def fits_by_line(lines: Iterable[str], dialect: Dialect, width: int, *, failed: bool) -> bool:
    """Whether a file makes sense when every line is a record, although quotation marks seem to join some of its lines.

    Every line that is not blank must have as many cells as the header. If the quoted reading did not fail, the lines that it
    joined must also look like records: each of them has a fitting value in a column of repeated values or of numbers. Otherwise
    a text of several lines, each of which happens to contain one delimiter, would be split into rows.

    Args:
        lines: The file below its header.
        dialect: With `by_line`.
        width: Number of cells of the header.
        failed: Whether the quoted reading failed.
    """
    if width < 2:
        return failed
    values: list[Counter[str]] = [Counter() for _ in range(width)]
    joined_lines: list[list[str]] = []
    inside_quotes = False
    count = 0
    for line in lines:
        cells = cells_of_line(line, dialect, width)
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != width:
            return False
        is_unbalanced = line.count('"') % 2 == 1
        if is_unbalanced or inside_quotes:
            if len(joined_lines) < 100_000:
                joined_lines.append(cells)
        else:
            count += 1
            for counter, cell in zip(values, cells, strict=True):
                if len(counter) < 1000:
                    counter[cell.strip()] += 1
        inside_quotes = inside_quotes != is_unbalanced
    if failed:
        return True
    repeating = [i for i, counter in enumerate(values) if _repeats(counter, count)]
    numeric = [i for i, counter in enumerate(values) if counter and sum(map(_is_number, counter)) >= 0.9 * len(counter)]
    if not repeating and not numeric:
        return dialect.delimiter == "\t"
    if any(all(row[i].strip() in values[i] for row in joined_lines) for i in repeating):
        return True
    return any(all(_is_number(row[i].strip()) for row in joined_lines) for i in numeric)


def _repeats(counter: Counter[str], count: int) -> bool:
    return count >= 4 and len(counter) <= max(2, _MANY_DISTINCT * count)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell))
