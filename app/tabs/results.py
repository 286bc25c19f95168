"""Tab Results: how good the chosen run's model is."""

from __future__ import annotations

from typing import Any

import gradio as gr
from kerasft_app.page import Page
from kerasft_app.reports import report_html

from kerasft.evaluation.report import load_reports

_NOTHING = '<div class="kft-empty big">No report yet: it is written when training ends.</div>'


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row():
        split = gr.Radio([], label="Split", visible=False, scale=3)
        files = gr.DownloadButton("Report as Markdown", visible=False, scale=1, size="sm", elem_id="report-download")
    report = gr.HTML(_NOTHING, elem_id="report")

    def show(run: str | None, wanted: str | None) -> list[Any]:
        folder = page.board.folder(run) if run else None
        reports = load_reports(folder) if folder else {}
        if not reports or folder is None:
            return [gr.Radio(visible=False), _NOTHING, gr.DownloadButton(visible=False)]
        chosen = wanted if wanted in reports else next(iter(reports))
        picker = gr.Radio(choices=list(reports), value=chosen, visible=len(reports) > 1)
        return [picker, report_html(reports[chosen]), gr.DownloadButton(value=str(folder / "report.md"), visible=True)]

    outputs = [split, report, files]
    page.run.change(show, [page.run, split], outputs, show_progress="hidden")
    page.tabs.select(show, [page.run, split], outputs, show_progress="hidden")
    split.input(show, [page.run, split], outputs, show_progress="hidden")
