"""Prompts whose parts stand in two columns (Alpaca: `instruction` and `input`) -> one prompt."""

from __future__ import annotations

from dataclasses import replace

from kerasft.data.columns import plain_name
from kerasft.data.table import Note, Table, text_array

_COMPLETIONS = ("output", "response", "completion", "answer")


def with_inputs(table: Table) -> Table:
    """A table of `instruction`, `input` and a completion in which the instruction holds the input, too, after a blank line.

    Source: https://github.com/tatsu-lab/stanford_alpaca, whose prompts name both. Other tables stay as they are.
    """
    names = {plain_name(name): name for name in reversed(table.names)}
    if not {"instruction", "input"} <= set(names) or not set(_COMPLETIONS) & set(names):
        return table
    column, added = names["instruction"], names["input"]
    instructions, inputs = table.columns[column].to_pylist(), table.columns[added].to_pylist()
    if not any(cell and cell.strip() for cell in inputs):
        return table
    cells = [
        f"{instruction or ''}\n\n{extra}" if extra and extra.strip() else instruction
        for instruction, extra in zip(instructions, inputs, strict=True)
    ]
    columns = table.columns.set_column(table.names.index(column), column, text_array(cells))
    note = Note("joined_prompt", f"The prompt is column {column!r}, a blank line, and column {added!r} where that is filled.")
    return replace(table, columns=columns, notes=(*table.notes, note))
