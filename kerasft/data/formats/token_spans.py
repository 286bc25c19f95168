"""Entities that count tokens: SpERT (`tokens`, `entities`), GLiNER (`tokenized_text`, `ner`), PURE (`sentences`, `ner`).

SpERT's ends are exclusive; those of GLiNER, PURE and DyGIE are inclusive, and PURE counts over the whole document. All become
BIO tags. Lists of three numbers and names beside `tokens` or `words` are read where the places themselves show which ends are
meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kerasft.data.cells import as_json, first_cells, holds_tokens, parse_json
from kerasft.data.columns import TAG_NAMES, plain_name
from kerasft.data.formats.base import Rows, objects
from kerasft.data.table import Note, Table, TableBuilder
from kerasft.errors import DataError

NAME = "entities that count tokens, turned into BIO tags"


_TOKENS = ("tokens", "words")
_SPANS = ("entities", "spans", "entity_mentions", "ner", "label", "labels", "annotations")


def with_token_spans(table: Table) -> Table:
    """A table whose columns hold lists of tokens and entities that count them, as tokens and tags; any other table as it is.

    Raises:
        DataError: An entity lies outside of its sentence, or it cannot be told whether ends are inclusive.
    """
    words = next(
        (name for name in table.names if plain_name(name) in _TOKENS and holds_tokens(first_cells(table.columns[name]))), None
    )
    spans = next(
        (name for name in table.names if name != words and plain_name(name) in _SPANS and _holds_spans(table, name)), None
    )
    if (
        words is None
        or spans is None
        or any(plain_name(name) in TAG_NAMES and name not in (words, spans) for name in table.names)
    ):
        return table  # tags say it already; spans beside them may count characters
    if _counts_letters(table, words, spans):
        return table
    others = [name for name in table.names if name not in (words, spans)]
    builder = TableBuilder(["tokens", "tags", *others])
    cells = [table.columns[name].to_pylist() for name in (words, spans, *others)]
    rows = [(int(number), {"tokens": parse_json(tokens or "", list) or [], "entities": parse_json(held or "", list) or []})
            for number, tokens, held in zip(table.rows, cells[0], cells[1], strict=True)]  # fmt: skip
    notes: list[Note] = [Note("format", f"Read as {NAME}.")]
    by_row = dict(zip((number for number, _ in rows), zip(*cells[2:], strict=True) if others else [()] * len(rows), strict=True))
    for number, columns in read(rows, table.source, notes):
        builder.add(number, [columns["tokens"], columns["tags"], *by_row[number]])
    return replace(builder.build(table.source, [*table.notes, *notes]), delimiter=table.delimiter)


def _counts_letters(table: Table, words: str, spans: str) -> bool:
    """Whether places lie beyond the last token: they count the letters of the sentence, as our own answers do."""
    for tokens, held in zip(first_cells(table.columns[words]), first_cells(table.columns[spans]), strict=False):
        count = len(parse_json(tokens, list) or [])
        found = [_object_span(one) for one in parse_json(held, list) or []]
        if any(span is not None and span[1] > count for span in found):
            return True
    return False


def _holds_spans(table: Table, name: str) -> bool:
    lists = [parse_json(cell, list) for cell in first_cells(table.columns[name])]
    items = [item for cell in lists for item in cell or []]
    return None not in lists and bool(items) and all(_object_span(item) or _inclusive(item, 0) for item in items)


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    return bool(rows) and all(_sentences(row) is not None for row in rows)


def _sentences(row: Mapping[str, Any]) -> list[tuple[list[str], list[tuple[int, int, str]]]] | None:
    """Tokens and spans (start, exclusive end, type) of each sentence; None when the row is of another format."""
    own = next((row[name] for name in _TOKENS if _are_words(row.get(name))), None)
    entities = next((row[name] for name in _SPANS if isinstance(row.get(name), list)), None)
    if own is not None and entities is not None:
        if entities and all(isinstance(one, list | tuple) for one in entities):
            triples = [_inclusive(one, 0) for one in entities]
            return [(own, _as_counted(triples, len(own)))] if None not in triples else None  # type: ignore[arg-type]
        spans = [_object_span(one) for one in entities]
        return [(own, spans)] if None not in spans else None  # type: ignore[list-item]
    words = row.get("tokenized_text")
    if _are_words(words) and isinstance(row.get("ner"), list):
        spans = [_inclusive(one, 0) for one in row["ner"]]
        return [(words, spans)] if None not in spans else None  # type: ignore[list-item]
    sentences, ner = row.get("sentences"), row.get("ner")
    if (
        isinstance(sentences, list)
        and sentences
        and all(map(_are_words, sentences))
        and isinstance(ner, list)
        and len(ner) == len(sentences)
    ):
        found, offset = [], 0
        for tokens, held in zip(sentences, ner, strict=True):
            if not isinstance(held, list):
                return None
            spans = [_inclusive(one, offset) for one in held]
            if None in spans:
                return None
            found.append((tokens, spans))
            offset += len(tokens)
        return found  # type: ignore[return-value]
    return None


def _as_counted(inclusive: list[tuple[int, int, str]], count: int) -> list[tuple[int, int, str]]:
    """Spans of lists of three, whose ends are exclusive if one of them is the number of tokens, inclusive if one is its start.

    Raises:
        DataError: Neither shows.
    """
    if any(end > count for _, end, _ in inclusive):
        return [(start, end - 1, label) for start, end, label in inclusive]
    if any(end - 1 == start for start, end, _ in inclusive):
        return inclusive
    hint = 'Write objects: {"start": 0, "end": 2, "type": "PER"}, the end exclusive; or tags of the tokens.'
    raise DataError(f"Entities such as {inclusive[0]!r} do not show whether their ends are inclusive.", hint=hint)


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _object_span(one: Any) -> tuple[int, int, str] | None:
    if not isinstance(one, Mapping):
        return None
    label = one.get("type", one.get("label", one.get("entity_type")))
    places = (one.get("start"), one.get("end"))
    return (places[0], places[1], label) if all(type(p) is int for p in places) and isinstance(label, str) else None  # type: ignore[return-value]


def _inclusive(one: Any, offset: int) -> tuple[int, int, str] | None:
    if not isinstance(one, list | tuple) or len(one) < 3 or not isinstance(one[2], str):
        return None
    if type(one[0]) is not int or type(one[1]) is not int:
        return None
    return one[0] - offset, one[1] + 1 - offset, one[2]


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    overlapping = []
    for number, row in rows:
        sentences = _sentences(row) if isinstance(row, Mapping) else None
        if sentences is None:
            raise DataError("A row has no tokens with entities that count them.", where=f"{source}, row {number}")
        for tokens, spans in sentences:
            tags = ["O"] * len(tokens)
            for start, end, label in sorted(spans, key=lambda span: span[0] - span[1]):
                if not 0 <= start < end <= len(tokens):
                    what = f"tokens {start} to {end} of {len(tokens)}"
                    raise DataError(f"An entity lies outside its sentence: {what}.", where=f"{source}, row {number}")
                if any(tag != "O" for tag in tags[start:end]):
                    overlapping.append(number)
                    continue
                tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
            rest = {key: value for key, value in row.items() if isinstance(value, str | int | float) and len(sentences) == 1}
            yield number, {"tokens": as_json(tokens), "tags": as_json(tags), **rest}
    if overlapping:
        message = f"{len(overlapping):,} entities overlap a longer one and are left out; a word has one tag."
        notes.append(Note("overlapping", message, tuple(dict.fromkeys(overlapping))))
