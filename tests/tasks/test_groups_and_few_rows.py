"""Figures by group, few-shot draws, and runs that train nothing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft import events
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.tasks import TASKS
from tests.conftest import write_reviews
from tests.task_data import examples, options
from tests.tasks.models import data_of, model_of

# Of every task eight rows: a group of five, one of two and one of a single row.
GROUPS = ["en"] * 5 + [None, None] + ["de"]


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, rel=1e-4, abs=1e-5) or (math.isnan(one) and math.isnan(other))


# A cloze has the figures of any classifier.
@pytest.mark.parametrize(
    "task",
    [pytest.param(name, marks=[pytest.mark.slow] if name == "cloze_classification" else []) for name in sorted(TASKS.all())],
)
def test_a_groups_figures_are_those_of_the_group_alone(task: str, presets: dict[str, str]) -> None:
    given = examples(task)
    # Without a label column among them, the language is taken for the label, and rows without one would be left out.
    groups = [group or "fr" for group in GROUPS] if task == "text_embedding" else GROUPS
    names = ["en", "fr" if task == "text_embedding" else "(empty)", "de"]
    rows = [{**row, "language": group} for row, group in zip(given.pop("rows"), groups, strict=True)]
    data = data_of(rows, **given)
    family = "gpt2" if task == "causal_lm" else "bert"
    how = options(task, family)
    if task == "causal_lm":
        how = replace(how, evaluate_generation=0)  # generated anew for each evaluation
    if task == "masked_lm":
        how = replace(how, next_sentence=False)  # the strangers of pairs come from the other rows
    model = model_of(presets[family], how, data)
    split = data["validation"]
    report = model.evaluate(split, by="language")
    assert list(report.groups) == names  # most rows first
    assert [figures["rows"] for figures in report.groups.values()] == [5, 2, 1]
    for name in names:
        alone = model.evaluate(split.take(np.flatnonzero([(group or "(empty)") == name for group in groups])))
        figures = report.groups[name]
        assert set(figures) - {"rows"} <= set(alone.metrics)
        for metric in set(figures) - {"rows"}:
            assert same(figures[metric], alone.metrics[metric]), (name, metric)
    whole = model.evaluate(split)
    assert whole.groups == {}
    assert all(same(report.metrics[name], value) for name, value in whole.metrics.items())


def test_a_column_that_groups_nothing_is_refused(presets: dict[str, str]) -> None:
    rows = [{"text": f"film {i}", "label": "ab"[i % 2], "id": str(i)} for i in range(201)]
    data = data_of(rows, text="text", label="label")
    model = model_of(presets["bert"], kft.TextClassification(), data)
    with pytest.raises(kft.DataError, match="no column 'lang' to group by") as error:
        model.evaluate(data["validation"], by="lang")
    assert "text, label, id" in str(error.value)
    with pytest.raises(kft.DataError, match="'id' has 201 different values"):
        model.evaluate(data["validation"], by="id")


def test_few_rows_of_each_label_are_drawn_by_the_seed(tmp_path: Path) -> None:
    rows = [{"text": f"film {i}", "label": "abc"[min(i % 7, 2)]} for i in range(210)]
    whole = kft.load_data(rows, validation=0.2)
    draws = [kft.load_data(rows, validation=0.2, per_label=4, split_seed=seed) for seed in (0, 0, 1)]
    for data in draws:
        assert Counter(data["train"].cells("label")) == {"a": 4, "b": 4, "c": 4}
    texts = [data["train"].cells("text") for data in draws]
    assert texts[0] == texts[1] != texts[2]
    assert set(texts[0]) <= set(whole["train"].cells("text"))  # the validation rows stay what they are
    assert draws[0]["validation"].cells("text") == whole["validation"].cells("text")
    assert texts[0] == sorted(texts[0], key=lambda text: int(str(text).split()[1]))  # in their order
    many = kft.load_data(rows, validation=0.2, per_label=999)
    assert many["train"].cells("text") == whole["train"].cells("text")


def zero_shot(presets: dict[str, str], folder: Path) -> RunConfig:
    return RunConfig(
        preset=presets["bert"],
        data=kft.DataConfig(path=str(write_reviews(folder / "reviews.csv"))),
        task=kft.ClozeClassification(words="good=great,fine;bad=awful"),
        train=kft.TrainConfig(epochs=0, tensorboard=False),
    )


def test_no_epochs_leave_the_model_as_it_is_and_evaluate_it(presets: dict[str, str], tmp_path: Path) -> None:
    told: list[Any] = []
    run = zero_shot(presets, tmp_path)
    model = start(run, tmp_path / "run", on_event=told.append)
    assert isinstance(told[-1], events.Finished)
    assert told[-1].step == 0
    assert not [event for event in told if isinstance(event, events.Step | events.EpochEnd)]
    assert "accuracy" in told[-1].metrics
    as_it_is = model_of(presets["bert"], run.task, kft.load_data(run.data.path))
    assert model.predict("a good film").probabilities == pytest.approx(as_it_is.predict("a good film").probabilities, abs=1e-5)
    cautions = [event.message for event in told if isinstance(event, events.Warned) and event.code == "caution"]
    assert ["no masked-LM head" in caution for caution in cautions] == [True]
    assert kft.load(tmp_path / "run").predict("a good film") == kft.resume(tmp_path / "run").predict("a good film")


def test_a_run_without_epochs_that_was_cut_off_can_be_resumed(presets: dict[str, str], tmp_path: Path) -> None:
    class Lost(Exception):
        """The machine went away."""

    def lose(event: Any) -> None:
        if isinstance(event, events.Started):
            raise Lost

    run = zero_shot(presets, tmp_path)
    with pytest.raises(Lost):
        start(run, tmp_path / "run", on_event=lose)
    with pytest.raises(kft.ArtifactError, match="no model yet"):
        kft.load(tmp_path / "run")
    resumed = kft.resume(tmp_path / "run")
    assert resumed.labels == ("bad", "good")
    assert kft.load(tmp_path / "run").predict("a good film").label in ("bad", "good")
    assert resumed.recipe["history"] == []
