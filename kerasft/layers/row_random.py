"""Random numbers that depend on nothing but a seed for each row and a place in it: stateless, on every backend alike.

`keras.random` draws for a whole tensor at once, so a row's numbers depend on the batch it stands in. Here a counter is hashed
("triple32" of Wellons 2018, a 32-bit integer hash of measured bias 0.02 %), as counter-based generators do (Salmon et al. 2011):
the same row has the same numbers in any batch, at any padding, eagerly, in `tf.data`, in a compiled step and under XLA.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_ROUNDS = ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB))
_GOLDEN = 0x9E3779B9  # spreads neighbouring counters over the range of 32 bits


def _word(value: Any) -> Any:
    return ops.cast(value, "uint32")


def _constant(value: int) -> Any:
    return ops.convert_to_tensor(value, dtype="uint32")


def mix(values: Any) -> Any:
    """A hash of each uint32 value."""
    for shift, factor in _ROUNDS:
        values = ops.bitwise_xor(values, ops.right_shift(values, _constant(shift)))
        values = ops.multiply(values, _constant(factor))
    return ops.bitwise_xor(values, ops.right_shift(values, _constant(14)))


def row_seeds(rows: Any, *, seed: int, epoch: int = 0) -> Any:
    """A seed for each row of a data set.

    Args:
        rows: (B,) int, the rows' numbers in their data set.
        seed: Of the run.
        epoch: Another epoch, another seed.

    Returns:
        (B,) uint32.
    """
    start = mix(mix(_constant(seed % 2**32)) + _constant(epoch % 2**32))
    return mix(mix(_word(rows)) + start)


def row_uniform(seeds: Any, length: Any, *, stream: int) -> Any:
    """Numbers in [0, 1), one a place; place `i` has the same number at any length.

    Args:
        seeds: (B,) uint32, of `row_seeds`.
        length: L, a number or a scalar tensor.
        stream: Streams of different numbers are independent of each other.

    Returns:
        (B, L) float32.
    """
    places = _word(ops.arange(length)) * _constant(_GOLDEN)
    bits = mix(mix(seeds + _constant(stream * 0x85EBCA6B % 2**32))[:, None] + places[None, :])
    # A float32 holds 24 bits, so that 1 is never reached by rounding.
    return ops.cast(ops.right_shift(bits, _constant(8)), "float32") * (2.0**-24)


def check_seeds(seeds: Any) -> Any:
    """Seeds as (B,) uint32.

    Raises:
        ValueError: They are no integers.
    """
    kind = keras.backend.standardize_dtype(seeds.dtype)
    if "int" not in kind:
        raise ValueError(f"`seeds` must be integers, one a row (see `row_seeds`). Received: dtype {kind}")
    return _word(seeds)
