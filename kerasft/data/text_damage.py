"""Texts that were damaged on their way: decoded wrongly once, HTML entities, control characters. Found and repaired."""

from __future__ import annotations

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

# The first byte of a UTF-8 letter and the next as Latin-1 or Windows-1252 shows them; ftfy then judges the whole text.
_PERHAPS_MOJIBAKE = (
    "[\u00c2-\u00f4\u0102\u0103\u0110\u0111][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d"
    "\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
)
_ENTITY = f"&(?:#[0-9]{{2,7}}|#x[0-9A-Fa-f]{{2,6}}|apos|{'|'.join(sorted(name2codepoint))});"
# Zero-width joiners belong to emoji and to Indian and Persian words, so they do no harm in texts.
_CONTROL = (
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ufeff\ufffc]"
)
_REPLACED = "\ufffd"
_KINDS = (
    ("mojibake", _PERHAPS_MOJIBAKE, "look decoded wrongly, such as {example!r}"),
    ("html_entities", _ENTITY, "hold HTML entities, such as {example!r}"),
    ("control_characters", _CONTROL, "hold control or invisible characters, such as {example!a}"),
    ("replaced_characters", _REPLACED, "hold U+FFFD, which stands for a character that was lost"),
)
_ENDS_IN_CAPITAL = re.compile("(?<=[A-Z\u00c0-\u00de])[\u00c0-\u00de](?=[\u2019\u201d\u2026])")
_CONTROL_PATTERN = re.compile(_CONTROL)


def damage_notes(table: Table, columns: list[str]) -> Iterator[Note]:
    """What is damaged in the cells of some columns, each kind with the share of rows and their numbers."""
    for name in columns:
        column = table.columns[name]
        plain = pc.all(pc.string_is_ascii(column)).as_py()
        for code, pattern, told in _KINDS:
            if plain and code in ("mojibake", "replaced_characters"):
                continue
            if code == "html_entities" and not pc.any(pc.match_substring(column, "&")).as_py():
                continue  # a search for one sign is many times faster
            found = np.flatnonzero(pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy(zero_copy_only=False))
            if code == "mojibake":
                found = _decoded_wrongly(column, found)
            if not len(found):
                continue
            match = re.search(pattern, column[int(found[0])].as_py())
            example = match.group() if match else ""
            share = f"{len(found):,} cells of column {name!r} ({len(found) / len(table):.1%})"
            lost = code == "replaced_characters"
            hint = "" if lost else " repair=True (--data.repair true) repairs them."
            yield Note(code, f"{share} {told.format(example=example)}.{hint}", tuple(int(row) for row in table.rows[found]))


def _decoded_wrongly(column: pa.ChunkedArray, candidates: np.ndarray) -> np.ndarray:
    """Those of some cells that another decoding makes plausible."""
    if not len(candidates):
        return candidates
    import ftfy

    # A word in capitals that ends in a letter with an accent, before a closing mark, is no damage.
    texts = [_ENDS_IN_CAPITAL.sub("A", text) for text in column.take(pa.array(candidates)).to_pylist()]
    return candidates[[ftfy.fix_encoding(text) != text for text in texts]]


def repaired(table: Table) -> Table:
    """The table with damaged cells repaired, by the library ftfy; says how many changed.

    Strings within lists and objects are repaired one by one. Where parts of texts are marked, a text whose letters would move
    stays as it is and is named.

    Source: Speer, R. (2019), ftfy, https://github.com/rspeer/python-ftfy.
    """
    columns = table.columns
    marked = [name for name in table.names if _marks_places(first_cells(columns[name]))]
    notes: list[Note] = []
    for position, name in enumerate(table.names):
        cells = columns[name].to_pylist()
        fixed = [cell if not cell else _repaired_cell(cell) for cell in cells]
        changed = [i for i, (before, after) in enumerate(zip(cells, fixed, strict=True)) if before != after]
        kept = [i for i in changed if len(cells[i]) != len(fixed[i])] if marked and name not in marked else []
        for i in kept:
            fixed[i] = cells[i]
        if kept:
            rows = tuple(int(table.rows[i]) for i in kept)
            message = f"{len(kept):,} cells of column {name!r} were not repaired: column {marked[0]!r} counts their letters."
            notes.append(Note("not_repaired", message, rows))
        if len(changed) > len(kept):
            left = sorted(set(changed) - set(kept))
            columns = columns.set_column(position, name, text_array(fixed))
            rows = tuple(int(table.rows[i]) for i in left)
            notes.append(Note("repaired_texts", f"{len(left):,} cells of column {name!r} were repaired.", rows))
    return replace(table, columns=columns, notes=(*table.notes, *notes))


def _marks_places(cells: list[str]) -> bool:
    return holds_spans(cells) or holds_answers(cells)


def _repaired_cell(cell: str) -> str:
    """A cell repaired; in a cell that is JSON, the strings in it."""
    if cell[:1] in "[{":
        value = parse_json(cell, list)
        value = parse_json(cell, dict) if value is None else value
        if value is not None:
            fixed = _repaired_value(value)
            return cell if fixed == value else as_json(fixed)
    return _repaired_text(cell)


def _repaired_value(value: Any) -> Any:
    if isinstance(value, str):
        return _repaired_text(value)
    if isinstance(value, list):
        return [_repaired_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _repaired_value(item) for key, item in value.items()}
    return value


def _repaired_text(text: str) -> str:
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=True, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization="NFC"
    )
    return _CONTROL_PATTERN.sub("", ftfy.fix_text(text, config)) if text else text
