"""Tab Results: how good the chosen run's model is, and how good it is on another file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.data.readers import read_table
from kerasft.errors import ConfigError, KerasFTError
from kerasft.evaluation.report import Report, load_reports
from kerasft_app import label_needs
from kerasft_app.charts import error_box, escape, note_box
from kerasft_app.children import run_command
from kerasft_app.page import Page
from kerasft_app.plots import CURVES
from kerasft_app.reports import frequent_curves, report_html

_NOTHING = '<div class="kft-empty big">No report yet: it is written when training ends.</div>'
_NO_ROWS = (
    '<div class="kft-empty big">There is no report: the run had neither validation nor test rows. '
    "Evaluate it on another file below.</div>"
)
_SCORING = note_box("The model is loaded and the rows are answered …")


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    split = gr.Radio([], label="Split", visible=False)
    curves = gr.Dropdown(
        [], label="Labels whose curves are drawn", multiselect=True, max_choices=CURVES, visible=False, elem_id="curves"
    )
    report = gr.HTML(_NOTHING, elem_id="report")
    files = gr.DownloadButton("Download this report as Markdown", visible=False, size="sm", elem_id="report-download")
    with gr.Accordion("Evaluate on another file", open=False, elem_id="other"):
        gr.Markdown("A file with the column names of the training data, labels among them.", elem_classes="hint")
        with gr.Row(equal_height=False, elem_classes="stack"):
            other = gr.File(label="Labelled file", height=120, elem_id="other-in")
            with gr.Column(min_width=260):
                by = gr.Dropdown(
                    [],
                    label="Group by (optional)",
                    allow_custom_value=True,
                    info="Each value of this column, such as a language, also gets figures of its own.",
                    elem_id="other-by",
                )
                score = gr.Button("Evaluate the file", elem_id="other-evaluate")
        other_report = gr.HTML(elem_id="other-report")

    label_needs.build(page)
    seen = gr.State("")
    # What a person chose is kept apart from the two widgets: a tick that carries a widget's value while another run's
    # choices arrive would be refused by Gradio, in a red box.
    asked = {widget: gr.State(None) for widget in (split, curves)}

    def show(run: str | None, wanted: str | None, drawn: list[str] | None, before: str) -> list[Any]:
        """The report of the chosen run and split; sends nothing while it is the one already shown."""
        try:
            folder = page.board.folder(run) if run else None
        except ConfigError:
            folder = None
        written = folder / "report.json" if folder else None
        key = f"{run} {wanted} {drawn} {written.stat().st_mtime if written and written.exists() else 0}"
        if key == before:
            return [gr.skip()] * 5
        reports = load_reports(folder) if folder else {}
        if not reports or folder is None:
            absent = _NO_ROWS if written and written.exists() else _NOTHING
            return [gr.Radio(visible=False), gr.Dropdown(visible=False), absent, gr.DownloadButton(visible=False), key]
        chosen = wanted if wanted in reports else next(iter(reports))
        found = reports[chosen]
        named = [label for label in drawn or () if label in found.curves] or frequent_curves(found)
        return [
            gr.Radio(choices=list(reports), value=chosen, visible=len(reports) > 1),
            gr.Dropdown(choices=list(found.curves), value=named, visible=len(found.curves) > 1),
            report_html(found, _task(run), named),
            gr.DownloadButton(value=str(folder / "report.md"), visible=True),
            key,
        ]

    def _task(run: str | None) -> str:
        facts = page.facts(run)
        return facts.task if facts else ""

    def columns(path: str | None) -> Any:
        """The columns of the file, to group by."""
        try:
            return gr.Dropdown(choices=read_table(path).names if path else [])
        except KerasFTError:
            return gr.Dropdown(choices=[])  # what is wrong with it is told when it is evaluated

    def evaluate(run: str | None, path: str | None, column: str | None) -> str:
        try:
            folder = page.model_folder(run)
            if not path:
                raise ConfigError("No file is chosen.", hint="Drop one on the left.")
            group = ["--by", column.strip()] if column and column.strip() else []
            printed = run_command(["evaluate", str(folder), path, *group, "--json"], f"{Path(path).name} could not be evaluated.")
            found = Report.from_dict(json.loads(printed[printed.index("{") :]))
        except KerasFTError as error:
            return str(error_box(error))
        # Named, since another run may have been chosen meanwhile.
        return f'<p class="hint">Run {escape(str(run))} on {escape(Path(path).name)}</p>{report_html(found, _task(run))}'

    shown = [split, curves, report, files, seen]
    for widget, state in asked.items():
        widget.input(lambda chosen: chosen, widget, state, show_progress="hidden")
    for trigger in (page.changing, page.run.change, *(state.change for state in asked.values())):
        trigger(show, [page.run, *asked.values(), seen], shown, show_progress="hidden", trigger_mode="always_last")
    page.opening(show, [page.run, *asked.values(), gr.State("")], shown, show_progress="hidden")
    other.change(columns, other, by, show_progress="hidden")
    score.click(lambda: _SCORING, None, other_report, show_progress="hidden").then(
        evaluate, [page.run, other, by], other_report, show_progress="hidden"
    )
    page.run.change(lambda: "", None, other_report, show_progress="hidden")
