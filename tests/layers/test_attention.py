"""Attention and its parts against NumPy written from the paper, and a whole block's gradients against KerasHub's."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasft.backbones.loading import load_backbone
from kerasft.layers.activations import exact_gelu
from kerasft.layers.attention import attend, join_heads, split_heads
from kerasft.layers.transformer_block import TransformerBlock

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def test_heads_are_split_and_joined() -> None:
    vectors = normal(2, 3, 12)
    heads = np.asarray(split_heads(vectors, 4))
    np.testing.assert_array_equal(heads[1, 2, 0], vectors[1, 0, 6:9])
    np.testing.assert_array_equal(join_heads(heads), vectors)


def test_each_position_takes_the_weighted_mean_of_what_it_sees() -> None:
    query, key, value = normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 5)
    kept = RNG.random((2, 1, 4, 6)) < 0.6
    kept[..., 0] = True
    found = attend(query, [(key, value)], kept)
    scores = np.where(kept, query @ key.swapaxes(2, 3) / math.sqrt(5), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(found, weights / weights.sum(-1, keepdims=True) @ value, atol=1e-6)


def test_states_in_parts_are_states_put_together() -> None:
    query, key, value = normal(2, 3, 4, 5), normal(2, 3, 7, 5), normal(2, 3, 7, 5)
    kept = RNG.random((2, 1, 4, 7)) < 0.6
    parts = [(key[:, :, part], value[:, :, part]) for part in (slice(0, 2), slice(2, 6), slice(6, 7))]
    np.testing.assert_allclose(attend(query, parts, kept), attend(query, [(key, value)], kept), atol=1e-6)


def test_who_sees_nothing_takes_the_mean_of_all() -> None:
    query, key, value = normal(1, 1, 2, 5), normal(1, 1, 3, 5), normal(1, 1, 3, 5)
    found = np.asarray(attend(query, [(key, value)], np.zeros((1, 1, 1, 3), bool)))
    np.testing.assert_allclose(found[0, 0], np.repeat(value[0, 0].mean(0, keepdims=True), 2, axis=0), atol=1e-6)


def test_gelu_and_its_gradient_are_keras_s() -> None:
    x = tf.constant(np.linspace(-12, 12, 4001, dtype="float32"))
    found = []
    for function in (exact_gelu, lambda values: keras.activations.gelu(values, approximate=False)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        found.append((y, tape.gradient(y, x)))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_blocks_gradients_are_those_of_kerashubs(family: str, presets: dict[str, str]) -> None:
    backbone = load_backbone(Path(presets[family]), dropout=0.0)
    block, causal = backbone.model.transformer_layers[0], backbone.family.causal
    x, upstream = tf.constant(normal(2, 5, 16)), normal(2, 5, 16)
    mask = np.asarray([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "int32")
    ours = TransformerBlock(block, causal=causal)
    name = "decoder_padding_mask" if causal else "padding_mask"
    weights = [weight.value for weight in block.trainable_variables]
    found = []
    for call in (lambda: ours(x, padding_mask=mask, training=True), lambda: block(x, **{name: mask}, training=True)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            made = tf.reduce_sum(call() * upstream * mask[..., None])
        found.append(tape.gradient(made, [x, *weights]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
