"""Short documents that share a window, and which of a window's tokens are of one document."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kerasft.preprocessing.batching import TokenFeed
from kerasft.preprocessing.encoding import Encoded


def pack_windows(encoded: Encoded) -> Encoded:
    """Windows that follow each other put into one as long as they fit.

    Every token stays where it is in `encoded.ids`, so what belongs to tokens (targets, flat values) stays as it is. A packed
    window belongs to the row of its first part.
    """
    starts = [0]
    for i, stop in enumerate(encoded.offsets[1:].tolist()):
        if stop - encoded.offsets[starts[-1]] > encoded.max_length:
            starts.append(i)
    first = np.asarray(starts if len(encoded) else [], dtype=np.int64)
    offsets = np.concatenate([encoded.offsets[first], encoded.offsets[-1:]])
    lengths = np.diff(offsets).astype(np.int32)
    return replace(
        encoded,
        offsets=offsets,
        first_lengths=lengths,
        full_lengths=lengths,
        owners=encoded.owners[first],
        parts=(encoded.offsets, encoded.owners),
    )


def unpack_windows(encoded: Encoded) -> Encoded:
    """Packed windows as they were before, each of one row."""
    if encoded.parts is None:
        return encoded
    offsets, owners = encoded.parts
    lengths = np.diff(offsets).astype(np.int32)
    return replace(encoded, offsets=offsets, first_lengths=lengths, full_lengths=lengths, owners=owners, parts=None)


def number_parts(encoded: Encoded, rows: np.ndarray, padding_mask: np.ndarray) -> np.ndarray:
    """The padding mask (B, L) of windows with 1, 2, ... where it keeps: the number of the token's part in its window."""
    if encoded.parts is None:
        return padding_mask
    places = encoded.offsets[rows][:, None] + np.arange(padding_mask.shape[1])[None]
    numbers = np.searchsorted(encoded.parts[0], places, side="right")
    return np.asarray((numbers - numbers[:, :1] + 1) * padding_mask, dtype=np.int32)


class PartsFeed(TokenFeed):
    """Packed windows as token ids, with the numbers of their parts for a padding mask."""

    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        inputs = super().__call__(rows)
        return {**inputs, "padding_mask": number_parts(self.encoded, rows, inputs["padding_mask"])}
