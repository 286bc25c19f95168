"""Keras layers worth having without the rest of KerasFT."""

from __future__ import annotations

import keras  # noqa: F401 - before any of ours: once it is loaded it registers them, which none half loaded would bear

from kerasft.layers.attention_masks import causal_mask, padding_mask, prefix_mask, segment_mask
from kerasft.layers.heads import ClassificationHead, Pooling
from kerasft.layers.losses import SmoothedCrossentropy, TokenCrossentropy
from kerasft.layers.masking import SpanMasking, TokenMasking, WholeWordMasking, masked_places
from kerasft.layers.pretraining import SpanBoundary
from kerasft.layers.row_random import row_seeds

__all__ = [
    "ClassificationHead",
    "Pooling",
    "SmoothedCrossentropy",
    "SpanBoundary",
    "SpanMasking",
    "TokenCrossentropy",
    "TokenMasking",
    "WholeWordMasking",
    "causal_mask",
    "masked_places",
    "padding_mask",
    "prefix_mask",
    "row_seeds",
    "segment_mask",
]
