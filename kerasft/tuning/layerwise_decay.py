"""Layer-wise learning-rate decay: the lower a layer, the slower it learns (discriminative fine-tuning)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Pace, Recommended, Tuning
from kerasft.tuning.full import Full


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class LayerwiseDecay(Tuning):
    """Every weight learns, each block at a share of the rate of the one above it (Howard & Ruder 2018): for few rows, where
    full fine-tuning forgets what it knew or varies with the seed.
    """

    name = "layerwise_decay"
    title = "Layer-wise learning rates"

    decay: float = option(
        0.8, "Rate of a block as a share of the rate of the block above it.", low=0.01, high=1.0, search="0.6..0.95"
    )

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        return Full().apply(parts, backbone, seed=seed)

    def recommended(self, parameters: int) -> Recommended:
        # The mean rate falls, so the highest one may be higher than for full (Sun et al. 2019).
        advice = Full().recommended(parameters)
        return Recommended(learning_rate=2 * advice.learning_rate, epochs=advice.epochs)

    def pace(self, parts: Any) -> Pace:
        levels = list(reversed(parts.levels()))
        return Pace(
            scales={
                weight.path: self.decay**depth
                for depth, level in enumerate(levels)
                for layer in level
                for weight in layer.weights
            }
        )
