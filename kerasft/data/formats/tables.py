"""Rows of chats and of spaCy's categories that come as a table (Parquet, CSV, a DataFrame), whose cells hold lists or objects."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kerasft.data.cells import first_cells, parse_json
from kerasft.data.json_files import rows_table
from kerasft.data.table import Table

_MODULES = ("spacy", "chat", "intents")
_SAMPLE = 50  # cells of a column
_BOOLEANS = {"true": True, "false": False}


def with_nested_formats(table: Table) -> Table:
    """Read a table of a format whose rows are nested; any other table is returned unchanged.

    Raises:
        DataError: A row breaks the format of the others.
    """
    nested = {name for name in table.names if _is_nested(first_cells(table.columns[name], _SAMPLE))}
    if not nested:
        return table
    sample = [row for _, row in _rows(replace(table, columns=table.columns.slice(0, _SAMPLE), rows=table.rows[:_SAMPLE]), nested)]
    for name in _MODULES:
        module: Any = importlib.import_module(f"kerasft.data.formats.{name}")
        if module.recognise(sample):
            return replace(rows_table(_rows(table, nested), table.source, table.notes), delimiter=table.delimiter)
    return table


def _is_nested(cells: list[str]) -> bool:
    values = [_value(cell) for cell in cells]
    return bool(values) and all(isinstance(value, dict) or (isinstance(value, list) and bool(value)) for value in values)


def _rows(table: Table, nested: set[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows as a JSON file would hold them."""
    columns = {name: table.columns[name].to_pylist() for name in table.names}
    for position, number in enumerate(table.rows):
        row = {name: cells[position] for name, cells in columns.items() if cells[position] is not None}
        yield (
            int(number),
            {name: _value(cell) if name in nested else _BOOLEANS.get(cell.lower(), cell) for name, cell in row.items()},
        )


def _value(cell: str) -> Any:
    """The list or object in a cell, as JSON or as Python prints it; other cells as they are."""
    text = cell.strip()
    if text[:1] not in ("[", "{"):
        return cell
    for kind in (list, dict):
        if (value := parse_json(text, kind)) is not None:
            return value
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return cell
    return value if isinstance(value, list | dict) else cell
