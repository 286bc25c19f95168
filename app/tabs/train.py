"""Tab Train: model, task, tuning and options; start, watch, stop."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.data.columns import Columns
from kerasft.data.data_config import DataConfig
from kerasft.errors import ConfigError, KerasFTError
from kerasft.presets import default_preset, find_preset
from kerasft.runs import read_recipe
from kerasft.tasks import TASKS
from kerasft.tasks.base import OF_CLASSES
from kerasft.tasks.classification import TextClassification
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS
from kerasft.tuning.full import Full
from kerasft_app.charts import error_box, note_box, status_card, training_charts
from kerasft_app.children import run_command
from kerasft_app.forms import Form
from kerasft_app.page import TO_TOP, Page
from kerasft_app.recipes import checked, command_line, python_snippet
from kerasft_app.reports import chosen_html
from kerasft_app.seen import seen_html
from kerasft_app.tabs import new_model


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown(page.model_choices(), value=default_preset(), label="Model", elem_id="model",
                                allow_custom_value=True,
                                info="A name, a folder with config.json and weights, or hf://owner/name.")  # fmt: skip
            about = gr.Markdown(_about(default_preset()), elem_classes="hint")
            page.model = model
            new_model.build(page)
            task = gr.Dropdown(_titles(TASKS), value=TextClassification.name, label="Task", elem_id="task")
            task_about = gr.Markdown(_summary(TASKS, TextClassification.name), elem_classes="hint")
            task_forms = _forms(TASKS)
            task_groups: dict[str, list[Any]] = {}
            _render(task_forms, TextClassification.name, task_groups, advanced=False)
            tuning = gr.Dropdown(_titles(TUNINGS), value=Full.name, label="Tuning", elem_id="tuning")
            tuning_about = gr.Markdown(_summary(TUNINGS, Full.name), elem_classes="hint")
            tuning_forms = _forms(TUNINGS)
            tuning_groups: dict[str, list[Any]] = {}
            _render(tuning_forms, Full.name, tuning_groups, advanced=False)
            train_form = Form(TrainConfig)
            train_form.render(advanced=False)
            with gr.Accordion("Advanced", open=False):
                _render(task_forms, TextClassification.name, task_groups, advanced=True)
                _render(tuning_forms, Full.name, tuning_groups, advanced=True)
                train_form.render(advanced=True)
            again = gr.Button("Take the options of the run chosen above", size="sm", elem_id="again")
            name = gr.Textbox(label="Name of the run", placeholder="made from the file's name", max_lines=1, elem_id="run-name")
            fits = gr.HTML(elem_id="train-fits")
            chosen_run = gr.HTML(chosen_html(None, "", ""), elem_id="train-chosen")
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train")
                stop = gr.Button("Stop", variant="stop", elem_id="stop")
        with gr.Column(scale=3, min_width=300, elem_id="train-view"):
            said = gr.HTML(elem_id="train-said")
            halted = gr.HTML(elem_id="stop-said")
            status = gr.HTML('<div class="kft-empty big">No run yet.</div>', elem_id="status")
            charts = gr.HTML(elem_id="charts")
            with gr.Accordion("What the model sees", open=False, elem_id="seen"):
                own = gr.Textbox(label="A text of yours (optional)", lines=2, elem_id="seen-text",
                                 info="Else the first rows of the data. For tasks that need no label.")  # fmt: skip
                epoch = gr.Number(1, label="Epoch", precision=0, minimum=1, info="Where tokens are hidden anew in each.")
                show = gr.Button("Show", elem_id="seen-show")
                windows = gr.HTML(elem_id="seen-view")
            with gr.Accordion("The same on the command line and in Python", open=False):
                later = "# Press Train, or choose a run above."
                shell = gr.Code(later, language="shell", label="Command line", interactive=False)
                python = gr.Code(later, language="python", label="Python", interactive=False)
            ahead = gr.Button("Next: results", variant="primary", visible=False, elem_id="to-results")

    seen = gr.State("")
    switched = gr.State(None)
    ticking = gr.Timer(1.0)
    forms = {"task": task_forms, "tuning": tuning_forms}
    chosen = [task, tuning, model, name, *train_form.components]
    extra = [widget for group in forms.values() for form in group.values() for widget in form.components]

    def read(known: dict[str, Any], task: str, tuning: str, model: str, values: Sequence[Any]) -> dict[str, Any]:
        """The recipe that the forms say, without its data; refused when its parts do not go together."""
        preset = find_preset(model)
        train_values, rest = values[: len(train_form.components)], list(values[len(train_form.components) :])
        picked = {}
        for part, part_name in (("task", task), ("tuning", tuning)):
            for form_name, form in forms[part].items():
                own, rest = rest[: len(form.components)], rest[len(form.components) :]
                if form_name == part_name:
                    picked[part] = {"name": part_name, **form.read(own)}
        recipe = {"preset": model, **picked, "train": train_form.read(train_values)}
        return dict(checked(recipe, Columns(**known["columns"]), preset.family))

    def whole(
        data: dict[str, Any] | None, known: dict[str, Any] | None, task: str, tuning: str, model: str, *values: Any
    ) -> dict[str, Any]:
        """The recipe that the page says, data included."""
        if data is None or known is None:
            raise ConfigError("No data are loaded.", hint="Upload a file or take the example in the tab Data.")
        return {**read(known, task, tuning, model, values), "data": DataConfig.from_dict(data).to_dict()}

    def launch(
        data: dict[str, Any] | None, known: dict[str, Any] | None, task: str, tuning: str, model: str, name: str, *values: Any
    ) -> list[Any]:
        try:
            recipe = whole(data, known, task, tuning, model, *values)
            assert data is not None
            wish = name.strip() or page.board.free_name(f"{Path(str(data['path'])).name.split('.')[0]}-{Path(model).name}")
            # With the columns as they were found, so that the other tabs know what the model reads before it has read it.
            page.board.enqueue(wish, {**recipe, "columns": known["columns"] if known else {}}, again=bool(name.strip()))
        except KerasFTError as error:
            return [error_box(error), gr.skip(), ""]
        return ["", page.runs_update(wish), ""]

    def refill(run: str | None) -> list[Any]:
        """Model, task, tuning and options as a run had them; the data stay as they are chosen."""
        try:
            recipe = read_recipe(page.board.folder(run)) if run else {}
        except ConfigError as error:
            return [error_box(error), gr.skip(), *(gr.skip() for _ in options)]
        own = {part: {"name": "", **(recipe.get(part) or {})} for part in ("task", "tuning")}
        if not recipe.get("preset") or any(own[part]["name"] not in forms[part] for part in own):
            told = "That run has no options to take." if run else "No run is chosen."
            fault = ConfigError(told, hint="Choose one at the top of the page that was trained here.")
            return [error_box(fault), gr.skip(), *(gr.skip() for _ in options)]
        parts = [
            form.fill(own[part] if form_name == own[part]["name"] else {})
            for part in forms
            for form_name, form in forms[part].items()
        ]
        chosen = [own["task"]["name"], own["tuning"]["name"], recipe["preset"]]
        return ["", None, *chosen, *train_form.fill(recipe.get("train") or {}), *(value for part in parts for value in part)]

    def advise(known: dict[str, Any] | None, task: str, tuning: str, model: str, *values: Any) -> str:
        """What of the choices does not go together, beside the button and before it is pressed."""
        try:
            if known is not None:
                read(known, task, tuning, model or "", values)
        except KerasFTError as error:
            return str(error_box(error))
        return ""

    def show_windows(
        data: dict[str, Any] | None, known: dict[str, Any] | None, text: str, epoch: float, task: str, tuning: str, model: str,
        *values: Any,
    ) -> str:  # fmt: skip
        try:
            return str(seen_html(look_closely(data, known, text, int(epoch or 1) - 1, task, tuning, model, values)))
        except KerasFTError as error:
            return str(error_box(error))

    def look_closely(
        data: dict[str, Any] | None, known: dict[str, Any] | None, text: str, epoch: int, task: str, tuning: str, model: str,
        values: Sequence[Any],
    ) -> Any:  # fmt: skip
        """The windows of the chosen rows, or of the person's own text, as the process that loads the tokenizer tells them."""
        if not text.strip() and (data is None or known is None):
            raise ConfigError("No data are chosen.", hint="Write a text, or choose data in the tab Data.")
        known = {"columns": {"text": "text"}} if known is None or text.strip() else known
        recipe = {**read(known, task, tuning, model, values), **({"data": data} if data and not text.strip() else {})}
        with tempfile.TemporaryDirectory(prefix="kerasft-") as folder:
            path = Path(folder) / "run.json"
            path.write_text(json.dumps(recipe), encoding="utf-8")
            given = ["--text", text] if text.strip() else []
            command = ["preview", str(path), "--json", "--rows", "3", "--epoch", str(epoch), *given]
            return json.loads(run_command(command, "The rows cannot be shown."))

    def halt(run: str | None) -> str:
        if not run:
            return str(error_box("No run is chosen."))
        try:
            return str(note_box(page.board.stop(run)))
        except ConfigError as error:
            return str(error_box(error))

    def look(run: str | None, before: str) -> list[Any]:
        """The run's view; sends nothing when nothing has changed, so that the page stays still."""
        try:
            if not run or not page.board.folder(run).exists():
                return [gr.skip()] * 7
        except ConfigError:
            return [gr.skip()] * 7
        told = page.board.progress(run)
        last = told.steps[-1].time if told.steps else 0
        key = (
            f"{run} {told.state} {told.phase} {last} {len(told.validations)} {len(told.warnings)} {told.stopping} {told.ended_by}"
        )
        if key == before:
            return [gr.skip()] * 7
        recipe = page.board.folder(run) / "run.json"
        card = status_card(run, told)
        if told.state == "interrupted" and (tail := page.board.output_tail(run)):
            card += error_box(ConfigError("The end of what the process said:", where=tail))
        done = gr.Button(visible=told.state in ("finished", "stopped"))
        # What Stop said is over when the run has stopped, and is not said of another run.
        still = told.state in ("running", "queued") and before.startswith(f"{run} {told.state} ")
        said_by_stop = gr.skip() if still else ""
        return [card, training_charts(told), command_line(recipe), python_snippet(recipe), done, key, said_by_stop]

    start.click(launch, [page.data, page.task, *chosen, *extra], [said, page.run, seen])
    options = [task, tuning, model, *train_form.components, *extra]
    page.recipe, page.recipe_inputs = whole, [page.data, page.task, *options]
    again.click(refill, page.run, [fits, switched, *options])  # the model is not one that was switched to
    show.click(show_windows, [page.data, page.task, own, epoch, *options], windows)
    stop.click(halt, page.run, halted)
    ticking.tick(look, [page.run, seen], [status, charts, shell, python, ahead, seen, halted], show_progress="hidden")
    ahead.click(lambda: gr.Tabs(selected="results"), None, page.tabs, js=TO_TOP)
    page.loaded(lambda: gr.Dropdown(choices=page.model_choices()), None, model, show_progress="hidden")
    model.change(_about, model, about, show_progress="hidden")
    page.task.change(lambda known: known["name"] if known else gr.skip(), page.task, task, show_progress="hidden")
    for choice in (page.task, task, model):
        choice.change(
            lambda known, task, model: chosen_html(known, TASKS.get(task).title, Path(model or "").name),
            [page.task, task, model],
            chosen_run,
            show_progress="hidden",
        )
    for choice in (page.task, task, tuning, model, *train_form.components):
        choice.change(advise, [page.task, *options], fits, show_progress="hidden")
    task.change(_fitting_model, [task, model, switched], [model, switched], show_progress="hidden")
    task.change(_of_classes, task, [train_form.widgets[name] for name in OF_CLASSES], show_progress="hidden")
    task.change(lambda chosen: _summary(TASKS, chosen), task, task_about, show_progress="hidden")
    tuning.change(lambda chosen: _summary(TUNINGS, chosen), tuning, tuning_about, show_progress="hidden")
    for picker, groups in ((task, task_groups), (tuning, tuning_groups)):
        names = [name for name, shown in groups.items() for _ in shown]
        picker.change(
            lambda chosen, names=names: [gr.Group(visible=name == chosen) for name in names],
            picker,
            [group for shown in groups.values() for group in shown],
        )


def _of_classes(task: str) -> list[Any]:
    """Options with a meaning for classes only: hidden, and off, for a task without any."""
    shown = TASKS.get(task).weighs_classes
    return [gr.update(visible=shown, **({} if shown else {"value": off})) for off in OF_CLASSES.values()]


def _forms(registry: Any) -> dict[str, Form]:
    """A form for each class of a registry."""
    return {name: Form(cls) for name, cls in registry.all().items()}


def _render(forms: dict[str, Form], first: str, groups: dict[str, list[Any]], *, advanced: bool) -> None:
    """Lay out the plain or the advanced options of every form in a group of its own, of which only the chosen one shows."""
    for name, form in forms.items():
        if any(spec.advanced == advanced for spec in form.specs):
            with gr.Group(visible=name == first) as group:
                form.render(advanced=advanced)
            groups.setdefault(name, []).append(group)


def _titles(registry: Any) -> list[tuple[str, str]]:
    return [(cls.title, name) for name, cls in registry.all().items()]


def _summary(registry: Any, name: str) -> str:
    return str(registry.get(name).summary())


def _fitting_model(task: str, model: str, switched: tuple[str, str] | None) -> list[Any]:
    """A model that fits the task in place of one that nobody chose.

    Args:
        task: The task's name.
        model: What stands in the field.
        switched: What stood there before the last switch, and what was put in its place.
    """
    families = TASKS.get(task).families

    def fits(name: str) -> bool:
        return not families or find_preset(name).family in families

    if switched and model == switched[1] and fits(switched[0]):
        return [switched[0], None]
    if model not in (default_preset(), default_preset(("gpt2",))) or fits(model):
        return [gr.skip(), switched]
    return [default_preset(families), (model, default_preset(families))]


def _about(model: str) -> str:
    try:
        preset = find_preset(model or "")
    except KerasFTError as error:
        return f"**{error.message}** {error.hint or ''}"
    here = "here already" if preset.here else f"downloaded on first use from {preset.source}"
    size = preset.size if preset.parameters else "size unknown"
    told = (preset.family.upper(), size, preset.languages, preset.licence, here)
    return " · ".join(dict.fromkeys(told))  # of a folder languages and licence stand in one place
