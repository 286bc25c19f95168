"""Prompt tuning: learned vectors before those of the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasft.config import option
from kerasft.errors import ConfigError
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, cannot_merge, freeze


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class PromptTuning(Tuning):
    """Learned vectors stand before the text (Lester et al. 2021), a few kilobytes a task: for very large models. With small
    models, and on tagging and questions, it is known to fail (Liu et al. 2021): take prefix tuning or LoRA there.

    They use up no positions: the text keeps those it was pre-trained with.
    """

    name = "prompt_tuning"
    title = "Prompt tuning"
    sparse = True
    shares_base = True

    length: int = option(20, "How many vectors.", low=1, high=1024, search="10,20,40,80")
    initial: str = option(
        "vocabulary",
        "What they begin as: words drawn from the vocabulary, the words of `text`, or random numbers.",
        choices=("vocabulary", "text", "random"),
    )
    text: str = option("", "For initial='text': words, repeated or cut to the length.")

    def cross_faults(self) -> Iterator[str]:
        if self.initial == "text" and not self.text.strip():
            yield "initial='text' needs a 'text', such as 'Is this review good or bad?'."
        if self.initial != "text" and self.text:
            yield f"'text' is used with initial='text' only. Received: initial={self.initial!r}."

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        from kerasft.layers.additions import SoftPrompt

        freeze(parts)
        table = parts.token_embedding.embeddings.numpy()  # (V, H)
        parts.prompt = SoftPrompt(self.length, table.shape[1], dtype=parts.token_embedding.dtype_policy, name="prompt")
        parts.prompt.vectors.assign(self._initial(table, backbone, np.random.default_rng(seed)))
        return parts

    def _initial(self, table: np.ndarray, backbone: Any, rng: np.random.Generator) -> np.ndarray:
        if self.initial == "random":
            return rng.normal(0, table.std(), (self.length, table.shape[1]))
        if self.initial == "text":
            ids = self._pieces(backbone)
            return np.asarray(table[np.resize(ids, self.length)])
        words = np.flatnonzero(np.asarray(backbone.family.piece_lengths(backbone.tokenizer)))  # special ids have no text
        return np.asarray(table[rng.choice(words, self.length)])

    def _pieces(self, backbone: Any) -> np.ndarray:
        import tensorflow as tf

        pieces = tf.function(backbone.tokenizer)(tf.constant([self.text]))
        ids = np.asarray(pieces.flat_values if isinstance(pieces, tf.RaggedTensor) else pieces).ravel()
        if not len(ids):
            raise ConfigError(f"The model's vocabulary has no word of 'text'. Received: {self.text!r}.", where="tuning.text")
        return ids

    def merge(self, tuned: Any, plain: Any) -> None:
        raise cannot_merge(self.name)

    def recommended(self, parameters: int) -> Recommended:
        return Recommended(learning_rate=by_size(parameters, tiny=3e-2, small=1e-2, base=1e-2), epochs=10)
