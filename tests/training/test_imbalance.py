"""Weights of classes, focal loss and balanced epochs: what each counts, and how often it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.layers.losses import SmoothedCrossentropy, TokenCrossentropy
from kerasft.training.imbalance import balanced_draw, label_weights, weights_of_classes
from kerasft.training.options import TrainConfig

LABELS = ("a", "b, c", "d=1")


def test_own_weights_of_labels_even_of_odd_names() -> None:
    assert label_weights("b, c=3, d=1=0.5", LABELS).tolist() == [1, 3, 0.5]
    assert label_weights(" a = 1e-1 ", LABELS).tolist() == pytest.approx([0.1, 1, 1])


@pytest.mark.parametrize(
    ("given", "fault"),
    [("x=2", "no label"), ("a", "label=weight"), ("a=", "label=weight"), ("a=2;b=3", "no label"), (" ", "label=weight"),
     ("a=2,junk", "label=weight"), ("a=-1", "label=weight"), ("a=0,b, c=0,d=1=0", "nothing is learned")],
)  # fmt: skip
def test_other_weights_are_refused(given: str, fault: str) -> None:
    with pytest.raises(kft.ConfigError, match=fault):
        label_weights(given, LABELS)


def test_own_weights_multiply_balanced_ones() -> None:
    targets = np.array([0, 0, 0, 1, 2, 2])
    assert weights_of_classes(TrainConfig(), targets, LABELS) is None
    both = weights_of_classes(TrainConfig(class_weights="balanced", label_weights="a=3"), targets, LABELS)
    np.testing.assert_allclose(both, [3 * 6 / 9, 6 / 3, 6 / 6], rtol=1e-6)


def test_each_class_comes_as_often_and_rare_rows_only_repeat_when_all_have_come() -> None:
    targets = np.array([0] * 90 + [1] * 7 + [2] * 3)
    drawn = balanced_draw(targets, seed=1, epoch=0)
    assert np.bincount(targets[drawn]).tolist() == [33, 33, 34]
    assert len(set(drawn[targets[drawn] == 0])) == 33
    assert sorted(np.bincount(drawn, minlength=100)[90:97]) == [4, 4, 5, 5, 5, 5, 5]
    assert not np.array_equal(drawn, balanced_draw(targets, seed=1, epoch=1))
    np.testing.assert_array_equal(drawn, balanced_draw(targets, seed=1, epoch=0))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_is_that_of_the_paper(gamma: float, smoothing: float) -> None:
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    targets = np.array([0, 1, 2, 3, 0, 1])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    right = shares[np.arange(6), targets]
    wanted = (1 - right) ** gamma * ((1 - smoothing) * -np.log(right) + smoothing * -np.log(shares).mean(axis=1))
    found = SmoothedCrossentropy(smoothing, focal=gamma)(targets, logits)
    assert float(found) == pytest.approx(wanted.mean(), rel=1e-5)
    tokens = TokenCrossentropy(smoothing, focal=gamma)(targets[None], logits[None])
    assert float(tokens) == pytest.approx(wanted.mean(), rel=1e-5)
    again = SmoothedCrossentropy.from_config(SmoothedCrossentropy(0.1, focal=gamma).get_config())
    assert again.focal == gamma


def test_what_is_right_beyond_doubt_has_a_finite_gradient() -> None:
    import tensorflow as tf

    logits = tf.Variable([[60.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = SmoothedCrossentropy(focal=0.5)(tf.constant([0]), logits)
    assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


def reviews(rare: int) -> list[dict[str, str]]:
    return [{"text": f"a good film {i}", "label": "good"} for i in range(40)] + [
        {"text": f"a bad film {i}", "label": "bad"} for i in range(rare)
    ]


@pytest.mark.parametrize("option", [{"sampling": "balanced"}, {"label_weights": "bad=5"}, {"focal": 2.0}])
def test_a_run_with_each(option: dict[str, Any], presets: dict[str, str], tmp_path: Path) -> None:
    train = kft.TrainConfig(epochs=1, batch_size=8, tensorboard=False, **option)
    plain = kft.TrainConfig(epochs=1, batch_size=8, tensorboard=False)
    kernels = []
    for number, how in enumerate((train, plain)):
        model = kft.finetune(presets["bert"], kft.load_data(reviews(8), validation=0), train=how, out=tmp_path / str(number))
        kernels.append(model.keras_model.get_layer("head").dense.kernel.numpy())
    assert not np.array_equal(*kernels)
    again = kft.finetune(presets["bert"], kft.load_data(reviews(8), validation=0), train=train, out=tmp_path / "again")
    assert np.array_equal(kernels[0], again.keras_model.get_layer("head").dense.kernel.numpy())


def test_what_has_no_classes_refuses_them(presets: dict[str, str], tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": str(i / 7)} for i in range(20)]
    for option, fault in (({"sampling": "balanced"}, "none or several"), ({"focal": 1.0}, "no meaning")):
        train = kft.TrainConfig(**option)
        with pytest.raises(kft.ConfigError, match=fault):
            kft.finetune(presets["bert"], rows, kft.Regression(), train=train, out=tmp_path / "run")
    with pytest.raises(kft.ConfigError, match="no label"):
        kft.finetune(presets["bert"], reviews(8), train=kft.TrainConfig(label_weights="worse=2"), out=tmp_path / "run")
