"""Check columns whose roles are known: normalise numbers, refuse JSON objects, report damaged texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cells import first_cells, numbers, parse_json
from kerasft.data.columns import Columns, plain_name
from kerasft.data.number_cells import with_plain_numbers
from kerasft.data.table import Note, Table
from kerasft.data.text_damage import damage_notes
from kerasft.errors import DataError, name_rows, name_values

_OFFSET_KEYS = frozenset({"start", "start_offset", "start_char", "begin", "end", "end_offset"})  # of spans, which become tags
_FORMATS = (
    "KerasFT reads JSON rows of plain values and exports of Label Studio, doccano, Prodigy, spaCy and others: see docs/data.md."
)


def check_columns(table: Table, columns: Columns, others: Iterable[Table] = ()) -> Table:
    """Normalise the numbers of the label column, and note which texts and labels are damaged.

    Args:
        table: The rows of one split.
        columns: The roles of its columns.
        others: The other splits.

    Raises:
        DataError: Texts or labels are JSON objects of an unknown format.
    """
    table = with_plain_numbers(table, columns.label, others)
    refuse_objects(table, columns)
    checked_names = [name for name in (columns.text, columns.text_pair, columns.label) if name and name in table.names]
    notes = list(damage_notes(table, checked_names))
    return replace(table, notes=(*table.notes, *notes)) if notes else table


def refuse_objects(table: Table, columns: Columns) -> None:
    """Refuse a table whose texts or labels are JSON objects: an object is never a text, a label or a word.

    Raises:
        DataError: Cells are JSON objects; names the rows and the keys.
    """
    for role, name in (("text", columns.text), ("second text", columns.text_pair), ("label", columns.label)):
        if name is None or name not in table.names:
            continue
        if role == "label" and columns.text_pair is not None:
            continue  # may be answers to questions, which that task checks itself
        cells = first_cells(table.columns[name])
        if not any(cell.lstrip()[:1] in ("{", "[") for cell in cells) and not _start_like_objects(table, name).any():
            continue
        rows, keys = _objects(table, name)
        if not rows or (role != "label" and len(rows) < 0.5 * len(table)):
            continue
        raise DataError(
            f"Column {name!r} holds JSON objects with the keys {name_values(keys)} where a {role} is expected.",
            where=f"{table.source}, {name_rows(rows)}",
            hint=f"Name another column, or export the fields as columns. {_FORMATS}",
        )


def _start_like_objects(table: Table, name: str) -> np.ndarray:
    starts = pc.match_substring_regex(table.columns[name], r"^\s*(\{|\[\s*\{)")
    return np.asarray(pc.fill_null(starts, False).to_numpy(zero_copy_only=False))


def _objects(table: Table, name: str) -> tuple[list[int], list[str]]:
    """The rows whose cells are JSON objects or lists of them, and the keys of the first."""
    rows: list[int] = []
    keys: list[str] = []
    positions = np.flatnonzero(_start_like_objects(table, name))
    for position in positions[:100_000]:
        cell = table.columns[name][int(position)].as_py()
        value = parse_json(cell, dict)
        if value is None:
            items = parse_json(cell, list)
            value = next((item for item in items or [] if isinstance(item, dict) and not _OFFSET_KEYS & set(item)), None)
        if value is not None:
            rows.append(int(table.rows[position]))
            keys = keys or [str(key) for key in value]
    return rows, keys


def add_empty_labels(table: Table, columns: Columns, split: str) -> Table:
    """Add an empty label column to test rows without one; any other table is returned unchanged.

    Hidden test sets (GLUE, Kaggle) have no labels: they can be predicted but not scored.
    """
    if split != "test" or columns.label is None or columns.label in table.names:
        return table
    empty = pa.nulls(len(table), pa.large_string())
    note = Note("no_test_labels", f"The test rows have no column {columns.label!r}, so they are not scored.")
    return replace(table, columns=table.columns.append_column(columns.label, empty), notes=(*table.notes, note))


# Columns of short texts that belong to the example.
_SHORT_TEXT_NAMES = frozenset(
    {"aspect", "aspect_term", "aspect_category", "term", "word", "target_word", "lemma", "entity", "keyword", "trigger"}
    | {"system", "system_prompt", "history", "input", "instruction", "options", "choices", "context", "passage"}
)
_CHOICES = ("a", "b", "c", "d", "e")  # the columns of a question's answers


def unread_texts(table: Table, columns: Columns) -> Sequence[str]:
    """The columns that hold texts but have no role: they are not read, but may belong to the example."""
    unread = []
    joined = {name for note in table.notes if note.code == "joined_prompt" for name in table.names if repr(name) in note.message}
    plain_names = {plain_name(name) for name in table.names}
    short = _SHORT_TEXT_NAMES | (set(_CHOICES) if set(_CHOICES[:2]) <= plain_names else set())
    for name in table.names:
        if name in (columns.text, columns.text_pair, columns.label, columns.split) or name in joined:
            continue
        cells = first_cells(table.columns[name])
        if plain_name(name) in short and cells and numbers(cells) is None:
            unread.append(name)
            continue
        long = [cell for cell in cells if len(cell.split()) >= 4 and cell.lstrip()[:1] not in ("[", "{")]
        if cells and len(long) >= 0.5 * len(cells) and len(set(cells)) > 0.5 * len(cells):
            unread.append(name)
    return unread
