"""Low-rank updates, bottlenecks, prefixes and prompts against NumPy written from the papers; tuned blocks against plain ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kerasft.backbones.loading import load_backbone
from kerasft.layers.additions import Bottleneck, KeyValuePrefix, LowRank, SoftPrompt
from kerasft.layers.transformer_block import PROJECTIONS, TransformerBlock

RNG = np.random.default_rng(0)


def low_rank(**options: Any) -> LowRank:
    """A layer on a kernel (5, 7) whose update is not zero."""
    layer = LowRank(3, scale=2.0, seed=1, **options)
    layer.build((5, 7))
    layer.b.assign(RNG.normal(size=(3, 7)))
    return layer


def test_a_low_rank_update_is_the_papers_formula_and_begins_as_nothing() -> None:
    kernel, bias, x = (RNG.normal(size=shape).astype("float32") for shape in ((5, 7), (7,), (2, 4, 5)))
    new = LowRank(3, scale=2.0, seed=1)
    new.build((5, 7))
    np.testing.assert_allclose(np.asarray(new(x, kernel, bias)), x @ kernel + bias, atol=1e-5)
    assert float(np.abs(new.a.numpy()).max()) <= 1 / np.sqrt(5)
    layer = low_rank()
    a, b = layer.a.numpy(), layer.b.numpy()
    np.testing.assert_allclose(np.asarray(layer(x, kernel, bias)), x @ kernel + 2.0 * (x @ a) @ b + bias, atol=1e-5)
    np.testing.assert_allclose(np.asarray(layer.merged(kernel)), kernel + 2.0 * a @ b, atol=1e-5)


def test_a_decomposed_update_scales_columns_to_learned_lengths() -> None:
    kernel, x = RNG.normal(size=(5, 7)).astype("float32"), RNG.normal(size=(4, 5)).astype("float32")
    layer = low_rank(decompose=True)
    layer.begin(kernel)
    np.testing.assert_allclose(layer.m.numpy(), np.linalg.norm(kernel, axis=0), rtol=1e-5)
    layer.m.assign(layer.m.numpy() * 1.5)
    whole = kernel + 2.0 * layer.a.numpy() @ layer.b.numpy()
    expected = whole / np.linalg.norm(whole, axis=0) * layer.m.numpy()
    np.testing.assert_allclose(np.asarray(layer(x, kernel)), x @ expected, atol=1e-4)
    np.testing.assert_allclose(np.asarray(layer.merged(kernel)), expected, atol=1e-5)


def test_dropout_acts_on_the_update_alone() -> None:
    kernel, x = np.zeros((5, 7), "float32"), np.ones((200, 5), "float32")
    layer = low_rank(dropout=0.5)
    there = np.asarray(layer(x, kernel, training=True))
    assert len(np.unique(there.round(4), axis=0)) > 1
    np.testing.assert_allclose(np.asarray(layer(x, kernel + 1.0, training=False)), x @ layer.merged(kernel + 1.0), atol=1e-4)


def test_ranks_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="rank"):
        LowRank(0, scale=1.0)


def test_a_bottleneck_is_near_the_identity_at_first() -> None:
    x = RNG.normal(size=(2, 3, 16)).astype("float32")
    layer = Bottleneck(4, seed=3)
    assert float(np.abs(np.asarray(layer(x)) - x).max()) < 0.01
    down, up = layer.down.kernel.numpy(), layer.up.kernel.numpy()
    assert not np.array_equal(down[:4, :4], up[:4, :4])
    layer.down.kernel.assign(down * 100)
    layer.up.kernel.assign(up * 100)
    inner = np.asarray(keras.activations.gelu(x @ (down * 100)))
    np.testing.assert_allclose(np.asarray(layer(x)), x + inner @ (up * 100), atol=1e-4)


def test_a_prefix_is_learned_keys_and_values() -> None:
    layer = KeyValuePrefix(5, seed=1)
    layer.build((None, 3, None, 4))
    for i, part in enumerate(layer.keys_values()):
        np.testing.assert_array_equal(part[0], np.swapaxes(layer.states.numpy()[i], 0, 1))


@pytest.mark.parametrize("causal", [False, True])
def test_every_position_sees_the_prefix(causal: bool, presets: dict[str, str]) -> None:
    """A prefix of the keys and values that two positions have is like these positions standing before."""
    block = load_backbone(Path(presets["gpt2" if causal else "bert"])).model.transformer_layers[0]
    plain, prefix = TransformerBlock(block, causal=causal), KeyValuePrefix(2)
    x, first = (RNG.normal(size=(2, length, 16)).astype("float32") for length in (5, 2))
    first = np.repeat(first[:1], 2, axis=0)
    _, states = plain.step(first, np.ones((1, 1, 2, 2)))
    tuned = TransformerBlock(block, causal=causal, prefix=prefix)
    mask = np.asarray([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    tuned(x, padding_mask=mask)
    prefix.states.assign(np.stack([np.swapaxes(np.asarray(state)[0], 0, 1) for state in states]))
    kept = np.broadcast_to(mask[:, None, None], (2, 1, 5, 5)) * (np.tri(5) if causal else 1)
    seen = np.concatenate([np.ones((2, 1, 5, 2)), kept], axis=3)
    expected, _ = plain.step(x, seen, [states])
    np.testing.assert_allclose(np.asarray(tuned(x, padding_mask=mask)), np.asarray(expected), atol=1e-5)


def test_a_prompt_stands_before_the_text_and_is_kept_by_the_mask() -> None:
    tokens, mask = RNG.normal(size=(2, 3, 4)).astype("float32"), np.asarray([[1, 1, 0], [1, 0, 0]], "int32")
    layer = SoftPrompt(2, 4)
    layer.vectors.assign(np.arange(8).reshape(2, 4))
    longer, kept = (np.asarray(part) for part in layer(tokens, mask))
    np.testing.assert_array_equal(longer[:, 2:], tokens)
    np.testing.assert_array_equal(longer[1, :2], layer.vectors.numpy())
    np.testing.assert_array_equal(kept, [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])


@pytest.mark.parametrize(
    "layer", [LowRank(2, scale=1.5), Bottleneck(4), KeyValuePrefix(3), SoftPrompt(3, 8)], ids=lambda x: x.name
)
def test_they_are_made_again_from_their_config(layer: Any) -> None:
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_transformer_block_without_additions_is_kerashubs(family: str, presets: dict[str, str]) -> None:
    backbone = load_backbone(Path(presets[family]))
    block, causal = backbone.model.transformer_layers[0], backbone.family.causal
    x, mask = RNG.normal(size=(2, 5, 16)).astype("float32"), np.asarray([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]])
    plain = block(x, **{"decoder_padding_mask" if causal else "padding_mask": mask}, training=False)
    zero = {name: LowRank(2, scale=1.0, seed=1, name=name) for name in PROJECTIONS}
    for tuned in (TransformerBlock(block, causal=causal), TransformerBlock(block, causal=causal, low_rank=zero)):
        found = tuned(x, padding_mask=mask, training=False)
        np.testing.assert_allclose(np.asarray(found), np.asarray(plain), atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_block_for_inference_has_no_dropout_while_training(family: str, presets: dict[str, str]) -> None:
    backbone = load_backbone(Path(presets[family]), dropout=0.5)
    block, causal = backbone.model.transformer_layers[0], backbone.family.causal
    x, mask = RNG.normal(size=(2, 5, 16)).astype("float32"), np.ones((2, 5), "int32")
    still = TransformerBlock(block, causal=causal, inference=True)
    quiet, trained = (np.asarray(still(x, padding_mask=mask, training=training)) for training in (False, True))
    np.testing.assert_array_equal(quiet, trained)
    loud = TransformerBlock(block, causal=causal)
    assert not np.array_equal(np.asarray(loud(x, padding_mask=mask, training=True)), quiet)
