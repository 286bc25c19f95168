"""Convert formatted numbers (decimal commas, thousands separators, percent, currency) to plain decimal numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from kerasft.data.cell_kinds import CURRENCIES, is_missing
from kerasft.data.cells import first_cells, numbers
from kerasft.data.columns import plain_name
from kerasft.data.labels import PLURALS
from kerasft.data.table import Note, Table, row_notes, text_array
from kerasft.errors import name_values

_SIGNS = re.compile(
    rf"^(?P<minus>[-+−]?)\s*(?:[$€£¥₹]|(?:{CURRENCIES})\s)?\s*(?P<inner>[-+−]?[\d.,'’ \u00a0\u2009\u202f]*\d)\s*"
    rf"(?:%|[$€£¥₹]|\s?(?:{CURRENCIES}))?$"
)
_CURRENCY = re.compile(rf"[$€£¥₹]|(?<![A-Za-z])(?:{CURRENCIES})(?![A-Za-z])")
_COMMA = re.compile(r"\d{1,3}(?:[.'’ \u00a0\u2009\u202f]\d{3})*,\d+|\d+,\d+")
_POINT = re.compile(r"\d{1,3}(?:[,'’ \u00a0\u2009\u202f]\d{3})*\.\d+|\d+\.\d+")
_LAKHS = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")  # 12,67,583: Indian grouping
_THOUSANDS = re.compile(r"\d{1,3}(?:[,.'’ \u00a0\u2009\u202f]\d{3})+")
_LEADING_ZERO = re.compile(r"[-+−]?0,\d+")  # never thousands
_SAMPLE = 5_000


def with_plain_numbers(table: Table, name: str | None, others: Iterable[Table] = (), *, decimal_comma: bool = False) -> Table:
    """Convert column `name` to plain decimal numbers, if all its cells are formatted numbers.

    The whole column (and the delimiter: semicolons suggest decimal commas) decides what a comma means. A column of lists of
    numbers (`2,27`) stays unchanged.

    Args:
        table: The rows.
        name: The column; None for no column.
        others: The other splits, whose cells also show what a comma means.
        decimal_comma: What a comma means if no cell shows it: the decimal sign, or a thousands separator.
    """
    if name is None or name not in table.names:
        return table
    cells = table.columns[name].to_pylist()
    filled = [cell.strip() for cell in cells if cell and cell.strip() and not is_missing(cell)]
    sample = filled[:_SAMPLE]
    if not sample:
        return table
    if numbers(sample) is not None and numbers(filled) is not None and not _points_separate_thousands(table, name, sample):
        return table
    matches = [_SIGNS.match(_without_parentheses(cell)) for cell in filled]
    if not all(match and not (match.group("minus") and match.group("inner")[:1] in "-+−") for match in matches):
        return table
    inner = [match.group("inner") for match in matches if match]
    if any(cell.count(".") + cell.count(",") > 1 and not _is_separated_number(cell) for cell in inner):
        return table  # 1.2.3, 192.168.0.1
    inner += _inner_of_others(others, name)
    comma = True if _points_separate_thousands(table, name, sample) else _decimal_comma(inner, table.delimiter, name)
    if comma is None and not decimal_comma:
        return _with_question(table, name, cells)
    comma = comma or (decimal_comma and all(cell.count(",") <= 1 and "." not in cell for cell in inner if "," in cell))
    if _has_both_decimal_signs(inner):
        comma = None  # 0.5 beside 0,5: each is a decimal sign where it stands alone
    converted = [_to_plain_number(cell, comma) if cell and cell.strip() and not is_missing(cell) else cell for cell in cells]
    if any(cell is not None and value is None for cell, value in zip(cells, converted, strict=True)):
        return table
    columns = table.columns.set_column(table.names.index(name), name, text_array(converted))
    example = next((cell, value) for cell, value in zip(cells, converted, strict=True) if cell != value)
    message = f"The numbers of column {name!r} were converted to plain decimals: {example[0]!r} is read as {example[1]}."
    notes = [Note("number_format", message), *_currency_notes(name, cells, table.rows)]
    return replace(table, columns=columns, notes=(*table.notes, *notes))


def shows_decimal_comma(original: Table, converted: Table, name: str | None) -> bool:
    """Whether `with_plain_numbers` read a comma of the column as the decimal sign."""
    if name is None or name not in original.names or original.columns is converted.columns:
        return False
    pairs = zip(original.columns[name].to_pylist(), converted.columns[name].to_pylist(), strict=True)
    return any(before and after and before.rfind(",") > before.rfind(".") and "." in after for before, after in pairs)


def _with_question(table: Table, name: str, cells: Sequence[str | None]) -> Table:
    """Note the cells such as `1,4` that may be lists of labels or numbers with a decimal comma, and stay as they are."""
    pairs = [position for position, cell in enumerate(cells) if cell and re.fullmatch(r"\s*[-+−]?\d+,\d+\s*", cell)]
    if not pairs or plain_name(name) in PLURALS:
        return table
    message = (
        f"{{count}} cells of column {name!r}, such as {cells[pairs[0]]!r} ({{rows}}), may be lists of labels or numbers with a "
        "decimal comma; they were kept as they are. Write 1.4 for a number, or [1, 4] for a list."
    )
    return replace(table, notes=(*table.notes, *row_notes(("comma_or_list", [int(table.rows[i]) for i in pairs], message))))


def _currency_notes(name: str, cells: Sequence[str | None], rows: np.ndarray) -> list[Note]:
    """A note if amounts are in several currencies: nothing converts one into another."""
    found: dict[str, list[int]] = {}
    for position, cell in enumerate(cells):
        if cell and (match := _CURRENCY.search(cell)):
            found.setdefault(match.group(), []).append(int(rows[position]))
    if len(found) < 2:
        return []
    usual = max(found, key=lambda sign: len(found[sign]))
    others = sorted(row for sign, there in found.items() if sign != usual for row in there)
    message = (
        f"Column {name!r} holds amounts in several currencies: {name_values(found)}. Only their numbers are read, and nothing "
        f"is converted; {{count}} are not in {usual} ({{rows}})."
    )
    return row_notes(("several_currencies", others, message))


def _inner_of_others(others: Iterable[Table], name: str) -> list[str]:
    cells = [cell for table in others if name in table.names for cell in table.columns[name].drop_null().to_pylist()]
    matches = (_SIGNS.match(_without_parentheses(cell.strip())) for cell in cells)
    return [match.group("inner") for match in matches if match]


def _without_parentheses(cell: str) -> str:
    """Write `(3.50)`, the accounting notation of a negative number, with a minus."""
    return f"-{cell[1:-1]}" if cell.startswith("(") and cell.endswith(")") and "-" not in cell else cell


def _is_separated_number(inner: str) -> bool:
    digits = inner.lstrip("-+−")
    several = digits.count(",") > 1 and "." not in digits and " " not in digits
    return (
        bool(_THOUSANDS.fullmatch(digits) or _LAKHS.fullmatch(digits) or _COMMA.fullmatch(digits) or _POINT.fullmatch(digits))
        or several
    )


def _points_separate_thousands(table: Table, name: str, cells: Sequence[str]) -> bool:
    """Whether `1.200` means 1200: all points precede three digits, and other columns of the file have decimal commas."""
    with_points = [cell for cell in cells if "." in cell]
    if (
        table.delimiter != ";"
        or not with_points
        or not all(re.fullmatch(r"[-+−]?\d{1,3}(?:\.\d{3})+", cell) for cell in with_points)
    ):
        return False
    others = [column for column in table.names if column != name]
    return any(_has_decimal_commas(first_cells(table.columns[column])) for column in others)


def _has_decimal_commas(cells: Sequence[str]) -> bool:
    return bool(cells) and sum(bool(re.fullmatch(r"[-+−]?[\d.]+,\d+", cell.strip())) for cell in cells) >= 0.5 * len(cells)


def _has_both_decimal_signs(inner: Sequence[str]) -> bool:
    """Whether some cells have a decimal comma and others a decimal point, as two people write them."""
    digits = [cell.lstrip("-+−") for cell in inner]
    by_sign = {
        sign: any(
            sign in cell and other not in cell and (not _THOUSANDS.fullmatch(cell) or cell.startswith("0")) for cell in digits
        )
        for sign, other in (",.", ".,")
    }
    return all(by_sign.values()) and not any(cell.count(",") + cell.count(".") > 1 for cell in digits)


def _decimal_comma(inner: Sequence[str], delimiter: str | None, name: str) -> bool | None:
    """Whether a comma is the decimal sign; None if the cells are lists of numbers."""
    with_comma = [cell for cell in inner if "," in cell]
    if any(_LAKHS.fullmatch(cell.lstrip("-+−")) for cell in with_comma) and all(
        _LAKHS.fullmatch(digits) or _THOUSANDS.fullmatch(digits) or _POINT.fullmatch(digits)
        for digits in (cell.lstrip("-+−") for cell in with_comma)
    ):
        return False
    if not with_comma:
        # 1.234.567 has points between thousands; a single point is the decimal sign.
        return any(cell.count(".") > 1 for cell in inner)
    if any(cell.count(",") > 1 and not _THOUSANDS.fullmatch(cell) and not _POINT.fullmatch(cell) for cell in with_comma):
        return None  # 1,5,14: a list
    if any("." in cell and cell.rindex(",") < cell.rindex(".") for cell in with_comma):
        return False
    if any(len(cell.rpartition(",")[2]) != 3 or _LEADING_ZERO.fullmatch(cell) for cell in with_comma):
        several = delimiter != ";" and (plain_name(name) in PLURALS or len(with_comma) < 0.5 * len(inner))
        return None if several else True
    return delimiter == ";"


def _to_plain_number(cell: str, comma: bool | None) -> str | None:
    """The cell as a plain decimal number.

    Args:
        cell: The formatted number.
        comma: Whether the decimal sign is a comma; None if it is a comma in some cells and a point in others.
    """
    match = _SIGNS.match(_without_parentheses(cell.strip()))
    if match is None:
        return None
    inner = match.group("inner")
    minus = "-" if match.group("minus") in ("-", "−") or inner[:1] in ("-", "−") else ""
    inner = inner.lstrip("-+−")
    if comma is None:
        inner = inner.replace(",", ".")
    else:
        inner = inner.replace(".", "").replace(",", ".") if comma else inner.replace(",", "")
    inner = re.sub(r"['’ \u00a0\u2009\u202f]", "", inner)
    try:
        float(inner)
    except ValueError:
        return None
    return minus + inner
