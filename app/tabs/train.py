"""Tab Train: a bar with what a run would cost and its buttons, always in view; the form; the run as it goes."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft.runs import read_recipe
from kerasft_app.charts import error_box, note_box, status_card, training_charts
from kerasft_app.children import run_command
from kerasft_app.outlook import alternatives, outlook_html
from kerasft_app.page import TO_TOP, Page
from kerasft_app.recipe_form import RecipeForm
from kerasft_app.recipes import command_line, python_snippet
from kerasft_app.seen import seen_html
from kerasft_app.tabs import new_model

_NO_DATA = '<div class="kft-outlook">No data are ready: choose a file in the tab Data, and answer what is asked there.</div>'
_TO_VIEW = """() => {
  const failed = document.querySelector('#train-said .error'), view = document.querySelector('#train-view');
  if (!failed && view && view.getBoundingClientRect().top > window.innerHeight) view.scrollIntoView({ block: 'start' });
}"""  # on a narrow screen the run is below the form
_NO_CODE = "# Choose data in the tab Data first."
_FAULTY = '<div class="kft-outlook">The form has a mistake; it is explained below.</div>'


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(elem_id="train-bar", equal_height=True):
        outlook = gr.HTML(_NO_DATA, elem_id="train-chosen", min_width=200)
        start = gr.Button("Train", variant="primary", elem_id="train", scale=0, min_width=120)
        stop = gr.Button("Stop", size="sm", visible=False, elem_id="stop", scale=0, min_width=80)
    said = gr.HTML(elem_id="train-said")
    halted = gr.HTML(elem_id="stop-said")
    fits = gr.HTML(elem_id="train-fits")
    with gr.Row(elem_id="offers"):
        offered = [gr.Button(visible=False, size="sm", elem_id=f"offer-{i}") for i in range(2)]
    offers = gr.State([])
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):

            def below(model: Any) -> None:
                page.model = model
                new_model.build(page)

            form = RecipeForm(page.model_choices(), below)
            name = gr.Textbox(label="Title of the run", placeholder="made from the file's name", max_lines=1, elem_id="run-name")
            again = gr.Button("Take the options of the run chosen above", size="sm", elem_id="again")
        with gr.Column(scale=3, min_width=300, elem_id="train-view"):
            status = gr.HTML('<div class="kft-empty big">No run yet.</div>', elem_id="status")
            charts = gr.HTML(elem_id="charts")
            with gr.Accordion("What the model sees", open=False, elem_id="seen"):
                own = gr.Textbox(label="Text of your own (optional)", lines=2, elem_id="seen-text",
                                 info="Otherwise the first rows of the data. For tasks that need no label.")  # fmt: skip
                epoch = gr.Number(1, label="Epoch", precision=0, minimum=1,
                                  info="Masked language models hide other tokens in each epoch.")  # fmt: skip
                show = gr.Button("Show", elem_id="seen-show")
                windows = gr.HTML(elem_id="seen-view")
            with gr.Accordion("The same on the command line and in Python", open=False):
                shell = gr.Code(_NO_CODE, language="shell", label="Command line", interactive=False)
                python = gr.Code(_NO_CODE, language="python", label="Python", interactive=False)
            ahead = gr.Button("Next: results", variant="primary", visible=False, elem_id="to-results")

    seen, marked = gr.State(""), gr.State([])
    said_by_page = [page.data, page.task, *form.components]
    page.recipe, page.recipe_inputs = form.whole, said_by_page

    def run_name(data: dict[str, Any], model: str, title: str) -> str:
        if typed := (title or "").strip():
            return str(page.board.name_for(typed))
        return str(page.board.free_name(f"{Path(str(data['path'])).name.split('.')[0]}-{Path(model).name}"))

    def launch(name: str, data: dict[str, Any] | None, known: dict[str, Any] | None, *values: Any) -> list[Any]:
        try:
            recipe = form.whole(data, known, *values)
            assert data is not None
            assert known is not None
            wish = run_name(data, recipe["preset"], name)
            # With the columns as they were found, so that the other tabs know what the model reads before it has read it.
            title = (name or "").strip()
            folder = page.board.enqueue(wish, {**recipe, "columns": known["columns"]}, again=bool(title), title=title)
        except (KerasFTError, OSError) as error:
            return [error_box(error), gr.skip(), "", gr.skip(), gr.skip()]
        # At once, before the page hears of it: what was there belongs to another run.
        begun = status_card(page.board.title(folder.name), page.board.progress(folder.name))
        return ["", page.runs_update(folder.name), "", begun, ""]

    def refill(run: str | None) -> list[Any]:
        """Model, task, tuning and options as a run had them; the data stay as they are chosen."""
        try:
            if not run:
                raise ConfigError("No run is chosen.", hint="Choose one at the top of the page that was trained here.")
            return ["", None, *form.fill(read_recipe(page.board.folder(run)))]
        except ConfigError as error:
            return [error_box(error), gr.skip(), *(gr.skip() for _ in form.components)]

    def restore(kept: Any) -> list[Any]:
        """The form of before the page was loaded again."""
        try:
            return form.fill(kept["recipe"]) if isinstance(kept, dict) else [gr.skip()] * len(form.components)
        except (KerasFTError, KeyError, TypeError, ValueError, AttributeError):  # a browser may keep anything
            return [gr.skip()] * len(form.components)

    def advise(name: str, before: list[str], data: Any, known: Any, *values: Any) -> list[Any]:
        """All that follows the form: what a run would be and cost, what does not go together, alternatives, code."""
        hidden = [gr.Button(visible=False) for _ in offered]
        try:
            if known is None or data is None:
                faults, marks = form.mark("", before)
                return [_NO_DATA, "", [], *hidden, _NO_CODE, _NO_CODE, gr.skip(), faults, *marks]
            recipe = form.whole(data, known, *values)
            out = page.board.root / run_name(data, recipe["preset"], name)
            cheaper = alternatives(recipe, known)
            shown = [gr.Button(offer["title"], visible=True) for offer in cheaper]
            code = [command_line(recipe, out), python_snippet(recipe, out)]
            faults, marks = form.mark("", before)
            remembered = {part: recipe[part] for part in ("preset", "task", "tuning", "train")}
            kept = {"file": known.get("file"), "understood": known.get("name"), "recipe": remembered}
            about = outlook_html(recipe, known)
            return [about, "", cheaper, *[*shown, *hidden][: len(hidden)], *code, kept, faults, *marks]
        except KerasFTError as error:
            faults, marks = form.mark(error.message, before)
            code = ["# " + re.sub(r"\s+", " ", error.message)] * 2
            return [_FAULTY, error_box(error), [], *hidden, *code, gr.skip(), faults, *marks]

    def show_windows(text: str, epoch: float, data: Any, known: Any, *values: Any) -> str:
        """The windows of the first rows, or of the person's own text, as the process that loads the tokenizer tells them."""
        try:
            own_text = (text or "").strip()
            if not own_text and (data is None or known is None):
                raise ConfigError("No data are chosen.", hint="Write a text, or choose data in the tab Data.")
            columns = {"columns": {"text": "text"}} if own_text or known is None else known
            recipe = {**form.read(columns, values), **({"data": data} if data and not own_text else {})}
            with tempfile.TemporaryDirectory(prefix="kerasft-") as folder:
                path = Path(folder) / "run.json"
                path.write_text(json.dumps(recipe), encoding="utf-8")
                text_option = ["--text", text] if own_text else []
                command = ["preview", str(path), "--json", "--rows", "3", "--epoch", str(int(epoch or 1) - 1), *text_option]
                return str(seen_html(json.loads(run_command(command, "The rows cannot be shown."))))
        except (KerasFTError, OSError) as error:
            return str(error_box(error))

    def halt(run: str | None) -> str:
        try:
            if not run:
                raise ConfigError("No run is chosen.")
            return str(note_box(page.board.stop(run)))
        except ConfigError as error:
            return str(error_box(error))

    def look(run: str | None, before: str) -> list[Any]:
        """The run's view, and the buttons that its state allows."""
        try:
            if not run or not page.board.folder(run).exists():
                return [gr.skip()] * 6
        except ConfigError:
            return [gr.skip()] * 6
        progress = page.board.progress(run)
        last = progress.steps[-1].time if progress.steps else 0
        counts = f"{len(progress.validations)} {len(progress.warnings)}"
        key = f"{run} {progress.state} {progress.phase} {last} {counts} {progress.stopping} {progress.ended_by}"
        card = status_card(page.board.title(run), progress)
        if progress.state == "interrupted" and (tail := page.board.output_tail(run)):
            card += error_box(ConfigError("The end of what the process said:", where=tail))
        at_work = progress.state in ("running", "queued")
        done = gr.Button(visible=progress.state in ("finished", "stopped"))
        # What Stop said is over when the run has stopped, and is not said of another run.
        still = at_work and before.startswith(f"{run} {progress.state} ")
        return [card, training_charts(progress), key, done, gr.skip() if still else "", gr.Button(visible=at_work)]

    def step(run: str | None, before: str) -> list[Any]:
        """The run's view; sends nothing when nothing has changed, so that the page stays still."""
        card, drawn, key, *_ = look(run, before)
        return [gr.skip()] * 3 if key == before else [card, drawn, key]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    start.click(launch, [name, *said_by_page], [said, page.run, seen, status, charts]).then(None, None, None, js=_TO_VIEW)
    again.click(refill, page.run, [fits, form.switched, *form.components])  # the model is not one that was switched to
    show.click(show_windows, [own, epoch, *said_by_page], windows)
    stop.click(halt, page.run, halted)
    viewed = [status, charts, seen, ahead, halted, stop]
    # One after the other: a step that was looked at before must not be shown after the end of the run.
    renewing: dict[str, Any] = {"trigger_mode": "always_last", "concurrency_id": "run-view", "concurrency_limit": 1, **quiet}
    for changed in (page.opening, page.changing, page.run.change):
        changed(look, [page.run, seen], viewed, **renewing)
    page.stepping(step, [page.run, seen], viewed[:3], **renewing)
    ahead.click(lambda: gr.Tabs(selected="results"), None, page.tabs, js=TO_TOP)
    page.loaded(lambda: gr.Dropdown(choices=page.model_choices()), None, form.model, **quiet)
    page.loaded(restore, page.remembered, form.components, **quiet)
    for i, button in enumerate(offered):
        button.click(lambda cheaper, i=i: form.change(cheaper[i]["changes"]), offers, form.components, **quiet)
    follow = [outlook, fits, offers, *offered, shell, python, page.remembered, marked, *form.optional]
    changes = [component.change for component in (page.task, name, *form.components)]
    gr.on(changes, advise, [name, marked, *said_by_page], follow, trigger_mode="always_last", **quiet)
    form.wire(page.task, page.remembered)
