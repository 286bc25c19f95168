"""Would more labels help? The learning curve of the chosen run's rows, in the tab Results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import KerasFTError
from kerasft.files import write_text
from kerasft.label_curve import LearningCurve
from kerasft.runs import LEARNING_CURVE
from kerasft_app.charts import error_box, escape, line_chart, note_box
from kerasft_app.children import run_command
from kerasft_app.figures import spoken
from kerasft_app.page import Page
from kerasft_app.runs import RunBoard

_AHEAD = (1.0, 1.5, 2.0, 3.0, 4.0)  # times the labelled rows there are
_MEASURING = note_box(
    "The training rows are learned from in parts, in several draws, on features of the model as it was before training: about a "
    "minute for a thousand rows …"
)


def build(page: Page) -> None:
    """Lay out the section and wire it."""
    with gr.Accordion("Would more labels help?", open=False, elem_id="label-needs"):
        gr.Markdown(
            "How the main figure grows with the number of labelled rows, and what to expect of more. Test rows are not touched.",
            elem_classes="hint",
        )
        measure = gr.Button("Measure the learning curve", elem_id="measure-curve")
        curve = gr.HTML(elem_id="learning-curve")

    def find(run: str | None) -> str:
        try:
            folder = page.model_folder(run)
            recipe = str(folder / "run.json")
            printed = run_command(["learning-curve", recipe, "--json"], "The learning curve could not be measured.")
            measured = LearningCurve.from_dict(json.loads(printed[printed.index("{") :]))
            write_text(Path(folder) / LEARNING_CURVE, json.dumps(measured.to_dict()))
        except KerasFTError as error:
            return str(error_box(error))
        # Named, since another run may have been chosen meanwhile.
        return f'<p class="hint">Run {escape(str(run))}</p>{curve_html(measured)}'

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    measure.click(lambda: _MEASURING, None, curve, **quiet).then(find, page.run, curve, **quiet)
    for trigger in (page.run.change, page.opening):
        trigger(lambda run: measured_before(page.board, run), page.run, curve, **quiet)


def measured_before(board: RunBoard, run: str | None) -> str:
    """The curve that a run has already, or nothing."""
    try:
        path = board.folder(run) / LEARNING_CURVE if run else None
        values = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else None
        return curve_html(LearningCurve.from_dict(values)) if values else ""
    except (KerasFTError, OSError, ValueError, KeyError, TypeError):
        return ""  # of an edited file: it is measured anew


def curve_html(curve: LearningCurve) -> str:
    """The curve as a picture, with what it says."""
    name = spoken(curve.metric)
    series = {
        "mean of the draws": [(float(point.rows), point.mean) for point in curve.points],
        "middle 80 % from": [(float(point.rows), point.band[0]) for point in curve.points],
        "to": [(float(point.rows), point.band[1]) for point in curve.points],
        "expected of more (power law)": [(times * curve.rows, curve.expected(times * curve.rows)) for times in _AHEAD],
    }
    chart = line_chart(f"{name} on rows that were held out", series, x_label="rows")
    return f'<div class="kft-charts stacked">{chart}</div>{note_box(*curve.sentences())}'
