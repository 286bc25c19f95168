"""Read sheets of Excel workbooks (.xlsx): the displayed values of cells, and rows numbered as in the program."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from kerasft.data.read_options import ReadOptions
from kerasft.data.records import read_records
from kerasft.data.table import Note, Table, as_text
from kerasft.data.table_layout import find_layout
from kerasft.errors import DataError, KerasFTError, MissingPackageError, name_values

_SAMPLE = 200


def read_workbook(path: Path, how: ReadOptions | None = None) -> Table:
    """Read one sheet of a workbook.

    Args:
        path: Path of an .xlsx or .xlsm file.
        how: `sheet` names the sheet (None: the only one that is not empty); `header` as for CSV.

    Raises:
        DataError: The file is damaged, there is no such sheet, or several sheets hold rows and none was named.
        MissingPackageError: openpyxl is not installed.
    """
    how = how or ReadOptions()
    try:
        import openpyxl
    except ImportError:
        raise MissingPackageError(
            "Reading a workbook needs the package 'openpyxl'.", hint="pip install 'kerasft[excel]'"
        ) from None
    try:
        with path.open("rb") as file:  # an open file, so that its suffix does not matter
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet, notes = _choose_sheet(book, how.sheet, path)
            layout = find_layout(
                list(islice(_records(sheet), _SAMPLE)),
                f"{path}, sheet {sheet.title!r}",
                header=how.header,
                named=(how.text, how.label),
            )
            records = ((number, cells, 1) for number, cells in _records(sheet))
            return read_records(records, path, layout, notes, every_record=how.every_record)
    except KerasFTError:
        raise
    except FileNotFoundError:
        raise DataError("There is no such file.", where=str(path)) from None
    except Exception as error:  # openpyxl raises errors of zipfile, of XML and of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "Save the workbook again, or save the sheet as CSV UTF-8."
        raise DataError(f"The workbook cannot be read: {reason}.", where=str(path), hint=hint) from None


def _choose_sheet(book: Any, name: str | None, path: Path) -> tuple[Any, list[Note]]:
    titles = list(book.sheetnames)
    if name is not None:
        if name not in titles:
            hint = f"There are: {name_values(titles, most=20)}."
            raise DataError(f"There is no sheet {name!r}.", where=str(path), hint=hint)
        return book[name], []
    filled = [sheet for sheet in book.worksheets if any(any(cells) for _, cells in islice(_records(sheet), 50))]
    if not filled:
        raise DataError("All sheets of the workbook are empty.", where=str(path))
    if len(filled) > 1:
        hint = f"Name one (--data.sheet, sheet='...'): {name_values([sheet.title for sheet in filled], most=20)}."
        raise DataError(f"{len(filled)} sheets of the workbook hold rows, and none was named.", where=str(path), hint=hint)
    if len(titles) > 1:
        return filled[0], [Note("sheet", f"Sheet {filled[0].title!r} was read; the others are empty.")]
    return filled[0], []


def _records(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row."""
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        yield number, [_text(value) for value in row]


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ") if value.time() != datetime.time() else value.date().isoformat()
    return as_text(value) or ""
