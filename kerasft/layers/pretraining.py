"""Heads for pre-training: only hidden tokens are told, by the tied embedding; spans also from their boundaries."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasft.layers.language import MaskedLMTransform


@keras.saving.register_keras_serializable("kerasft")
class GatherTokens(keras.layers.Layer):
    """The vectors of some tokens.

    Args:
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `sequence` (B, L, H), `places` (B, K) int -> (B, K, H).
    """

    def call(self, sequence: Any, places: Any) -> Any:
        return ops.take_along_axis(sequence, ops.cast(places, "int32")[:, :, None], axis=1)

    def compute_output_shape(self, sequence_shape: tuple[int | None, ...], places_shape: tuple[int | None, ...]) -> Any:
        return (*places_shape, sequence_shape[-1])


@keras.saving.register_keras_serializable("kerasft")
class VocabularyBias(keras.layers.Layer):
    """Adds a bias for each token of the vocabulary, as BERT's masked-LM head does; float32 out.

    Args:
        **kwargs: Of `keras.layers.Layer`.

    Call:
        (..., V) -> (..., V).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias", dtype="float32")
        self.built = True

    def call(self, logits: Any) -> Any:
        return ops.cast(logits, "float32") + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("kerasft")
class SpanBoundary(keras.layers.Layer):
    """Vectors of hidden tokens from the boundaries of their span (Joshi et al. 2020, span-boundary objective).

    With boundary vectors `l` and `r` and an embedding `p` of the token's place in the span, counted from the left one:
    `h = LN(GELU(W1 [l; r; p] + b1))`, `y = LN(GELU(W2 h + b2))`.

    Args:
        places: Rows of the place embedding; places beyond share the last.
        place_dim: Width of the place embedding, 200 in the paper's experiments.
        epsilon: Of the normalisations.
        approximate: Whether GELU is the tanh approximation.
        seed: Of the initial weights.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `sequence` (B, L, H); `left`, `right` (B, K) int, the tokens before and behind the span; `places` (B, K) int, of the
        hidden token -> (B, K, H).
    """

    def __init__(
        self,
        *,
        places: int = 32,
        place_dim: int = 200,
        epsilon: float = 1e-12,
        approximate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.places, self.place_dim, self.seed = places, place_dim, seed
        self.epsilon, self.approximate = epsilon, approximate

    def build(self, sequence_shape: tuple[int | None, ...], *_: Any) -> None:
        # === Layers ===
        width = int(sequence_shape[-1] or 0)
        initial = keras.initializers.TruncatedNormal(stddev=0.02, seed=self.seed)
        how = {"epsilon": self.epsilon, "approximate": self.approximate, "dtype": self.dtype_policy}
        self.gather = GatherTokens(dtype=self.dtype_policy, name="gather")
        self.embedding = keras.layers.Embedding(self.places, self.place_dim, initial, dtype=self.dtype_policy, name="places")
        self.first = MaskedLMTransform(width, seed=self.seed, name="first", **how)
        self.second = MaskedLMTransform(width, seed=None if self.seed is None else self.seed + 1, name="second", **how)
        self.embedding.build((None, None))
        self.first.build((None, None, 2 * width + self.place_dim))
        self.second.build((None, None, width))
        self.built = True

    def call(self, sequence: Any, left: Any, right: Any, places: Any) -> Any:
        place = ops.clip(ops.cast(places, "int32") - ops.cast(left, "int32") - 1, 0, self.places - 1)
        parts = [self.gather(sequence, left), self.gather(sequence, right), self.embedding(place)]
        return self.second(self.first(ops.concatenate(parts, axis=-1)))

    def compute_output_shape(self, sequence_shape: Any, left_shape: Any, *_: Any) -> tuple[int | None, ...]:
        return (*left_shape, sequence_shape[-1])

    def get_config(self) -> dict[str, Any]:
        names = ("places", "place_dim", "epsilon", "approximate", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasft")
class TokenFigures(keras.layers.Layer):
    """How well rows were told, in place of logits over the whole vocabulary.

    Args:
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `logits` (B, K, C) or (B, C), `targets` (B, K) or (B,) int, -1 where there is none -> (B, 3) float32, summed over K:
        negative log-probabilities (nats), targets, and how many were the likeliest.
    """

    def call(self, logits: Any, targets: Any) -> Any:
        logits, targets = ops.cast(logits, "float32"), ops.cast(targets, "int32")
        if len(targets.shape) == 1:
            logits, targets = logits[:, None, :], targets[:, None]
        there = ops.cast(targets >= 0, "float32")
        chosen = ops.take_along_axis(logits, ops.maximum(targets, 0)[:, :, None], axis=2)[:, :, 0]
        nats = (ops.logsumexp(logits, axis=-1) - chosen) * there
        right = ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), targets), "float32")
        return ops.stack([ops.sum(nats, axis=1), ops.sum(there, axis=1), ops.sum(right, axis=1)], axis=-1)

    def compute_output_shape(self, logits_shape: tuple[int | None, ...], *_: Any) -> tuple[int | None, ...]:
        return (logits_shape[0], 3)


@keras.saving.register_keras_serializable("kerasft")
class LikeliestTokens(keras.layers.Layer):
    """The likeliest tokens of a gap and their probabilities.

    Args:
        count: How many.
        hidden_ids: Ids that are never told, such as special ones; they keep their share of the probability.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        (B, 1, V) logits -> (B, 2 * count) float32: ids, likeliest first, then their probabilities.
    """

    def __init__(self, count: int, *, hidden_ids: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.hidden_ids = count, [int(number) for number in hidden_ids]

    def call(self, logits: Any) -> Any:
        shares = ops.softmax(ops.cast(logits[:, 0], "float32"), axis=-1)
        hidden = ops.sum(ops.one_hot(ops.convert_to_tensor(self.hidden_ids, dtype="int32"), shares.shape[-1]), axis=0)
        best, ids = ops.top_k(shares - 2 * hidden[None, :], self.count)
        # A float32 holds every id of any vocabulary (below 2^24) exactly.
        return ops.concatenate([ops.cast(ids, "float32"), best], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * self.count)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count, "hidden_ids": self.hidden_ids}
