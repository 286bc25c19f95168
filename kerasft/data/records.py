"""Records of cells, of a CSV file or of a workbook -> a table; what does not fit is named, and no record is lost unsaid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kerasft.data.table import Note, Table, TableBuilder
from kerasft.data.table_layout import Layout, is_total
from kerasft.errors import DataError, name_rows

_MOST_BAD_ROWS = 0.1  # a larger share of rows with too many cells means the file was misread, not mistyped
_TALL = 50  # lines of a cell
_LONGEST_TOTAL = 40  # characters of the first cell of a line of totals


def read_records(
    records: Iterable[tuple[int, list[str], int]],
    path: Path,
    layout: Layout,
    notes: list[Note],
    *,
    delimiter: str = ",",
    every_record: bool = False,
) -> Table:
    """The rows of a table.

    Args:
        records: Number (from 1), cells and number of lines of each record of the file.
        path: For messages.
        layout: Of `find_layout`.
        notes: What was noted so far.
        delimiter: For messages.
        every_record: Keep records that cannot be used (too many cells, blank lines, repeated headers) as rows, each with the
            reason in `Table.unread`.

    Raises:
        DataError: There are no rows, or too many do not fit the header.
    """
    return _Records(path, layout, every_record).read(records, notes, delimiter)


class _Records:
    def __init__(self, path: Path, layout: Layout, every_record: bool) -> None:
        self.path, self.layout, self.every_record = path, layout, every_record
        self.width = self.reach = len(layout.names)
        self.builder = TableBuilder(layout.names)
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
        again = {cell.lower() for cell in header if cell} if header is not None and width > 1 else set()
        longest = max(map(len, again), default=-1) + 2  # of its names, with blanks around: a text is not looked at further
        header_row = layout.skip + 1 if header is not None else 0
        add, short, tall = self.builder.add, self.short, self.tall
        pending: tuple[int, list[str]] | None = None  # perhaps a line of totals, which only the last line can be
        for number, record, lines in records:
            if number <= first:
                if number == header_row:
                    self.reach = max(width, len(record))  # a header may end in cells without a name; rows may fill them
                continue
            if not record or not (record[0].strip() or any(map(str.strip, record))):
                self.blank.append(number)
                continue
            if pending is not None:
                self._keep(*pending)
                pending = None
            if lines > _TALL:
                tall.append(number)
            if len(record) > width and self._is_odd(number, record):
                continue
            if len(record) < width:
                short.append(number)
            elif len(record[0]) <= longest and record[0].strip().lower() in again and self._repeats_header(number, record, again):
                self.repeated.append(number)
                if self.every_record:
                    self._keep_unread(number, record, "the header, repeated")
                continue
            if width > 1 and len(record[0]) <= _LONGEST_TOTAL and is_total(record):
                pending = number, record
                continue
            cells: list[str | None] = [cell or None for cell in record[:width]]
            if len(cells) < width:
                cells += [None] * (width - len(cells))
            if self.blank and self.every_record:
                self._keep_blank_before(number)
            add(number, cells)
            self.kept += 1
        self.total = pending
        if pending is not None and self.every_record:
            self._keep_unread(*pending, "a line of totals")
        self._check(delimiter)
        table = self.builder.build(self.path.name, [*notes, *self._notes()], unread=self.unread)
        return replace(table, delimiter=delimiter)

    def _repeats_header(self, number: int, record: list[str], again: set[str]) -> bool:
        """Whether a record names the columns again, as the header of an appended file does.

        Raises:
            DataError: It names them in another order, so the rows below it are not those of the columns above.
        """
        names = [cell.strip().lower() for cell in record if cell.strip()]
        if set(names) != again or len(names) != len(again):
            return False
        own = [cell.lower() for cell in self.layout.header or () if cell]
        if names != own:
            hint = "Two files were appended whose columns stand in another order: read them apart, or bring them into one order."
            raise DataError("The header comes back in another order.", where=f"{self.path}, row {number}", hint=hint)
        return True

    def _is_odd(self, number: int, record: list[str]) -> bool:
        """Whether a record has filled cells beyond those that the header reaches to; it is then left out."""
        if any(cell.strip() for cell in record[self.reach :]):
            self.long.append(number)
            if self.every_record:
                self._keep_unread(number, record, f"{len(record)} cells, and the header has {self.width}")
            return True
        if any(cell.strip() for cell in record[self.width :]):
            self.unnamed.append(number)
        return False

    def _keep(self, number: int, record: list[str]) -> None:
        cells: list[str | None] = [cell or None for cell in record[: self.width]]
        if self.every_record:
            self._keep_blank_before(number)
        self.builder.add(number, cells + [None] * (self.width - len(cells)))
        self.kept += 1

    def _keep_unread(self, number: int, record: list[str], reason: str) -> None:
        self._keep_blank_before(number)
        cells: list[str | None] = [cell or None for cell in record[: self.width]]
        self.builder.add(number, cells + [None] * (self.width - len(cells)))
        self.unread[number] = reason

    def _keep_blank_before(self, number: int) -> None:
        """The blank lines between the last record and this one, as rows without cells."""
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
        if long and (not kept or len(long) > max(1, _MOST_BAD_ROWS * (kept + len(long)))):
            raise DataError(
                f"{len(long):,} of {kept + len(long):,} rows have more cells than the header's {width}.",
                where=f"{self.path}, {name_rows(long)}",
                hint=f"Is {delimiter!r} the delimiter? Put texts with it in quotes, or name another (--data.delimiter).",
            )

    def _notes(self) -> list[Note]:
        layout, notes = self.layout, []
        left_out = "kept without an answer" if self.every_record else "left out"
        if layout.skip:
            skipped = tuple(range(1, layout.skip + 1))
            notes.append(Note("preamble", f"{layout.skip} lines before the table were passed over.", skipped))
        if layout.more:
            further = tuple(range(layout.skip + 2, layout.first + 1))
            notes.append(Note("header_lines", f"{layout.more + 1} lines name the columns; the first was used.", further))
        if self.long:
            message = f"{len(self.long):,} rows with more than {self.width} cells were {left_out}."
            notes.append(Note("long_rows", message, tuple(self.long)))
        if self.short:
            message = f"{len(self.short):,} rows have fewer than {self.width} cells; the rest is empty."
            notes.append(Note("short_rows", message, tuple(self.short)))
        if self.unnamed:
            message = f"{len(self.unnamed):,} rows have cells beyond the last named column; those cells are not read."
            notes.append(Note("unnamed_cells", message, tuple(self.unnamed)))
        if self.repeated:
            message = f"{len(self.repeated):,} rows repeat the header, as appended files do, and were {left_out}."
            notes.append(Note("repeated_header", message, tuple(self.repeated)))
        if self.total is not None:
            notes.append(Note("totals", f"The last row holds totals and was {left_out}.", (self.total[0],)))
        if self.tall:
            notes.append(Note("tall_cells", "Cells of more than 50 lines: is a quotation mark left open?", tuple(self.tall)))
        return notes
