"""`Architecture`: what a model that begins with random weights is made of. Knows no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kerasft.config import Options, option

# Layers, width and heads of Turc et al. 2019 ("Well-Read Students Learn Better"), the sizes of Google's small BERTs.
SIZES = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "small": (4, 512, 8), "medium": (8, 512, 8), "base": (12, 768, 12)}


@dataclass(frozen=True, kw_only=True)
class Architecture(Options):
    """Family, size and vocabulary of a new model."""

    family: str = option(
        "bert", "BERT reads both ways and fills gaps; GPT-2 reads from left to right and writes.", choices=("bert", "gpt2")
    )
    size: str = option(
        "mini",
        "Layers and width: tiny 2 x 128, mini 4 x 256, small 4 x 512, medium 8 x 512, base 12 x 768.",
        choices=tuple(SIZES),
    )
    vocabulary_size: int = option(8000, "Most pieces of the vocabulary, which is made from the texts.", low=300, high=500_000)
    lowercase: bool = option(True, "Whether a BERT lower-cases texts and strips accents; GPT-2 keeps texts as they are.")
    min_frequency: int = option(2, "A pair of pieces becomes one when it is seen at least so often.", low=1, advanced=True)
    positions: int = option(512, "Most tokens a text may have, ever.", low=16, high=65536, advanced=True)
    layers: int | None = option(None, "Transformer blocks, in place of the size's.", low=1, high=96, advanced=True)
    width: int | None = option(None, "Width of the vectors, in place of the size's.", low=8, high=16384, advanced=True)
    heads: int | None = option(None, "Attention heads, in place of the size's.", low=1, high=128, advanced=True)
    dropout: float = option(0.1, "Dropout rate in training.", low=0, high=0.9, advanced=True)
    kernel_spread: float | None = option(
        None, "Standard deviation of the blocks' new kernels; 1 / sqrt(width) when not given.", low=1e-4, high=1, advanced=True
    )
    seed: int = option(1, "Seed of the weights.", low=0, high=2**31 - 1, advanced=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, width, heads."""
        layers, width, heads = SIZES[self.size]
        return self.layers or layers, self.width or width, self.heads or heads

    @property
    def spread(self) -> float:
        """Standard deviation of the blocks' kernels.

        The 0.02 of BERT and GPT-2 suits a width of 768. In narrow models it leaves attention all but even, and a masked language
        model learns no more than the words' frequencies for thousands of steps. 1 / sqrt(width) keeps the size of the vectors
        (LeCun et al. 1998).
        """
        return self.kernel_spread or self.shape[1] ** -0.5

    def cross_faults(self) -> Iterator[str]:
        _, width, heads = self.shape
        if width % heads:
            yield f"'width' must be a multiple of 'heads'. Received: {width} and {heads}."
