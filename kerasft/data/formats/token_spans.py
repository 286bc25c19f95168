"""Entities at token positions: SpERT (`tokens`, `entities`), GLiNER (`tokenized_text`, `ner`), PURE (`sentences`, `ner`).

SpERT's ends are exclusive; those of GLiNER, PURE and DyGIE are inclusive, and PURE counts over the whole document. All become
BIO tags. Lists of start, end and type beside `tokens` or `words` are read if the positions show whether ends are inclusive.
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

NAME = "entities at token positions, converted to BIO tags"

_TOKENS = ("tokens", "words")
_SPANS = ("entities", "spans", "entity_mentions", "ner", "label", "labels", "annotations")


def with_token_spans(table: Table) -> Table:
    """Convert columns of tokens and of entities at token positions to tokens and tags; any other table is returned unchanged.

    Raises:
        DataError: An entity lies outside of its sentence, or it is unclear whether ends are inclusive.
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
        return table  # there are tags already; spans beside them may count characters
    if _counts_characters(table, words, spans):
        return table
    others = [name for name in table.names if name not in (words, spans)]
    builder = TableBuilder(["tokens", "tags", *others])
    cells = [table.columns[name].to_pylist() for name in (words, spans, *others)]
    rows = [(int(number), {"tokens": parse_json(tokens or "", list) or [], "entities": parse_json(cell or "", list) or []})
            for number, tokens, cell in zip(table.rows, cells[0], cells[1], strict=True)]  # fmt: skip
    notes: list[Note] = [Note("format", f"Read as {NAME}.")]
    by_row = dict(zip((number for number, _ in rows), zip(*cells[2:], strict=True) if others else [()] * len(rows), strict=True))
    for number, columns in read(rows, table.source, notes):
        builder.add(number, [columns["tokens"], columns["tags"], *by_row[number]])
    return replace(builder.build(table.source, [*table.notes, *notes]), delimiter=table.delimiter)


def _counts_characters(table: Table, words: str, spans: str) -> bool:
    """Whether positions lie beyond the last token: they then count characters, as in the predictions of KerasFT."""
    for tokens, cell in zip(first_cells(table.columns[words]), first_cells(table.columns[spans]), strict=False):
        count = len(parse_json(tokens, list) or [])
        entities = [_object_span(item) for item in parse_json(cell, list) or []]
        if any(span is not None and span[1] > count for span in entities):
            return True
    return False


def _holds_spans(table: Table, name: str) -> bool:
    lists = [parse_json(cell, list) for cell in first_cells(table.columns[name])]
    items = [item for cell in lists for item in cell or []]
    return None not in lists and bool(items) and all(_object_span(item) or _list_span(item, 0) for item in items)


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    return bool(rows) and all(_sentences(row) is not None for row in rows)


def _sentences(row: Mapping[str, Any]) -> list[tuple[list[str], list[tuple[int, int, str]]]] | None:
    """Tokens and spans (start, exclusive end, type) of each sentence; None if the row is of another format."""
    tokens = next((row[name] for name in _TOKENS if _are_words(row.get(name))), None)
    entities = next((row[name] for name in _SPANS if isinstance(row.get(name), list)), None)
    if tokens is not None and entities is not None:
        if entities and all(isinstance(one, list | tuple) for one in entities):
            triples = [_list_span(one, 0) for one in entities]
            return [(tokens, _resolve_ends(triples, len(tokens)))] if None not in triples else None  # type: ignore[arg-type]
        spans = [_object_span(one) for one in entities]
        return [(tokens, spans)] if None not in spans else None  # type: ignore[list-item]
    words = row.get("tokenized_text")
    if _are_words(words) and isinstance(row.get("ner"), list):
        spans = [_list_span(one, 0) for one in row["ner"]]
        return [(words, spans)] if None not in spans else None  # type: ignore[list-item]
    sentences, ner = row.get("sentences"), row.get("ner")
    if (
        isinstance(sentences, list)
        and sentences
        and all(map(_are_words, sentences))
        and isinstance(ner, list)
        and len(ner) == len(sentences)
    ):
        results, offset = [], 0
        for tokens, entity_lists in zip(sentences, ner, strict=True):
            if not isinstance(entity_lists, list):
                return None
            spans = [_list_span(one, offset) for one in entity_lists]
            if None in spans:
                return None
            results.append((tokens, spans))
            offset += len(tokens)
        return results  # type: ignore[return-value]
    return None


def _resolve_ends(spans: list[tuple[int, int, str]], count: int) -> list[tuple[int, int, str]]:
    """Decide whether the ends of spans, read as inclusive so far, are in fact exclusive.

    Raises:
        DataError: The positions fit both readings.
    """
    if any(end > count for _, end, _ in spans):
        return [(start, end - 1, label) for start, end, label in spans]
    if any(end - 1 == start for start, end, _ in spans):
        return spans
    hint = 'Write objects: {"start": 0, "end": 2, "type": "PER"}, the end exclusive; or tags of the tokens.'
    raise DataError(f"Entities such as {spans[0]!r} do not show whether their ends are inclusive.", hint=hint)


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _object_span(item: Any) -> tuple[int, int, str] | None:
    if not isinstance(item, Mapping):
        return None
    label = item.get("type", item.get("label", item.get("entity_type")))
    offsets = (item.get("start"), item.get("end"))
    return (offsets[0], offsets[1], label) if all(type(offset) is int for offset in offsets) and isinstance(label, str) else None  # type: ignore[return-value]


def _list_span(item: Any, offset: int) -> tuple[int, int, str] | None:
    if not isinstance(item, list | tuple) or len(item) < 3 or not isinstance(item[2], str):
        return None
    if type(item[0]) is not int or type(item[1]) is not int:
        return None
    return item[0] - offset, item[1] + 1 - offset, item[2]


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    overlapping = []
    for number, row in rows:
        sentences = _sentences(row) if isinstance(row, Mapping) else None
        if sentences is None:
            raise DataError("A row does not hold tokens and entities at token positions.", where=f"{source}, row {number}")
        for tokens, spans in sentences:
            tags = ["O"] * len(tokens)
            for start, end, label in sorted(spans, key=lambda span: span[0] - span[1]):
                if not 0 <= start < end <= len(tokens):
                    what = f"tokens {start} to {end} of {len(tokens)}"
                    hint = "Positions count tokens. If yours count characters, leave out the tokens and keep the text."
                    raise DataError(f"An entity lies outside its sentence: {what}.", where=f"{source}, row {number}", hint=hint)
                if any(tag != "O" for tag in tags[start:end]):
                    overlapping.append(number)
                    continue
                tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
            rest = {key: value for key, value in row.items() if isinstance(value, str | int | float) and len(sentences) == 1}
            yield number, {"tokens": as_json(tokens), "tags": as_json(tags), **rest}
    if overlapping:
        message = f"{len(overlapping):,} entities overlap a longer one and are left out, since a word can have only one tag."
        notes.append(Note("overlapping", message, tuple(dict.fromkeys(overlapping))))
