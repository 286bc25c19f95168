"""LoRA: low-rank updates beside frozen weights, which can be merged into them afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, freeze

_TARGETS = ("query", "key", "value", "output", "feed_forward")


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class LoRA(Tuning):
    """Low-rank updates of frozen weights (Hu et al. 2021): about a hundredth of the weights learn, and the artifact is a
    hundredth of the model; the first choice for large models, and for many tasks on one base.

    The updates can be merged into the weights afterwards, so that answering costs nothing more.
    """

    name = "lora"
    title = "LoRA"
    sparse = True
    shares_base = True

    rank: int = option(8, "Inner size of the updates.", low=1, high=1024, search="2,4,8,16,32")
    alpha: float = option(16.0, "The updates are multiplied by alpha / rank.", low=0.01, high=10_000)
    targets: tuple[str, ...] = option(_TARGETS, "Which projections of each block are updated.", choices=_TARGETS)
    dropout: float = option(0.0, "Dropout before the updates.", low=0, high=0.9, advanced=True)
    rank_stabilized: bool = option(
        False, "Multiply by alpha / sqrt(rank) instead, for high ranks (rsLoRA, Kalajdzievski 2023).", advanced=True
    )
    decompose: bool = option(
        False, "Learn lengths of the weights' columns apart from directions (DoRA, Liu et al. 2024).", advanced=True
    )

    def cross_faults(self) -> Iterator[str]:
        if not self.targets:
            yield "'targets' must name at least one projection."

    @property
    def scale(self) -> float:
        """What the updates are multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilized else self.rank)

    @property
    def projections(self) -> list[str]:
        """The dense layers of a block that are updated, by the names of `layers.transformer_block.PROJECTIONS`."""
        chosen = [name for name in _TARGETS[:4] if name in self.targets]
        return chosen + (["feed_forward_in", "feed_forward_out"] if "feed_forward" in self.targets else [])

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        from kerasft.layers.additions import LowRank
        from kerasft.layers.transformer_block import TransformerBlock

        freeze(parts)
        names = self.projections
        for i, block in enumerate(parts.blocks):
            updates = {
                name: LowRank(
                    self.rank,
                    scale=self.scale,
                    dropout=self.dropout,
                    decompose=self.decompose,
                    seed=seed + 1000 * (i * len(names) + k),
                    dtype=block.dtype_policy,
                    name=f"lora_{name}",
                )
                for k, name in enumerate(names)
            }
            parts.blocks[i] = TransformerBlock(block, causal=backbone.family.causal, low_rank=updates, name=f"tuned_{i}")
        return parts

    def merge(self, tuned: Any, plain: Any) -> None:
        from keras import ops

        from kerasft.layers.transformer_block import dense_of

        for block, target in zip(tuned.blocks, plain.blocks, strict=True):
            for name, update in block.low_rank.items():
                kernel = dense_of(target, name).kernel
                kernel.assign(ops.reshape(update.merged(block.kernel(name)), kernel.shape))

    def recommended(self, parameters: int) -> Recommended:
        return Recommended(learning_rate=by_size(parameters, tiny=5e-3, small=1e-3, base=4e-4), epochs=5)
