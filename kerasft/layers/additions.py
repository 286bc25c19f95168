"""What parameter-efficient tuning adds to a Transformer: low-rank updates, bottlenecks, prefixes, soft prompts."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from kerasft.layers.dropout import drop


@keras.saving.register_keras_serializable("kerasft")
class LowRank(keras.layers.Layer):
    """A low-rank update of a dense layer's kernel (LoRA, Hu et al. 2021), with the layer's own weights left as they are.

    `y = x W + s * drop(x) A B + bias`, with A (in, rank) uniform within `1 / sqrt(in)` as in PEFT and B (rank, out) zeros, so
    that it begins as the layer itself. With `decompose` (DoRA, Liu et al. 2024) each column of `W + s A B` is scaled to a learned
    length `m` that begins as the column's own: `y = (x W + s * drop(x) A B) * m / |W + s A B| + bias`.

    Args:
        rank: Inner size, at least 1.
        scale: `s`.
        dropout: Rate on the update's input, 0 to 1.
        decompose: Whether lengths are learned apart from directions.
        seed: Of A and of the dropout.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `inputs` (..., in), `kernel` (in, out), `bias` (out,) or None -> (..., out).

    Raises:
        ValueError: `rank` is below 1.
    """

    def __init__(
        self, rank: int, *, scale: float, dropout: float = 0.0, decompose: bool = False, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if rank < 1:
            raise ValueError(f"`rank` must be at least 1. Received: rank={rank!r}")
        self.rank, self.scale, self.dropout, self.decompose, self.seed = rank, scale, dropout, decompose, seed
        # === Layers ===
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy, name="dropout")

    def build(self, kernel_shape: tuple[int, int]) -> None:
        width, out = kernel_shape
        limit = 1 / math.sqrt(width)
        initial = keras.initializers.RandomUniform(-limit, limit, seed=self.seed)
        self.a = self.add_weight(shape=(width, self.rank), initializer=initial, name="a")
        self.b = self.add_weight(shape=(self.rank, out), initializer="zeros", name="b")
        self.m = self.add_weight(shape=(out,), initializer="ones", name="m") if self.decompose else None
        self.built = True

    def begin(self, kernel: Any) -> None:
        """Take the lengths of the kernel's columns (in, out) as the learned ones; needed once with `decompose`."""
        if self.m is not None:
            self.m.assign(ops.norm(ops.cast(kernel, "float32"), axis=0))

    def call(self, inputs: Any, kernel: Any, bias: Any = None, training: bool | None = None) -> Any:
        low = ops.matmul(drop(self.drop, inputs, training), self.a)
        made = ops.matmul(inputs, kernel) + self.scale * ops.matmul(low, self.b)
        if self.m is not None:
            made = made * (self.m / ops.stop_gradient(self._lengths(kernel)))
        return made if bias is None else made + bias

    def _lengths(self, kernel: Any) -> Any:
        return ops.norm(kernel + self.scale * ops.matmul(self.a, self.b), axis=0)  # (out,)

    def merged(self, kernel: Any) -> Any:
        """The one kernel (in, out) that does what this layer does without dropout."""
        updated = kernel + self.scale * ops.matmul(self.a, self.b)
        return updated if self.m is None else updated * (self.m / self._lengths(kernel))

    def get_config(self) -> dict[str, Any]:
        names = ("rank", "scale", "dropout", "decompose", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasft")
class Bottleneck(keras.layers.Layer):
    """An adapter (Houlsby et al. 2019): `x + up(activation(down(x)))`, near the identity at first.

    Both kernels are drawn from a truncated normal of deviation 0.01, as in the paper.

    Args:
        size: Width of the bottleneck.
        activation: Name of a Keras activation.
        seed: Of the weights.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        (B, L, H) -> (B, L, H).
    """

    def __init__(self, size: int, *, activation: str = "gelu", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.activation, self.seed = size, activation, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # === Layers ===
        first, second = (keras.initializers.TruncatedNormal(stddev=0.01, seed=(self.seed or 0) * 2 + i) for i in range(2))
        policy = self.dtype_policy
        self.down = keras.layers.Dense(self.size, activation=self.activation, kernel_initializer=first, dtype=policy, name="down")
        self.up = keras.layers.Dense(input_shape[-1], kernel_initializer=second, dtype=policy, name="up")
        self.down.build(input_shape)
        self.up.build((*input_shape[:-1], self.size))
        self.built = True

    def call(self, inputs: Any) -> Any:
        return inputs + self.up(self.down(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        names = ("size", "activation", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasft")
class KeyValuePrefix(keras.layers.Layer):
    """Learned keys and values before those of the text (prefix tuning, Li & Liang 2021; deep prompts, Liu et al. 2021).

    Args:
        length: P, how many.
        seed: Of the keys and values, a normal of deviation 0.02.
        **kwargs: Of `keras.layers.Layer`.

    It has no inputs, so it is not called: `keys_values` gives what is learned.
    """

    def __init__(self, length: int, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.seed = length, seed

    def build(self, key_shape: tuple[int | None, ...]) -> None:
        """`key_shape` is that of the text's keys: (B, heads, S, size)."""
        shape = (2, self.length, key_shape[1], key_shape[3])
        initial = keras.initializers.RandomNormal(stddev=0.02, seed=self.seed)
        self.states = self.add_weight(shape=shape, initializer=initial, name="states")
        self.built = True

    def keys_values(self) -> tuple[Any, Any]:
        """Keys and values, each (1, heads, P, size)."""
        states = ops.transpose(ops.cast(self.states, self.compute_dtype), (0, 2, 1, 3))
        return states[0][None], states[1][None]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasft")
class SoftPrompt(keras.layers.Layer):
    """Learned vectors before those of the text (prompt tuning, Lester et al. 2021).

    They have no position of their own: the text keeps the positions it was pre-trained with, and none is used up.

    Args:
        length: P, how many.
        hidden_dim: H.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `tokens` (B, L, H) and `padding_mask` (B, L), 1 keeps -> (B, P + L, H) and (B, P + L).
    """

    def __init__(self, length: int, hidden_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.hidden_dim = length, hidden_dim
        self.vectors = self.add_weight(shape=(length, hidden_dim), initializer="zeros", name="vectors")

    def call(self, tokens: Any, padding_mask: Any) -> tuple[Any, Any]:
        count = ops.shape(tokens)[0]
        prompt = ops.broadcast_to(ops.cast(self.vectors, tokens.dtype), (count, self.length, self.hidden_dim))
        kept = ops.ones((count, self.length), dtype=padding_mask.dtype)
        return ops.concatenate([prompt, tokens], axis=1), ops.concatenate([kept, padding_mask], axis=1)

    def compute_output_shape(
        self, tokens_shape: tuple[int | None, ...], padding_mask_shape: tuple[int | None, ...]
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        length = None if tokens_shape[1] is None else tokens_shape[1] + self.length
        return (tokens_shape[0], length, self.hidden_dim), (padding_mask_shape[0], length)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length, "hidden_dim": self.hidden_dim}
