"""Pooling and heads: from vectors per token to what a task needs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

POOLINGS = ("first", "last", "mean", "max", "weighted_mean")


@keras.saving.register_keras_serializable("kerasft")
class Pooling(keras.layers.Layer):
    """One vector a text from the vectors of its tokens.

    `first` takes token 0 (`[CLS]`), `last` the last token the mask keeps (the only one that has seen the whole text
    in a left-to-right model), `mean` the average of all kept tokens, `max` the largest of each number, `weighted_mean` an
    average in which the n-th token counts n times (Muennighoff 2022).

    Args:
        mode: `first`, `last`, `mean`, `max` or `weighted_mean`.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `sequence` (B, L, H) and `padding_mask` (B, L), 1 keeps -> (B, H). A row with nothing kept gives zeros for
        the means, -1e9 for `max` and token 0 otherwise.

    Raises:
        ValueError: `mode` is none of them.

    Example:
        >>> Pooling("mean")(keras.random.normal((2, 5, 8)), keras.ops.ones((2, 5))).shape
        TensorShape([2, 8])
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in POOLINGS:
            raise ValueError(f"`mode` must be one of {', '.join(POOLINGS)}. Received: mode={mode!r}")
        self.mode = mode
        self.supports_masking = True

    def call(self, sequence: Any, padding_mask: Any) -> Any:
        if self.mode == "first":
            return sequence[:, 0, :]
        kept = ops.cast(padding_mask, "int32")
        if self.mode == "last":
            last = ops.maximum(ops.sum(kept, axis=1) - 1, 0)  # (B,)
            return ops.squeeze(ops.take_along_axis(sequence, last[:, None, None], axis=1), axis=1)
        weights = ops.cast(kept, sequence.dtype)[:, :, None]  # (B, L, 1)
        if self.mode == "max":
            lowest = ops.cast(-1e4 if sequence.dtype == "float16" else -1e9, sequence.dtype)
            return ops.max(ops.where(weights > 0, sequence, lowest), axis=1)
        if self.mode == "weighted_mean":
            weights = weights * ops.cast(ops.arange(1, ops.shape(sequence)[1] + 1), sequence.dtype)[None, :, None]
        return ops.sum(sequence * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)

    def compute_output_shape(self, sequence_shape: tuple[int | None, ...], *_: Any) -> tuple[int | None, ...]:
        return (sequence_shape[0], sequence_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("kerasft")
class ClassificationHead(keras.layers.Layer):
    """Dropout and a dense layer: a vector of a text or of each token -> one logit a class.

    Initial weights are drawn from a truncated normal of standard deviation 0.02, as in BERT (Devlin et al. 2018).

    Args:
        classes: Number of logits, at least 1.
        dropout: Rate before the dense layer, 0 to 1.
        seed: Seed of the initial weights.
        unit_length: Whether each vector is divided by its Euclidean length first, so that only its direction counts.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        (B, H) -> (B, classes) or (B, L, H) -> (B, L, classes), float32 also under mixed precision.

    Raises:
        ValueError: `classes` is below 1.
    """

    def __init__(
        self, classes: int, *, dropout: float = 0.1, seed: int | None = None, unit_length: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if classes < 1:
            raise ValueError(f"`classes` must be at least 1. Received: classes={classes!r}")
        self.classes = classes
        self.dropout = dropout
        self.seed = seed
        self.unit_length = unit_length
        # === Layers ===
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy, name="dropout")
        initial = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
        self.dense = keras.layers.Dense(classes, kernel_initializer=initial, dtype="float32", name="logits")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.dense.build(input_shape)
        self.built = True

    def call(self, pooled: Any, training: bool | None = None) -> Any:
        if self.unit_length:
            pooled = ops.normalize(ops.cast(pooled, "float32"), axis=-1, order=2, epsilon=1e-12)
        return self.dense(ops.cast(self.drop(pooled, training=training), "float32"))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.classes)

    def get_config(self) -> dict[str, Any]:
        names = ("classes", "dropout", "seed", "unit_length")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
