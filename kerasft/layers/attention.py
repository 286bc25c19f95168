"""Attention (Vaswani et al. 2017) with the heads' vectors lying together, so that it is two plain batched products."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from keras import backend, ops


def split_heads(vectors: Any, heads: int) -> Any:
    """(B, S, heads * size) -> (B, heads, S, size)."""
    rows, length = ops.shape(vectors)[:2]
    return ops.transpose(ops.reshape(vectors, (rows, length, heads, vectors.shape[-1] // heads)), (0, 2, 1, 3))


def join_heads(vectors: Any) -> Any:
    """(B, heads, S, size) -> (B, S, heads * size)."""
    rows, heads, length, size = ops.shape(vectors)
    return ops.reshape(ops.transpose(vectors, (0, 2, 1, 3)), (rows, length, heads * size))


def attend(query: Any, states: Sequence[tuple[Any, Any]], kept: Any, drop: Callable[[Any], Any] | None = None) -> Any:
    """What each position takes from those it may see.

    Args:
        query: (B, heads, S, size).
        states: Keys and values, each (B or 1, heads, T_i, size), of T positions in all; parts, such as a cache and what is new,
            need not be put together.
        kept: Of a shape that spreads to (B, heads, S, T); 1 or True where a position (row) may see another (column). A position
            that may see none takes the mean of all.
        drop: Dropout of the weights.

    Returns:
        (B, heads, S, size).
    """
    query = query * query.shape[-1] ** -0.5
    parts = [ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) for key, _ in states]
    scores = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
    # A sum with few numbers that spread costs half of a choice between two tensors of all scores, backward above all.
    lowest = -3e4 if backend.standardize_dtype(scores.dtype) == "float16" else -1e9
    weights = ops.softmax(scores + (1 - ops.cast(kept, scores.dtype)) * lowest, axis=-1)
    if drop is not None:
        weights = drop(weights)
    if len(states) == 1:
        return ops.matmul(weights, states[0][1])
    made, start = [], 0
    for _, value in states:
        end = start + ops.shape(value)[2]
        made.append(ops.matmul(weights[..., start:end], value))
        start = end
    return functools.reduce(ops.add, made)
