"""Framing for embeddings: each row as two texts that belong together, framed one by one."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerasft.preprocessing.framing import Framed, Framing


class TwinFraming(Framing):
    """Texts by themselves, or pairs as two neighbouring windows.

    Args:
        framer: `backbones.tokenization.Framer`.

    Call:
        `texts` (N,) -> `Framed` of N windows; with `pairs` (N,) of 2 N: text 0, pair 0, text 1, pair 1, ...
    """

    def __init__(self, framer: Any) -> None:
        super().__init__()
        self._framer = framer

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        if pairs is None:
            framed: Framed = self._framer(texts)
            return framed
        framed = self._framer(tf.reshape(tf.stack([texts, pairs], axis=1), [-1]))
        return framed._replace(owners=framed.owners // 2)
