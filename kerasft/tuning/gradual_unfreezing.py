"""Gradual unfreezing: the head learns first, then block after block from the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Pace, Recommended, Tuning
from kerasft.tuning.full import Full


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class GradualUnfreezing(Tuning):
    """Every weight learns in the end, the head at once and the blocks one after the other from the top (Howard & Ruder 2018):
    for few rows, so that a new head does not spoil what the backbone knows.

    The steps cost what those of full fine-tuning cost: gradients are computed for all weights from the beginning.
    """

    name = "gradual_unfreezing"
    title = "Gradual unfreezing"

    until: float = option(0.5, "Share of all updates after which every weight learns.", low=0.0, high=1.0, search="0.2..0.8")

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        return Full().apply(parts, backbone, seed=seed)

    def recommended(self, parameters: int) -> Recommended:
        advice = Full().recommended(parameters)
        return Recommended(learning_rate=advice.learning_rate, epochs=advice.epochs + 1)

    def pace(self, parts: Any) -> Pace:
        levels = list(reversed(parts.levels()))
        starts: dict[str, float] = {}
        for number, level in enumerate(levels, 1):
            starts |= {weight.path: self.until * number / len(levels) for layer in level for weight in layer.weights}
        return Pace(starts=starts)
