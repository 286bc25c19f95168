"""Find and repair damaged texts: wrongly decoded ones, HTML entities, control characters."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from html.entities import name2codepoint
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cells import as_json, first_cells, holds_answers, holds_spans, parse_json
from kerasft.data.table import Note, Table, text_array
from kerasft.errors import count_of

# The first byte of a UTF-8 letter and the next as Latin-1 or Windows-1252 shows them; ftfy then judges the whole text.
_PERHAPS_MOJIBAKE = (
    "[\u00c2-\u00f4\u0102\u0103\u0110\u0111][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d"
    "\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
)
_ENTITY = f"&(?:#[0-9]{{2,7}}|#x[0-9A-Fa-f]{{2,6}}|apos|{'|'.join(sorted(name2codepoint))});"
# Zero-width joiners are left out, since they belong to emoji and to Indian and Persian words.
_CONTROL = (
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ufeff\ufffc]"
)
_REPLACED = "\ufffd"
_BYTES = "^b(?:'[^']*'|\"[^\"]*\")$"
_KINDS = (
    ("mojibake", _PERHAPS_MOJIBAKE, "seem to be decoded wrongly, such as {example!r}"),
    ("html_entities", _ENTITY, "hold HTML entities, such as {example!r}"),
    ("control_characters", _CONTROL, "hold control or invisible characters, such as {example!a}"),
    ("python_bytes", _BYTES, "look like bytes that Python printed, such as {example!r}"),
    ("replaced_characters", _REPLACED, "hold U+FFFD, which replaces a character that was lost"),
)
_ENDS_IN_CAPITAL = re.compile("(?<=[A-Z\u00c0-\u00de])[\u00c0-\u00de](?=[\u2019\u201d\u2026])")
_CONTROL_PATTERN = re.compile(_CONTROL)


def damage_notes(table: Table, columns: list[str]) -> Iterator[Note]:
    """Report each kind of damage in the cells of some columns, with the share of rows and their numbers."""
    for name in columns:
        column = table.columns[name]
        is_ascii = pc.all(pc.string_is_ascii(column)).as_py()
        for code, pattern, description in _KINDS:
            if is_ascii and code in ("mojibake", "replaced_characters"):
                continue
            if code == "html_entities" and not pc.any(pc.match_substring(column, "&")).as_py():
                continue  # a search for one character is many times faster
            damaged = np.flatnonzero(
                pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy(zero_copy_only=False)
            )
            if code == "mojibake":
                damaged = _decoded_wrongly(column, damaged)
            if not len(damaged):
                continue
            match = re.search(pattern, column[int(damaged[0])].as_py())
            example = match.group() if match else ""
            share = f"{count_of(len(damaged), 'cell')} of column {name!r} ({len(damaged) / len(table):.1%})"
            lost = code == "replaced_characters"
            hint = "" if lost else " repair=True (--data.repair true) repairs them."
            yield Note(
                code, f"{share} {description.format(example=example)}.{hint}", tuple(int(row) for row in table.rows[damaged])
            )


def _decoded_wrongly(column: pa.ChunkedArray, candidates: np.ndarray) -> np.ndarray:
    """The candidates that another decoding makes plausible."""
    if not len(candidates):
        return candidates
    import ftfy

    # A word in capitals that ends in an accented letter before a closing quotation mark is not damaged.
    texts = [_ENDS_IN_CAPITAL.sub("A", text) for text in column.take(pa.array(candidates)).to_pylist()]
    return candidates[[ftfy.fix_encoding(text) != text for text in texts]]


def repair(table: Table) -> Table:
    """Repair damaged cells with the library ftfy, and note how many changed.

    Strings within lists and objects are repaired one by one. If spans refer to the texts, a text whose characters
    would move stays unchanged and is reported.

    Source: Speer, R. (2019), ftfy, https://github.com/rspeer/python-ftfy.
    """
    columns = table.columns
    span_columns = [name for name in table.names if _hold_positions(first_cells(columns[name]))]
    notes: list[Note] = []
    for position, name in enumerate(table.names):
        cells = columns[name].to_pylist()
        fixed = [cell if not cell else _repair_cell(cell) for cell in cells]
        changed = [i for i, (before, after) in enumerate(zip(cells, fixed, strict=True)) if before != after]
        unrepaired = [i for i in changed if len(cells[i]) != len(fixed[i])] if span_columns and name not in span_columns else []
        for i in unrepaired:
            fixed[i] = cells[i]
        if unrepaired:
            rows = tuple(int(table.rows[i]) for i in unrepaired)
            message = (
                f"{count_of(len(unrepaired), 'cell')} of column {name!r} stayed unrepaired, "
                f"because column {span_columns[0]!r} refers to positions in them."
            )
            notes.append(Note("not_repaired", message, rows))
        if len(changed) > len(unrepaired):
            repaired_positions = sorted(set(changed) - set(unrepaired))
            columns = columns.set_column(position, name, text_array(fixed))
            rows = tuple(int(table.rows[i]) for i in repaired_positions)
            notes.append(
                Note("repaired_texts", f"Repaired {count_of(len(repaired_positions), 'cell')} of column {name!r}.", rows)
            )
    return replace(table, columns=columns, notes=(*table.notes, *notes))


def _hold_positions(cells: list[str]) -> bool:
    return holds_spans(cells) or holds_answers(cells)


def _repair_cell(cell: str) -> str:
    """Repair a cell; in a JSON cell, only the strings."""
    if cell[:1] in "[{":
        value = parse_json(cell, list)
        value = parse_json(cell, dict) if value is None else value
        if value is not None:
            fixed = _repair_value(value)
            return cell if fixed == value else as_json(fixed)
    return _repair_text(cell)


def _repair_value(value: Any) -> Any:
    if isinstance(value, str):
        return _repair_text(value)
    if isinstance(value, list):
        return [_repair_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _repair_value(item) for key, item in value.items()}
    return value


def _repair_text(text: str) -> str:
    import ftfy

    if re.match(_BYTES, text):
        with contextlib.suppress(ValueError, SyntaxError):  # UnicodeDecodeError is a ValueError
            text = ast.literal_eval(text).decode("utf-8")
    config = ftfy.TextFixerConfig(
        unescape_html=True, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization="NFC"
    )
    return _CONTROL_PATTERN.sub("", ftfy.fix_text(text, config)) if text else text
