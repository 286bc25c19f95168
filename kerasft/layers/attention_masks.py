"""Which position may see which: masks for attention, as functions. 1 always keeps."""

from __future__ import annotations

from typing import Any

from keras import ops


def padding_mask(lengths: Any, length: Any) -> Any:
    """(B, L) int32, 1 on the first `lengths` (B,) places of each row."""
    places = ops.arange(length, dtype="int32")
    return ops.cast(places[None, :] < ops.cast(lengths, "int32")[:, None], "int32")


def causal_mask(length: Any) -> Any:
    """(1, L, L) int32, 1 where a position (row) may see another (column): itself and those before it."""
    places = ops.arange(length, dtype="int32")
    return ops.cast(places[None, :] <= places[:, None], "int32")[None]


def prefix_mask(prefix_lengths: Any, length: Any) -> Any:
    """(B, L, L) int32: the first `prefix_lengths` (B,) places see each other, the rest what is before it (Raffel et al. 2020)."""
    inside = padding_mask(prefix_lengths, length)[:, None, :]  # columns that all may see
    return ops.maximum(causal_mask(length), inside)


def segment_mask(segments: Any) -> Any:
    """(B, L, L) int32: a position sees those of its own segment; `segments` (B, L) int, such as numbers of packed documents."""
    return ops.cast(ops.equal(segments[:, :, None], segments[:, None, :]), "int32")
