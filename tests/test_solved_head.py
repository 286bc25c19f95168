"""Runs whose head is solved: as good as scikit-learn on the same vectors, kept, exported and refused like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import kerasft as kft
from kerasft.events import Event, Phase, Validated
from kerasft.frozen_part import halves
from kerasft.preprocessing.batching import predict_rows
from kerasft.tasks import TASKS
from tests.conftest import write_reviews
from tests.task_data import askable, examples, options

SOLVABLE = sorted(name for name, cls in TASKS.all().items() if cls.linear_head)
QUIET = kft.TrainConfig(tensorboard=False)


def eight(task: str) -> Any:
    given = examples(task)
    rows = given.pop("rows")
    return kft.load_data({"train": rows, "validation": rows}, validation=0, **given)


def outputs(model: Any, items: list[Any]) -> list[dict[str, Any]]:
    return [model.task.expect(answer) for answer in model.predict(items)]


def assert_close(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    for left, right in zip(one, other, strict=True):
        assert left.keys() == right.keys()
        for name, value in left.items():
            if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], str)):
                assert value == right[name]
            else:
                np.testing.assert_allclose(np.asarray(value, float), np.asarray(right[name], float), atol=1e-4)


@pytest.mark.parametrize("task", SOLVABLE)
def test_it_fits_is_kept_and_served(task: str, presets: dict[str, str], tmp_path: Path) -> None:
    """Every task with a head of one dense layer; the export replays its answers in a fresh process by itself."""
    events: list[Event] = []
    how: dict[str, Any] = {"tuning": kft.FrozenFeatures(), "train": QUIET, "out": tmp_path / "run", "on_event": events.append}
    model = kft.finetune(presets["bert"], eight(task), options(task, "bert"), **how)
    assert "solve" in [event.phase for event in events if isinstance(event, Phase)]
    assert sum(isinstance(event, Validated) for event in events) == 1
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())
    assert recipe["tuning"]["solver"] == "exact"  # what auto came to is kept, so that it is never chosen again
    assert recipe["resolved"]["head"]["converged"] is True
    assert "solved to convergence" in (tmp_path / "run" / "README.md").read_text()
    again = kft.load(tmp_path / "run")
    assert_close(outputs(model, askable(task)), outputs(again, askable(task)))
    assert_close(outputs(model, askable(task)), outputs(again.merge(), askable(task)))
    model.export(tmp_path / "serving")


def test_its_probabilities_are_those_of_scikit_learn(presets: dict[str, str], tmp_path: Path) -> None:
    data = kft.load_data(write_reviews(tmp_path / "r.csv"), validation=0.1)
    model = kft.finetune(
        presets["bert"], data, kft.TextClassification(), tuning=kft.FrozenFeatures(), train=QUIET, out=tmp_path / "a"
    )
    parts, vectors, targets = halves(model.keras_model), {}, {}
    for name in ("train", "validation"):
        found = predict_rows(parts.features, model.encode(data[name]))
        vectors[name] = found / np.linalg.norm(found, axis=1, keepdims=True)
        targets[name] = model.task.gold(data[name], model.learned)
    strength = model.recipe["resolved"]["head"]["strength"]
    theirs = LogisticRegression(C=strength, max_iter=5000).fit(vectors["train"], targets["train"])
    ours = [list(answer.probabilities.values()) for answer in model.predict(data["validation"].cells("text"))]
    np.testing.assert_allclose(ours, theirs.predict_proba(vectors["validation"]), atol=1e-3)


def test_balanced_classes_count_alike(presets: dict[str, str], tmp_path: Path) -> None:
    """Nine rows of one label and one of the other: with balanced weights the rare one is said where it was learned."""
    rows = [{"text": "good film", "label": "good"}] * 9 + [{"text": "good awful film", "label": "bad"}]
    data = kft.load_data({"train": rows}, validation=0)
    chances = []
    for weights in ("none", "balanced"):
        train = kft.TrainConfig(tensorboard=False, class_weights=weights)
        model = kft.finetune(
            presets["bert"], data, kft.TextClassification(), tuning=kft.FrozenFeatures(), train=train, out=tmp_path / weights
        )
        chances.append(model.predict("good awful film").probabilities["bad"])
    assert chances[0] < 0.5 < chances[1]


@pytest.mark.parametrize("changed", [{"epochs": 1}, {"learning_rate": 1e-2}, {"label_smoothing": 0.1}])
def test_options_of_steps_mean_steps(changed: dict[str, Any], presets: dict[str, str], tmp_path: Path) -> None:
    data, train = eight("text_classification"), kft.TrainConfig(tensorboard=False, **changed)
    how: dict[str, Any] = {"train": train, "on_event": lambda event: None}
    model = kft.finetune(presets["bert"], data, tuning=kft.FrozenFeatures(), out=tmp_path / "auto", **how)
    assert model.tuning == kft.FrozenFeatures(solver="steps")
    with pytest.raises(kft.ConfigError, match=f"'{next(iter(changed))}' has no meaning for the exact solver"):
        kft.finetune(presets["bert"], data, tuning=kft.FrozenFeatures(solver="exact"), out=tmp_path / "exact", **how)


def test_a_head_of_another_kind_is_refused(presets: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(kft.ConfigError, match="whose head is one dense layer"):
        kft.finetune(
            presets["bert"], eight("question_answering"), options("question_answering", "bert"),
            tuning=kft.FrozenFeatures(solver="exact"), out=tmp_path / "run", on_event=lambda event: None,
        )  # fmt: skip


def test_models_from_before_the_solver_answer_as_they_did(presets: dict[str, str], tmp_path: Path) -> None:
    train = kft.TrainConfig(tensorboard=False, epochs=2, learning_rate=0.05)
    how: dict[str, Any] = {"tuning": kft.FrozenFeatures(), "train": train, "out": tmp_path / "run"}
    model = kft.finetune(presets["bert"], eight("text_classification"), **how)
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())
    for part in (recipe["tuning"], recipe["model"]["tuning"]):
        del part["solver"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(recipe))
    assert_close(outputs(model, ["a good film"]), outputs(kft.load(tmp_path / "run"), ["a good film"]))


def test_a_run_that_is_asked_to_stop_begins_anew(presets: dict[str, str], tmp_path: Path) -> None:
    """Stop while features are computed: nothing is kept, and going on gives what it would have given."""
    data = kft.load_data(write_reviews(tmp_path / "r.csv"))
    how: dict[str, Any] = {"tuning": kft.FrozenFeatures(), "train": QUIET}
    whole = kft.finetune(presets["bert"], data, out=tmp_path / "whole", on_event=lambda event: None, **how)

    def stop(event: Event) -> None:
        if isinstance(event, Phase) and event.phase == "features":
            (tmp_path / "run" / "STOP").touch()

    with pytest.raises(KeyboardInterrupt):
        kft.finetune(presets["bert"], data, out=tmp_path / "run", on_event=stop, **how)
    model = kft.resume(tmp_path / "run", on_event=lambda event: None)
    assert_close(outputs(whole, ["a good film"]), outputs(model, ["a good film"]))


def test_sentence_transformers_reads_it_with_the_normalisation_before_the_head(presets: dict[str, str], tmp_path: Path) -> None:
    task = kft.TextClassification(pooling="mean")
    model = kft.finetune(
        presets["bert"], eight("text_classification"), task, tuning=kft.FrozenFeatures(), train=QUIET, out=tmp_path / "run"
    )
    folder = model.export_huggingface(tmp_path / "hf")
    modules = [module["type"].rpartition(".")[2] for module in json.loads((folder / "modules.json").read_text())]
    assert modules == ["Transformer", "Pooling", "Normalize", "Dense"]
    pooled = kft.finetune(
        presets["bert"], eight("text_classification"), kft.TextClassification(pooling="pooled"),
        tuning=kft.FrozenFeatures(), train=QUIET, out=tmp_path / "pooled",
    )  # fmt: skip
    with pytest.raises(kft.ConfigError, match="solver=exact"):
        pooled.export_huggingface(tmp_path / "no")
