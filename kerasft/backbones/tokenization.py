"""Strings -> framed token ids, in a TensorFlow graph: the same function for training, prediction and serving."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.backbones.base import Family
from kerasft.preprocessing.framing import Framed, Framing, longest_first, repeat_ids, trim


class Framer(Framing):
    """Tokenises and frames texts with ragged operations only.

    Args:
        family: How texts are framed.
        tokenizer: KerasHub tokenizer.
        max_length: Most ids a framed example may have, special ids included.

    Call:
        `texts` (N,) strings and, for pairs, `pairs` (N,) strings -> `Framed` of one window a row.

    A pair that is too long loses tokens from the longer text first (`longest_first` of BERT).
    """

    def __init__(self, family: Family, tokenizer: Any, max_length: int) -> None:
        super().__init__()
        self.family = family
        self.tokenizer = tokenizer
        self.start, self.end, self.pad_id = family.special_ids(tokenizer)
        self.max_length = max_length
        self.has_segments = family.has_segments
        self.unknown_id = family.unknown_id(tokenizer)
        self.mask_id = family.mask_id(tokenizer)
        self._traced = tf.function(self._tokenize, input_signature=[tf.TensorSpec((None,), tf.string)])

    @cached_property
    def piece_lengths(self) -> np.ndarray:
        """(vocabulary,) int32, see `Family.piece_lengths`."""
        return np.asarray(self.family.piece_lengths(self.tokenizer), dtype=np.int32)

    @cached_property
    def special_ids(self) -> list[int]:
        """Ids that stand for no text."""
        known = {*self.start, *self.end, self.pad_id, self.unknown_id}
        return sorted(known if self.mask_id is None else {*known, self.mask_id})

    @cached_property
    def word_starts(self) -> np.ndarray:
        """(vocabulary,) bool, True for pieces that begin a word."""
        count = len(self.piece_lengths)
        return np.asarray([self.family.show_piece(self.tokenizer, i)[1] for i in range(count)], dtype=bool)

    @cached_property
    def pieces(self) -> list[str]:
        """The vocabulary's pieces as people read them."""
        return [self.family.readable_piece(self.tokenizer, i) for i in range(len(self.piece_lengths))]

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

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        first = self.tokenize(texts)
        count = tf.shape(texts)[0]
        owners = tf.range(count)
        if pairs is None:
            specials = len(self.start) + len(self.end)
            full = tf.cast(first.row_lengths(), tf.int32) + specials
            first = first[:, : self.max_length - specials]
            framed = tf.concat([repeat_ids(self.start, count), first, repeat_ids(self.end, count)], axis=1)
            return Framed(framed, tf.minimum(full, self.max_length), full, owners, {})
        second = self.tokenize(pairs)
        specials = len(self.start) + 2 * len(self.end)
        full = tf.cast(first.row_lengths() + second.row_lengths(), tf.int32) + specials
        room = self.max_length - specials
        kept_first, kept_second = longest_first(first.row_lengths(), second.row_lengths(), room)
        first, second = trim(first, kept_first), trim(second, kept_second)
        end = repeat_ids(self.end, count)
        framed = tf.concat([repeat_ids(self.start, count), first, end, second, end], axis=1)
        first_lengths = tf.cast(kept_first, tf.int32) + len(self.start) + len(self.end)
        return Framed(framed, first_lengths, full, owners, {})

    def dense(self, framed: Framed) -> dict[str, tf.Tensor]:
        """Model inputs, padded to the longest window: each (W, L) int32; in `padding_mask` 1 keeps."""
        lengths = tf.cast(framed.ids.row_lengths(), tf.int32)
        ids = framed.ids.to_tensor(self.pad_id)
        empty = tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)  # a served batch may be; the model reads column 0
        ids = tf.pad(ids, [[0, 0], [0, empty]], constant_values=self.pad_id)
        mask = tf.sequence_mask(lengths, tf.shape(ids)[1], dtype=tf.int32)
        inputs = {"token_ids": ids, "padding_mask": mask}
        if self.has_segments:
            inputs["segment_ids"] = mask - tf.sequence_mask(framed.first_lengths, tf.shape(ids)[1], dtype=tf.int32)
        return inputs
