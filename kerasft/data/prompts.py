"""Join prompts that are spread over two columns (Alpaca: `instruction` and `input`)."""

from __future__ import annotations

from dataclasses import replace

from kerasft.data.columns import plain_name
from kerasft.data.table import Note, Table, text_array

_COMPLETIONS = ("output", "response", "completion", "answer")


def join_prompts(table: Table) -> Table:
    """Append the `input` to the `instruction`, after a blank line, in a table that also has a completion.

    Source: https://github.com/tatsu-lab/stanford_alpaca, whose prompts contain both. Other tables stay unchanged.
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
    note = Note(
        "joined_prompt",
        f"The prompt is column {column!r}, followed by a blank line and column {added!r} where that is not empty.",
    )
    return replace(table, columns=columns, notes=(*table.notes, note))
