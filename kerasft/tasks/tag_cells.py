"""Cells of tagged texts: JSON lists of words and tags, or a text with character spans."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasft.data.label_spelling import clean_label
from kerasft.errors import DataError, name_rows


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` (exclusive) of a text and what they are."""

    start: int
    end: int
    label: str


def read_tags(split: Any) -> tuple[list[list[str]], list[list[Span]] | None]:
    """The tags of each row, and None; or, for texts with character spans, empty lists and the spans.

    Raises:
        DataError: A cell is neither; or a row has not as many tags as words. Names the rows.
    """
    from kerasft.preprocessing.word_framing import words_of

    texts, labels = split.cells("text"), split.cells("label")
    where = f"{split.table.source} ({split.name})"
    found = []
    for i, cell in enumerate(labels):
        try:
            items = json.loads(cell or "")
        except ValueError:
            items = None
        if not isinstance(items, list):
            raise DataError(
                f"A cell of column {split.columns.label!r} is no list of tags or spans. Received: {str(cell)[:60]!r}.",
                where=f"{where}, row {split.table.rows[i]}",
                hint='Write ["O", "B-PER"], or [{"start": 0, "end": 4, "label": "PER"}], or give a CoNLL file.',
            )
        found.append(items)
    listed = any(words_of(text) for text in texts)
    plain = [i for i, items in enumerate(found) if any(isinstance(item, str) for item in items)]
    if plain and not listed:
        rows = name_rows([int(split.table.rows[i]) for i in plain])
        raise DataError(
            f"Column {split.columns.label!r} holds tags of words, and column {split.columns.text!r} plain texts.",
            where=f"{where}, {rows}",
            hint='Give the words as a list, ["Ana", "came"], or spans for tags: [{"start": 0, "end": 3, "label": "PER"}].',
        )
    spans_there = any(isinstance(item, dict | list) for items in found for item in items)
    if spans_there and listed:
        rows = name_rows([int(split.table.rows[i]) for i, text in enumerate(texts) if words_of(text)])
        raise DataError(
            f"Column {split.columns.label!r} holds spans, and column {split.columns.text!r} lists of words.",
            where=f"{where}, {rows}",
            hint='Spans count the characters of a plain text. Of words, give a tag each: ["B-PER", "I-PER", "O"].',
        )
    if spans_there or not listed:
        spans = [
            [_span(item, text or "", f"{where}, row {split.table.rows[i]}") for item in items]
            for i, (items, text) in enumerate(zip(found, texts, strict=True))
        ]
        return [[] for _ in found], spans
    different = []
    for i, (items, text) in enumerate(zip(found, texts, strict=True)):
        words = words_of(text)
        if words is None or len(words) != len(items):
            different.append((i, len(words) if words is not None else 0, len(items)))
    if different:
        i, many, tags = different[0]
        rows = name_rows([int(split.table.rows[i]) for i, _, _ in different])
        raise DataError(
            f"{len(different):,} rows have not as many tags as words; the first has {many} words and {tags} tags.",
            where=f"{where}, {rows}",
            hint="Give each word one tag; O for none.",
        )
    return [[clean_label(str(item)) or str(item) for item in items] for items in found], None


def _span(item: Any, text: str, where: str) -> Span:
    """A span of a cell: an object with start, end and label, or a list of the three."""
    keys = ("label", "type", "tag", "entity", "entity_group")
    try:
        if isinstance(item, dict):
            label = next(item[key] for key in keys if key in item)
            span = Span(int(item["start"]), int(item["end"]), str(label))
        else:
            span = Span(int(item[0]), int(item[1]), str(item[2]))
    except (KeyError, IndexError, TypeError, ValueError, StopIteration):
        hint = 'A span is {"start": 0, "end": 4, "label": "PER"} or [0, 4, "PER"].'
        raise DataError(f"A span lacks start, end or label. Received: {str(item)[:80]!r}.", where=where, hint=hint) from None
    if not 0 <= span.start < span.end <= len(text):
        hint = "Offsets count characters from 0; the end is exclusive."
        what = f"{span.start} to {span.end} in a text of {len(text)} characters"
        raise DataError(f"A span lies outside its text: {what}.", where=where, hint=hint)
    return span


@dataclass(frozen=True)
class SpanTags:
    """Spans laid over the words of their texts.

    Attributes:
        tags: BIO tags of the words of each text.
        widened: Number of spans that begin or end inside a word.
        overlapping: Number of spans that overlap a longer one, which is kept.
        sharing: Number of spans that stand in one word with another, which is kept.
        empty: Number of spans that hold nothing but white space.
    """

    tags: list[list[str]]
    widened: int
    overlapping: int
    sharing: int
    empty: int

    @property
    def misfits(self) -> int:
        """How many spans are not what they were."""
        return self.widened + self.sharing

    @property
    def remarks(self) -> list[str]:
        """Sentences on spans that had to be widened or left out."""
        told = (
            (self.widened, "begin or end inside a word; each was widened to whole words"),
            (self.empty, "hold nothing but white space and are left out"),
            (self.overlapping, "overlap a longer one and are left out; a word has one tag"),
            (self.sharing, "stand in one word with another one and are left out; a word has one tag"),
        )
        return [f"{count:,} spans {what}." for count, what in told if count]


def word_pattern(facts: Mapping[str, Any]) -> str:
    """The regular expression of a word for a tagger that learned these facts."""
    from kerasft.preprocessing.alignment import FINE_WORDS, WORDS

    return FINE_WORDS if facts.get("words") == "fine" else WORDS


def needs_fine_words(texts: Sequence[str | None], spans: Sequence[Sequence[Span]]) -> bool:
    """Whether spans end within words as they are usually cut (Rome/Paris), and fit better where every sign is a word."""
    from kerasft.preprocessing.alignment import FINE_WORDS, WORDS

    usual = spans_to_tags(texts, spans, WORDS)
    return bool(usual.misfits) and spans_to_tags(texts, spans, FINE_WORDS).misfits < usual.misfits


def spans_to_tags(texts: Sequence[str | None], spans: Sequence[Sequence[Span]], pattern: str) -> SpanTags:
    """BIO tags of the words of each text.

    A span that ends inside a word takes the whole word. Of overlapping spans the longer one is kept.

    Args:
        texts: One a row.
        spans: Those of each row.
        pattern: Regular expression of a word.
    """
    import tensorflow as tf

    from kerasft.preprocessing.alignment import split_words

    encoded = [(text or "").encode("utf-8", errors="replace") for text in texts]
    tags: list[list[str]] = []
    widened = overlapping = sharing = empty = 0
    for begin in range(0, len(encoded), 1024):
        words = split_words(tf.constant(encoded[begin : begin + 1024], tf.string), pattern)
        starts, ends = words.starts.numpy(), words.ends.numpy()
        offset = 0
        for row, count in enumerate(words.strings.row_lengths().numpy()):
            place = list(zip(starts[offset : offset + count].tolist(), ends[offset : offset + count].tolist(), strict=True))
            offset += count
            row_tags = ["O"] * len(place)
            kept: list[Span] = []
            for span in sorted(spans[begin + row], key=lambda span: span.start - span.end):
                inside = [i for i, (start, end) in enumerate(place) if start < span.end and end > span.start]
                if not inside or any(row_tags[i] != "O" for i in inside):
                    crossed = any(span.start < other.end and other.start < span.end for other in kept)
                    overlapping += bool(inside) and crossed
                    sharing += bool(inside) and not crossed
                    empty += not inside
                    continue
                text = (texts[begin + row] or "")[span.start : span.end]
                stripped = (span.start + len(text) - len(text.lstrip()), span.end - len(text) + len(text.rstrip()))
                widened += (place[inside[0]][0], place[inside[-1]][1]) != stripped
                kept.append(span)
                for i in inside:
                    row_tags[i] = f"{'B' if i == inside[0] else 'I'}-{span.label}"
            tags.append(row_tags)
    return SpanTags(tags, widened, overlapping, sharing, empty)
