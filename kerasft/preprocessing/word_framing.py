"""Framing for tasks that answer each word: words -> sub-words -> windows, with the way back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.preprocessing.alignment import WORDS, Words, split_words, to_sub_words
from kerasft.preprocessing.framing import Arrays, Framed, Framing, as_arrays, repeat_ids
from kerasft.preprocessing.windows import cover, gather_windows, surround


class WordFraming(Framing):
    """Texts, or lists of words, as overlapping windows of sub-words.

    Args:
        framer: `backbones.tokenization.Framer`: tokenizer, special ids, longest window.
        overlap: Sub-words two neighbouring windows share.
        pattern: Regular expression of a word, `alignment.WORDS` or `alignment.FINE_WORDS`.

    Call:
        `texts` (N,) strings -> `Framed` whose `flat` has, for each of the T ids: `word`, the number of its word in
        the text (-1 for special ids); `first`, 1 on a word's first sub-word; `scored`, 1 where in addition this is
        the one window in which the word is scored; `starts` and `ends`, the word's offsets in the text.

    A text given as a JSON list of strings is taken as its words; offsets are then those in the words joined by
    spaces. Only `frame` reads such lists, the graph reads plain texts.
    """

    def __init__(self, framer: Any, overlap: int, pattern: str = WORDS) -> None:
        super().__init__()
        self._framer, self._overlap, self._pattern = framer, overlap, pattern
        self._cut = tf.function(lambda texts: split_words(texts, pattern), input_signature=[tf.TensorSpec((None,), tf.string)])
        numbers, flags = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None,), tf.bool)
        strings, lengths = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None,), tf.int64)
        self._from_words = tf.function(
            lambda flat, lengths, starts, ends, spaced: self._windows(
                Words(tf.RaggedTensor.from_row_lengths(flat, lengths), starts, ends, spaced)
            ),
            input_signature=[strings, lengths, numbers, numbers, flags],
        )

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        return self._windows(split_words(texts, self._pattern))

    def frame(self, texts: list[bytes], pairs: list[bytes] | None) -> Arrays:
        """The same as calling, on Python lists, of which some may be JSON lists of words."""
        given = [words_of(text) for text in texts]
        if all(words is None for words in given):
            return super().frame(texts, None)
        cut = self._cut(tf.constant([text if words is None else b"" for text, words in zip(texts, given, strict=True)]))
        limits = np.cumsum(np.concatenate([[0], cut.strings.row_lengths().numpy()]))
        columns = [column.numpy() for column in (cut.strings.values, cut.starts, cut.ends, cut.spaced)]
        flat: list[Any] = []
        lengths = []
        for i, words in enumerate(given):
            if words is None:
                found = list(zip(*(column[limits[i] : limits[i + 1]] for column in columns), strict=True))
            else:
                after = np.cumsum([len(word) + 1 for word in words]) - 1
                found = [
                    (word.encode("utf-8", errors="replace"), end - len(word), end, place > 0)
                    for place, (word, end) in enumerate(zip(words, after, strict=True))
                ]
            flat += found
            lengths.append(len(found))
        strings, starts, ends, spaced = zip(*flat, strict=True) if flat else ([], [], [], [])
        numbers = (np.asarray(starts, np.int32), np.asarray(ends, np.int32), np.asarray(spaced, bool))
        return as_arrays(self._from_words(tf.constant(list(strings), tf.string), np.asarray(lengths, np.int64), *numbers))

    def _windows(self, words: Words) -> Framed:
        framer = self._framer
        pieces = to_sub_words(
            words, framer.tokenize, causal=framer.family.causal, empty=framer.unknown_id, lengths=framer.piece_lengths
        )
        before, after = len(framer.start), len(framer.end)
        room = framer.max_length - before - after
        windows = cover(pieces.ids.row_lengths(), room, min(self._overlap, room // 2))
        count = tf.size(windows.owners)
        ids = gather_windows(pieces.ids, windows)
        framed = tf.concat([repeat_ids(framer.start, count), ids, repeat_ids(framer.end, count)], axis=1)
        long = tf.cast(ids.row_lengths(), tf.int32)
        place = tf.ragged.range(long).values + tf.repeat(windows.starts, long)  # of each token in its text
        inside = (place >= tf.repeat(windows.scored_starts, long)) & (place < tf.repeat(windows.scored_stops, long))

        def flat(values: tf.Tensor, fill: int) -> tf.Tensor:
            return surround(values, before, after, fill).values

        def windowed(values: tf.Tensor) -> tf.RaggedTensor:
            return gather_windows(pieces.ids.with_values(tf.cast(values, tf.int32)), windows)

        first = windowed(pieces.first)
        # A word's own offsets, not those of its first sub-word.
        number = pieces.words + tf.cast(tf.repeat(words.strings.row_starts(), pieces.ids.row_lengths()), tf.int32)
        values = {
            "word": flat(windowed(pieces.words), -1),
            "first": flat(first, 0),
            "scored": flat(first.with_values(first.values * tf.cast(inside, tf.int32)), 0),
            "starts": flat(windowed(tf.gather(words.starts, number)), 0),
            "ends": flat(windowed(tf.gather(words.ends, number)), 0),
        }
        lengths = tf.cast(framed.row_lengths(), tf.int32)
        return Framed(framed, lengths, lengths, windows.owners, values)


def words_of(cell: str | bytes | None) -> list[str] | None:
    """The words of a cell that is a JSON list of strings; None for a plain text."""
    text = cell.decode("utf-8") if isinstance(cell, bytes) else cell or ""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        return None
    return found
