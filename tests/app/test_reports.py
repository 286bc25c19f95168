"""Reports, plots and what is said of tasks: every task's report is drawn, whatever it holds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import kerasft as kft
from kerasft import events
from kerasft.data.columns import Columns
from kerasft.data.quality import check_data
from kerasft.data.recognise import suggest_task
from kerasft.errors import ConfigError
from kerasft.evaluation.report import Mistake, Report
from kerasft.tasks import TASKS, get_task
from kerasft_app.charts import training_charts
from kerasft_app.facts import ModelFacts, model_facts, role_names
from kerasft_app.figures import is_better_low, unit, written
from kerasft_app.plots import recall_curves, scatter_plot
from kerasft_app.recipes import checked, served, serving_commands
from kerasft_app.reports import quality_html, readable, report_html, understood_html
from kerasft_app.run_progress import Progress
from tests.task_data import examples

NASTY = "<script>alert('1')</script>"
TASK_NAMES = sorted(TASKS.all())


def report(**values: object) -> Report:
    mistake = Mistake(3, f'["{NASTY}", "is"]', NASTY, "", 1.5, NASTY)
    base: dict = {"split": "test", "source": NASTY, "examples": 2, "metrics": {"f1": 0.5, NASTY: 1.0}, "worst": [mistake]}
    return Report(**{**base, **values})


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_s_report_is_drawn_and_escaped(task: str) -> None:
    full = report(
        metrics={"perplexity": math.inf, "bleu": math.nan, "mse": 12345.6, "accuracy": 0.5},
        intervals={"accuracy": (0.4, 0.6)},
        baseline={"accuracy": 0.1},
        baseline_is=NASTY,
        labels=[NASTY, "b"],
        per_label={NASTY: {"precision": 1.0, "support": 2.0, "threshold": 0.3}, "b": {"average_precision": 0.2, "support": 1.0}},
        confusion=[[1, 0], [0, 1]],
        points=[(1.0, 2.0), (math.nan, 1.0)],
        curves={NASTY: [(0.0, 1.0), (1.0, 0.5)]},
        groups={NASTY: {"rows": 2.0, "accuracy": 0.5}},
        notes=[NASTY],
    )
    for page in (report_html(full, task), report_html(report(worst=[]), task), report_html(report(), task)):
        assert "<script" not in page
        assert "nan" not in page
    assert "threshold" in report_html(full, task)


def test_figures_have_their_units() -> None:
    assert [written(value) for value in (0.5, 12.345, 123.4, 12345.6, math.inf, math.nan, 3e12)] == [
        "0.500", "12.35", "123.4", "12,346", "∞", "–", "3.00e+12"
    ]  # fmt: skip
    assert is_better_low("perplexity")
    assert not is_better_low("r2")
    assert unit("mae")
    assert unit("f1") == ""


def test_plots_of_nothing_of_one_point_and_of_equal_points() -> None:
    assert "nothing yet" in scatter_plot([])
    assert "nothing yet" in recall_curves({})
    assert "nan" not in scatter_plot([(0.0, 0.0)])
    assert scatter_plot([(2.0, 2.0)] * 3).count("<circle") == 3
    assert recall_curves({str(i): [(0.0, 1.0), (1.0, 0.0)] for i in range(9)}).count("<polyline") == 6


def test_figures_of_other_sizes_have_charts_of_their_own() -> None:
    figures = {"loss": 5.0, "perplexity": 150.0, "accuracy": 0.1}
    told = Progress(state="running", validations=[events.Validated(step=1, epoch=1.0, metrics=figures, best=True)])
    page = training_charts(told)
    assert page.count("<svg") == 3
    assert "perplexity (lower is better)" in page
    told.validations.append(events.Validated(step=2, epoch=2.0, metrics={"loss": math.nan, "perplexity": math.inf}, best=False))
    assert "nan" not in training_charts(told)
    assert "inf" not in training_charts(told)


@pytest.mark.parametrize("task", TASK_NAMES)
def test_data_of_every_task_are_understood_and_reported(task: str) -> None:
    given = dict(examples(task))
    data = kft.load_data(given.pop("rows") * 3, **given)
    found = suggest_task(data)
    page = understood_html(NASTY, found.why, NASTY, "9 train rows") + quality_html(check_data(data, get_task(task)), task)
    assert "<script" not in page
    assert len(role_names(task)) == 3


def test_cells_become_readable() -> None:
    assert readable('["EU", "rejects"]') == "EU rejects"
    assert readable('{"text": ["Paris"], "answer_start": [3]}') == "Paris"
    assert readable('{"text": [], "answer_start": []}') == "(no answer)"
    assert readable('[{"start": 0, "end": 4, "label": "PER"}]') == "0–4 PER"
    for cell in ("plain", "[not json", "[[1]]", '{"a": 1}', "", "[" * 5000):
        assert readable(cell) == cell
    assert readable(None) == ""


def test_what_does_not_fit_is_refused_before_a_run() -> None:
    recipe = {"preset": "p", "task": {"name": "causal_lm"}, "tuning": {"name": "full"}, "train": {}}
    with pytest.raises(ConfigError, match="family gpt2, such as kerasft_gpt2_mini_en"):
        checked(recipe, Columns("text"), "bert")
    made = checked(recipe, Columns("text"), "gpt2")
    assert made["task"]["name"] == "causal_lm"
    with pytest.raises(ConfigError, match="label column"):
        checked({**recipe, "task": {"name": "regression"}}, Columns("text"), "bert")


@pytest.mark.parametrize("task", TASK_NAMES)
def test_a_run_s_folder_says_how_to_serve_it(task: str, tmp_path: Path) -> None:
    recipe = {"preset": "p", "data": {"text_pair": "b"}, "task": {"name": task}}
    (tmp_path / "run.json").write_text(json.dumps(recipe))
    facts = model_facts(tmp_path)
    assert facts.task == task
    assert facts.shows == TASKS.get(task).shows
    assert "out." in served(facts)
    lines = serving_commands("My.run", facts)
    assert ("text_pair" in lines) == facts.paired
    assert ("finish_reason" in served(facts)) == (task == "causal_lm")
    for line in lines.splitlines():
        if " -d '" in line:
            assert json.loads(line.split(" -d '")[1].rstrip("'"))["instances"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"task": "x", "model": 3}', '{"task": {"name": "other"}}', '{"task": {"name": 5}}']
)
def test_damaged_recipes_count_as_a_classifier_s(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    facts = model_facts(tmp_path)
    assert isinstance(facts, ModelFacts)
    assert facts.shows == "label"
