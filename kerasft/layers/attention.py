"""Attention (Vaswani et al. 2017) with the heads' vectors lying together, so that it is two plain batched products."""

from __future__ import annotations

from collections.abc import Callable
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


def attend(query: Any, key: Any, value: Any, kept: Any, drop: Callable[[Any], Any]) -> Any:
    """What each position takes from those it may see.

    Args:
        query: (B, heads, S, size).
        key: (B, heads, T, size).
        value: (B, heads, T, size).
        kept: Of a shape that spreads to (B, heads, S, T); 1 or True where a position (row) may see another (column). A position
            that may see none takes the mean of all.
        drop: Dropout of the weights.

    Returns:
        (B, heads, S, size).
    """
    scores = ops.matmul(query * query.shape[-1] ** -0.5, ops.transpose(key, (0, 1, 3, 2)))
    # A sum with few numbers that spread costs half of a choice between two tensors of all scores, backward above all.
    lowest = -3e4 if backend.standardize_dtype(scores.dtype) == "float16" else -1e9
    scores = scores + (1 - ops.cast(kept, scores.dtype)) * lowest
    return ops.matmul(drop(ops.softmax(scores, axis=-1)), value)
