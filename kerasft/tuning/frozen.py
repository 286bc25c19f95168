"""Feature extraction: the backbone stays as it is, only the head learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, freeze


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class FrozenFeatures(Tuning):
    """Only the head learns, on features the frozen backbone computes without dropout: for a quick first look, or very few
    rows; the score is lower.
    """

    name = "frozen"
    title = "Frozen features"
    tunes_backbone = False
    sparse = True
    shares_base = True

    cache: bool = option(
        False, "Compute the features once and keep them on disk while the run goes: the epochs then cost next to nothing."
    )

    @property
    def caches_features(self) -> bool:
        return self.cache

    def passes(self, blocks: int) -> float:
        return 1.0

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        from kerasft.layers.transformer_block import TransformerBlock

        freeze(parts)
        parts.embeddings_dropout = None
        causal = backbone.family.causal
        blocks = (
            TransformerBlock(block, causal=causal, inference=True, name=f"tuned_{i}") for i, block in enumerate(parts.blocks)
        )
        parts.blocks[:] = blocks
        return parts

    def recommended(self, parameters: int) -> Recommended:
        # Tiny and small: chosen on validation rows of examples/tickets.csv with MiniLM (0.48 at 3e-3, 0.77 at 3e-2).
        return Recommended(learning_rate=by_size(parameters, tiny=3e-2, small=3e-2, base=3e-3), epochs=8)
