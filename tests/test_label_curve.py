"""Learning curves: what a power law says where the truth is known, how rows are drawn, and a run's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.cli import main
from kerasft.label_curve import CurvePoint, LearningCurve, measure_curve
from kerasft.tasks import get_task
from tests.conftest import write_reviews

SIZES = (16, 32, 64, 128, 256)


def known_curve(floor: float, scale: float, fall: float, *, noise: float, metric: str = "accuracy") -> LearningCurve:
    rng = np.random.default_rng(0)
    points = []
    for rows in SIZES:
        errors = floor + scale * rows**-fall + noise * rng.normal(size=12)
        points.append(CurvePoint(rows, tuple(map(float, errors if metric == "mae" else 1 - errors))))
    return LearningCurve(metric=metric, points=tuple(points), rows=340, source="made up")


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_a_power_law_is_found_again(metric: str) -> None:
    curve = known_curve(0.1, 1.5, 0.5, noise=1e-6, metric=metric)
    error = 0.1 + 1.5 * 680**-0.5
    assert curve.expected(680) == pytest.approx(error if metric == "mae" else 1 - error, abs=1e-3)
    needed = (1.5 / (1.5 * 340**-0.5 - 0.02)) ** 2 - 340
    assert curve.rows_for(0.02) == pytest.approx(needed, rel=0.05)
    low, high = curve.interval_for(0.02)
    assert low <= needed * 1.05
    assert high is not None
    assert high >= needed * 0.95


def test_noise_widens_the_interval_around_the_truth() -> None:
    needed = (1.5 / (1.5 * 340**-0.5 - 0.02)) ** 2 - 340
    low, high = known_curve(0.1, 1.5, 0.5, noise=0.02).interval_for(0.02)
    assert low < needed
    assert high is None or high > needed


def test_where_it_is_flat_more_rows_are_said_to_hardly_help() -> None:
    curve = known_curve(0.2, 0.0, 0.5, noise=1e-4)
    assert curve.rows_for(0.02) is None
    assert any("hardly help" in sentence for sentence in curve.sentences())
    assert curve.flat_from() == SIZES[0]


def test_draws_that_disagree_are_not_made_a_verdict() -> None:
    curve = known_curve(0.2, 0.3, 0.5, noise=0.02)
    assert curve.rows_for(0.02) is None
    assert curve.interval_for(0.02)[0] < 4 * curve.rows
    assert any("cannot be said" in sentence for sentence in curve.sentences())


def test_it_is_written_and_read_again() -> None:
    curve = known_curve(0.1, 1.0, 0.5, noise=0.01)
    again = LearningCurve.from_dict(json.loads(json.dumps(curve.to_dict())))
    assert again == curve
    assert str(again) == str(curve)


def test_how_the_rows_are_drawn() -> None:
    """A quarter is held out, each class and whole groups at a time; small draws are parts of larger ones and hold each class."""
    strata = np.repeat([0, 1, 2], [60, 30, 10])
    groups = np.arange(100) // 2
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def figure(train: np.ndarray, held_out: np.ndarray) -> float:
        seen.append((train, held_out))
        return 0.5

    curve = measure_curve(figure, strata, metric="accuracy", source="x", groups=groups, sizes=3, draws=2)
    assert [point.rows for point in curve.points] == [8, 24, 72]
    for i, (train, held_out) in enumerate(seen):
        assert set(strata[train]) == set(strata[held_out]) == {0, 1, 2}
        assert not set(groups[train]) & set(groups[held_out])
        assert len(held_out) == pytest.approx(25, abs=3)
        assert i % 3 == 0 or set(seen[i - 1][0]) <= set(train)
    assert set(seen[0][1]) != set(seen[3][1])


def test_too_few_rows_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(kft.DataError, match="more labelled rows than 12 of 2 labels") as caught:
        measure_curve(lambda train, held_out: 0.0, np.arange(12) % 2, metric="accuracy", source="x")
    assert "at least 24 rows" in str(caught.value)


@pytest.mark.parametrize("task", ["text_classification", "multi_label_classification", "regression", "token_classification"])
def test_each_task_with_one_dense_layer_has_one(task: str, presets: dict[str, str]) -> None:
    words = [("good", 1.0), ("bad", -1.0)]
    texts = [(f"a {words[i % 2][0]} film {'x' * (i % 5)} {i}", words[i % 2]) for i in range(60)]
    labels: dict[str, Any] = {
        "text_classification": lambda word, number: word,
        "multi_label_classification": lambda word, number: f"{word};all",
        "regression": lambda word, number: number + 0.5,
    }
    if task == "token_classification":
        rows = [
            {"tokens": text.split(), "tags": ["B-X" if word in ("good", "bad") else "O" for word in text.split()]}
            for text, _ in texts
        ]
        data = kft.load_data(rows, text="tokens", label="tags", validation=0)
    else:
        data = kft.load_data([{"text": text, "label": labels[task](*said)} for text, said in texts], validation=0)
    config = kft.RunConfig(preset=presets["bert"], data=data.config, task=get_task(task))
    curve = kft.learning_curve(config, data, draws=2)
    assert curve.rows == 60
    assert len(curve.points) >= 3
    assert all(np.isfinite(point.figures).all() for point in curve.points)
    assert curve.points[-1].mean >= curve.points[0].mean - 0.2


def test_a_head_of_another_kind_needs_training(presets: dict[str, str]) -> None:
    data = kft.load_data([{"text": f"a good film {i}"} for i in range(60)], label="none", validation=0)
    with pytest.raises(kft.ConfigError, match="more than one dense layer"):
        kft.learning_curve(kft.RunConfig(preset=presets["bert"], data=data.config, task=kft.MaskedLM()), data)


def test_a_run_trains_at_each_number_of_rows(presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the command does it, from a run's own recipe."""
    recipe = kft.RunConfig(
        preset=presets["bert"],
        data=kft.DataConfig(path=str(write_reviews(tmp_path / "r.csv", repeat=6))),
        train=kft.TrainConfig(epochs=1, learning_rate=1e-2, tensorboard=False),
    )
    recipe.save(tmp_path / "run.json")
    assert main(["learning-curve", str(tmp_path / "run.json"), "--training", "--draws", "1", "--json"]) == 0
    curve = LearningCurve.from_dict(json.loads(capsys.readouterr().out))
    assert "trained with Full fine-tuning" in curve.source
    assert len(curve.points) == 4
    assert main(["learning-curve", str(tmp_path / "run.json"), "--draws", "0"]) == 2
