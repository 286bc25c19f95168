"""Spans of tokens: head, loss, and the best span of a window.

Shapes: B windows, L tokens, D longest span in tokens, F figures a token (2 or 3).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

_NEVER = -1e9


@keras.saving.register_keras_serializable("kerasft")
class SpanHead(keras.layers.Layer):
    """Dropout and a dense layer: a vector of each token -> its figures as start, end and, if asked, inside of a span.

    A span from `i` to `j` scores `start_i + end_j`, and with `inside` also the mean of `inside_i ... inside_j`. That
    is a linear layer on the concatenation of the start vector, the end vector and the mean of the span's vectors
    (Lee et al. 2016 with mean pooling), computed without making the concatenations.

    Args:
        inside: Whether the mean of the span takes part.
        dropout: Rate before the dense layer, 0 to 1.
        seed: Seed of the initial weights.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `sequence` (B, L, H), `padding_mask` (B, L), 1 keeps -> (B, L, F) float32; padding gets -1e9 as start and end.
    """

    def __init__(self, inside: bool = False, *, dropout: float = 0.1, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inside, self.dropout, self.seed = inside, dropout, seed
        # === Layers ===
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy, name="dropout")
        initial = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
        self.dense = keras.layers.Dense(3 if inside else 2, kernel_initializer=initial, dtype="float32", name="logits")

    def build(self, sequence_shape: tuple[int | None, ...], *_: Any) -> None:
        self.dense.build(sequence_shape)
        self.built = True

    def call(self, sequence: Any, padding_mask: Any, training: bool | None = None) -> Any:
        figures = self.dense(ops.cast(self.drop(sequence, training=training), "float32"))
        padded = 1.0 - ops.cast(padding_mask, "float32")[:, :, None]
        ends_only = ops.convert_to_tensor([1.0, 1.0, 0.0][: 3 if self.inside else 2])
        return figures + _NEVER * padded * ends_only

    def compute_output_shape(self, sequence_shape: tuple[int | None, ...], *_: Any) -> tuple[int | None, ...]:
        return (*sequence_shape[:-1], 3 if self.inside else 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inside": self.inside, "dropout": self.dropout, "seed": self.seed}


def span_scores(figures: Any, longest: int) -> Any:
    """(B, L, D) score of the span that begins at each token and is 1 to D tokens long, from (B, L, F) figures.

    Spans that reach beyond the last token score -1e9.
    """
    width = ops.shape(figures)[1]
    padded = ops.pad(figures, [[0, 0], [0, longest - 1], [0, 0]])
    steps = ops.arange(width)[:, None] + ops.arange(longest)[None, :]  # (L, D) last token of each span
    ends = ops.take(padded[:, :, 1], steps, axis=1)
    scores = figures[:, :, 0:1] + ends
    if figures.shape[-1] == 3:
        inside = ops.take(padded[:, :, 2], steps, axis=1)
        scores = scores + ops.cumsum(inside, axis=2) / ops.cast(ops.arange(1, longest + 1), figures.dtype)
    return ops.where(steps[None] < width, scores, _NEVER)


@keras.saving.register_keras_serializable("kerasft")
class SpanCrossentropy(keras.losses.Loss):
    """How unlikely the true span is: of its start and end separately, or of the span among all spans.

    Args:
        longest: 0: the mean of the cross-entropies of start and end over the window's tokens (Devlin et al. 2018).
            Above: the cross-entropy over all spans of up to so many tokens; a longer true span is not learned from.
        **kwargs: Of `keras.losses.Loss`.

    Call:
        `y_true` (B, 2) int, first and last token, -1 where nothing is learned; `y_pred` (B, L, F) -> scalar, the
        mean over the windows that are learned from.
    """

    def __init__(self, longest: int = 0, *, name: str = "span_crossentropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.longest = longest

    def units(self, y_true: np.ndarray) -> float:
        """Windows that are learned from."""
        known = y_true[:, 0] >= 0
        return float((known & (y_true[:, 1] - y_true[:, 0] < self.longest) if self.longest else known).sum())

    def call(self, y_true: Any, y_pred: Any) -> Any:
        first, last = ops.cast(y_true[:, 0], "int32"), ops.cast(y_true[:, 1], "int32")
        known = first >= 0
        if not self.longest:
            start = ops.sparse_categorical_crossentropy(ops.maximum(first, 0), y_pred[:, :, 0], from_logits=True)
            end = ops.sparse_categorical_crossentropy(ops.maximum(last, 0), y_pred[:, :, 1], from_logits=True)
            losses = (start + end) / 2
        else:
            long = last - first
            known = ops.logical_and(known, long < self.longest)
            scores = span_scores(y_pred, self.longest)
            flat = ops.reshape(scores, (ops.shape(scores)[0], -1))
            place = ops.maximum(first, 0) * self.longest + ops.clip(long, 0, self.longest - 1)
            losses = ops.sparse_categorical_crossentropy(place, flat, from_logits=True)
        weight = ops.cast(known, losses.dtype)
        return losses * weight / ops.maximum(ops.mean(weight), 1e-9)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "longest": self.longest}


def best_spans(figures: Any, allowed: Any, longest: int) -> tuple[Any, Any, Any, Any]:
    """The best span of each window.

    Args:
        figures: (B, L, F).
        allowed: (B, L) bool, True for the tokens a span may consist of; they are neighbours.
        longest: D.

    Returns:
        (B,) first token, last token and score of the best span, and the log of the sum over all spans' exponentials;
        a window without an allowed token has score -1e9.
    """
    open_ = ops.cast(allowed, figures.dtype)
    scores = span_scores(figures, longest)  # (B, L, D)
    width = ops.shape(figures)[1]
    steps = ops.arange(width)[:, None] + ops.arange(longest)[None, :]
    ends = ops.take(ops.pad(open_, [[0, 0], [0, longest - 1]]), steps, axis=1)
    scores = ops.where(open_[:, :, None] * ends > 0, scores, _NEVER)
    flat = ops.reshape(scores, (ops.shape(scores)[0], width * longest))
    best = ops.cast(ops.argmax(flat, axis=1), "int32")
    first = best // longest
    return first, first + best % longest, ops.max(flat, axis=1), ops.logsumexp(flat, axis=1)
