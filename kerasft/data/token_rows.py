"""Tables with one token in each row -> one row a sentence, tokens and tags as JSON lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kerasft.data.cells import as_json, first_cells, holds_lists, trimmed
from kerasft.data.conll import TAG_NAMES
from kerasft.data.table import Table, TableBuilder
from kerasft.errors import DataError, name_rows, name_values

_SENTENCE_NAMES = frozenset(
    f"{word}{sign}"
    for word in ("sentence", "sent")
    for sign in ("_id", "id", "_#", "#", "_idx", "_index", "_number", "_no", "_nr", "_num", "_no.")
)
_TOKEN_NAMES = ("word", "token", "form", "words", "tokens")
_TAG_NAMES = ("tag", "ner_tag", "ner", "label", *(name for name in TAG_NAMES if name not in ("tag", "ner_tag", "ner", "label")))
_NUMBERED = re.compile(r"(?:sentence\s*[:#]?\s*)?\d+(?:\.0)?", re.IGNORECASE)


def group_token_rows(table: Table, *, sentence: str | None = None, text: str | None = None, label: str | None = None) -> Table:
    """One row a sentence when a table has one token in each row; else the table itself.

    Args:
        table: Any table.
        sentence: Column that names the sentence of each row (blank cells: as the row above); None goes by names.
        text: Column of the tokens, if a person has named it.
        label: Column of the tags, if a person has named it.

    Returns:
        A table with `tokens` and, if there are, `tags`; other columns hold one value a sentence, or a list where
        their values differ. The row number is that of the sentence's first token.

    Raises:
        DataError: A column named is absent, or rows lack a token or a tag.
    """
    said = {"sentence": sentence, "text": text, "label": label}
    if sentence is not None:
        for role, name in said.items():
            if name and name not in table.names:
                hint = f"The columns are: {name_values(table.names, most=20)}."
                raise DataError(f"There is no column {name!r} for {role}.", where=table.source, hint=hint)
    names = {_plain(name): name for name in reversed(table.names)}
    by = sentence or _sentence_column(table, names)
    token = (text if text in table.names else None) or _first_of(names, _TOKEN_NAMES, but=by)
    if by is None or token is None or token == by:
        if sentence is not None:
            raise DataError(
                "No column looks like that of the tokens.", where=table.source, hint="Name it: text='...' (--data.text)."
            )
        return table
    tag = (label if label in table.names else None) or _first_of(names, _TAG_NAMES, but=by)
    cells = first_cells(table.columns[token])
    if sentence is None and (holds_lists(cells) or sum(" " in cell.strip() for cell in cells) > 0.2 * len(cells)):
        return table
    starts = _starts(table, by)
    if sentence is None and len(starts) == len(table):
        return table  # a sentence, not a token, in each row
    return _grouped(table, starts, by, token, tag if tag != token else None)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _first_of(names: dict[str, str], known: Sequence[str], *, but: str | None) -> str | None:
    return next((names[name] for name in known if name in names and names[name] != but), None)


def _sentence_column(table: Table, names: dict[str, str]) -> str | None:
    found = next((names[name] for name in names if name in _SENTENCE_NAMES), None)
    if found is None and "sentence" in names:
        # The usual name of a text, too: here it must number the sentences.
        cells = first_cells(table.columns[names["sentence"]])
        found = names["sentence"] if cells and all(_NUMBERED.fullmatch(cell.strip()) for cell in cells) else None
    return found


def _starts(table: Table, by: str) -> np.ndarray:
    """Positions of the rows with which a sentence begins."""
    ids = trimmed(table.columns[by]).to_numpy()
    filled = ids != ""
    last = np.maximum.accumulate(np.where(filled, np.arange(len(ids)), 0))
    ids = ids[last]  # a blank cell means: as above
    return np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))


def _grouped(table: Table, starts: np.ndarray, by: str, token: str, tag: str | None) -> Table:
    words = table.columns[token].to_pylist()
    tags = table.columns[tag].to_pylist() if tag else [None] * len(words)
    kept = np.asarray([bool(word) or bool(mark) for word, mark in zip(words, tags, strict=True)])
    _refuse(table, kept & np.asarray([not word for word in words]), f"without a token in column {token!r}")
    labelled = any(tags)
    ends = np.append(starts[1:], len(words))
    if labelled:
        # Sentences without any tag are there to be predicted; one that lacks some is a mistake.
        partly = np.zeros(len(words), dtype=bool)
        for start, end in zip(starts, ends, strict=True):
            if any(tags[start:end]):
                partly[start:end] = [not mark for mark in tags[start:end]]
        _refuse(table, kept & partly, f"without a tag in column {tag!r}")
    others = {name: table.columns[name].to_pylist() for name in table.names if name not in (token, tag)}
    marks_too = {name for name in others if _plain(name) in TAG_NAMES}
    single = {name for name, cells in others.items() if name not in marks_too and _one_a_sentence(cells, starts, ends)} | {by}
    new_names = ["tokens", *(["tags"] if tag else []), *(_free(name) for name in others)]
    builder = TableBuilder(new_names)
    for start, end in zip(starts, ends, strict=True):
        rows = [int(row) for row in range(start, end) if kept[row]]
        if not rows:
            continue
        values: list[str | None] = [as_json([words[row] for row in rows])]
        if tag:
            marks = [tags[row] for row in rows]
            values.append(as_json(marks) if any(marks) else None)
        for name, cells in others.items():
            if name in single:
                values.append(next((cells[row] for row in rows if cells[row] is not None), None))
            else:
                values.append(as_json([cells[row] for row in rows]))
        builder.add(int(table.rows[rows[0]]), values)
    renamed = {token: "tokens", **({tag: "tags"} if tag else {})}
    return replace(builder.build(table.source, table.notes), renamed=renamed)


def _free(name: str) -> str:
    """The name of another column, out of the way of the two that are made."""
    return f"{name}_2" if name in ("tokens", "tags") else name


def _one_a_sentence(cells: list[str | None], starts: np.ndarray, ends: np.ndarray) -> bool:
    return all(len({cell for cell in cells[start:end] if cell is not None}) <= 1 for start, end in zip(starts, ends, strict=True))


def _refuse(table: Table, wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        rows = [int(row) for row in table.rows[wrong]]
        hint = "Fill the cells. pandas reads words such as 'NA' and 'null' as missing unless told keep_default_na=False."
        raise DataError(f"{len(rows):,} rows are {what}.", where=f"{table.source}, {name_rows(rows)}", hint=hint)
