"""`Framed`: rows as token ids with their special ids, in the graph; `Framing`: the same function on Python lists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Framed(NamedTuple):
    """Rows as windows of token ids. One row may have several windows; W windows, N rows, T tokens in all windows.

    Attributes:
        ids: Ragged (W, None) int32.
        first_lengths: (W,) int32, tokens of the first segment with its special ids.
        full_lengths: (W,) int32, tokens the window would have if nothing were cut.
        owners: (W,) int32, the row each window is of, ascending.
        flat: Further values by name, each (T,), aligned with `ids.values`.
    """

    ids: tf.RaggedTensor
    first_lengths: tf.Tensor
    full_lengths: tf.Tensor
    owners: tf.Tensor
    flat: dict[str, tf.Tensor]


class Arrays(NamedTuple):
    """`Framed` as NumPy arrays: `ids` (T,) and the windows' `lengths` (W,) in place of the ragged tensor."""

    ids: np.ndarray
    lengths: np.ndarray
    first_lengths: np.ndarray
    full_lengths: np.ndarray
    owners: np.ndarray
    flat: dict[str, np.ndarray]


class Framing(ABC):
    """Base of what frames rows: subclasses define `__call__` on tensors of strings."""

    def __init__(self) -> None:
        strings = tf.TensorSpec((None,), tf.string)
        self._single = tf.function(lambda texts: self(texts), input_signature=[strings])
        self._paired = tf.function(lambda texts, pairs: self(texts, pairs), input_signature=[strings, strings])

    @abstractmethod
    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        """Windows of token ids of (N,) strings, with (N,) second strings where there are any."""

    def frame(self, texts: list[bytes], pairs: list[bytes] | None) -> Arrays:
        """The same as calling, on Python lists, through the traced graph."""
        first = tf.constant(texts, tf.string)
        return as_arrays(self._single(first) if pairs is None else self._paired(first, tf.constant(pairs, tf.string)))


def as_arrays(framed: Framed) -> Arrays:
    """The tensors' values."""
    flat = {name: value.numpy() for name, value in framed.flat.items()}
    rest = (framed.first_lengths.numpy(), framed.full_lengths.numpy(), framed.owners.numpy())
    return Arrays(framed.ids.values.numpy(), framed.ids.row_lengths().numpy(), *rest, flat)


def repeat_ids(ids: list[int], count: Any) -> tf.RaggedTensor:
    """The same special ids for each of `count` rows."""
    row = tf.constant([ids], dtype=tf.int32, shape=(1, len(ids)))
    return tf.RaggedTensor.from_tensor(tf.tile(row, [count, 1]))


def longest_first(first: Any, second: Any, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    """How many tokens of each text to keep, (N,) each, so that both fit in `room`: the longer gives way first."""
    first, second = tf.cast(first, tf.int64), tf.cast(second, tf.int64)
    kept_first = tf.minimum(first, tf.maximum(room - second, (room + 1) // 2))
    return kept_first, tf.minimum(second, room - kept_first)


def trim(ids: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """The first `lengths` (N,) ids of each row."""
    positions = tf.ragged.range(ids.row_lengths())
    keep = positions.with_values(positions.values < tf.repeat(lengths, ids.row_lengths()))
    return tf.ragged.boolean_mask(ids, keep)
