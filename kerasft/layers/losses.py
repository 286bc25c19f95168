"""Losses on logits and class numbers, of whole texts or of single tokens."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


def units_of(loss: Any) -> Any:
    """What a loss divides by, from its targets as a NumPy array: rows, or for our own losses their `units`."""
    return getattr(loss, "units", len)


@keras.saving.register_keras_serializable("kerasft")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits with class numbers as targets, label smoothing (Szegedy et al. 2016) and focus (Lin et al. 2017).

    With smoothing `e` and C classes the target distribution is `(1 - e) * one_hot + e / C`, so that
    `loss = (1 - e) * CE + e * mean_c(-log p_c)`. Keras has smoothing for one-hot targets only.

    A focus `g` multiplies this by `(1 - p) ** g`, with `p` the probability of the right class: what is right already counts less.

    Args:
        label_smoothing: `e`, 0 to 1; 0 is plain cross-entropy.
        focal: `g`, 0 or more; 0 is none.
        **kwargs: Of `keras.losses.Loss`.

    Call:
        `y_true` (B,) int, `y_pred` (B, C) logits -> scalar (mean over the batch by default).
    """

    def __init__(
        self, label_smoothing: float = 0.0, *, focal: float = 0.0, name: str = "smoothed_crossentropy", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.focal = focal

    def call(self, y_true: Any, y_pred: Any) -> Any:
        plain = ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred, from_logits=True)
        loss = plain
        if self.label_smoothing:
            uniform = -ops.mean(ops.log_softmax(y_pred, axis=-1), axis=-1)
            loss = (1 - self.label_smoothing) * plain + self.label_smoothing * uniform
        # 1 - exp(-CE), kept off 0, where a power below 1 has no gradient
        return loss * ops.power(ops.maximum(-ops.expm1(-plain), 1e-6), self.focal) if self.focal else loss

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing, "focal": self.focal}


@keras.saving.register_keras_serializable("kerasft")
class TokenCrossentropy(SmoothedCrossentropy):
    """Cross-entropy of each token's logits, averaged over the tokens of the batch that have a target.

    Args:
        label_smoothing: As for `SmoothedCrossentropy`.
        focal: Likewise.
        **kwargs: Of `keras.losses.Loss`.

    Call:
        `y_true` (B, L) int, -1 where there is no target, `y_pred` (B, L, C) logits -> scalar.
    """

    def __init__(
        self, label_smoothing: float = 0.0, *, focal: float = 0.0, name: str = "token_crossentropy", **kwargs: Any
    ) -> None:
        super().__init__(label_smoothing, focal=focal, name=name, **kwargs)

    def units(self, y_true: np.ndarray) -> float:
        """Tokens that have a target."""
        return float((y_true >= 0).sum())

    def call(self, y_true: Any, y_pred: Any) -> Any:
        has_target = ops.cast(y_true >= 0, y_pred.dtype)
        losses = super().call(ops.maximum(y_true, 0), y_pred) * has_target
        # Keras divides by all positions; we want the mean over those with a target.
        share = ops.mean(has_target)
        return losses / ops.maximum(share, 1e-9)


@keras.saving.register_keras_serializable("kerasft")
class ContrastiveLoss(keras.losses.Loss):
    """Normalised temperature-scaled cross-entropy (NT-Xent, Chen et al. 2020): each row must find its partner.

    For row `i` with partner `p` and cosine similarities `s`:
    `loss = -log( exp(s_ip / t) / sum_{j != i} exp(s_ij / t) )`, the others of the batch being the wrong answers.

    Args:
        temperature: `t`, above 0.
        **kwargs: Of `keras.losses.Loss`.

    Call:
        `y_true` (B,) int, equal for the two rows that belong together; `y_pred` (B, H) -> scalar.
    """

    def __init__(self, temperature: float = 0.05, *, name: str = "contrastive", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        vectors = ops.normalize(ops.cast(y_pred, "float32"), axis=-1)
        similar = ops.matmul(vectors, ops.transpose(vectors)) / self.temperature  # (B, B)
        itself = ops.eye(ops.shape(vectors)[0])
        similar = similar - 1e9 * itself
        partner = ops.cast(ops.equal(y_true[:, None], y_true[None, :]), "float32") * (1 - itself)
        wanted = ops.sum(similar * partner, axis=1)
        return ops.logsumexp(similar, axis=1) - wanted

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
