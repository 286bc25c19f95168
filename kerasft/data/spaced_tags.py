"""Convert columns of space-separated words and tags, `EU rejects it` beside `B-ORG O O`, to lists."""

from __future__ import annotations

import re
from dataclasses import replace

from kerasft.data.cells import as_json, first_cells
from kerasft.data.table import Note, Table, text_array

_TAG = re.compile(r"O|[BIESLUM][-_:.]\S+|\S+[-_:.][BIESLUM]", re.IGNORECASE)


def with_spaced_tags(table: Table) -> Table:
    """Convert such a pair of columns to JSON lists of words and of tags; any other table is returned unchanged."""
    for tags in table.names:
        cells = first_cells(table.columns[tags])
        words = [cell.split() for cell in cells]
        if len(words) < 2 or not all(all(map(_TAG.fullmatch, row)) for row in words) or not any(len(row) > 1 for row in words):
            continue
        if all(set(row) == {"O"} for row in words):
            continue
        for tokens in table.names:
            if tokens != tags and _correspond(table, tokens, tags):
                return _split_at_spaces(table, tokens, tags)
    return table


def _correspond(table: Table, tokens: str, tags: str) -> bool:
    sample = table.columns.slice(0, 200)
    pairs = [(text, tag) for text, tag in zip(sample[tokens].to_pylist(), sample[tags].to_pylist(), strict=True) if text and tag]
    return bool(pairs) and sum(len(text.split()) == len(tag.split()) for text, tag in pairs) >= 0.9 * len(pairs)


def _split_at_spaces(table: Table, tokens: str, tags: str) -> Table:
    columns = table.columns
    for name in (tokens, tags):
        cells = [None if cell is None else as_json(cell.split()) for cell in columns[name].to_pylist()]
        columns = columns.set_column(table.names.index(name), name, text_array(cells))
    note = Note("spaced_tags", f"Columns {tokens!r} and {tags!r} were split at spaces into words and their tags.")
    return replace(table, columns=columns, notes=(*table.notes, note))
