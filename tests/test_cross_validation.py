"""Runs on few rows: all of them are learned from, and the figures are of models that have not seen what they answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.cross_validation import as_estimate
from kerasft.data.splitting import stratified_folds
from kerasft.evaluation.report import Report
from kerasft.events import Event, Phase, Stopped, Warned
from kerasft.weights import weights_by_path
from tests.conftest import write_reviews
from tests.task_data import examples, options

TRAIN: dict[str, Any] = {"epochs": 2, "batch_size": 8, "tensorboard": False}


def run(preset: str, data: Any, out: Path, **changes: Any) -> kft.FineTunedModel:
    how = {"task": kft.TextClassification(), "train": kft.TrainConfig(**{**TRAIN, **changes.pop("train", {})}), **changes}
    return kft.finetune(preset, data, out=out, **how)


def weights(model: kft.FineTunedModel) -> list[np.ndarray]:
    return [variable.numpy() for variable in weights_by_path(model.keras_model).values()]


def test_the_model_is_that_of_a_run_without_folds(presets: dict[str, str], tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    one = {"head_start": "random"}  # a single candidate: the beginning is none
    judged = run(presets["bert"], kft.load_data(data), tmp_path / "judged", train=one)
    plain = run(presets["bert"], kft.load_data(data, validation=0), tmp_path / "plain", train={"folds": 0, **one})
    assert all(np.array_equal(a, b) for a, b in zip(weights(judged), weights(plain), strict=True))
    report = json.loads((tmp_path / "judged" / "report.json").read_text())["validation"]
    assert report["split"] == "cross-validation"
    assert report["examples"] == len(kft.load_data(data)["train"])
    assert "trained without it (5 folds)" in report["notes"][0]
    assert not json.loads((tmp_path / "plain" / "report.json").read_text())
    recipe = json.loads((tmp_path / "judged" / "run.json").read_text())
    assert recipe["resolved"]["train"]["folds"] == 5
    assert recipe["train"]["folds"] is None  # the recipe says what was asked


def test_rows_are_answered_by_models_that_have_not_seen_them(presets: dict[str, str], tmp_path: Path) -> None:
    """Labels drawn by chance can be learned by heart but not be foreseen."""
    rng = np.random.default_rng(3)
    words = [
        "good",
        "bad",
        "film",
        "plot",
        "actor",
        "scene",
        "music",
        "story",
        "slow",
        "fine",
        "great",
        "dull",
        "long",
        "short",
        "love",
        "hate",
    ]
    rows = [{"text": " ".join(rng.choice(words, 6)), "label": str(rng.integers(2))} for _ in range(40)]
    by_heart = {"epochs": 60, "learning_rate": 1e-2, "dropout": 0.0, "head_start": "random"}
    model = run(presets["bert"], rows, tmp_path / "run", train=by_heart)
    assert model.evaluate(rows).metrics["accuracy"] > 0.9
    estimate = json.loads((tmp_path / "run" / "report.json").read_text())["validation"]["metrics"]["accuracy"]
    assert estimate < 0.75


@pytest.mark.parametrize("task", ["text_classification", "multi_label_classification", "regression", "token_classification",
                                  "question_answering"])  # fmt: skip
@pytest.mark.parametrize("tuning", [kft.LoRA(), kft.FrozenFeatures()])
def test_every_task_and_way_of_learning(task: str, tuning: Any, presets: dict[str, str], tmp_path: Path) -> None:
    given = examples(task)
    rows = given.pop("rows")
    data = kft.load_data({"train": [*rows, *rows][:12]}, **given)
    assert "validation" not in data
    model = run(presets["bert"], data, tmp_path / "run", task=options(task, "bert"), tuning=tuning,
                train={"epochs": None} if isinstance(tuning, kft.FrozenFeatures) else {})  # fmt: skip
    report = kft.evaluation.report.load_reports(tmp_path / "run")["validation"]
    assert report.split == "cross-validation"
    assert report.examples == len(data["train"])
    assert model.task.main_metric(model.learned).removeprefix("tuned_") in report.metrics


def test_a_stop_between_folds_leaves_the_model_and_the_estimate_is_made_on_resuming(
    presets: dict[str, str], tmp_path: Path
) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    one = {"head_start": "random"}
    run(presets["bert"], kft.load_data(data), tmp_path / "whole", train=one)
    seen: list[Event] = []

    def stop(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Phase) and event.phase == "fold" and event.detail.startswith("3 "):
            (tmp_path / "run" / "STOP").touch()

    stopped = run(presets["bert"], kft.load_data(data), tmp_path / "run", train=one, on_event=stop)
    assert isinstance(seen[-1], Stopped)
    assert stopped.predict("a good film").label in ("good", "bad")
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == {}
    resumed = kft.resume(tmp_path / "run")
    assert all(np.array_equal(a, b) for a, b in zip(weights(resumed), weights(stopped), strict=True))
    whole, again = ((tmp_path / name / "report.json").read_text() for name in ("whole", "run"))
    assert whole == again


def test_training_that_ruins_the_weights_is_not_kept(presets: dict[str, str], tmp_path: Path) -> None:
    """The model is then what training began with: the model as it was, with a solved head."""
    seen: list[Event] = []
    words = {"good": "good great fine love", "bad": "bad dull long hate"}
    data = kft.load_data(
        [{"text": f"{word} film {i}", "label": label} for label in words for word in words[label].split() for i in range(6)]
    )
    task = kft.TextClassification(pooling="mean")
    ruinous = {"learning_rate": 30.0 / 31, "head_learning_rate": 30.0 / 31, "clip_norm": None, "dropout": 0.0}
    model = run(presets["bert"], data, tmp_path / "run", task=task, train=ruinous, on_event=seen.append)
    gentle = {"epochs": 1, "learning_rate": 1e-8, "head_learning_rate": 1e-8, "folds": 0, "dropout": 0.0}
    begun = run(presets["bert"], data, tmp_path / "begun", task=task, train=gentle)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(weights(model), weights(begun), strict=True))
    assert "kept_beginning" in [event.code for event in seen if isinstance(event, Warned)]
    notes = json.loads((tmp_path / "run" / "report.json").read_text())["validation"]["notes"]
    assert any(note.startswith("Two candidates") and "did not help" in note for note in notes)


def test_folds_and_validation_rows_are_one_too_many(presets: dict[str, str], tmp_path: Path) -> None:
    data = kft.load_data(write_reviews(tmp_path / "reviews.csv"), validation=0.2)
    with pytest.raises(kft.ConfigError, match="stands for validation rows"):
        run(presets["bert"], data, tmp_path / "run", train={"folds": 3})


def test_without_rows_or_folds_it_says_that_nothing_is_known(presets: dict[str, str], tmp_path: Path) -> None:
    seen: list[Event] = []
    data = kft.load_data(write_reviews(tmp_path / "reviews.csv"))
    run(presets["bert"], data, tmp_path / "run", train={"folds": 0}, on_event=seen.append)
    assert "no_validation" in [event.code for event in seen if isinstance(event, Warned)]


def test_folds_keep_equal_texts_together_and_share_out_every_label() -> None:
    groups = np.repeat(np.arange(50), 2)
    strata = np.repeat(np.arange(50) % 2, 2)
    folds = stratified_folds(groups, strata, 5, seed=0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(50))
    assert np.bincount(folds).tolist() == [20] * 5
    assert all(np.bincount(strata[folds == fold]).tolist() == [10, 10] for fold in range(5))
    assert not np.array_equal(folds, stratified_folds(groups, strata, 5, seed=1))
    assert stratified_folds(np.arange(3), np.zeros(3), 5, seed=0).max() == 2


def test_intervals_are_widened_and_shares_stay_shares() -> None:
    report = Report(split="validation", source="", examples=20, metrics={"accuracy": 0.9, "r2": -0.5, "mae": 2.0},
                    intervals={"accuracy": (0.7, 0.97), "r2": (-0.8, -0.2), "mae": (0.1, 4.0)})  # fmt: skip
    intervals = as_estimate(report, 5, "").intervals
    assert intervals["accuracy"] == (pytest.approx(0.62), pytest.approx(0.998))
    assert intervals["r2"] == (pytest.approx(-0.92), pytest.approx(-0.08))
    assert intervals["mae"] == (0.0, pytest.approx(4.8))


def test_questions_on_one_document_cannot_be_divided(presets: dict[str, str], tmp_path: Path) -> None:
    """Folds never tear a document apart; with one document there are none, and the run says that nothing is known."""
    seen: list[Event] = []
    context = "Ada went to Lund on Monday and came back on Friday."
    rows = [{"question": f"where is Ada {i}", "context": context, "answer": "Lund"} for i in range(12)]
    data = kft.load_data(rows, text="question", text_pair="context", label="answer")
    run(presets["bert"], data, tmp_path / "run", task=options("question_answering", "bert"), on_event=seen.append)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["resolved"]["train"]["folds"] == 0
    assert "no_validation" in [event.code for event in seen if isinstance(event, Warned)]


def test_a_failed_beginning_changes_nothing_on_resuming(
    presets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ended while its rows were read has decided nothing yet: it begins as any run."""
    data = write_reviews(tmp_path / "reviews.csv")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    with monkeypatch.context() as patch:
        patch.setattr("kerasft.execution.load_backbone", fail)
        with pytest.raises(OSError, match="no network"):
            run(presets["bert"], kft.load_data(data), tmp_path / "run")
    kft.resume(tmp_path / "run")
    decided = json.loads((tmp_path / "run" / "run.json").read_text())["resolved"]["train"]
    assert (decided["head_start"], decided["folds"]) == ("solved", 5)


@pytest.mark.parametrize(
    ("train", "task", "fault"),
    [({"folds": 1}, None, "at least 2"), ({"folds": 5, "epochs": 0}, None, "nothing is trained"),
     ({"folds": 5}, kft.MaskedLM(), "learns from the texts")],
)  # fmt: skip
def test_folds_that_mean_nothing_are_refused(
    train: dict[str, Any], task: Any, fault: str, presets: dict[str, str], tmp_path: Path
) -> None:
    data = kft.load_data(write_reviews(tmp_path / "reviews.csv"), validation=0)
    with pytest.raises(kft.ConfigError, match=fault):
        run(presets["bert"], data, tmp_path / "run", train=train, **({"task": task} if task else {}))


def test_folds_of_a_file_take_no_rows_away(presets: dict[str, str], tmp_path: Path) -> None:
    path = write_reviews(tmp_path / "reviews.csv", repeat=40)
    assert "validation" in kft.load_data(path)
    run(presets["bert"], str(path), tmp_path / "run", train={"folds": 2, "epochs": 1, "batch_size": 64})
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (list(recipe["rows"]), recipe["resolved"]["train"]["folds"]) == (["train"], 2)


def test_only_rows_with_labels_count_towards_validation_rows() -> None:
    half = [{"text": f"text {i}", "label": "ab"[i % 2] if i < 60 else ""} for i in range(400)]
    assert "validation" not in kft.load_data(half)
    assert "validation" in kft.load_data([{**row, "label": "a"} for row in half])
