"""Find the layout of a table of cells: the lines before it, its header of one or more lines, its columns."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kerasft.data.cell_kinds import is_date, is_missing, is_number
from kerasft.data.columns import LABEL_NAMES, PAIR_NAMES, SPLIT_NAMES, TEXT_NAMES, plain_name
from kerasft.data.table import unique_names
from kerasft.errors import DataError

_KNOWN = TEXT_NAMES | PAIR_NAMES | LABEL_NAMES | SPLIT_NAMES
_MAX_HEADER_LINES = 4
_SAMPLE = 100  # cells of a column that are examined
_MAX_NAME_LENGTH = 60  # characters of a column's name, unless the cells below show that it is one
_MOSTLY = 0.9  # of the cells of a header differ
_TOTALS = frozenset(
    {
        "total",
        "totals",
        "grand total",
        "sum",
        "subtotal",
        "summe",
        "gesamt",
        "gesamtsumme",
        "insgesamt",
        "total general",
        "totale",
    }
)
_TYPES = frozenset(
    {"string", "str", "text", "varchar", "char", "object", "int", "int32", "int64", "integer", "bigint", "long"}
    | {
        "float",
        "float32",
        "float64",
        "double",
        "real",
        "number",
        "numeric",
        "decimal",
        "bool",
        "boolean",
        "date",
        "datetime",
        "timestamp",
        "category",
        "categorical",
    }
)


@dataclass(frozen=True)
class Layout:
    """The layout of a file, found by its first records.

    Attributes:
        skip: Records before the header or the first row.
        header: The unchanged cells of the first header line, or None if no line names the columns.
        names: Names of the columns.
        more: Further header lines below the first.
    """

    skip: int
    header: tuple[str, ...] | None
    names: tuple[str, ...]
    more: int = 0

    @property
    def first(self) -> int:
        """The number of the last record before the rows."""
        return self.skip + (self.header is not None) + self.more


def find_layout(
    records: Iterable[tuple[int, list[str]]], where: str, *, header: bool | None = None, named: Sequence[str | None] = ()
) -> Layout:
    """Decide by the first records which lines precede the table, which are its header, and how wide it is.

    Args:
        records: Number and cells of each, from 1.
        where: File name, for messages.
        header: Whether the first line of the table names the columns; None decides by content.
        named: Names that columns of the table are known to have; a line with one of them is the header.

    Raises:
        DataError: There are only blank lines, or it is unclear whether the first line of a single column is its name.
    """
    stripped = [(number, [cell.strip() for cell in record]) for number, record in records]
    filled = [(number, record) for number, record in stripped if any(record)]
    if not filled:
        raise DataError("The file holds nothing but blank lines.", where=where, hint="Choose a file with a header and rows.")
    usual = Counter(width_of(record) for _, record in filled).most_common(1)[0][0]
    first = next((i for i, (_, record) in enumerate(filled) if width_of(record) >= max(1, 0.6 * usual)), 0)
    if (
        header is None
        and len(filled) > first + 1
        and _are_consecutive(filled[first][1])
        and not any(map(is_number, filled[first + 1][1][:3]))
    ):
        first += 1
    spanning = len(filled) > first + 2 and _spans_columns(filled[first][1])
    if header is None and spanning and is_header(filled[first + 1][1], [record for _, record in filled[first + 2 :]]):
        first += 1
    number, top = filled[first]
    below = [record for _, record in filled[first + 1 :]]
    if header is None and any(name in top for name in named if name):
        header = True
    has_header = is_header(top, below) if header is None else header
    if has_header is None:
        raise DataError(
            f"The file has one column, and its first line may be the column's name or a text: {top[0][:60]!r}.",
            where=f"{where}, row {number}",
            hint="Set header=True if it is the name, header=False if it is a text (--data.header true or false).",
        )
    width = max(min(width_of(record), len(top)) if has_header else width_of(record) for record in (top, *below))
    names = _clean_names(top[:width]) if has_header else [f"column_{i + 1}" for i in range(width)]
    more = _further_header_lines(filled[first + 1 :], number) if has_header else 0
    return Layout(number - 1, tuple(top) if has_header else None, tuple(names), more)


def width_of(record: Sequence[str]) -> int:
    """Number of cells up to the last that is not empty."""
    return next((i for i in range(len(record), 0, -1) if record[i - 1]), 0)


def _column(records: Sequence[Sequence[str]], column: int) -> list[str]:
    return [record[column] for record in records[:_SAMPLE] if len(record) > column and record[column]]


def _cell_type(cells: Sequence[str]) -> str | None:
    """`number` or `date` if nearly all cells of a column are of that kind; otherwise None."""
    present = [cell for cell in cells if not is_missing(cell)]
    for kind, fits in (("date", is_date), ("number", is_number)):
        if len(present) >= 2 and sum(map(fits, present)) >= 0.9 * len(present):
            return kind
    return None


def is_header(top: Sequence[str], below: Sequence[Sequence[str]]) -> bool | None:
    """Whether a line names the columns of the lines below it; None if that is unclear (a table of one column).

    Content decides: a word above numbers or dates is a name, and so is a question above a few recurring answers; a number
    above numbers, or a cell that recurs below, is a value. If content decides nothing, usual names (`text`, `label`) do.
    """
    names = [cell for cell in top if cell]
    if any(map(_is_survey_line, below[:3])):
        return True
    known = [i for i, name in enumerate(top) if plain_name(name) in _KNOWN]
    unrepeated = [i for i in known if all(len(record) <= i or record[i] != top[i] for record in below)]
    if _are_indices(top) and any(not all(map(is_number, _column(below, i))) for i, name in enumerate(top) if name):
        return True  # 0, 1, 2: the default column names of pandas
    if unrepeated or len(known) > 1:  # a single known name that recurs below is a value, as in rows labelled y and n
        return True
    repeats = len(set(names)) < len(names)  # names that are cut to one length, or questions with several answers each
    if not names or (repeats and len(set(names)) < _MOSTLY * len(names)):
        return False
    is_name = is_value = is_sentence = False
    for column, name in enumerate(top):
        cells = _column(below, column)
        if not name or not cells:
            continue
        kind = _cell_type(cells)
        is_typed = is_number(name) or is_date(name)
        if kind and not is_typed and not is_missing(name):
            is_name = True
        elif (kind and is_typed and not _is_year(name)) or name in cells:
            is_value = True
        elif _is_question(name, cells):
            is_name = True
        usual = statistics.median(map(len, cells))
        if " " in name and usual > 20 and len(name) > usual / 2:
            is_sentence = True  # a sentence above sentences
    if is_value:
        return False
    if is_name and len(names) >= 0.5 * len(top):  # a title may also precede numbers
        return True
    if repeats or is_number(names[0]) or is_sentence or any(len(name) > _MAX_NAME_LENGTH for name in names):
        return False
    if sum(map(is_number, names)) > len(names) / 2:
        return False
    width = max(map(width_of, (top, *below[:_SAMPLE])))
    return _names_one_column(top[0], _column(below, 0)) if width == 1 else True


def _is_year(cell: str) -> bool:
    return cell.isdigit() and 1900 <= int(cell) <= 2100


def _are_consecutive(cells: Sequence[str]) -> bool:
    """Whether cells number their columns: 1, 2, 3, ..."""
    return len(cells) >= 3 and list(cells) == [str(i + 1) for i in range(len(cells))]


def _is_question(name: str, cells: Sequence[str]) -> bool:
    """Whether a cell precedes a few short recurring values and is none of them, like a question above its answers."""
    distinct = set(cells)
    few = len(cells) >= 6 and len(distinct) <= max(2, len(cells) / 3)
    return few and name not in distinct and len(name) > 1.5 * max(map(len, distinct))


def _names_one_column(name: str, cells: Sequence[str]) -> bool | None:
    """Whether the first line of a file of one column is the column's name; None if that is unclear."""
    parts = re.split(r"[,;\t|]", name)
    if not cells or (len(parts) > 1 and all(plain_name(part.strip()) in _KNOWN for part in parts)):
        return True  # the header of a table that is separated by another delimiter
    words = statistics.median(len(cell.split()) for cell in cells)
    name_words = len(name.split())
    if name_words == 1 and name.isidentifier() and words > 2:
        return True
    if name_words > 1 and words > 1 and len(name) >= 0.5 * min(map(len, cells)) and not name.istitle() and not name.isupper():
        return False  # a text among texts
    return None


def _spans_columns(cells: Sequence[str]) -> bool:
    """Whether a line is the upper one of two levels of names: one name over several columns."""
    filled = [cell for cell in cells if cell]
    return len(filled) > 1 and len(set(filled)) == 1


def _are_indices(cells: Sequence[str]) -> bool:
    """Whether the cells are 0, 1, 2 and so on, perhaps after an empty cell."""
    filled = list(cells[1:] if not cells[0] else cells)
    return len(filled) > 1 and filled == [str(i) for i in range(len(filled))]


def _is_rule_or_types(cells: Sequence[str]) -> bool:
    """Whether a line below the header holds only dashes, or the types of the columns."""
    filled = [cell for cell in cells if cell]
    dashes = all(set(cell) <= set("-=_:+") and len(cell) > 1 for cell in filled)
    return len(filled) > 1 and (dashes or all(cell.lower() in _TYPES for cell in filled))


def _further_header_lines(records: Sequence[tuple[int, list[str]]], last: int) -> int:
    """The number of lines below the first header line that belong to the header, as survey programs write them."""
    count = 0
    while count < _MAX_HEADER_LINES and len(records) > count + 3:
        number, top = records[count]
        below = [record for _, record in records[count + 1 :]]
        if number != last + 1 + count or not (_is_survey_line(top) or _is_rule_or_types(top) or _contradicts(top, below)):
            break
        count += 1
    # A line between two clear header lines belongs to the header as well.
    if count == 0 and len(records) > 4 and _is_survey_line(records[1][1]):
        return 2
    return count


def _is_survey_line(cells: Sequence[str]) -> bool:
    """Whether Qualtrics or SurveyMonkey wrote the line below the header."""
    filled = [cell for cell in cells if cell]
    imports = sum(cell.startswith('{"ImportId"') for cell in filled)
    answers = {"response", "open-ended response"}
    answer_count = sum(cell.lower() in answers for cell in filled)
    return bool(filled) and (
        imports > 0.5 * len(filled) or answer_count == len(filled) or (answer_count >= 3 and answer_count >= 0.1 * len(filled))
    )


def _contradicts(top: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a line has words in every column of numbers or dates, and there are at least two such columns."""
    are_words = []
    for column, cell in enumerate(top):
        cells = _column(below, column)
        kind = _cell_type(cells) if len(cells) >= 3 else None
        if kind:
            are_words.append(bool(cell) and not is_number(cell) and not is_date(cell) and not is_missing(cell))
    return len(are_words) >= 2 and all(are_words)


def is_total(record: Sequence[str]) -> bool:
    """Whether a record is a row of totals: a word such as `Total`, then only numbers or empty cells."""
    filled = [cell.strip() for cell in record if cell.strip()]
    if len(filled) < 2 or filled[0].rstrip(":").lower() not in _TOTALS:
        return False
    return all(is_number(cell) for cell in filled[1:])


def _clean_names(cells: Sequence[str]) -> list[str]:
    plain = [" ".join(cell.replace("\ufeff", " ").split()) for cell in cells]  # a second byte-order mark is not part of a name
    return unique_names(name or f"column_{index + 1}" for index, name in enumerate(plain))
