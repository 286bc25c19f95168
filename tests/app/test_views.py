"""Forms, charts, reports and recipes as data: what the screens show, without a screen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft import events
from kerasft.cli import _parser
from kerasft.commands import _run_config
from kerasft.config import Options, OptionSpec
from kerasft.data.quality import check_data
from kerasft.errors import ConfigError
from kerasft.recipe import RunConfig
from kerasft.tasks import TASKS
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS
from kerasft_app.charts import error_box, line_chart, status_card, training_charts
from kerasft_app.figures import spoken_score
from kerasft_app.forms import Form, convert
from kerasft_app.reading import ReadFile, read_for_page
from kerasft_app.recipes import command_line, python_snippet
from kerasft_app.reports import quality_html
from kerasft_app.run_progress import Progress
from kerasft_app.tabs.data import _widths

NASTY = "<script>alert(1)</script>"


def test_texts_are_escaped_wherever_they_show() -> None:
    step = events.Step(step=1, total_steps=2, epoch=0.5, loss=1, learning_rate=1, examples_per_second=1, eta_seconds=1)
    told = Progress(
        state="failed", phase=NASTY, steps=[step], warnings=[events.Warned(code="x", message=NASTY, hint=NASTY)],
        ended=events.Failed(error=NASTY, message=NASTY, where=NASTY, hint=NASTY),
    )  # fmt: skip
    rows = [{"text": f"{NASTY} {i}", "label": [NASTY, "b"][i % 2]} for i in range(20)]
    shown = [
        status_card(NASTY, told), training_charts(told), line_chart(NASTY, {NASTY: [(0, 1), (1, 2)]}),
        error_box(ConfigError(NASTY, where=NASTY, hint=NASTY)), quality_html(check_data(kft.load_data(rows))),
    ]  # fmt: skip
    assert all("<script" not in html for html in shown)


def test_a_run_that_ended_in_its_first_step_is_told_about_memory() -> None:
    started = events.Started(
        run="r", total_steps=3, first_step=0, epochs=1, train_examples=9, validation_examples=1, trainable_parameters=5,
        parameters=9, optimizer_bytes=40, padding=0.0,
    )  # fmt: skip
    step = events.Step(step=1, total_steps=3, epoch=0.3, loss=1, learning_rate=1, examples_per_second=1, eta_seconds=1)
    assert "half the batch size" in status_card("r", Progress(state="interrupted", started=started))
    later = status_card("r", Progress(state="interrupted", started=started, steps=[step]))
    assert "half the batch size" not in later
    assert "Resume" in later


def test_the_class_of_an_error_shows_only_for_faults_of_the_program() -> None:
    def card(error: str) -> str:
        return status_card("r", Progress(state="failed", ended=events.Failed(error=error, message="said", where="", hint="")))

    assert "DataError" not in card("DataError")
    assert "said" in card("DataError")
    assert "KeyError" in card("KeyError")


def test_a_score_is_spoken() -> None:
    assert spoken_score("micro_f1 0.444") == "micro F1 0.444"
    assert spoken_score("") == ""


def test_a_chart_of_one_flat_point_and_of_many_points_is_drawn() -> None:
    assert "nothing yet" in line_chart("Loss", {"a": []})
    assert "nan" not in line_chart("Loss", {"a": [(0.0, 0.0)]})
    long = line_chart("Loss", {"a": [(i / 1000, 1.0) for i in range(5000)]})
    assert len(re.search(r'points="([^"]*)"', long).group(1).split()) <= 300  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "lowest", "highest"),
    [((0.1, 0.9), 0.036, 0.964), ((0.0, 1.0), 0, 1), ((0.05, 6.0), 0, 6.48), ((-0.5, 0.5), -0.58, 0.58), ((1.0, 1.0), 0.9, 1)],
)
def test_a_chart_has_no_room_for_what_cannot_be(values: tuple[float, ...], lowest: float, highest: float) -> None:
    chart = line_chart("Figures", {"a": list(enumerate(values))}, x_label="trial")
    levels = [float(tick) for tick in re.findall(r'text-anchor="end">([-.\d]+)<', chart)]
    assert (min(levels), max(levels)) == pytest.approx((lowest, highest), abs=0.01)
    assert re.findall(r'text-anchor="middle">([\d.]+)<', chart) == ["0"]  # no half a trial
    assert 'text-anchor="end">trial 1<' in chart


def test_what_a_model_reads_stands_first_and_fits() -> None:
    rows = [{"id": str(i), "review": f"{i} words and words and words and words", "stars": "ab"[i % 2]} for i in range(12)]
    found = read_for_page(rows, {"text": "review", "label": "stars"})
    assert isinstance(found, ReadFile)
    assert found.names == ["row", "review", "stars", "id"]
    number, text, label, other = _widths(found)
    assert text > 240 > max(number, label, other)
    assert sum(_widths(found)) <= 700


def test_widget_values_become_options_and_defaults_are_left_out() -> None:
    specs = {spec.name: spec for spec in TrainConfig.specs()}
    assert convert(specs["learning_rate"], "3e-5") == 3e-5
    assert convert(specs["learning_rate"], "") is None
    assert convert(specs["clip_norm"], "off") is None
    assert convert(specs["batch_size"], 16.0) == 16
    assert convert(specs["warmup"], "") == 0.1
    with pytest.raises(ConfigError, match="takes a number"):
        convert(specs["learning_rate"], "fast")
    form = Form(TrainConfig)
    form.widgets = dict.fromkeys(specs)
    values = [spec.default for spec in specs.values()]
    assert form.read(values) == {}
    values[list(specs).index("epochs")] = "7"
    assert form.read(values) == {"epochs": 7}


@pytest.mark.parametrize("cls", [TrainConfig, *TASKS.all().values(), *TUNINGS.all().values()])
def test_options_that_are_put_into_a_form_are_read_from_it(cls: type[Options]) -> None:
    form = Form(cls)
    form.widgets = dict.fromkeys(spec.name for spec in form.specs)
    assert form.read(form.fill({})) == {}
    given = {spec.name: value for spec in form.specs if (value := _another(spec)) != spec.default}
    stored = json.loads(json.dumps(given))  # as a run's recipe has them
    assert form.read(form.fill(stored)) == given
    assert given or not form.specs


def _another(spec: OptionSpec) -> Any:
    """A value that is not the default."""
    if spec.kind is tuple:
        return spec.choices[:1]
    if spec.choices:
        return next(choice for choice in spec.choices if choice != spec.default)
    if spec.optional and spec.default is not None:
        return None
    return {bool: not spec.default, int: 7, float: 0.123456789, str: "words"}[spec.kind]


def test_the_command_line_and_the_python_lines_say_what_the_recipe_says(tmp_path: Path) -> None:
    recipe = RunConfig(
        preset="all_minilm_l6_v2",
        data=kft.DataConfig(path="my data/it's.csv", text="body text", validation=0.2),
        tuning=kft.FreezeLayers(layers=3, embeddings=False),
        train=kft.TrainConfig(epochs=2, learning_rate=5e-5, class_weights="balanced"),
    )
    plain = json.loads(json.dumps(recipe.to_dict()))
    shell = command_line(plain, tmp_path / "again")
    words = subprocess.run(
        ["sh", "-c", f'for w in {shell.replace("kerasft", "", 1)}; do echo "$w"; done'], capture_output=True, text=True
    )
    arguments = words.stdout.replace("\\\n", "").splitlines()
    assert _run_config(_parser(arguments)[0].parse_args(arguments)) == recipe
    code = python_snippet(plain, tmp_path / "again")
    compile(code, "snippet", "exec")
    assert "kft.FreezeLayers(layers=3, embeddings=False)" in code


def test_the_app_explains_wrong_options_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-m", "kerasft_app", "--share"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "give --auth" in done.stderr


def test_a_mistake_in_an_upload_names_the_file_and_not_where_it_is_kept() -> None:
    kept = "/srv/runs/.uploads/0123456789ab"
    error = ConfigError("It is empty.", where=f"{kept}/my file.csv, row 3", hint=f"See '{kept}/b.csv'.")
    shown = error_box(error)
    assert "my file.csv, row 3" in shown
    assert "b.csv" in shown
    assert ".uploads" not in shown
