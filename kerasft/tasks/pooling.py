"""What tasks share that read whole texts through one pooled vector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kerasft.config import option
from kerasft.tasks.base import Answering, Learned

UNIT_LENGTH = "unit_length"  # a fact: the head on the pooled vector reads it divided by its length
POOLINGS = ("auto", "pooled", "first", "last", "mean", "max", "weighted_mean")


@dataclass(frozen=True, kw_only=True)
class PooledTask(Answering):
    """Options of the pooled vector and the dense head on it."""

    max_length: int = option(
        256, "Number of tokens of a text (or pair) that are read; longer ones are cut, and counted.", low=8, high=8192
    )
    pooling: str = option(
        "auto",
        "Which vector stands for the text: the pre-trained pooler, the first token, the last, the mean of all, the largest of "
        "each number, or a mean that grows with the place; auto takes what the checkpoint was trained to give.",
        choices=POOLINGS,
        advanced=True,
    )
    head_dropout: float = option(0.1, "Dropout before the last layer, 0 to 1.", low=0, high=0.9, advanced=True)

    def for_solver(self, learned: Learned) -> Learned:
        return replace(learned, facts={**learned.facts, UNIT_LENGTH: True})

    def for_start(self, learned: Learned, backbone: Any) -> Learned:
        chosen = backbone.pooling if self.pooling == "auto" else self.pooling
        # A head that transformers has too stays one that it can load.
        return learned if chosen == backbone.family.default_pooling else self.for_solver(learned)

    def head(self, encoder: Any, learned: Learned, outputs: int, *, seed: int, name: str) -> Any:
        """The encoder with a dense layer of so many outputs on its pooled vector."""
        import keras

        from kerasft.layers.heads import ClassificationHead

        pooled = pool(encoder, encoder.pooling if self.pooling == "auto" else self.pooling)
        unit_length = bool(learned.facts.get(UNIT_LENGTH))
        head = ClassificationHead(outputs, dropout=self.head_dropout, seed=seed, unit_length=unit_length, name="head")
        return keras.Model(encoder.inputs, head(pooled), name=name)


def pool(encoder: Any, pooling: str) -> Any:
    """(B, H) vectors of the texts; the pre-trained pooler where there is none is the last token."""
    from kerasft.layers.heads import Pooling

    if pooling == "pooled" and encoder.pooled is not None:
        return encoder.pooled
    mode = "last" if pooling == "pooled" else pooling
    return Pooling(mode, name="pooling")(encoder.sequence, encoder.inputs["padding_mask"])
