"""Full fine-tuning: every weight learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class Full(Tuning):
    """All weights learn: usually the best score, and the most time and memory. A good first choice."""

    name = "full"
    title = "Full fine-tuning"

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        for layer in parts.layers():
            layer.trainable = True
        return parts

    def recommended(self, parameters: int) -> Recommended:
        # Devlin et al. 2018: 2e-5 to 5e-5 for base and large; smaller models want more (Turc et al. 2019).
        rate = by_size(parameters, tiny=3e-4, small=1e-4, base=3e-5)
        return Recommended(learning_rate=rate, epochs=4 if rate == 3e-4 else 3)
