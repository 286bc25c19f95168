"""A pre-trained Transformer block, computed fast, with places where something learned is added."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kerasft.layers.attention import attend, join_heads, split_heads
from kerasft.layers.attention_masks import causal_mask
from kerasft.layers.dropout import drop, recomputed

States = tuple[Any, Any]  # keys and values, each (B, heads, S, size)

# The dense layers of a block, by the names the field gives them.
PROJECTIONS = ("query", "key", "value", "output", "feed_forward_in", "feed_forward_out")
_PARTS = ("block", "after_attention", "after_feed_forward", "prefix")  # layers within, by argument


def dense_of(block: Any, name: str) -> Any:
    """The dense layer of a KerasHub block by one of the names in `PROJECTIONS`."""
    attention = block._self_attention_layer
    layers = (
        attention._query_dense,
        attention._key_dense,
        attention._value_dense,
        attention._output_dense,
        block._feedforward_intermediate_dense,
        block._feedforward_output_dense,
    )
    return dict(zip(PROJECTIONS, layers, strict=True))[name]


@keras.saving.register_keras_serializable("kerasft")
class TransformerBlock(keras.layers.Layer):
    """Computes what a KerasHub Transformer block does, from the block's own weights, faster, plus what was added.

    The block itself is not changed, so that several models can share it. BERT's blocks normalise after each
    half, GPT-2's before; those of a causal family let each position see only those before it.

    Args:
        block: The block; built.
        causal: Whether it reads from left to right.
        low_rank: `LowRank` layers by the name of the projection they update.
        after_attention: Applied to the attention's output before it is added to the input, or None.
        after_feed_forward: The same for the feed-forward half.
        prefix: `KeyValuePrefix`, or None.
        inference: Whether it runs without dropout also while training. `training=False` in a functional graph would not
            do: Keras puts the model's own in its place.
        recompute: Whether what the backward pass needs is computed again there instead of kept (gradient checkpointing).
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `inputs` (B, S, H); `padding_mask` (B, S), 1 keeps, and perhaps `attention_mask` (B, S, S), what a position (row) may
        see besides -> (B, S, H).
    """

    def __init__(
        self,
        block: Any,
        *,
        causal: bool,
        low_rank: Mapping[str, Any] | None = None,
        after_attention: Any = None,
        after_feed_forward: Any = None,
        prefix: Any = None,
        inference: bool = False,
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=block.dtype_policy, **kwargs)
        self.block, self.causal, self.inference, self.recompute = block, causal, inference, recompute
        self.low_rank = dict(low_rank or {})
        self.after_attention, self.after_feed_forward, self.prefix = after_attention, after_feed_forward, prefix

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Made from a config, the layers within may have been built by Keras already.
        if not self.block.built:
            self.block.build(input_shape)
        for name, layer in self.low_rank.items():
            if not layer.built:
                kernel = self.kernel(name)
                layer.build(tuple(kernel.shape))
                layer.begin(kernel)
        for adapter in (self.after_attention, self.after_feed_forward):
            if adapter is not None and not adapter.built:
                adapter.build(input_shape)
        if self.prefix is not None and not self.prefix.built:
            heads, size = self._attention._query_dense.kernel.shape[1:]
            self.prefix.build((None, heads, None, size))
        self.built = True

    @property
    def _attention(self) -> Any:
        return self.block._self_attention_layer

    def kernel(self, name: str) -> Any:
        """The kernel of a projection as (in, out)."""
        kernel = dense_of(self.block, name).kernel
        hidden_dim = self._attention._query_dense.kernel.shape[0]
        return ops.reshape(kernel, (hidden_dim, -1) if name in PROJECTIONS[:3] else (-1, kernel.shape[-1]))

    def _project(self, name: str, inputs: Any, training: bool | None) -> Any:
        """A projection (B, S, in) -> (B, S, out) with its low-rank update; heads are joined."""
        layer = dense_of(self.block, name)
        kernel, bias = ops.cast(self.kernel(name), inputs.dtype), ops.cast(ops.reshape(layer.bias, (-1,)), inputs.dtype)
        if name in self.low_rank:
            made = self.low_rank[name](inputs, kernel, bias, training=training)
        else:
            made = ops.add(ops.matmul(inputs, kernel), bias)
        return layer.activation(made) if layer.activation is not None else made

    def _heads(self, name: str, inputs: Any, training: bool | None) -> Any:
        """Queries, keys or values (B, heads, S, size)."""
        return split_heads(self._project(name, inputs, training), dense_of(self.block, name).kernel.shape[1])

    def _normed(self, inputs: Any) -> Any:
        return self.block._self_attention_layer_norm(inputs) if self.block.normalize_first else inputs

    def call(self, inputs: Any, padding_mask: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        kept = self._kept(inputs, padding_mask, attention_mask)
        if self.recompute and training:
            return recomputed(lambda given: self._pass(given, kept, (), not self.inference)[0], inputs)
        return self._pass(inputs, kept, (), False if self.inference else training)[0]

    def step(self, inputs: Any, kept: Any, before: Sequence[States] = ()) -> tuple[Any, States]:
        """The block, without dropout, on inputs that stand behind others, of which keys and values are known.

        Args:
            inputs: (B, S, H).
            kept: Of a shape that spreads to (B, heads, S, P + S); 1 where a position (row) may see another (column).
            before: Keys and values (B or 1, heads, P_i, size) of P positions in all.

        Returns:
            (B, S, H), and the inputs' own keys and values (B, heads, S, size).
        """
        return self._pass(inputs, kept, before, False)

    def _pass(self, inputs: Any, kept: Any, before: Sequence[States], training: bool | None) -> tuple[Any, States]:
        block = self.block
        normed = self._normed(inputs)
        query, key, value = (self._heads(name, normed, training) for name in PROJECTIONS[:3])
        if self.prefix is not None:
            before = [self.prefix.keys_values(), *before]
            seen = ops.ones((*ops.shape(kept)[:3], self.prefix.length), dtype=kept.dtype)
            kept = ops.concatenate([seen, kept], axis=3)
        weights_dropout = getattr(self._attention, "_dropout_layer", None)
        dropped = functools.partial(drop, weights_dropout, training=training)
        found = join_heads(attend(query, [*before, (key, value)], kept, dropped))
        found = drop(block._self_attention_dropout, self._project("output", found, training), training)
        x = inputs + (found if self.after_attention is None else self.after_attention(found))
        if not block.normalize_first:
            x = block._self_attention_layer_norm(x)

        found = block._feedforward_layer_norm(x) if block.normalize_first else x
        found = self._project("feed_forward_out", self._project("feed_forward_in", found, training), training)
        found = drop(block._feedforward_dropout, found, training)
        x = x + (found if self.after_feed_forward is None else self.after_feed_forward(found))
        return x if block.normalize_first else block._feedforward_layer_norm(x), (key, value)

    def _kept(self, inputs: Any, padding_mask: Any, attention_mask: Any) -> Any:
        """(B, 1, S or 1, S), 1 where a position (row) may see another (column)."""
        kept = ops.cast(padding_mask, "bool")[:, None, None, :]
        if attention_mask is not None:
            kept = ops.logical_and(kept, ops.cast(attention_mask, "bool")[:, None])
        if not self.causal:
            return kept
        return ops.logical_and(kept, ops.cast(causal_mask(ops.shape(inputs)[1]), "bool")[:, None])

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...], *_: Any, **__: Any) -> tuple[int | None, ...]:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in _PARTS}
        return {
            **super().get_config(),
            "causal": self.causal,
            "inference": self.inference,
            "recompute": self.recompute,
            "low_rank": {name: keras.saving.serialize_keras_object(layer) for name, layer in self.low_rank.items()},
            **{name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TransformerBlock:
        made = {name: config[name] and keras.saving.deserialize_keras_object(config[name]) for name in _PARTS}
        updates = {name: keras.saving.deserialize_keras_object(layer) for name, layer in config["low_rank"].items()}
        given = {name: config[name] for name in ("name", "trainable", "causal", "inference", "recompute")}
        return cls(**made, low_rank=updates, **given)


def transformer_blocks(blocks: Iterable[Any], causal: bool) -> list[TransformerBlock]:
    """Blocks of KerasHub as `TransformerBlock`s; those that are ones already stay as they are."""
    return [
        block if isinstance(block, TransformerBlock) else TransformerBlock(block, causal=causal, name=f"block_{i}")
        for i, block in enumerate(blocks)
    ]
