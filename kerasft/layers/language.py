"""Language modelling: logits from the tied embedding, and how likely the next token was."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasft")
class NextTokenScore(keras.layers.Layer):
    """How likely the text says its own next token is, in place of logits over the whole vocabulary.

    Args:
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `logits` (B, L, V), `token_ids` (B, L) -> (B, L, 2) float32: the log-probability (nats) of the token that
        follows, and 1 where it is the likeliest; the last position says nothing of use.
    """

    def call(self, logits: Any, token_ids: Any) -> Any:
        logits = ops.cast(logits, "float32")
        following = ops.roll(token_ids, -1, axis=1)
        chosen = ops.take_along_axis(logits, following[:, :, None], axis=2)[:, :, 0]
        nats = chosen - ops.logsumexp(logits, axis=-1)
        hit = ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.cast(following, "int32")), "float32")
        return ops.stack([nats, hit], axis=-1)

    def compute_output_shape(self, logits_shape: tuple[int | None, ...], *_: Any) -> tuple[int | None, ...]:
        return (*logits_shape[:-1], 2)


@keras.saving.register_keras_serializable("kerasft")
class AsFloat32(keras.layers.Layer):
    """Its input as float32: logits keep their digits under mixed precision.

    Args:
        **kwargs: Of `keras.layers.Layer`.
    """

    def call(self, values: Any) -> Any:
        return ops.cast(values, "float32")


@keras.saving.register_keras_serializable("kerasft")
class GapPooling(keras.layers.Layer):
    """The vector of the first token with a given id, the gap of a cloze.

    Args:
        mask_id: Id of the gap.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `sequence` (B, L, H), `token_ids` (B, L) -> (B, H); token 0 where there is no gap.
    """

    def __init__(self, mask_id: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_id = mask_id

    def call(self, sequence: Any, token_ids: Any) -> Any:
        place = ops.argmax(ops.cast(ops.equal(token_ids, self.mask_id), "int32"), axis=1)
        return ops.squeeze(ops.take_along_axis(sequence, place[:, None, None], axis=1), axis=1)

    def compute_output_shape(self, sequence_shape: tuple[int | None, ...], *_: Any) -> tuple[int | None, ...]:
        return (sequence_shape[0], sequence_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_id": self.mask_id}


@keras.saving.register_keras_serializable("kerasft")
class WordLogits(keras.layers.Layer):
    """Logits of classes from those of the vocabulary: the mean over each class's words, and a bias for each word.

    Args:
        word_ids: Ids of the words of each class.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        (B, V) -> (B, classes) float32.
    """

    def __init__(self, word_ids: list[list[int]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.word_ids = [list(ids) for ids in word_ids]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        count = sum(len(ids) for ids in self.word_ids)
        self.bias = self.add_weight(shape=(count,), initializer="zeros", name="bias", dtype="float32")
        self.built = True

    def call(self, logits: Any) -> Any:
        flat = [number for ids in self.word_ids for number in ids]
        words = ops.take(ops.cast(logits, "float32"), flat, axis=1) + self.bias  # (B, words)
        means = []
        start = 0
        for ids in self.word_ids:
            means.append(ops.mean(words[:, start : start + len(ids)], axis=1))
            start += len(ids)
        return ops.stack(means, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.word_ids))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "word_ids": self.word_ids}


@keras.saving.register_keras_serializable("kerasft")
class MaskedLMTransform(keras.layers.Layer):
    """What BERT's masked-LM head does before the tied embedding: dense, activation, layer normalisation.

    The head's bias over the vocabulary is left out: the tasks that use this layer add their own.

    Args:
        units: Width of the output; that of the input when not given.
        epsilon: Of the normalisation.
        approximate: Whether GELU is the tanh approximation.
        seed: Of the initial weights, a truncated normal of standard deviation 0.02.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        (..., I) -> (..., units).
    """

    def __init__(
        self,
        units: int | None = None,
        *,
        epsilon: float = 1e-12,
        approximate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.epsilon, self.approximate, self.seed = units, epsilon, approximate, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # === Layers ===
        units = self.units or input_shape[-1]
        initial = keras.initializers.TruncatedNormal(stddev=0.02, seed=self.seed)
        self.dense = keras.layers.Dense(units, kernel_initializer=initial, dtype=self.dtype_policy, name="dense")
        self.norm = keras.layers.LayerNormalization(epsilon=self.epsilon, dtype=self.dtype_policy, name="norm")
        self.dense.build(input_shape)
        self.norm.build((*input_shape[:-1], units))
        self.built = True

    def call(self, vectors: Any) -> Any:
        return self.norm(ops.gelu(self.dense(vectors), approximate=self.approximate))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units or input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        names = ("units", "epsilon", "approximate", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
