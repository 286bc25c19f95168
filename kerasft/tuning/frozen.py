"""Feature extraction: the backbone stays as it is, only the head learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.tuning.base import TUNINGS, Recommended, Tuning


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class FrozenFeatures(Tuning):
    """Only the head learns, on features the frozen backbone computes without dropout: fast, and a lower score."""

    name = "frozen"
    title = "Frozen features"
    tunes_backbone = False

    def apply(self, parts: Any) -> Any:
        for layer in parts.layers():
            layer.trainable = False
        parts.inference = True
        return parts

    def recommended(self, parameters: int) -> Recommended:
        return Recommended(learning_rate=3e-3, epochs=8)
