"""Framing for extractive questions: the question whole in every window, the context in overlapping pieces."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerasft.preprocessing.alignment import RUNS, split_words, to_sub_words
from kerasft.preprocessing.framing import Framed, Framing, repeat_ids
from kerasft.preprocessing.windows import cover, gather_windows, surround


class QuestionFraming(Framing):
    """Questions and contexts as `[CLS] question [SEP] piece of the context [SEP]`, or as the family frames pairs.

    Args:
        framer: `backbones.tokenization.Framer`: tokenizer, special ids, longest window.
        overlap: Context tokens two neighbouring windows share.
        max_question: Tokens of the question that are read; a longer one is cut and counted.

    Call:
        `texts` (N,) questions, `pairs` (N,) contexts -> `Framed` whose `flat` has, for each of the T ids: `starts`
        and `ends`, the token's offsets in the context (-1 outside it), and `null`, 1 on the token that stands for
        "no answer here": the first, or the last in a left-to-right model, which alone has seen everything.
    """

    def __init__(self, framer: Any, overlap: int, max_question: int) -> None:
        super().__init__()
        self._framer, self._overlap = framer, overlap
        specials = len(framer.start) + 2 * len(framer.end)
        self._max_question = min(max_question, (framer.max_length - specials) // 2)

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        framer = self._framer
        question = framer.tokenize(texts)
        asked = question.row_lengths()
        question = question[:, : self._max_question]
        pieces = to_sub_words(
            split_words(pairs, RUNS),
            framer.tokenize,
            causal=framer.family.causal,
            empty=framer.unknown_id,
            lengths=framer.piece_lengths,
        )
        before, after = len(framer.start), len(framer.end)
        heads = tf.cast(question.row_lengths(), tf.int32)
        room = framer.max_length - before - 2 * after - heads  # (N,)
        windows = cover(pieces.ids.row_lengths(), room, tf.minimum(self._overlap, room // 2))
        count = tf.size(windows.owners)
        owned = tf.gather(question, windows.owners)
        end = repeat_ids(framer.end, count)
        ids = tf.concat([repeat_ids(framer.start, count), owned, end, gather_windows(pieces.ids, windows), end], axis=1)
        first_lengths = tf.cast(owned.row_lengths(), tf.int32) + before + after

        def flat(values: tf.Tensor) -> tf.Tensor:
            part = gather_windows(pieces.ids.with_values(tf.cast(values, tf.int32)), windows)
            return surround(part, first_lengths, after, -1).values

        lengths = tf.cast(ids.row_lengths(), tf.int32)
        place = tf.ragged.range(lengths).values
        null = tf.repeat(lengths - 1, lengths) if framer.family.causal else tf.zeros_like(place)
        cut = tf.cast(tf.gather(asked - question.row_lengths(), windows.owners), tf.int32)
        values = {"starts": flat(pieces.starts), "ends": flat(pieces.ends), "null": tf.cast(place == null, tf.int32)}
        return Framed(ids, first_lengths, lengths + cut, windows.owners, values)
