"""Convert cells that hold a list in another notation than JSON (Python, NumPy, a set, PostgreSQL ...) to JSON lists.

| notation | cell |
|---|---|
| Python | `['joy', 'anger']`, `('joy', 'anger')` |
| a set | `{'joy', 'anger'}`, sorted alphabetically |
| NumPy | `['joy' 'anger']`, `[0 3 3]` |
| NumPy or pandas, printed | `array(['joy', 'anger'], dtype=object)`, `Index(['joy'], dtype='object')` |
| PostgreSQL | `{joy,anger}`, `{"a b",c}` |
| Spark | `[joy, anger]` |
| R | `c("joy", "anger")` |
| any of these in further quotation marks | `"['joy', 'anger']"` |
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, parse_json
from kerasft.data.columns import LABEL_NAMES, plain_name
from kerasft.data.table import Note, Table, row_notes, text_array

_NUMPY = re.compile(r"\[\s*(?:(?:'[^']*'|\"[^\"]*\"|[\w.+-]+)\s*)*\]", re.DOTALL)
_NUMPY_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"|([\w.+-]+)")
_CALL = re.compile(r"(?:array|frozenset|set|list|tuple|Index)\((.*?)(?:,\s*(?:dtype|name|length)=[\w.'<>|]+)*\)", re.DOTALL)
_R_VECTOR = re.compile(r"c\((.*)\)", re.DOTALL)
_OPENING = ("[", "(", "{", '"[', "array(", "frozenset(", "set(", "list(", "tuple(", "Index(", "c(")
_BARE = re.compile(r"\[\s*[^\[\]{}'\",]+(?:,[^\[\]{}'\",]+)*\]")
_BRACES = re.compile(r"\{[^{}:]*\}", re.DOTALL)


def with_lists(table: Table) -> Table:
    """Convert every column of lists to JSON lists; other columns stay unchanged.

    A column holds lists if all its first cells do; a later cell that cannot be read stays unchanged and is reported.
    """
    notes: list[Note] = []
    for name in table.names:
        sample = first_cells(table.columns[name])
        lists = [cell for cell in sample if cell.lstrip().startswith(_OPENING)]
        if not lists or all(parse_json(cell, list) is not None for cell in sample):
            continue
        if not all(_read(cell) is not None for cell in lists):
            continue
        is_mixed = len(lists) < len(sample)
        if 2 * len(lists) < len(sample):
            continue
        if is_mixed and not _are_labels(name, [cell for cell in sample if cell not in lists], lists):
            continue
        values: list[str | None] = []
        other_rows: list[int] = []
        for row, cell in zip(table.rows, table.columns[name].to_pylist(), strict=True):
            items = _read(cell) if cell is not None and cell.strip() else None
            if items is None and cell is not None and cell.strip():
                items = [cell.strip()] if is_mixed else None
                other_rows.append(int(row))
            values.append(cell if items is None else as_json(items))
        notes.append(Note("list_cells", f"The cells of column {name!r} were read as lists, such as {sample[0][:60]!r}."))
        cells = f"{{count}} cells of column {name!r}"
        single = f"{cells} hold a single label instead of a list; each was read as a list of one."
        unread = f"{cells} are not lists, unlike the others: {{rows}}."
        notes += row_notes(("single_labels", other_rows, single) if is_mixed else ("odd_lists", other_rows, unread))
        columns = table.columns.set_column(table.names.index(name), name, text_array(values))
        table = replace(table, columns=columns)
    return replace(table, notes=(*table.notes, *notes)) if notes else table


def _are_labels(name: str, plain: Sequence[str], lists: Sequence[str]) -> bool:
    """Whether the other cells are labels like those in the lists: the column has a usual name, and the cells are short."""
    return plain_name(name) in LABEL_NAMES and all(len(cell) <= 60 and "\n" not in cell for cell in (*plain, *lists))


def _read(cell: str) -> list[Any] | None:
    """The items of a cell that is a list in any notation; None if it is not a list."""
    text = cell.strip()
    if text.startswith('"') and isinstance(inner := _literal(text), str):
        text = inner.strip()
    if call := _CALL.fullmatch(text):
        text = call.group(1).strip() or "[]"
    elif call := _R_VECTOR.fullmatch(text):
        text = f"[{call.group(1)}]"
    if text.startswith("[[[["):
        return None
    if (items := parse_json(text, list)) is not None:
        return list(items)
    if parse_json(text, dict) is not None:
        return None
    if text[:1] == "[" and "," not in text and _NUMPY.fullmatch(text):
        items = [next(part for part in item.groups() if part is not None) for item in _NUMPY_ITEM.finditer(text)]
        return [_number(item) for item in items]
    literal = _literal(text)
    if isinstance(literal, list | tuple):
        return list(literal) if _is_plain(literal) else None
    if isinstance(literal, set | frozenset):
        return sorted(literal, key=str)
    if isinstance(literal, dict):  # {'joy': 1, 'anger': 0}: those that apply
        marks_labels = all(
            isinstance(key, str) and type(value) in (int, bool) and value in (0, 1) for key, value in literal.items()
        )
        return [key for key, value in literal.items() if value] if marks_labels and literal else None
    if _BARE.fullmatch(text):
        return [part.strip() for part in text[1:-1].split(",")]
    if _BRACES.fullmatch(text):
        inner = text[1:-1].strip()
        parts = next(csv.reader([inner], skipinitialspace=True), []) if inner else []
        return [part.strip() for part in parts if part.strip() and part.strip() != "NULL"]
    return None


def _is_plain(value: Any, levels: int = 3) -> bool:
    """Whether a value consists of what JSON has (texts, numbers, lists, objects) and is not nested too deeply."""
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_plain(item, levels - 1) for item in value)
    if isinstance(value, dict):
        return levels > 0 and all(isinstance(key, str) and _is_plain(item, levels - 1) for key, item in value.items())
    return value is None or isinstance(value, str | int | float)


def _number(item: str) -> Any:
    return int(item) if re.fullmatch(r"[+-]?\d+", item) else item


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
