"""Build a table from the records of a CSV file or a workbook, and report every record that does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kerasft.data.table import Note, Table, TableBuilder, row_notes
from kerasft.data.table_layout import Layout, is_total
from kerasft.errors import DataError, name_rows

_MAX_LONG_SHARE = 0.1  # a larger share of rows with too many cells means that the file was misread
_MAX_LINES = 50  # lines of a record; a longer one suggests an open quotation mark
_MAX_TOTAL_LENGTH = 40  # characters of the first cell of a row of totals


def read_records(
    records: Iterable[tuple[int, list[str], int]],
    path: Path,
    layout: Layout,
    notes: list[Note],
    *,
    delimiter: str = ",",
    every_record: bool = False,
) -> Table:
    """Build the table.

    Args:
        records: Number (from 1), cells and number of lines of each record of the file.
        path: For messages.
        layout: As `find_layout` returns it.
        notes: The notes so far.
        delimiter: For messages.
        every_record: Keep records that cannot be used (too many cells, blank lines, repeated headers) as rows, each with the
            reason in `Table.unread`.

    Raises:
        DataError: There are no rows, or too many do not fit the header.
    """
    return _Records(path, layout, every_record).read(records, notes, delimiter)


def _bare(cell: str) -> str:
    """A cell as a name in lower case, without the byte-order mark and the quotes that an appended file begins with."""
    return cell.strip('\ufeff \t"').lower()


class _Records:
    """Sorts the records of one file into rows and those that do not fit."""

    def __init__(self, path: Path, layout: Layout, every_record: bool) -> None:
        self.path, self.layout, self.every_record = path, layout, every_record
        self.width = self.reach = len(layout.names)
        self.builder = TableBuilder(layout.names, str(path))
        self.short: list[int] = []
        self.long: list[int] = []
        self.tall: list[int] = []
        self.unnamed: list[int] = []
        self.repeated: list[int] = []
        self.blank: list[int] = []
        self.unread: dict[int, str] = {}
        self.kept = 0
        self.total: tuple[int, list[str]] | None = None

    def read(self, records: Iterable[tuple[int, list[str], int]], notes: list[Note], delimiter: str) -> Table:
        layout, width = self.layout, self.width
        header = list(layout.header) if layout.header is not None else None
        first = layout.first
        header_names = {cell.lower() for cell in header if cell} if header is not None and width > 1 else set()
        # The longest name with spaces, quotes and a byte-order mark; a record with a longer first cell is no header.
        longest = max(map(len, header_names), default=-1) + 5
        header_row = layout.skip + 1 if header is not None else 0
        short, tall = self.short, self.tall
        pending: tuple[int, list[str]] | None = None  # may be a row of totals, which only the last row can be
        for number, record, lines in records:
            if number <= first:
                if number == header_row:
                    self.reach = max(width, len(record))  # the header may end in unnamed cells that rows fill
                continue
            if not record or not (record[0].strip() or any(map(str.strip, record))):
                self.blank.append(number)
                continue
            if pending is not None:
                self._add_row(*pending)
                pending = None
            if lines > _MAX_LINES:
                tall.append(number)
            if len(record) > width and self._is_too_long(number, record):
                continue
            if len(record) < width:
                short.append(number)
            elif (
                len(record[0]) <= longest
                and _bare(record[0]) in header_names
                and self._repeats_header(number, record, header_names)
            ):
                self.repeated.append(number)
                if self.every_record:
                    self._add_unread(number, record, "the header, repeated")
                continue
            if width > 1 and len(record[0]) <= _MAX_TOTAL_LENGTH and is_total(record):
                pending = number, record
                continue
            self._add_row(number, record)
        self.total = pending
        if pending is not None and self.every_record:
            self._add_unread(*pending, "a line of totals")
        self._check(delimiter)
        table = self.builder.build(self.path.name, [*notes, *self._notes()], unread=self.unread)
        return replace(table, delimiter=delimiter)

    def _repeats_header(self, number: int, record: list[str], header_names: set[str]) -> bool:
        """Whether a record repeats the header, as in a file that was appended.

        Raises:
            DataError: The names are in another order, so the rows below do not fit the columns.
        """
        names = [_bare(cell) for cell in record if cell.strip()]
        if set(names) != header_names or len(names) != len(header_names):
            return False
        expected = [cell.lower() for cell in self.layout.header or () if cell]
        if names != expected:
            hint = "Two files with different column orders were appended. Read them separately, or reorder the columns of one."
            raise DataError(
                "The header is repeated with its columns in another order.", where=f"{self.path}, row {number}", hint=hint
            )
        return True

    def _is_too_long(self, number: int, record: list[str]) -> bool:
        """Whether a record has filled cells beyond the end of the header; it is then left out."""
        if any(cell.strip() for cell in record[self.reach :]):
            self.long.append(number)
            if self.every_record:
                self._add_unread(number, record, f"{len(record)} cells, and the header has {self.width}")
            return True
        if any(cell.strip() for cell in record[self.width :]):
            self.unnamed.append(number)
        return False

    def _add_row(self, number: int, record: list[str]) -> None:
        self._add(number, record)
        self.kept += 1

    def _add_unread(self, number: int, record: list[str], reason: str) -> None:
        self._add(number, record)
        self.unread[number] = reason

    def _add(self, number: int, record: list[str]) -> None:
        if self.blank and self.every_record:
            self._add_blank_before(number)
        cells: list[str | None] = [cell or None for cell in record[: self.width]]
        if len(cells) < self.width:
            cells += [None] * (self.width - len(cells))
        self.builder.add(number, cells)

    def _add_blank_before(self, number: int) -> None:
        """Add the blank lines between the last record and this one as rows of empty cells."""
        for blank in self.blank:
            if self.layout.first < blank < number:
                self.builder.add(blank, [None] * self.width)
                self.unread[blank] = "a blank line"
        self.blank.clear()

    def _check(self, delimiter: str) -> None:
        kept, long, width = self.kept, self.long, self.width
        if not kept and not long:
            hint = "Add rows, or pass header=False (--data.header false) if the first row is data."
            where = f"{self.path}, row {self.layout.skip + 1}"
            raise DataError("The file has a header and no rows.", where=where, hint=hint)
        if long and (not kept or len(long) > max(1, _MAX_LONG_SHARE * (kept + len(long)))):
            raise DataError(
                f"{len(long):,} of {kept + len(long):,} rows have more cells than the header's {width}.",
                where=f"{self.path}, {name_rows(long)}",
                hint=f"If the delimiter is {delimiter!r}, put texts that contain it in quotes. Otherwise set --data.delimiter.",
            )

    def _notes(self) -> list[Note]:
        layout, width = self.layout, self.width
        skipped = range(1, layout.skip + 1)
        further = range(layout.skip + 2, layout.first + 1)
        total = [self.total[0]] if self.total is not None else []
        left_out = "kept without an answer" if self.every_record else "left out"
        return row_notes(
            ("preamble", skipped, "{count} lines before the table were skipped."),
            ("header_lines", further, f"{layout.more + 1} lines name the columns; the first was used."),
            ("long_rows", self.long, f"{{count}} rows with more than {width} cells were {left_out}."),
            ("short_rows", self.short, f"{{count}} rows have fewer than {width} cells; the missing cells are empty."),
            ("unnamed_cells", self.unnamed, "{count} rows have cells beyond the last named column; those cells are not read."),
            ("repeated_header", self.repeated, f"{{count}} rows repeat the header, as in appended files, and were {left_out}."),
            ("totals", total, f"The last row holds totals and was {left_out}."),
            ("tall_cells", self.tall, "{count} rows have more than 50 lines; a quotation mark may not be closed."),
        )
