"""Strings -> framed token ids, in a TensorFlow graph: the same function for training, prediction and serving."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.backbones.base import Family


class Framer:
    """Tokenises and frames texts with ragged operations only.

    Args:
        family: How texts are framed.
        tokenizer: KerasHub tokenizer.
        max_length: Most ids a framed example may have, special ids included.

    Call:
        `texts` (N,) strings and, for pairs, `pairs` (N,) strings -> `(token_ids, first_lengths, full_lengths)`:
        ragged (N, None) int32 ids, (N,) int32 lengths of the first segment with its special ids, and (N,) int32
        lengths the rows would have if nothing were cut.

    A pair that is too long loses tokens from the longer text first (`longest_first` of BERT).
    """

    def __init__(self, family: Family, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.start, self.end, self.pad_id = family.special_ids(tokenizer)
        self.max_length = max_length
        self.has_segments = family.has_segments
        strings = tf.TensorSpec((None,), tf.string)
        self._traced = tf.function(self._tokenize, input_signature=[strings])
        self._single = tf.function(lambda texts: self(texts), input_signature=[strings])
        self._paired = tf.function(lambda texts, pairs: self(texts, pairs), input_signature=[strings, strings])

    def frame(self, texts: list[bytes], pairs: list[bytes] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The same as calling, on Python lists through the traced graph, as arrays: flat ids, lengths of the rows,
        lengths of the first segments, lengths before cutting.
        """
        first = tf.constant(texts, tf.string)
        ids, first_lengths, full_lengths = (
            self._single(first) if pairs is None else self._paired(first, tf.constant(pairs, tf.string))
        )
        return ids.values.numpy(), ids.row_lengths().numpy(), first_lengths.numpy(), full_lengths.numpy()

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ragged int32 ids of raw texts, no special ids, nothing cut."""
        # KerasHub's tokenizers run other code eagerly: they return lists, and GPT-2's splits words as Llama 3 does.
        return self._traced(texts) if tf.executing_eagerly() else self._tokenize(texts)

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        # TF-Text's regex_split takes NUL for the end of the text and would drop the rest without a word.
        ids = self.tokenizer(tf.strings.regex_replace(texts, r"\x00", ""))
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.RaggedTensor.from_tensor(ids)
        return tf.cast(ids, tf.int32)

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        first = self.tokenize(texts)
        count = tf.shape(texts)[0]
        if pairs is None:
            specials = len(self.start) + len(self.end)
            full = tf.cast(first.row_lengths(), tf.int32) + specials
            first = first[:, : self.max_length - specials]
            framed = tf.concat([self._repeat(self.start, count), first, self._repeat(self.end, count)], axis=1)
            return framed, tf.minimum(full, self.max_length), full
        second = self.tokenize(pairs)
        specials = len(self.start) + 2 * len(self.end)
        full = tf.cast(first.row_lengths() + second.row_lengths(), tf.int32) + specials
        room = self.max_length - specials
        kept_first, kept_second = longest_first(first.row_lengths(), second.row_lengths(), room)
        first, second = _trim(first, kept_first), _trim(second, kept_second)
        end = self._repeat(self.end, count)
        framed = tf.concat([self._repeat(self.start, count), first, end, second, end], axis=1)
        return framed, tf.cast(kept_first, tf.int32) + len(self.start) + len(self.end), full

    def _repeat(self, ids: list[int], count: tf.Tensor) -> tf.RaggedTensor:
        row = tf.constant([ids], dtype=tf.int32, shape=(1, len(ids)))
        return tf.RaggedTensor.from_tensor(tf.tile(row, [count, 1]))

    def dense(self, token_ids: tf.RaggedTensor, first_lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        """Model inputs, padded to the longest row: each (N, L) int32; in `padding_mask` 1 keeps."""
        lengths = tf.cast(token_ids.row_lengths(), tf.int32)
        ids = token_ids.to_tensor(self.pad_id)
        empty = tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)  # a served batch may be; the model reads column 0
        ids = tf.pad(ids, [[0, 0], [0, empty]], constant_values=self.pad_id)
        mask = tf.sequence_mask(lengths, tf.shape(ids)[1], dtype=tf.int32)
        inputs = {"token_ids": ids, "padding_mask": mask}
        if self.has_segments:
            inputs["segment_ids"] = mask - tf.sequence_mask(first_lengths, tf.shape(ids)[1], dtype=tf.int32)
        return inputs


def longest_first(first: Any, second: Any, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    """How many tokens of each text to keep, (N,) each, so that both fit in `room`: the longer gives way first."""
    first, second = tf.cast(first, tf.int64), tf.cast(second, tf.int64)
    kept_first = tf.minimum(first, tf.maximum(room - second, (room + 1) // 2))
    return kept_first, tf.minimum(second, room - kept_first)


def _trim(ids: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    positions = tf.ragged.range(ids.row_lengths())
    keep = positions.with_values(positions.values < tf.repeat(lengths, ids.row_lengths()))
    return tf.ragged.boolean_mask(ids, keep)
