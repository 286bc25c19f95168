"""Losses on logits and class numbers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasft")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits with class numbers as targets and label smoothing (Szegedy et al. 2016).

    With smoothing `e` and C classes the target distribution is `(1 - e) * one_hot + e / C`, so that
    `loss = (1 - e) * CE + e * mean_c(-log p_c)`. Keras has smoothing for one-hot targets only.

    Args:
        label_smoothing: `e`, 0 to 1; 0 is plain cross-entropy.
        **kwargs: Of `keras.losses.Loss`.

    Call:
        `y_true` (B,) int, `y_pred` (B, C) logits -> scalar (mean over the batch by default).
    """

    def __init__(self, label_smoothing: float = 0.0, *, name: str = "smoothed_crossentropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        plain = ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred, from_logits=True)
        if not self.label_smoothing:
            return plain
        uniform = -ops.mean(ops.log_softmax(y_pred, axis=-1), axis=-1)
        return (1 - self.label_smoothing) * plain + self.label_smoothing * uniform

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
