"""The estimate before a run: known sizes, and the directions in which it must go. How near it comes: benchmarks/estimates.py."""

from __future__ import annotations

from typing import Any

import pytest

from kerasft.presets import find_preset
from kerasft.tuning import TUNINGS
from kerasft.workload import Shape, estimate, model_shape, product_rate
from kerasft_app.outlook import alternatives, outlook_html

ROWS = {"train": 3200, "validation": 320}
LENGTHS = {"unit": "tokens", "median": 40.0, "p95": 80.0, "longest": 100, "histogram": [(20, 100), (60, 100)]}
MINI = "kerasft_bert_mini_en"


def of(tuning: str = "full", task: str = "text_classification", preset: str = MINI, **train: Any) -> Any:
    recipe = {"preset": preset, "task": {"name": task}, "tuning": {"name": tuning}, "train": {"epochs": 2, **train}}
    return estimate(recipe, ROWS, LENGTHS, rate=1e11)


def test_a_known_shape_has_known_operations() -> None:
    shape = Shape(layers=2, width=8, inner=32, heads=2, vocabulary=100)
    # Four square projections and two of the feed-forward half, two operations a weight; scores and sums of the attention.
    assert shape.forward(10) == 2 * (2 * (4 * 64 + 2 * 256) + 4 * 10 * 8)


def test_sizes_are_read_from_the_folder_and_nothing_is_guessed() -> None:
    assert model_shape(find_preset(MINI)) is not None
    assert model_shape(find_preset("bert_large_en")) is None or find_preset("bert_large_en").here
    assert of(preset="no such model") is None


def test_more_work_takes_longer_and_less_to_learn_is_cheaper() -> None:
    assert of().updates == 200
    assert of(epochs=4).seconds > of().seconds
    assert of(batch_size=64).peak_bytes > of().peak_bytes
    assert of(accumulate=2).updates == 100
    assert of("frozen").seconds < of("lora").seconds < of().seconds
    assert of("frozen").peak_bytes < of("lora").peak_bytes < of().peak_bytes
    assert of(task="masked_lm").seconds > of().seconds


@pytest.mark.parametrize("name", TUNINGS.all())
def test_every_tuning_method_has_an_estimate(name: str) -> None:
    found = of(name)
    assert found.seconds > 0
    assert found.peak_bytes > 2**29


def test_a_long_run_has_two_cheaper_alternatives_and_a_short_one_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasft_app.outlook.product_rate", lambda: 1e9)
    monkeypatch.setattr("kerasft_app.outlook.has_gpu", lambda: False)
    recipe = {"preset": MINI, "task": {"name": "text_classification", "max_length": 128}, "tuning": {"name": "full"}, "train": {}}
    recipe["train"] = {"epochs": 20}
    known = {"rows": ROWS, "lengths": LENGTHS, "file": "<b>.csv", "sizes": "3,520 rows"}
    offers = alternatives(recipe, known)
    assert len(offers) == 2
    assert offers[0]["seconds"] <= offers[1]["seconds"]
    assert "&lt;b&gt;.csv" in outlook_html(recipe, known)
    monkeypatch.setattr("kerasft_app.outlook.product_rate", lambda: 1e14)
    assert alternatives(recipe, known) == []


def test_long_texts_are_counted_in_windows_where_a_task_reads_them_so() -> None:
    recipe = {"preset": MINI, "task": {"name": "masked_lm"}, "tuning": {"name": "full"}, "train": {"epochs": 1}}
    long = {"unit": "tokens", "median": 1280.0, "p95": 1280.0, "longest": 1280, "histogram": [(1280, 64)]}
    found = estimate(recipe, {"train": 64}, long, rate=1e11)
    assert found is not None
    assert found.updates == 64 * 10 // 32  # windows of 128 tokens, batches of 32


def test_a_file_without_training_rows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasft_app.outlook.has_gpu", lambda: False)
    recipe = {"preset": MINI, "task": {"name": "text_classification"}, "tuning": {"name": "full"}, "train": {}}
    assert "no training rows" in outlook_html(recipe, {"rows": {"test": 9}, "lengths": LENGTHS})


def test_a_gpu_is_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasft_app.outlook.has_gpu", lambda: True)
    recipe = {"preset": MINI, "task": {"name": "text_classification"}, "tuning": {"name": "full"}, "train": {}}
    assert "measured on the GPU" in outlook_html(recipe, {"rows": ROWS, "lengths": LENGTHS})


def test_the_rate_never_falls() -> None:
    assert 0 < product_rate() <= product_rate()
