"""Every task x tuning method x family that fits together keeps the same promises. A new file in `tasks/` or
`tuning/` is under test the moment it exists.

(a) only the promised variables change; (b) the loss falls on eight examples; (c) saved and loaded, it predicts the
same and would train the same; (d) stopped and resumed equals never stopped; (e) the exported graph answers alike.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones import FAMILIES
from kerasft.data.dataset import Dataset
from kerasft.events import Validated
from kerasft.model import load
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.tasks import TASKS
from kerasft.tuning import TUNINGS
from kerasft.weights import weights_by_path
from tests.conftest import BAD, GOOD

CASES = list(itertools.product(TASKS.all(), TUNINGS.all(), FAMILIES.all()))
# A method that learns but a part of the weights needs more of them, and a higher rate, to fit random features.
RATE = {"full": 3e-3, "frozen": 1e-1, "freeze_layers": 1e-2}


@dataclass
class Trained:
    """One run of a case: the model, its starting weights, and where it is."""

    model: kft.FineTunedModel
    before: dict[str, np.ndarray]
    folder: Path
    config: RunConfig
    data: Dataset


def eight_examples() -> Dataset:
    """Eight rows, the same for training and validation: enough to fit, small enough to fit fast."""
    rows = [{"text": t, "label": "good"} for t in GOOD[:4]] + [{"text": t, "label": "bad"} for t in BAD[:4]]
    return kft.load_data({"train": rows, "validation": rows}, validation=0)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def trained(request: pytest.FixtureRequest, presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train a case once for the checks that share it."""
    task, tuning, family = request.param
    config = RunConfig(
        preset=presets[family],
        task=TASKS.get(task)(),
        tuning=TUNINGS.get(tuning)(**({"layers": 1} if tuning == "freeze_layers" else {})),
        train=kft.TrainConfig(epochs=25, batch_size=4, learning_rate=RATE[tuning], dropout=0.0, tensorboard=False, warmup=0.0),
    )
    data = eight_examples()
    folder = tmp_path_factory.mktemp("run") / "run"
    start_model = kft.build(config.preset, config.task, config.tuning, labels=data.labels, seed=1, dropout=0.0)
    before = {path: variable.numpy() for path, variable in weights_by_path(start_model).items()}
    model = start(config, folder, dataset=data)
    return Trained(model, before, folder, config, data)


def test_only_the_promised_variables_change(trained: Trained) -> None:
    promised = {variable.path for variable in trained.model.keras_model.trainable_variables}
    now = weights_by_path(trained.model.keras_model)
    assert set(now) == set(trained.before)
    changed = {path for path, variable in now.items() if not np.array_equal(variable.numpy(), trained.before[path])}
    assert changed <= promised
    # Not all of the promised must move: a position nobody reads has no gradient. But the head must.
    assert {path for path in promised if path.startswith("head")} <= changed


def test_the_loss_falls_on_eight_examples(trained: Trained) -> None:
    losses = [entry["loss"] for entry in trained.model.recipe["history"]]
    assert min(losses) < 0.93 * losses[0]


def test_saved_and_loaded_it_predicts_and_would_train_the_same(trained: Trained) -> None:
    loaded = load(trained.folder)
    texts = [*GOOD, *BAD, "", "élan 漢字 🙂 " * 40]
    one, other = loaded.predict(texts), trained.model.predict(texts)
    assert [answer.label for answer in one] == [answer.label for answer in other]
    # Not to the bit: TensorFlow picks other kernels for graphs traced with other shapes.
    np.testing.assert_allclose([a.score for a in one], [a.score for a in other], rtol=1e-6)
    paths = [variable.path for variable in loaded.keras_model.trainable_variables]
    assert paths == [variable.path for variable in trained.model.keras_model.trainable_variables]
    assert loaded.labels == trained.model.labels


def test_the_exported_graph_answers_alike(trained: Trained, tmp_path: Path) -> None:
    import tensorflow as tf

    texts = [*GOOD, *BAD, "", "Élan 漢字 🙂\t\n\u200b zero", "word " * 300]
    path = trained.model.export(tmp_path / "1")
    outputs = tf.saved_model.load(str(path)).signatures["serving_default"](text=tf.constant(texts))
    answers = trained.model.predict(texts)
    assert [label.decode() for label in outputs["label"].numpy()] == [answer.label for answer in answers]
    expected = np.asarray([list(answer.probabilities.values()) for answer in answers])
    np.testing.assert_allclose(outputs["probabilities"].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("task", "tuning", "family"), CASES, ids=["-".join(case) for case in CASES])
def test_stopped_and_resumed_equals_never_stopped(
    task: str, tuning: str, family: str, presets: dict[str, str], tmp_path: Path
) -> None:
    config = RunConfig(
        preset=presets[family],
        task=TASKS.get(task)(),
        tuning=TUNINGS.get(tuning)(**({"layers": 1} if tuning == "freeze_layers" else {})),
        train=kft.TrainConfig(epochs=2, batch_size=3, validate_every=1, tensorboard=False),
    )
    whole = start(config, tmp_path / "whole", dataset=eight_examples())
    stopped_at = 2  # in the middle of the first epoch, with dropout on

    def stop(event: object) -> None:
        if isinstance(event, Validated) and event.step == stopped_at:
            (tmp_path / "parts" / "STOP").touch()

    start(config, tmp_path / "parts", dataset=eight_examples(), on_event=stop)
    resumed = kft.resume(tmp_path / "parts")
    assert resumed.recipe["history"] == whole.recipe["history"]
    for path, variable in weights_by_path(whole.keras_model).items():
        np.testing.assert_array_equal(weights_by_path(resumed.keras_model)[path].numpy(), variable.numpy(), err_msg=path)
