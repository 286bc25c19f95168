"""Freeze the lower layers: they hold what is common to all texts, the upper ones what a task needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.errors import ConfigError
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class FreezeLayers(Tuning):
    """The first N Transformer blocks (and the embeddings) stay as they are: less time and memory than full, for a large model
    on a small machine.
    """

    name = "freeze_layers"
    title = "Freeze the first layers"

    layers: int = option(2, "How many Transformer blocks, from the bottom, do not learn.", low=0, high=100)
    embeddings: bool = option(True, "Whether the embeddings are frozen too.")

    def passes(self, blocks: int) -> float:
        # Frozen embeddings end the backward pass at the first block that learns; otherwise it goes through all of them.
        frozen = min(self.layers, blocks) / max(1, blocks)
        return 3.0 - (2.0 if self.embeddings else 1.0) * frozen

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        if self.layers > len(parts.blocks):
            raise ConfigError(
                f"The model has {len(parts.blocks)} blocks, so {self.layers} cannot be frozen.",
                where="tuning.layers",
                hint=f"Choose 0 to {len(parts.blocks)}.",
            )
        frozen = parts.blocks[: self.layers]
        if self.embeddings:
            frozen = [*frozen, parts.token_embedding, parts.position_embedding, parts.segment_embedding, parts.embeddings_norm]
        for layer in parts.layers():
            layer.trainable = not any(layer is other for other in frozen)
        return parts

    def recommended(self, parameters: int) -> Recommended:
        return Recommended(
            learning_rate=by_size(parameters, tiny=3e-4, small=1e-4, base=3e-5), epochs=3 if parameters >= 60e6 else 4
        )
