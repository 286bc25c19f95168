"""Layers of language models against NumPy, and as Keras layers anybody can save."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasft  # noqa: F401  registers the layers with Keras
from kerasft.layers.language import AsFloat32, GapPooling, MaskedLMTransform, NextTokenScore, WordLogits

RNG = np.random.default_rng(2)


def test_the_score_of_the_next_token_is_its_log_probability_and_whether_it_is_the_likeliest() -> None:
    logits = RNG.normal(size=(3, 5, 11)).astype(np.float32)
    ids = RNG.integers(0, 11, (3, 5)).astype(np.int32)
    ids[0, 1:] = logits[0, :-1].argmax(axis=-1)
    found = NextTokenScore()(logits, ids).numpy()
    for row in range(3):
        for place in range(4):
            shares = np.exp(logits[row, place].astype(np.float64))
            assert found[row, place, 0] == pytest.approx(math.log(shares[ids[row, place + 1]] / shares.sum()), abs=1e-5)
            assert found[row, place, 1] == (logits[row, place].argmax() == ids[row, place + 1])
    assert found[0, :4, 1].all()


def test_half_precision_logits_are_scored_in_float32() -> None:
    logits = keras.ops.cast(RNG.normal(size=(1, 2, 400)), "bfloat16")
    assert NextTokenScore()(logits, np.zeros((1, 2), np.int32)).dtype == "float32"
    assert AsFloat32(dtype="float32")(logits).dtype == "float32"


def test_the_gap_is_the_first_token_of_its_id() -> None:
    sequence = RNG.normal(size=(3, 4, 6)).astype(np.float32)
    ids = np.asarray([[1, 9, 2, 9], [9, 0, 0, 0], [1, 2, 3, 4]])
    found = GapPooling(9)(sequence, ids).numpy()
    np.testing.assert_array_equal(found, [sequence[0, 1], sequence[1, 0], sequence[2, 0]])


def test_the_logit_of_a_class_is_the_mean_of_its_words_with_their_biases() -> None:
    logits = RNG.normal(size=(4, 20)).astype(np.float32)
    layer = WordLogits([[3], [5, 7, 19], [0, 2]])
    layer(logits)
    bias = RNG.normal(size=6).astype(np.float32)
    layer.set_weights([bias])
    expected = [
        logits[:, 3] + bias[0],
        (logits[:, [5, 7, 19]] + bias[1:4]).mean(axis=1),
        (logits[:, [0, 2]] + bias[4:]).mean(axis=1),
    ]
    np.testing.assert_allclose(layer(logits), np.stack(expected, axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("approximate", [False, True])
def test_the_transform_is_dense_gelu_and_normalisation(approximate: bool) -> None:
    vectors = RNG.normal(size=(2, 3, 8)).astype(np.float32)
    layer = MaskedLMTransform(epsilon=1e-5, approximate=approximate)
    layer(vectors)
    kernel, bias, gamma, beta = (RNG.normal(size=weight.shape).astype(np.float32) for weight in layer.weights)
    layer.set_weights([kernel, bias, gamma, beta])
    x = (vectors @ kernel + bias).astype(np.float64)
    if approximate:
        x = x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    else:
        x = x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(vectors), x * gamma + beta, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "made",
    [
        NextTokenScore(name="score"),
        AsFloat32(name="wide", dtype="float32"),
        GapPooling(4, name="gap"),
        WordLogits([[1], [2, 3]], name="words"),
        MaskedLMTransform(epsilon=1e-6, approximate=True, name="transform"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_the_config_makes_the_same_again(made: keras.layers.Layer) -> None:
    assert type(made).from_config(made.get_config()).get_config() == made.get_config()
    described = keras.saving.serialize_keras_object(made)
    assert described["registered_name"] == f"kerasft>{type(made).__name__}"
    assert keras.saving.deserialize_keras_object(described).get_config() == made.get_config()


def test_a_model_of_all_these_layers_saves_and_loads(tmp_path: Path) -> None:
    sequence, ids = keras.Input((None, 9)), keras.Input((None,), dtype="int32")
    vectors = MaskedLMTransform(name="transform")(sequence)
    words = WordLogits([[1], [2, 3]], name="words")(GapPooling(4)(vectors, ids))
    model = keras.Model([sequence, ids], [words, NextTokenScore()(AsFloat32(dtype="float32")(vectors), ids)])
    assert model.output_shape == [(None, 2), (None, None, 2)]
    for weight in model.weights:
        weight.assign(RNG.normal(size=weight.shape))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = [RNG.normal(size=(2, 5, 9)).astype(np.float32), RNG.integers(0, 9, (2, 5)).astype(np.int32)]
    for one, other in zip(again.predict_on_batch(inputs), model.predict_on_batch(inputs), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
