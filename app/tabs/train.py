"""Tab Train: model, task, tuning and options; start, watch, stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft.presets import DEFAULT_PRESET, find_preset, list_presets
from kerasft.tasks import TASKS
from kerasft.tasks.classification import TextClassification
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS
from kerasft.tuning.full import Full
from kerasft_app.charts import error_box, status_card, training_charts
from kerasft_app.forms import Form
from kerasft_app.page import Page
from kerasft_app.recipes import command_line, python_snippet


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown(_model_choices(), value=DEFAULT_PRESET, label="Model", allow_custom_value=True, elem_id="model",
                                info="A name, a folder with config.json and weights, or hf://owner/name.")  # fmt: skip
            about = gr.Markdown(_about(DEFAULT_PRESET), elem_classes="hint")
            with gr.Row():
                task = gr.Dropdown(_titles(TASKS), value=TextClassification.name, label="Task")
                tuning = gr.Dropdown(_titles(TUNINGS), value=Full.name, label="Tuning", elem_id="tuning")
            tuning_about = gr.Markdown(_summary(TUNINGS, Full.name), elem_classes="hint")
            tuning_forms, tuning_groups = _forms(TUNINGS, Full.name)
            train_form = Form(TrainConfig)
            train_form.render(advanced=False)
            with gr.Accordion("Advanced", open=False):
                task_forms, task_groups = _forms(TASKS, TextClassification.name)
                train_form.render(advanced=True)
            name = gr.Textbox(label="Name of the run", placeholder="made from the file's name", max_lines=1, elem_id="run-name")
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train")
                stop = gr.Button("Stop", variant="stop", elem_id="stop")
        with gr.Column(scale=3, min_width=300, elem_id="train-view"):
            said = gr.HTML(elem_id="train-said")
            status = gr.HTML('<div class="kft-empty big">No run yet.</div>', elem_id="status")
            charts = gr.HTML(elem_id="charts")
            with gr.Accordion("The same on the command line and in Python", open=False):
                shell = gr.Code(language="shell", label="Command line", interactive=False)
                python = gr.Code(language="python", label="Python", interactive=False)
            ahead = gr.Button("Next: results", variant="primary", visible=False, elem_id="to-results")

    seen = gr.State("")
    ticking = gr.Timer(1.0)
    forms = {"task": task_forms, "tuning": tuning_forms}
    chosen = [task, tuning, model, name, *train_form.components]
    extra = [widget for group in forms.values() for form in group.values() for widget in form.components]

    def launch(data: dict[str, Any] | None, task: str, tuning: str, model: str, name: str, *values: Any) -> list[Any]:
        try:
            if data is None:
                raise ConfigError("No data are chosen.", hint="Upload a file or take the example in the tab Data.")
            find_preset(model)
            train_values, rest = values[: len(train_form.components)], list(values[len(train_form.components) :])
            picked = {}
            for part, part_name in (("task", task), ("tuning", tuning)):
                for form_name, form in forms[part].items():
                    own, rest = rest[: len(form.components)], rest[len(form.components) :]
                    if form_name == part_name:
                        picked[part] = {"name": part_name, **form.read(own)}
            recipe = _checked({"preset": model, "data": data, **picked, "train": train_form.read(train_values)})
            wish = name.strip() or page.board.free_name(f"{Path(str(data['path'])).name.split('.')[0]}-{Path(model).name}")
            page.board.enqueue(wish, recipe)
        except KerasFTError as error:
            return [error_box(error), gr.skip(), ""]
        return ["", page.runs_update(wish), ""]

    def halt(run: str | None) -> str:
        if not run:
            return str(error_box("No run is chosen."))
        return f'<div class="kft-status"><div class="note">{page.board.stop(run)}</div></div>'

    def look(run: str | None, before: str) -> list[Any]:
        """The run's view; sends nothing when nothing has changed, so that the page stays still."""
        if not run or not page.board.folder(run).exists():
            return [gr.skip()] * 6
        told = page.board.progress(run)
        last = told.steps[-1].time if told.steps else 0
        key = f"{run} {told.state} {told.phase} {last} {len(told.validations)} {len(told.warnings)}"
        if key == before:
            return [gr.skip()] * 6
        recipe = page.board.folder(run) / "run.json"
        card = status_card(run, told)
        if told.state == "interrupted" and (tail := page.board.output_tail(run)):
            card += error_box(ConfigError("The end of what the process said:", where=tail))
        done = gr.Button(visible=told.state in ("finished", "stopped"))
        return [card, training_charts(told), command_line(recipe), python_snippet(recipe), done, key]

    start.click(launch, [page.data, *chosen, *extra], [said, page.run, seen])
    stop.click(halt, page.run, said)
    ticking.tick(look, [page.run, seen], [status, charts, shell, python, ahead, seen], show_progress="hidden")
    ahead.click(lambda: gr.Tabs(selected="results"), None, page.tabs)
    model.change(_about, model, about, show_progress="hidden")
    tuning.change(lambda chosen: _summary(TUNINGS, chosen), tuning, tuning_about, show_progress="hidden")
    for picker, groups in ((task, task_groups), (tuning, tuning_groups)):
        names = list(groups)
        picker.change(
            lambda chosen, names=names: [gr.Group(visible=name == chosen) for name in names], picker, list(groups.values())
        )


def _checked(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe with every option checked now, so that a fault shows here and not in a failed run.

    `RunConfig` would do it, but it loads TensorFlow, which this process never does.
    """
    from kerasft.data.dataset import DataConfig
    from kerasft.tasks import get_task
    from kerasft.tuning import get_tuning

    task, tuning = dict(recipe["task"]), dict(recipe["tuning"])
    return {
        "preset": recipe["preset"],
        "data": DataConfig.from_dict(recipe["data"]).to_dict(),
        "task": get_task(task.pop("name"), **task).to_dict(),
        "tuning": get_tuning(tuning.pop("name"), **tuning).to_dict(),
        "train": TrainConfig.from_dict(recipe["train"]).to_dict(),
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _forms(registry: Any, first: str) -> tuple[dict[str, Form], dict[str, Any]]:
    """A form for each class of a registry, of which only the chosen one shows."""
    forms, groups = {}, {}
    for name, cls in registry.all().items():
        forms[name] = Form(cls)
        with gr.Group(visible=name == first) as groups[name]:
            forms[name].render(advanced=False)
            forms[name].render(advanced=True)
    return forms, groups


def _titles(registry: Any) -> list[tuple[str, str]]:
    return [(cls.title, name) for name, cls in registry.all().items()]


def _summary(registry: Any, name: str) -> str:
    return str(registry.get(name).__doc__ or "").strip().splitlines()[0]


def _model_choices() -> list[tuple[str, str]]:
    return [(f"{preset.name}{'' if preset.here else '  (download)'}", preset.name) for preset in list_presets()]


def _about(model: str) -> str:
    try:
        preset = find_preset(model or "")
    except KerasFTError as error:
        return f"**{error.message}** {error.hint or ''}"
    here = "here already" if preset.here else f"downloaded on first use from {preset.source}"
    size = preset.size if preset.parameters else "size unknown"
    return f"{preset.family.upper()} · {size} · {preset.languages} · {preset.licence} · {here}"
