"""Long texts -> overlapping windows, in the graph; each token is scored in the one window that shows most around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Where W windows of N token sequences lie.

    Attributes:
        owners: (W,) int32, the sequence each window is of, ascending.
        starts: (W,) int32, its first token.
        stops: (W,) int32, the token after its last.
        scored_starts: (W,) int32, the first token scored in it.
        scored_stops: (W,) int32, the token after the last scored in it.
    """

    owners: tf.Tensor
    starts: tf.Tensor
    stops: tf.Tensor
    scored_starts: tf.Tensor
    scored_stops: tf.Tensor


def cover(lengths: Any, room: Any, overlap: Any, *, causal: bool = False) -> Windows:
    """Windows that cover sequences; the scored parts of a sequence's windows meet and do not overlap.

    Args:
        lengths: (N,) tokens of each sequence.
        room: Tokens a window takes, one number or (N,).
        overlap: Tokens two neighbouring windows share, below `room`; one number or (N,).
        causal: Only what stands before a token counts as seen, so shared tokens are scored in the earlier window;
            otherwise each of the two scores half of them.
    """
    lengths = tf.cast(lengths, tf.int32)
    room = tf.broadcast_to(tf.cast(room, tf.int32), tf.shape(lengths))
    step = room - tf.minimum(tf.broadcast_to(tf.cast(overlap, tf.int32), tf.shape(lengths)), room - 1)
    beyond = tf.maximum(lengths - room, 0)
    counts = 1 + (beyond + step - 1) // step
    owners = tf.repeat(tf.range(tf.shape(lengths)[0]), counts)  # (W,)
    number = tf.ragged.range(counts).values  # 0, 1, ... within each sequence
    length, room, step = tf.gather(lengths, owners), tf.gather(room, owners), tf.gather(step, owners)
    starts = number * step
    stops = tf.minimum(starts + room, length)
    half = room - step if causal else (room - step) // 2
    last = number + 1 == tf.gather(counts, owners)
    scored_starts = tf.where(number == 0, 0, starts + half)
    scored_stops = tf.where(last, length, starts + step + half)
    return Windows(owners, starts, stops, scored_starts, scored_stops)


def gather_windows(values: tf.RaggedTensor, windows: Windows) -> tf.RaggedTensor:
    """The tokens of each window: ragged (W, None) from ragged (N, None)."""
    offset = tf.cast(tf.gather(values.row_starts(), windows.owners), tf.int32)
    return tf.gather(values.values, tf.ragged.range(offset + windows.starts, offset + windows.stops))


def surround(values: tf.RaggedTensor, before: Any, after: Any, fill: Any) -> tf.RaggedTensor:
    """Rows with `before` (N,) and `after` (N,) fillings around them, to align values with framed ids."""
    count = values.nrows()
    kinds = values.dtype

    def filling(lengths: Any) -> tf.RaggedTensor:
        lengths = tf.broadcast_to(tf.cast(lengths, tf.int64), [count])
        return tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(lengths)], tf.cast(fill, kinds)), lengths)

    return tf.concat([filling(before), values, filling(after)], axis=1)
