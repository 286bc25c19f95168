"""Pooling, the classification head and the smoothed loss against NumPy; and as Keras layers anybody can save."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasft  # noqa: F401  registers the layers with Keras
from kerasft.layers import ClassificationHead, Pooling, SmoothedCrossentropy

B, L, H = 4, 6, 5
SEQUENCE = np.random.default_rng(0).normal(size=(B, L, H)).astype(np.float32)
LENGTHS = [6, 3, 1, 0]  # padded on the right; the last row keeps nothing
MASK = (np.arange(L)[None, :] < np.array(LENGTHS)[:, None]).astype(np.int32)


def pooled_by_hand(mode: str) -> np.ndarray:
    rows = []
    for vectors, length in zip(SEQUENCE, LENGTHS, strict=True):
        kept = vectors[:length]
        if mode == "mean":
            rows.append(kept.mean(axis=0) if length else np.zeros(H))
        else:
            rows.append(vectors[max(length - 1, 0)] if mode == "last" else vectors[0])
    return np.stack(rows)


@pytest.mark.parametrize("mask", [MASK, MASK.astype(bool), MASK.astype(np.float32)], ids=["int", "bool", "float"])
@pytest.mark.parametrize("mode", ["first", "last", "mean"])
def test_pooling_is_as_numpy_says_whatever_the_masks_type(mode: str, mask: np.ndarray) -> None:
    pooled = Pooling(mode)(SEQUENCE, keras.ops.convert_to_tensor(mask))
    np.testing.assert_allclose(pooled, pooled_by_hand(mode), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", ["last", "mean"])
def test_what_the_mask_hides_changes_nothing(mode: str) -> None:
    noisy = np.where(MASK[:, :, None] == 1, SEQUENCE, 1e4).astype(np.float32)
    rows = slice(0, 3)  # a row with nothing kept has but what is hidden
    one, other = (Pooling(mode)(x[rows], MASK[rows]) for x in (SEQUENCE, noisy))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", ["first", "last", "mean"])
def test_pooling_in_a_graph_of_any_length_keeps_shape_and_type(mode: str) -> None:
    sequence, mask = keras.Input((None, H)), keras.Input((None,), dtype="int32")
    model = keras.Model([sequence, mask], Pooling(mode)(sequence, mask))
    assert model.output_shape == (None, H)
    np.testing.assert_allclose(model.predict_on_batch([SEQUENCE, MASK]), pooled_by_hand(mode), rtol=1e-6, atol=1e-7)
    half = Pooling(mode, dtype="mixed_bfloat16")(SEQUENCE, MASK)
    assert half.dtype == "bfloat16"


@pytest.mark.parametrize("mode", ["middle", "", "MEAN", None])
def test_an_unknown_pooling_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="`mode` must be one of first, last, mean"):
        Pooling(mode)


def test_the_head_is_a_dense_layer_of_small_weights_the_seed_fixes() -> None:
    heads = [ClassificationHead(3, seed=seed) for seed in (1, 1, 2)]
    inputs = np.random.default_rng(0).normal(size=(7, 400)).astype(np.float32)
    logits = [head(inputs) for head in heads]
    kernels = [head.dense.kernel.numpy() for head in heads]
    np.testing.assert_allclose(logits[0], inputs @ kernels[0], rtol=1e-4, atol=1e-5)  # the bias begins at zero
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    # A normal of deviation 0.02 cut at two deviations: none beyond, deviation 0.02 * 0.88 (SciPy: truncnorm(-2, 2).std()).
    assert np.abs(kernels[0]).max() <= 0.04
    assert kernels[0].std() == pytest.approx(0.0176, rel=0.06)
    assert [v.path.split("/", 1)[1] for v in heads[0].trainable_variables] == ["logits/kernel", "logits/bias"]


def test_the_head_gives_float32_even_under_mixed_precision() -> None:
    head = ClassificationHead(3, dtype="mixed_bfloat16", seed=1)
    inputs = keras.ops.cast(np.random.default_rng(0).normal(size=(2, 8)), "bfloat16")
    logits = head(inputs)
    assert logits.shape == (2, 3)
    assert logits.dtype == "float32"
    expected = keras.ops.convert_to_numpy(keras.ops.cast(inputs, "float32")) @ head.dense.kernel.numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)  # the product itself is in float32 too


def test_dropout_is_only_for_training() -> None:
    head = ClassificationHead(3, dropout=0.5, seed=1)
    inputs = np.ones((64, 100), np.float32)
    still = [head(inputs).numpy(), head(inputs, training=False).numpy()]
    np.testing.assert_array_equal(*still)
    noisy = head(inputs, training=True).numpy()
    assert len(np.unique(still[0][:, 0])) == 1
    assert len(np.unique(noisy[:, 0])) > 30  # each row lost other parts
    np.testing.assert_array_equal(ClassificationHead(3, dropout=0.0)(inputs, training=True).shape, (64, 3))


def test_a_head_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="`classes` must be at least 1"):
        ClassificationHead(0)


def smoothed_by_hand(logits: np.ndarray, targets: np.ndarray, smoothing: float) -> np.ndarray:
    """Cross-entropy with the distribution `(1 - e) * one_hot + e / C` (Szegedy et al. 2016, section 7), row by row."""
    logits = logits.astype(np.float64)
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    classes = logits.shape[1]
    wanted = (1 - smoothing) * np.eye(classes)[targets] + smoothing / classes
    return -(wanted * log_p).sum(axis=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_the_loss_is_as_numpy_says(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits, targets = 3 * rng.normal(size=(9, 4)).astype(np.float32), rng.integers(0, 4, 9).astype(np.int32)
    expected = smoothed_by_hand(logits, targets, smoothing)
    assert float(SmoothedCrossentropy(smoothing)(targets, logits)) == pytest.approx(expected.mean(), rel=1e-6)
    rows = SmoothedCrossentropy(smoothing, reduction="none")(targets, logits)
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    weights = rng.random(9).astype(np.float32)  # `sum_over_batch_size` divides by the rows, weighted or not
    weighted = float(SmoothedCrossentropy(smoothing)(targets, logits, sample_weight=weights))
    assert weighted == pytest.approx((weights * expected).sum() / 9, rel=1e-5)


def test_the_loss_of_huge_logits_is_finite() -> None:
    logits = np.array([[1e4, -1e4, 0.0]], np.float32)
    loss = float(SmoothedCrossentropy(0.1)(np.array([1]), logits))
    assert loss == pytest.approx(smoothed_by_hand(logits, np.array([1]), 0.1)[0], rel=1e-6)


@pytest.mark.parametrize(
    "made",
    [
        Pooling("last", name="pool"),
        ClassificationHead(7, dropout=0.25, seed=3, name="head", dtype="mixed_bfloat16"),
        SmoothedCrossentropy(0.2, name="loss", reduction="sum"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_the_config_makes_the_same_again(made: keras.layers.Layer) -> None:
    assert type(made).from_config(made.get_config()).get_config() == made.get_config()
    described = keras.saving.serialize_keras_object(made)
    assert described["registered_name"] == f"kerasft>{type(made).__name__}"
    assert keras.saving.deserialize_keras_object(described).get_config() == made.get_config()


LOADS = """
import sys
import keras, kerasft
import numpy as np

model = keras.models.load_model(sys.argv[1])
inputs = dict(np.load(sys.argv[2]))
np.save(sys.argv[3], model.predict_on_batch([inputs["sequence"], inputs["mask"]]))
print(type(model.loss).__name__, model.loss.label_smoothing)
"""


def test_a_keras_file_loads_where_kerasft_was_only_imported(tmp_path: Path) -> None:
    sequence, mask = keras.Input((None, H)), keras.Input((None,), dtype="int32")
    pooled = [Pooling(mode)(sequence, mask) for mode in ("first", "last", "mean")]
    outputs = ClassificationHead(3, seed=1)(keras.layers.Concatenate()(pooled))
    model = keras.Model([sequence, mask], outputs)
    model.compile("sgd", SmoothedCrossentropy(0.1))
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "inputs.npz", sequence=SEQUENCE, mask=MASK)
    files = [str(tmp_path / name) for name in ("model.keras", "inputs.npz", "outputs.npy")]
    done = subprocess.run([sys.executable, "-c", LOADS, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["SmoothedCrossentropy", "0.1"]
    expected = model.predict_on_batch([SEQUENCE, MASK])
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, rtol=1e-6, atol=1e-7)
