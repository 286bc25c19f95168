"""Dropout (Srivastava et al. 2014) that draws half the random bits."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_STEPS = 2**16


def drop(layer: keras.layers.Dropout | None, inputs: Any, training: bool | None) -> Any:
    """What a `keras.layers.Dropout` does, from its own seeds, in two thirds of the time on a CPU.

    Each value is kept where 16 random bits are at least the rate (which is thereby rounded to 1 / 65,536) and divided by the
    share that is kept, so that its mean stays.

    Args:
        layer: The layer; None drops nothing.
        inputs: Of any shape.
        training: Nothing is dropped unless it is True.
    """
    if layer is None or not training or not layer.rate:
        return inputs
    if keras.backend.backend() != "tensorflow":
        return layer(inputs, training=True)
    least = min(_STEPS - 1, max(1, round(layer.rate * _STEPS)))
    count = tf.size(inputs)
    seed = tf.cast(layer.seed_generator.next(), tf.int32)
    bits = tf.random.stateless_uniform([(count + 1) // 2], seed, minval=None, maxval=None, dtype=tf.uint32)
    drawn = tf.reshape(tf.reshape(tf.bitcast(bits, tf.uint16), [-1])[:count], tf.shape(inputs))
    kept = tf.cast(drawn >= tf.constant(least, tf.uint16), inputs.dtype)
    return inputs * (kept * (_STEPS / (_STEPS - least)))
