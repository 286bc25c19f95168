"""Every task x tuning method x family that fits together keeps the same promises. A new file in `tasks/` or
`tuning/` is under test the moment it exists.

(a) only the promised variables change; (b) the loss falls on eight examples; (c) saved and loaded, it predicts the
same and would train the same; (d) stopped and resumed equals never stopped; (e) the exported graph answers alike.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones import FAMILIES
from kerasft.data.dataset import Dataset
from kerasft.events import Validated
from kerasft.export import difference
from kerasft.model import load
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.tasks import TASKS
from kerasft.tuning import TUNINGS
from kerasft.weights import weights_by_path
from tests.task_data import askable, examples, options

# A method that learns but a part of the weights needs more of them, and a higher rate, to fit random features.
RATE = {
    "adapters": 3e-2,
    "bias_only": 2e-1,
    "freeze_layers": 1e-2,
    "frozen": 1e-1,
    "full": 3e-3,
    "gradual_unfreezing": 5e-3,
    "layerwise_decay": 5e-3,
    "lora": 2e-2,
    "prefix_tuning": 1e-1,
    "prompt_tuning": 2e-1,
}
# What a method needs to fit a model of two blocks, or to show all it has.
OPTIONS: dict[str, dict[str, Any]] = {
    "adapters": {"size": 4},
    "freeze_layers": {"layers": 1},
    "lora": {"rank": 2, "dropout": 0.1, "decompose": True},
    "prefix_tuning": {"length": 5},
    "prompt_tuning": {"length": 5},
}

Case = tuple[str, str, str]


def fits(task: str, tuning: str, family: str) -> bool:
    """Whether the three go together; what does not is refused by `Task.faults`, which has a test of its own."""
    cls = TASKS.get(task)
    return (not cls.families or family in cls.families) and (not cls.must_tune_backbone or TUNINGS.get(tuning).tunes_backbone)


# Tasks whose encoding differs between the families meet both by default; the others, which share a pooled head, meet one.
BOTH_FAMILIES = ("text_classification", "token_classification")


def covering(cases: list[Case]) -> list[Case]:
    """Cases in which every task and every tuning method occurs, and every method with every family as often as the others.

    All of them would be twelve times as many; those are in the slow tier.
    """
    chosen: list[Case] = []
    met: set[str] = set()
    for task, family in dict.fromkeys((task, family) for task, _, family in cases):
        if task in met and task not in BOTH_FAMILIES:
            continue
        met.add(task)
        fitting = [case for case in cases if (case[0], case[2]) == (task, family)]
        chosen.append(min(fitting, key=lambda case: (sum(c[1] == case[1] for c in chosen), case)))
    return chosen


def marks(case: Case, name: str, default: bool) -> list[pytest.MarkDecorator]:
    """The checks of one case stay on one worker, which trains it once; the slow tier has what is not in the default one."""
    group = pytest.mark.xdist_group(f"{name}-{'-'.join(case)}")
    return [group] if default else [group, pytest.mark.slow]


ALL = [case for case in itertools.product(TASKS.all(), TUNINGS.all(), FAMILIES.all()) if fits(*case)]
COVERING = covering(ALL)
CASES = [pytest.param(case, id="-".join(case), marks=marks(case, "trained", case in COVERING)) for case in ALL]


def make_tuning(tuning: str) -> Any:
    return TUNINGS.get(tuning)(**OPTIONS.get(tuning, {}))


@dataclass
class Trained:
    """One run of a case: the model, its starting weights, and where it is."""

    task: str
    model: kft.FineTunedModel
    before: dict[str, np.ndarray]
    folder: Path


def eight_examples(task: str) -> Dataset:
    """Eight rows, the same for training and validation."""
    given = examples(task)
    rows = given.pop("rows")
    return kft.load_data({"train": rows, "validation": rows}, validation=0, **given)


@pytest.fixture(scope="module", params=CASES)
def trained(request: pytest.FixtureRequest, presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train a case once for the checks that share it."""
    task, tuning, family = request.param
    config = RunConfig(
        preset=presets[family],
        task=options(task, family),
        tuning=make_tuning(tuning),
        train=kft.TrainConfig(epochs=25, batch_size=4, learning_rate=RATE[tuning], dropout=0.0, tensorboard=False, warmup=0.0),
    )
    data = eight_examples(task)
    folder = tmp_path_factory.mktemp("run") / "run"
    learned = config.task.learn(data["train"])
    start_model = kft.build(config.preset, config.task, config.tuning, learned=learned, seed=1, dropout=0.0)
    before = {path: variable.numpy() for path, variable in weights_by_path(start_model).items()}
    model = start(config, folder, dataset=data)
    return Trained(task, model, before, folder)


def assert_alike(one: dict[str, Any], other: dict[str, Any], most: float) -> None:
    assert set(one) == set(other)
    for name, value in one.items():
        found = difference(value, other[name])
        assert found is not None, (name, value, other[name])
        assert found <= most, (name, value, other[name])


def test_only_the_promised_variables_change(trained: Trained) -> None:
    promised = {variable.path for variable in trained.model.keras_model.trainable_variables}
    now = weights_by_path(trained.model.keras_model)
    assert set(now) == set(trained.before)
    changed = {path for path, variable in now.items() if not np.array_equal(variable.numpy(), trained.before[path])}
    assert changed <= promised
    # Not all of the promised must move: a position nobody reads has no gradient. But the head must.
    assert {path for path in promised if path.startswith("head")} <= changed
    assert bool(changed) == bool(promised)


def test_the_loss_falls_on_eight_examples(trained: Trained) -> None:
    losses = [entry["loss"] for entry in trained.model.recipe["history"]]
    if not trained.model.keras_model.trainable_variables:
        assert losses == []  # features as they are: there is nothing to train, and no time is spent
    else:
        tuning, headless = trained.model.tuning.name, trained.task in ("cloze_classification", "text_embedding")
        only_biases = all(len(variable.shape) < 2 for variable in trained.model.keras_model.trainable_variables)
        if only_biases or (headless and tuning in ("bias_only", "prompt_tuning", "prefix_tuning")):
            # So little, without a new head, cannot tell eight examples of random features apart, but must not spoil them either.
            assert losses[-1] <= 1.05 * losses[0]
        else:
            cloze = trained.task == "cloze_classification" and tuning != "full"
            little = cloze or tuning in ("prompt_tuning", "prefix_tuning")
            assert min(losses) <= (0.97 if little else 0.93) * losses[0]


def test_saved_and_loaded_it_predicts_and_would_train_the_same(trained: Trained) -> None:
    loaded = load(trained.folder)
    asked = askable(trained.task)
    task = trained.model.task
    for one, other in zip(loaded.predict(asked), trained.model.predict(asked), strict=True):
        # Not to the bit: TensorFlow picks other kernels for graphs traced with other shapes.
        assert_alike(task.expect(one), task.expect(other), 1e-5)
    paths = [variable.path for variable in loaded.keras_model.trainable_variables]
    assert paths == [variable.path for variable in trained.model.keras_model.trainable_variables]
    assert loaded.learned == trained.model.learned


def test_the_exported_graph_answers_alike(trained: Trained, tmp_path: Path) -> None:
    import tensorflow as tf

    asked = askable(trained.task)
    path = trained.model.export(tmp_path / "1")
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    columns = list(zip(*asked, strict=True)) if trained.model.paired else [asked]
    inputs = dict(zip(("text", "text_pair"), (tf.constant(list(column)) for column in columns), strict=False))
    outputs = {name: value.numpy() for name, value in serve(**inputs).items()}
    answers = trained.model.predict(asked)
    assert {len(value) for value in outputs.values()} == {len(asked)}
    for i, answer in enumerate(answers):
        expected = trained.model.task.expect(answer)
        assert_alike(expected, {name: plain(outputs[name][i]) for name in expected}, 1e-5)


def plain(value: Any) -> Any:
    """A served value as Python has it."""
    listed = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(listed, list):
        return [plain(item) for item in listed]
    return listed.decode("utf-8") if isinstance(listed, bytes) else listed


# Exact resume is a matter of what is encoded, of what is trained and of the family; `tests/test_run.py` resumes full BERT
# classifiers at every step, `tests/test_crash.py` kills runs of every method.
RESUMED = [
    ("causal_lm", "lora", "gpt2"),
    ("masked_lm", "full", "bert"),
    ("question_answering", "full", "bert"),
    ("text_classification", "prompt_tuning", "gpt2"),
    ("token_classification", "gradual_unfreezing", "bert"),
]


@pytest.mark.parametrize("case", [pytest.param(c, id="-".join(c), marks=marks(c, "resumed", c in RESUMED)) for c in ALL])
def test_stopped_and_resumed_equals_never_stopped(case: Case, presets: dict[str, str], tmp_path: Path) -> None:
    task, tuning, family = case
    chosen = options(task, family)
    if isinstance(chosen, kft.CausalLM):
        chosen = replace(chosen, evaluate_generation=0)  # takes longer than the rest and has no part in what is compared
    config = RunConfig(
        preset=presets[family],
        task=chosen,
        tuning=make_tuning(tuning),
        train=kft.TrainConfig(epochs=2, batch_size=3, validate_every=1, tensorboard=False),
    )
    whole = start(config, tmp_path / "whole", dataset=eight_examples(task))
    stopped_at = 2  # in the middle of the first epoch, with dropout on

    def stop(event: object) -> None:
        if isinstance(event, Validated) and event.step == stopped_at:
            (tmp_path / "parts" / "STOP").touch()

    start(config, tmp_path / "parts", dataset=eight_examples(task), on_event=stop)
    resumed = kft.resume(tmp_path / "parts")
    assert resumed.recipe["history"] == whole.recipe["history"]
    assert resumed.learned == whole.learned
    for path, variable in weights_by_path(whole.keras_model).items():
        np.testing.assert_array_equal(weights_by_path(resumed.keras_model)[path].numpy(), variable.numpy(), err_msg=path)
