"""Full fine-tuning: every weight learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.tuning.base import TUNINGS, Recommended, Tuning


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class Full(Tuning):
    """Every weight learns: the best score, and the most time and memory."""

    name = "full"
    title = "Full fine-tuning"

    def apply(self, parts: Any) -> Any:
        for layer in parts.layers():
            layer.trainable = True
        return parts

    def recommended(self, parameters: int) -> Recommended:
        # Devlin et al. 2018: 2e-5 to 5e-5 for base and large; smaller models want more (Turc et al. 2019).
        if parameters >= 60e6:
            return Recommended(learning_rate=3e-5, epochs=3)
        if parameters >= 8e6:
            return Recommended(learning_rate=1e-4, epochs=3)
        return Recommended(learning_rate=3e-4, epochs=4)
