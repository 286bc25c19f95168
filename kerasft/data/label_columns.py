"""Several labels a row, spread over columns of 0 and 1 -> one column with a JSON list of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from kerasft.data.cells import as_json, first_cells, trimmed
from kerasft.data.columns import ANNOTATOR_NAME
from kerasft.data.table import Table, text_array
from kerasft.errors import DataError, name_rows, name_values

NAME = "labels"
_YES = frozenset({"1", "1.0", "true", "yes"})
_NO = frozenset({"0", "0.0", "false", "no", ""})
_NUMERALS = frozenset({"0", "1", "0.0", "1.0"})


def named_columns(label: str | None, table: Table) -> tuple[str, ...]:
    """The columns meant by `joy,anger,fear`; none when `label` is one column, or not a list of columns at all.

    Raises:
        DataError: Some of the parts are columns and some are not.
    """
    if label is None or "," not in label or label in table.names:
        return ()
    parts = tuple(dict.fromkeys(part.strip() for part in label.split(",") if part.strip()))
    absent = [part for part in parts if part not in table.names]
    if absent and len(absent) < len(parts):
        hint = f"The columns are: {name_values(table.names, most=20)}."
        raise DataError(f"There is no column {name_values(absent)} for label.", where=table.source, hint=hint)
    return () if absent else parts


def columns_of_0_and_1(table: Table, but: Sequence[str | None]) -> tuple[str, ...]:
    """The columns that hold nothing but 0 and 1, when there are two or more of them and not all are 0."""
    binary_columns = []
    ones = False
    for name in table.names:
        if name in but or not {cell.strip() for cell in first_cells(table.columns[name])} <= _NUMERALS:
            continue
        values = {value.strip() for value in pc.unique(table.columns[name]).to_pylist() if value is not None}
        values.discard("")
        if values and values <= _NUMERALS:
            binary_columns.append(name)
            ones = ones or bool(values & _YES)
    if binary_columns and all(ANNOTATOR_NAME.fullmatch(name) for name in binary_columns):
        return ()  # each holds the labels of one annotator
    return tuple(binary_columns) if ones and len(binary_columns) > 1 else ()


def join_labels(tables: Mapping[str, Table], names: Sequence[str]) -> tuple[dict[str, Table], str]:
    """Tables with one more column, the names of the columns that say yes; and that column's name.

    Raises:
        DataError: A table lacks a column, or a cell is neither yes nor no; names the rows.
    """
    taken = {name for table in tables.values() for name in table.names}
    new = next(name for name in (NAME, *(f"{NAME}_{i}" for i in range(2, len(taken) + 3))) if name not in taken)
    return {split: _with_labels(table, names, new) for split, table in tables.items()}, new


def _with_labels(table: Table, names: Sequence[str], new: str) -> Table:
    absent = [name for name in names if name not in table.names]
    if absent:
        hint = f"Its columns are: {name_values(table.names, most=20)}."
        raise DataError(f"A split lacks the columns {name_values(absent)}.", where=table.source, hint=hint)
    marks = np.stack([_marks(table, name) for name in names], axis=1)
    combinations, which = np.unique(marks, axis=0, return_inverse=True)
    lists = [as_json([name for name, mark in zip(names, row, strict=True) if mark]) for row in combinations]
    cells = text_array([lists[index] for index in which.reshape(-1)])
    return replace(table, columns=table.columns.append_column(new, cells))


def _marks(table: Table, name: str) -> np.ndarray:
    """(rows,) bool: True where the column says yes."""
    column = pc.utf8_lower(trimmed(table.columns[name]))
    values = pc.unique(column).to_pylist()
    invalid = [value for value in values if value not in _YES | _NO]
    cells = column.to_numpy()
    if invalid:
        rows = [int(row) for row in table.rows[np.isin(cells, invalid)]]
        raise DataError(
            f"Column {name!r} holds {name_values(invalid)} where 0 or 1 is expected.",
            where=f"{table.source}, {name_rows(rows)}",
            hint="Write 1 (or true, yes) where the label applies, and 0 (or false, no, or nothing) where it does not.",
        )
    return np.isin(cells, sorted(_YES))
