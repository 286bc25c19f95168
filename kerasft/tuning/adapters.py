"""Adapters: small bottleneck layers inside frozen blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, cannot_merge, freeze


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class Adapters(Tuning):
    """Small bottleneck layers learn inside frozen blocks (Houlsby et al. 2019): for what LoRA is for; answering costs a little
    more, since they cannot be merged.

    Layer norms stay frozen, so that models can share one base; the paper trains them too.
    """

    name = "adapters"
    title = "Adapters"
    sparse = True
    shares_base = True

    size: int = option(48, "Width of the bottleneck.", low=1, high=4096, search="16,32,48,96")
    placement: str = option(
        "houlsby",
        "'houlsby' after the attention and the feed-forward half of each block, 'pfeiffer' only after the latter.",
        choices=("houlsby", "pfeiffer"),
    )
    activation: str = option("gelu", "Between the two layers.", choices=("gelu", "relu", "silu", "tanh"), advanced=True)

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        from kerasft.layers.additions import Bottleneck
        from kerasft.layers.transformer_block import TransformerBlock

        def bottleneck(block: Any, number: int, name: str) -> Any:
            policy = block.dtype_policy
            return Bottleneck(self.size, activation=self.activation, seed=seed + 1000 * number, dtype=policy, name=name)

        freeze(parts)
        for i, block in enumerate(parts.blocks):
            attention = bottleneck(block, 2 * i, "adapter_attention") if self.placement == "houlsby" else None
            parts.blocks[i] = TransformerBlock(
                block,
                causal=backbone.family.causal,
                after_attention=attention,
                after_feed_forward=bottleneck(block, 2 * i + 1, "adapter_feed_forward"),
                name=f"tuned_{i}",
            )
        return parts

    def merge(self, tuned: Any, plain: Any) -> None:
        raise cannot_merge(self.name)

    def recommended(self, parameters: int) -> Recommended:
        # Small: chosen on validation rows of examples/tickets.csv with MiniLM, where 1e-3 was far too slow.
        return Recommended(learning_rate=by_size(parameters, tiny=5e-3, small=3e-3, base=3e-4), epochs=5)
