"""Prefix tuning: learned keys and values before those of the text, in every block (deep prompts)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, cannot_merge, freeze


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class PrefixTuning(Tuning):
    """Learned keys and values stand before those of the text in every block (Li & Liang 2021; P-tuning v2, Liu et al. 2021): what
    prompt tuning lacks on tagging, questions and small models, at little cost.

    As in P-tuning v2 they are learned as they are, without the network Li & Liang put before them. They use up no
    positions.
    """

    name = "prefix_tuning"
    title = "Prefix tuning (deep prompts)"
    sparse = True
    shares_base = True

    length: int = option(20, "How many, in each block.", low=1, high=1024, search="5,10,20,40")

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        from kerasft.layers.additions import KeyValuePrefix
        from kerasft.layers.transformer_block import TransformerBlock

        freeze(parts)
        for i, block in enumerate(parts.blocks):
            prefix = KeyValuePrefix(self.length, seed=seed + 1000 * i, dtype=block.dtype_policy, name="prefix")
            parts.blocks[i] = TransformerBlock(block, causal=backbone.family.causal, prefix=prefix, name=f"tuned_{i}")
        return parts

    def merge(self, tuned: Any, plain: Any) -> None:
        raise cannot_merge(self.name)

    def recommended(self, parameters: int) -> Recommended:
        return Recommended(learning_rate=by_size(parameters, tiny=2e-2, small=1e-2, base=5e-3), epochs=8)
