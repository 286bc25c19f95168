"""CSV and TSV as people have them: any delimiter, preamble, missing header, ragged rows, blank lines."""

from __future__ import annotations

import csv
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from kerasft.data.columns import LABEL_NAMES, PAIR_NAMES, SPLIT_NAMES, TEXT_NAMES
from kerasft.data.table import Note, Table, TableBuilder, unique_names
from kerasft.data.text_files import detect_encoding, encoding_notes, open_text
from kerasft.errors import ConfigError, DataError, name_rows

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_RECORDS = 200
_LARGEST_CELL = 64 << 20  # characters
_NUMBER = re.compile(r"[-+]?[\d.,]+%?")
_MOST_BAD_ROWS = 0.1  # a larger share of rows with too many cells means the file was misread, not mistyped


@dataclass(frozen=True)
class Layout:
    """How a file is laid out: found by looking at its first records."""

    delimiter: str
    skip: int  # records before the header or the first row
    header: bool
    names: tuple[str, ...]


def parse(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Iterator[list[str]]:
    """The records of lines of CSV."""
    csv.field_size_limit(_LARGEST_CELL)  # a setting of the whole module: made wherever it matters, lest another undo it
    return csv.reader(lines, delimiter=delimiter, strict=strict)


class _Records:
    """Records of a CSV file, each with its number and the count of lines it spans.

    Args:
        lines: The file, or its first lines.
        delimiter: One character.
        path: For messages.
        whole: False when `lines` may end within a record.
    """

    def __init__(self, lines: Iterable[str], delimiter: str, path: Path, *, whole: bool = True) -> None:
        self._source, self._path, self._delimiter, self._whole = lines, path, delimiter, whole
        self._raw: list[str] = []

    def _lines(self) -> Iterator[str]:
        for line in self._source:
            self._raw.append(line)
            yield line

    def __iter__(self) -> Iterator[tuple[int, list[str], int]]:
        number, last = 0, [""]
        try:
            for record in parse(self._lines(), self._delimiter):
                number += 1
                last, self._raw = self._raw, []
                if self._whole and len(last) > 1:
                    self._check_quotes(last, number)
                yield number, record, len(last)
            if self._whole and len(last) == 1:
                self._check_quotes(last, number)
        except csv.Error as error:
            hint = "Look for a quotation mark that is opened and never closed in or before this row."
            where = f"{self._path}, row {number + 1}"
            raise DataError(f"The file cannot be read as CSV: {error}.", where=where, hint=hint) from None

    def _check_quotes(self, raw: list[str], number: int) -> None:
        """Refuse a quote that is never closed: it swallows the rows up to the next quote, or to the end, into one cell.

        The end of the swallowed rows shows: the file ends, or text follows directly on what was taken for the
        closing quote. In a record of one line nothing is lost, so `"He said "hi" to me"` passes.
        """
        spaces = re.compile(f'" +(?={re.escape(self._delimiter)}|[\\r\\n]|$)')  # after a closing quote they do no harm
        try:
            list(parse([spaces.sub('"', line) for line in raw], self._delimiter, strict=True))
        except csv.Error as error:
            if len(raw) > 1 or "unexpected end of data" in str(error):
                what = "1 line was" if len(raw) == 1 else f"{len(raw):,} lines were"
                hint = f'Close the quotation mark, or double those that belong to the text (""); {what} read as one row.'
                where = f"{self._path}, row {number}"
                raise DataError("A quotation mark is opened and never closed.", where=where, hint=hint) from None


def read_csv(path: Path, *, delimiter: str | None = None, encoding: str | None = None, header: bool | None = None) -> Table:
    """Read a CSV or TSV file.

    Args:
        path: Plain or gzip file.
        delimiter: One character; None finds it among comma, semicolon, tab and bar.
        encoding: None detects it.
        header: Whether the first row names the columns; None decides by looking.

    Raises:
        DataError: The file is empty, binary, has no rows, or most rows do not fit the header.
        ConfigError: The delimiter is not one character, or one that cannot part cells.
    """
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n'):
        message = f"A delimiter is one character, and neither a quotation mark nor a line end. Received: {delimiter!r}."
        raise ConfigError(message, where=str(path))
    chosen = encoding or detect_encoding(path)
    forgiving = encoding is None and not chosen.startswith("utf")
    with open_text(path, chosen, forgiving=forgiving) as file:
        layout = find_layout(file, path, delimiter=delimiter, header=header)
    notes = encoding_notes(chosen)
    if layout.skip:
        skipped = tuple(range(1, layout.skip + 1))
        notes.append(Note("preamble", f"{layout.skip} lines before the table were passed over.", skipped))
    with open_text(path, chosen, forgiving=forgiving) as file:
        return _read_rows(file, path, layout, notes)


def find_layout(file: TextIO, path: Path, *, delimiter: str | None = None, header: bool | None = None) -> Layout:
    """Look at the first records of an open file and decide delimiter, preamble and header.

    Raises:
        DataError: There is nothing but blank lines.
    """
    lines = list(islice(file, 5 * _SAMPLE_RECORDS))
    delimiter = delimiter or _find_delimiter(lines)
    sampled = islice(_Records(lines, delimiter, path, whole=False), _SAMPLE_RECORDS)
    records = [(number, [cell.strip() for cell in record]) for number, record, _ in sampled]
    filled = [(number, record) for number, record in records if any(record)]
    if not filled:
        raise DataError("The file holds nothing but blank lines.", where=str(path), hint="Choose a file with a header and rows.")
    usual = Counter(_width(record) for _, record in filled).most_common(1)[0][0]
    first = next((i for i, (_, record) in enumerate(filled) if _width(record) >= max(1, 0.6 * usual)), 0)
    number, top = filled[first]
    below = [record for _, record in filled[first + 1 :]]
    has_header = _looks_like_header(top, below) if header is None else header
    width = max(min(_width(record), len(top)) if has_header else _width(record) for record in (top, *below))
    names = _clean_names(top[:width]) if has_header else [f"column_{i + 1}" for i in range(width)]
    return Layout(delimiter, number - 1, has_header, tuple(names))


def _find_delimiter(lines: list[str]) -> str:
    """The delimiter under which most records have the same number of cells, more than one."""
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        try:
            widths = [len(record) for record in parse(lines, delimiter) if any(c.strip() for c in record)]
        except csv.Error:
            continue
        usual, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if usual > 1:
            score = count / len(widths) + 0.001 * min(usual, 20)
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _width(record: list[str]) -> int:
    """Number of cells up to the last that is not empty."""
    return next((i for i in range(len(record), 0, -1) if record[i - 1]), 0)


def _looks_like_header(top: list[str], below: list[list[str]]) -> bool:
    names = [cell for cell in top if cell]
    all_known = TEXT_NAMES | PAIR_NAMES | LABEL_NAMES | SPLIT_NAMES
    known = [i for i, name in enumerate(top) if name.lower().replace(" ", "_") in all_known]
    once = [i for i in known if all(len(record) <= i or record[i] != top[i] for record in below)]
    if once or len(known) > 1:  # a single known name that comes back below is a value, as in rows labelled y and n
        return True
    if not names or len(set(names)) < len(names) or any(len(name) > 60 for name in names):
        return False
    if _NUMBER.fullmatch(names[0]) or sum(bool(_NUMBER.fullmatch(name)) for name in names) > len(names) / 2:
        return False
    for column, name in enumerate(top):
        cells = [record[column] for record in below if len(record) > column and record[column]]
        if name and name in cells:
            return False  # a name does not come back as a value
        usual = statistics.median(map(len, cells)) if cells else 0
        if " " in name and usual > 20 and len(name) > usual / 2:
            return False  # a sentence above sentences
    return True


def _clean_names(cells: list[str]) -> list[str]:
    plain = [" ".join(cell.replace("\ufeff", " ").split()) for cell in cells]  # a second byte-order mark is no name
    return unique_names(name or f"column_{index + 1}" for index, name in enumerate(plain))


def _read_rows(file: TextIO, path: Path, layout: Layout, notes: list[Note]) -> Table:
    width = reach = len(layout.names)
    builder = TableBuilder(layout.names)
    short: list[int] = []
    long: list[int] = []
    tall: list[int] = []
    unnamed: list[int] = []
    kept = 0
    for number, record, lines in _Records(file, layout.delimiter, path):
        if number <= layout.skip + layout.header:
            if layout.header:
                reach = max(width, len(record))  # a header may end in cells without a name; rows may fill them
            continue
        if not any(cell.strip() for cell in record):
            continue
        if lines > 50:
            tall.append(number)
        if any(cell.strip() for cell in record[reach:]):
            long.append(number)
            continue
        if any(cell.strip() for cell in record[width:]):
            unnamed.append(number)
        if len(record) < width:
            short.append(number)
        cells: list[str | None] = [cell or None for cell in record[:width]]
        builder.add(number, cells + [None] * (width - len(cells)))
        kept += 1
    if not kept and not long:
        hint = "Add rows, or pass header=False (--data.header false) if the first row is data."
        raise DataError("The file has a header and no rows.", where=f"{path}, row {layout.skip + 1}", hint=hint)
    if long and (not kept or len(long) > max(1, _MOST_BAD_ROWS * (kept + len(long)))):
        raise DataError(
            f"{len(long):,} of {kept + len(long):,} rows have more cells than the header's {width}.",
            where=f"{path}, {name_rows(long)}",
            hint=f"Is {layout.delimiter!r} the delimiter? Put texts with it in quotes, or name another (--data.delimiter).",
        )
    if long:
        notes.append(Note("long_rows", f"{len(long):,} rows with more than {width} cells were left out.", tuple(long)))
    if short:
        notes.append(Note("short_rows", f"{len(short):,} rows have fewer than {width} cells; the rest is empty.", tuple(short)))
    if unnamed:
        message = f"{len(unnamed):,} rows have cells beyond the last named column; those cells are not read."
        notes.append(Note("unnamed_cells", message, tuple(unnamed)))
    if tall:
        notes.append(Note("tall_cells", "Cells of more than 50 lines: is a quotation mark left open?", tuple(tall)))
    return builder.build(path.name, notes)
