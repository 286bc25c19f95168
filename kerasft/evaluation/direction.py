"""Which figures are better when they are low; all others are better when they are high."""

from __future__ import annotations

LOWER_IS_BETTER = frozenset(
    {"loss", "masked_loss", "boundary_loss", "next_sentence_loss", "perplexity", "word_perplexity", "mse", "mae"}
)
