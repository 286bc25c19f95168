"""Keras layers worth having without the rest of KerasFT."""

from __future__ import annotations

from kerasft.layers.heads import ClassificationHead, Pooling
from kerasft.layers.losses import SmoothedCrossentropy, TokenCrossentropy

__all__ = ["ClassificationHead", "Pooling", "SmoothedCrossentropy", "TokenCrossentropy"]
