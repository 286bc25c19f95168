"""Tab Search: which method, which options; the bake-off and the search, live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.bake_off_report import CONTENDERS
from kerasft.errors import ConfigError, KerasFTError
from kerasft.tasks.classification import TextClassification
from kerasft.tuning.full import Full
from kerasft_app import removal, studies
from kerasft_app.charts import error_box, note_box
from kerasft_app.labels import contender
from kerasft_app.page import Page
from kerasft_app.study_charts import study_html

_NONE = '<div class="kft-empty big">Nothing compared or searched yet.</div>'
_ABOUT = (
    "Both take data, model, task and options from the tabs **Data** and **Train**, train several runs one after the other, and "
    "compare them on the validation rows; the test rows are not looked at."
)


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(_ABOUT, elem_classes="hint")
            with gr.Accordion("Which method: compare them all", open=True):
                lines = [(contender(name), name) for name in CONTENDERS]
                contenders = gr.CheckboxGroup(lines, value=list(CONTENDERS), label="Contenders", elem_id="contenders")
                words = gr.Textbox(label="Words of the labels, for zero-shot", max_lines=1, elem_id="study-words",
                                   placeholder="positive=great,good; negative=bad",
                                   info="If empty, the labels' own names, where the model knows them as one word.")  # fmt: skip
                compare = gr.Button("Compare methods", variant="primary", elem_id="compare")
            with gr.Accordion("Which options: search them", open=False):
                usual = studies.usual_ranges(TextClassification.name, Full.name)
                how = "Such as 1e-5..1e-3:log, 2..5 or 4,8,16; x5 tries a fifth to five times the value in Train."
                ranges = gr.Textbox(usual, label="Ranges, one per line", lines=4, elem_id="ranges", info=how)
                trials = gr.Number(12, label="Trials", precision=0, minimum=1, elem_id="trials",
                                   info="The first one is the recipe as it is.")  # fmt: skip
                pruner = gr.Dropdown([("below the median of others", "median"), ("Hyperband", "hyperband"), ("never", "none")],
                                     value="median", label="End trials early", elem_id="pruner")  # fmt: skip
                search = gr.Button("Search options", variant="primary", elem_id="search")
        with gr.Column(scale=3, min_width=300):
            study = gr.Dropdown([], label="Comparison or search", elem_id="study", allow_custom_value=True)
            with gr.Row():
                stop = gr.Button("Stop", variant="stop", size="sm", elem_id="study-stop", visible=False)
                again = gr.Button("Continue", size="sm", elem_id="study-again", visible=False)
                remove = gr.Button("Remove", size="sm", elem_id="study-remove", visible=False)
            said = gr.HTML(elem_id="study-said")
            away = gr.Column()
            view = gr.HTML(_NONE, elem_id="study-view")
            with gr.Row(visible=False) as keeping:
                part = gr.Dropdown([], label="Model to keep", elem_id="study-part", allow_custom_value=True,
                                   info="Best first. Baselines (word_counts, zero_shot, majority) have no model.")  # fmt: skip
                kept = gr.Button("Keep it as a run", elem_id="study-keep")

    seen = gr.State("")
    shown = [stop, again, remove, keeping]  # what can be done with a study in its state

    def begin(kind: str, contenders: list[str], words: str, ranges: str, trials: float, pruner: str, *inputs: Any) -> list[Any]:
        try:
            recipe = page.recipe(*inputs)
            source = Path(str(recipe["data"]["path"])).name.split(".")[0]
            name = page.board.free_name(f"{source}-{'compared' if kind == studies.BAKE_OFF else 'searched'}")
            if kind == studies.BAKE_OFF:
                studies.begin_bake_off(page.board, name, recipe, contenders, words)
            else:
                studies.begin_search(page.board, name, recipe, ranges, int(trials or 1), pruner)
        except (KerasFTError, OSError) as error:
            return [error_box(error), gr.skip()]
        return ["", choices(name)]

    def choices(chosen: str | None = None) -> Any:
        names = studies.names(page.board)
        if not names:
            return gr.Dropdown(choices=[("nothing yet", "")], value="")
        return gr.Dropdown(choices=names, value=chosen if chosen in names else names[0])

    def show(name: str | None, model: str | None, before: str) -> list[Any]:
        """The study's view; sends nothing when nothing has changed, so that the page stays still."""
        if name not in studies.names(page.board):
            return [gr.skip()] * (3 + len(shown))
        study_state = studies.look(page.board, name)
        html = study_html(study_state)
        if html == before:
            return [gr.skip()] * (3 + len(shown))
        models = studies.models(study_state)
        at_work = study_state.state in ("queued", "running")
        parts = gr.Dropdown(choices=models, value=model if model in models else next(iter(models), None))
        useful = (at_work, study_state.state in ("stopped", "interrupted", "failed"), not at_work, bool(models))
        return [html, parts, html, *(gr.update(visible=visible) for visible in useful)]

    def halt(name: str | None) -> str:
        try:
            return str(note_box(page.board.stop(name)) if name else error_box("Nothing is chosen."))
        except ConfigError as error:
            return str(error_box(error))

    def go_on(name: str | None) -> str:
        try:
            if not name:
                raise ConfigError("Nothing is chosen.")
            studies.go_on(page.board, name)
        except (KerasFTError, OSError) as error:
            return str(error_box(error))
        return ""

    def keep(name: str | None, part: str | None) -> list[Any]:
        try:
            if not name or not part:
                raise ConfigError("There is no model to keep yet.")
            run = studies.keep(page.board, name, part)
        except (KerasFTError, OSError) as error:
            return [error_box(error), gr.skip()]
        return [note_box(f"Kept as the run {run}: see the tabs Results, Try and Export."), page.runs_update(run)]

    fields = [contenders, words, ranges, trials, pruner]
    compare.click(lambda *given: begin(studies.BAKE_OFF, *given), [*fields, *page.recipe_inputs], [said, study])
    search.click(lambda *given: begin(studies.SEARCH, *given), [*fields, *page.recipe_inputs], [said, study])
    stop.click(halt, study, said)
    again.click(go_on, study, said)
    kept.click(keep, [study, part], [said, page.run])
    page.loaded(lambda: choices(), None, study, show_progress="hidden")
    page.opening(choices, study, study, show_progress="hidden")  # one may have been brought back
    for trigger in (page.stepping, page.opening):
        trigger(show, [study, part, seen], [view, part, seen, *shown], show_progress="hidden", trigger_mode="always_last")
    with away:
        gone = [gr.update(visible=False)] * len(shown)
        removal.question(page, remove, study, said, lambda: [choices(), _NONE, "", *gone], [study, view, seen, *shown])
    study.change(show, [study, gr.State(None), seen], [view, part, seen, *shown], show_progress="hidden")
    _, _, task, tuning, *_ = page.recipe_inputs
    for choice in (task, tuning):
        choice.change(studies.usual_ranges, [task, tuning], ranges, show_progress="hidden")
