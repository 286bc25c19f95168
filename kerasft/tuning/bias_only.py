"""BitFit: only the biases learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, freeze


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class BiasOnly(Tuning):
    """Only the biases learn (BitFit, Ben Zaken et al. 2022), a tenth of a per cent of the weights: the simplest method with
    a tiny artifact.
    """

    name = "bias_only"
    title = "Biases only (BitFit)"
    sparse = True

    def passes(self, blocks: int) -> float:
        return 2.0

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        freeze(parts)
        for layer in parts.layers():
            layer.trainable = True
            for weight in layer.weights:
                weight.trainable = weight.path.rpartition("/")[2] in ("bias", "beta")
        return parts

    def recommended(self, parameters: int) -> Recommended:
        # Small: chosen on validation rows of examples/tickets.csv with MiniLM, where 3e-3 was too slow.
        return Recommended(learning_rate=by_size(parameters, tiny=1e-2, small=1e-2, base=1e-3), epochs=5)
