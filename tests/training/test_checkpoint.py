"""Checkpoints: whole or not at all; a damaged one is noticed and the one before is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasft.errors import ArtifactError
from kerasft.training.checkpoint import Checkpoints, TrainingState
from kerasft.weights import load_weights, save_weights, weights_by_path
from tests.dying import dying


def make_model(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(0.5, name="drop")(keras.layers.Dense(4, name="one")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="two")(hidden))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def train(model: keras.Model) -> None:
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), batch_size=4, shuffle=False, verbose=0)


def values(model: keras.Model) -> list[np.ndarray]:
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def test_a_restored_model_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    model, other = make_model(1), make_model(2)
    train(model)
    Checkpoints(tmp_path).save(model, weights_by_path(model), TrainingState(step=2, history=[{"step": 2, "loss": 1.5}]))
    state, damaged = Checkpoints(tmp_path).restore(other, weights_by_path(other))
    assert damaged == []
    assert state == TrainingState(step=2, history=[{"step": 2, "loss": 1.5}])
    train(model)
    train(other)
    for one, two in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, name: str) -> None:
    model = make_model(1)
    store = Checkpoints(tmp_path)
    for step in (1, 2):
        train(model)
        store.save(model, weights_by_path(model), TrainingState(step=step))
    path = tmp_path / "step-00000002" / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(bytes(content))
    other = make_model(2)
    state, damaged = store.restore(other, weights_by_path(other))
    assert state is not None
    assert state.step == 1
    assert "step-00000002 is damaged" in damaged[0]


def test_only_damaged_checkpoints_are_an_error_not_a_silent_start_from_nothing(tmp_path: Path) -> None:
    model = make_model(1)
    store = Checkpoints(tmp_path)
    (store.save(model, weights_by_path(model), TrainingState(step=1)) / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match="No checkpoint is whole"):
        store.restore(model, weights_by_path(model))


def test_a_half_written_checkpoint_is_not_seen(tmp_path: Path) -> None:
    model = make_model(1)
    store = Checkpoints(tmp_path)
    store.save(model, weights_by_path(model), TrainingState(step=1))
    (tmp_path / ".step-00000002.part").mkdir()
    state, _ = store.restore(model, weights_by_path(model))
    assert state is not None
    assert state.step == 1


def test_the_oldest_go(tmp_path: Path) -> None:
    model = make_model(1)
    store = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        store.save(model, weights_by_path(model), TrainingState(step=step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_more_are_kept_when_asked(tmp_path: Path) -> None:
    model = make_model(1)
    store = Checkpoints(tmp_path, keep=5)
    for step in (1, 2, 3, 4):
        store.save(model, weights_by_path(model), TrainingState(step=step))
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("step", [1, 2], ids=["the same step again", "the next step"])
def test_whenever_a_process_dies_a_whole_checkpoint_is_there(step: int, tmp_path: Path) -> None:
    model = make_model(1)
    (tmp_path / "old").mkdir()

    def save(folder: Path, at: int, best: int) -> None:
        state = TrainingState(step=at, best=0.5, best_step=best)
        store = Checkpoints(folder, keep=1)
        store.save_best(weights_by_path(model), state)
        store.save(model, weights_by_path(model), state)

    save(tmp_path / "old", 1, 1)
    shutil.copytree(tmp_path / "old", tmp_path / "counted")
    with dying(tmp_path / "counted", None) as operations:
        save(tmp_path / "counted", step, step)
    assert len(list((tmp_path / "counted").iterdir())) == 2  # one checkpoint, one file of best weights
    for at in range(1, len(operations) + 1):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "old", folder)
        with dying(folder, at):
            save(folder, step, step)
        state, damaged = Checkpoints(folder).restore(model, weights_by_path(model))
        assert state is not None, operations[at - 1]
        assert damaged == []
        load_weights(weights_by_path(model), Checkpoints(folder).best_weights(state))
        save(folder, 3, 1)  # what is left behind is in nobody's way


def test_a_checkpoint_whose_best_weights_are_gone_is_passed_over(tmp_path: Path) -> None:
    model = make_model(1)
    store = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        state = TrainingState(step=step, best=0.5, best_step=step)
        store.save_best(weights_by_path(model), state)
        store.save(model, weights_by_path(model), state)
    (tmp_path / "best-00000002.safetensors").unlink()
    state, damaged = store.restore(model, weights_by_path(model))
    assert state is not None
    assert state.step == 1
    assert "best-00000002.safetensors is missing" in damaged[0]


def test_weights_of_another_model_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    model = make_model(1)
    save_weights(weights_by_path(model), tmp_path / "w.safetensors")
    inputs = keras.Input((3,))
    other = keras.Model(inputs, keras.layers.Dense(5, name="one")(inputs))
    before = [v.numpy() for v in other.weights]
    with pytest.raises(ArtifactError, match="not those of this model"):
        load_weights(weights_by_path(other), tmp_path / "w.safetensors")
    for one, two in zip(before, other.weights, strict=True):
        np.testing.assert_array_equal(one, two.numpy())


def test_a_missing_or_cut_weights_file_is_told(tmp_path: Path) -> None:
    model = make_model(1)
    with pytest.raises(ArtifactError, match="missing"):
        load_weights(weights_by_path(model), tmp_path / "none.safetensors")
    save_weights(weights_by_path(model), tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:100])
    with pytest.raises(ArtifactError, match="damaged"):
        load_weights(weights_by_path(model), tmp_path / "w.safetensors")
