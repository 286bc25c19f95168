"""Batches for masked language models: tokens hidden anew in every epoch, the same for the same seed, epoch and row."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import tensorflow as tf

from kerasft.layers.masking import masked_places
from kerasft.layers.row_random import row_seeds
from kerasft.preprocessing.batching import Feed, pad_rows
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.packing import number_parts
from kerasft.preprocessing.sentence_pairs import SentencePairs

MASKED, BOUNDARY, NEXT = "masked", "boundary", "next_sentence"  # outputs of the model, and their targets
_EVALUATION = 2**32 - 1  # the epoch whose masks an evaluation has


class MaskedFeed(Feed):
    """Rows with tokens hidden, and what was there.

    Args:
        encoded: The rows.
        masking: A layer of `layers.masking`.
        word_starts: (V,) bool, True for tokens that begin a word.
        seed: Of the masks.
        epoch: Its number; None for an evaluation: always the same masks, and the targets among the inputs, for a model whose
            outputs are figures.
        boundary: Whether hidden tokens are also told from the boundaries of their unit.
        pairs: Draws pairs of sentences, or None.
        parts: Whether the padding mask numbers the parts of packed windows.
    """

    def __init__(
        self,
        encoded: Encoded,
        masking: Any,
        word_starts: np.ndarray,
        *,
        seed: int,
        epoch: int | None,
        boundary: bool = False,
        pairs: SentencePairs | None = None,
        parts: bool = False,
    ) -> None:
        super().__init__(encoded)
        self._masking, self._word_starts, self._boundary, self._pairs, self._parts = (
            masking,
            word_starts,
            boundary,
            pairs,
            parts,
        )
        self._seed, self._epoch, self._evaluates = seed, _EVALUATION if epoch is None else epoch, epoch is None
        several = tf.TensorSpec((None, None), tf.int32)
        names = ["token_ids", "padding_mask", "segment_ids", "places", *(["left", "right"] if boundary else [])]
        self.signature = dict.fromkeys(names, several)
        self._targets = {MASKED: several, **({BOUNDARY: several} if boundary else {})}
        if pairs is not None:
            self._targets[NEXT] = tf.TensorSpec((None,), tf.int32)
        self._draw = _traced(masking)

    @property
    def target_signature(self) -> Any:
        return self._targets

    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        inputs, targets = self.batch(rows)
        return {**inputs, **{target_input(name): values for name, values in targets.items()}} if self._evaluates else inputs

    def batch(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], Any]:
        inputs, kinds = self.plain(rows)
        drawn = self.masks(rows, inputs)
        places, there = drawn["places"], drawn["there"] > 0
        hidden = np.where(there, np.take_along_axis(inputs["token_ids"], places, axis=1), -1).astype(np.int32)
        inputs = {**inputs, "token_ids": drawn["token_ids"], "places": places}
        targets = {MASKED: hidden}
        if self._boundary:
            at = {name: np.take_along_axis(drawn[name], places, axis=1) for name in ("starts", "stops")}
            inputs["left"] = np.where(there, at["starts"] - 1, 0).astype(np.int32)
            inputs["right"] = np.where(there, at["stops"], 0).astype(np.int32)
            targets[BOUNDARY] = hidden
        if kinds is not None:
            targets[NEXT] = kinds
        return inputs, targets

    def plain(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Inputs of rows with nothing hidden, and which second parts follow the first, where there are pairs."""
        if self._pairs is None:
            inputs = pad_rows(self.encoded, rows, multiple=self.multiple)
            if self._parts:
                inputs["padding_mask"] = number_parts(self.encoded, rows, inputs["padding_mask"])
            return inputs, None
        return self._pairs(rows, self._seed, self._epoch, multiple=self.multiple)

    def masks(self, rows: np.ndarray, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the masking layer says of rows, (B, L) `token_ids` after masking, `chosen`, `starts` and `stops`; and (B, K)
        `places` of the chosen, `there` where there is one.
        """
        seeds = row_seeds(self._numbers(rows), seed=self._seed, epoch=self._epoch)
        starts = self._word_starts[inputs["token_ids"]].astype(np.int32)
        drawn = self._draw(inputs["token_ids"], seeds, starts, inputs["padding_mask"])
        return {name: value.numpy() for name, value in drawn.items()}

    def _numbers(self, rows: np.ndarray) -> np.ndarray:
        """What tells rows apart. An evaluation goes by their content, so that a row has the same masks in any split or group."""
        if not self._evaluates:
            return rows
        ids, offsets = self.encoded.ids, self.encoded.offsets
        return np.asarray([crc32(ids[offsets[row] : offsets[row + 1]].tobytes()) for row in rows], dtype=np.uint32)


@lru_cache(maxsize=8)
def _traced(masking: Any) -> Any:
    """A masking layer as a function that is traced once, not for every epoch anew."""
    several = tf.TensorSpec((None, None), tf.int32)

    def draw(token_ids: Any, seeds: Any, word_starts: Any, padding_mask: Any) -> dict[str, Any]:
        drawn = masking(token_ids, seeds, word_starts=word_starts, padding_mask=padding_mask)
        # As many places as the fullest row has, rounded up so that few different shapes occur.
        fullest = tf.reduce_max(tf.reduce_sum(drawn["chosen"], axis=1))
        count = tf.minimum(tf.maximum(fullest + 3, 4) // 4 * 4, tf.shape(token_ids)[1])
        places, there = masked_places(drawn["chosen"], count)
        return {**drawn, "places": places, "there": there}

    return tf.function(draw, input_signature=[several, tf.TensorSpec((None,), tf.uint32), several, several])


def target_input(name: str) -> str:
    """The name of the input through which an evaluation gives the targets of an output."""
    return f"{name}_targets"
