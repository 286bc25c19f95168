"""Losses of tokens and of pairs against NumPy, and as Keras losses anybody can save."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasft  # noqa: F401  registers the losses with Keras
from kerasft.layers.losses import ContrastiveLoss, TokenCrossentropy
from kerasft.layers.spans import SpanCrossentropy

RNG = np.random.default_rng(0)
LOGITS = (3 * RNG.normal(size=(4, 6, 5))).astype(np.float32)
TARGETS = RNG.integers(0, 5, (4, 6)).astype(np.int32)
TARGETS[RNG.random((4, 6)) < 0.4] = -1
TARGETS[2] = -1  # a text none of whose tokens has a target


def log_softmax(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_of_tokens_is_the_mean_over_those_with_a_target(smoothing: float) -> None:
    known = TARGETS >= 0
    wanted = (1 - smoothing) * np.eye(5)[TARGETS[known]] + smoothing / 5
    expected = -(wanted * log_softmax(LOGITS[known])).sum(axis=-1).mean()
    assert float(TokenCrossentropy(smoothing)(TARGETS, LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_tokens_without_a_target_change_nothing_and_give_no_gradient() -> None:
    import tensorflow as tf

    noisy = np.where((TARGETS >= 0)[:, :, None], LOGITS, 1e4).astype(np.float32)
    assert float(TokenCrossentropy()(TARGETS, noisy)) == pytest.approx(float(TokenCrossentropy()(TARGETS, LOGITS)), rel=1e-6)
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = TokenCrossentropy(0.1)(TARGETS, logits)
    moved = np.abs(tape.gradient(loss, logits).numpy()).sum(axis=-1) > 0
    np.testing.assert_array_equal(moved, TARGETS >= 0)
    assert float(TokenCrossentropy()(np.full_like(TARGETS, -1), LOGITS)) == 0


def test_class_weights_weigh_tokens() -> None:
    known = TARGETS >= 0
    weights = RNG.random((4, 6)).astype(np.float32)
    losses = -log_softmax(LOGITS[known])[np.arange(known.sum()), TARGETS[known]]
    expected = (losses * weights[known]).sum() / known.sum()
    assert float(TokenCrossentropy()(TARGETS, LOGITS, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)


def contrast_by_hand(vectors: np.ndarray, partners: list[int], temperature: float) -> float:
    """NT-Xent, equation 1 of Chen et al. 2020, with plain loops."""
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
    losses = []
    for i, partner in enumerate(partners):
        others = [float(np.exp(unit[i] @ unit[j] / temperature)) for j in range(len(unit)) if j != i]
        losses.append(-np.log(np.exp(unit[i] @ unit[partner] / temperature) / sum(others)))
    return float(np.mean(losses))


@pytest.mark.parametrize("temperature", [0.05, 0.5, 10.0])
def test_the_contrastive_loss_is_that_of_the_paper(temperature: float) -> None:
    vectors = RNG.normal(size=(6, 8)).astype(np.float32)
    owners = np.asarray([7, 3, 3, 9, 7, 9])  # partners need not be neighbours
    partners = [4, 2, 1, 5, 0, 3]
    loss = ContrastiveLoss(temperature)
    assert float(loss(owners, vectors)) == pytest.approx(contrast_by_hand(vectors, partners, temperature), rel=1e-4)
    assert float(loss(owners, 100 * vectors)) == pytest.approx(float(loss(owners, vectors)), rel=1e-4)  # only directions count


def test_two_texts_alone_are_found_for_sure() -> None:
    assert float(ContrastiveLoss()(np.asarray([0, 0]), RNG.normal(size=(2, 8)).astype(np.float32))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    "made",
    [
        TokenCrossentropy(0.2, name="tokens", reduction="sum"),
        SpanCrossentropy(7, name="spans"),
        ContrastiveLoss(0.3, name="pairs"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_the_config_makes_the_same_again(made: keras.losses.Loss) -> None:
    again = type(made).from_config(made.get_config())
    assert again.get_config() == made.get_config()
    described = keras.saving.serialize_keras_object(made)
    assert described["registered_name"] == f"kerasft>{type(made).__name__}"
    for option in ("label_smoothing", "longest", "temperature"):
        assert getattr(keras.saving.deserialize_keras_object(described), option, None) == getattr(made, option, None)
