"""Tab Results: how good the chosen run's model is."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kerasft.evaluation.report import load_reports
from kerasft_app.page import Page
from kerasft_app.reports import report_html

_NOTHING = '<div class="kft-empty big">No report yet: it is written when training ends.</div>'


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    split = gr.Radio([], label="Split", visible=False)
    report = gr.HTML(_NOTHING, elem_id="report")
    files = gr.DownloadButton("Download this report as Markdown", visible=False, size="sm", elem_id="report-download")

    seen = gr.State("")

    def show(run: str | None, wanted: str | None, before: str) -> list[Any]:
        """The report of the chosen run and split; sends nothing while it is the one already shown."""
        folder = page.board.folder(run) if run else None
        written = folder / "report.json" if folder else None
        key = f"{run} {wanted} {written.stat().st_mtime if written and written.exists() else 0}"
        if key == before:
            return [gr.skip()] * 4
        reports = load_reports(folder) if folder else {}
        if not reports or folder is None:
            return [gr.Radio(visible=False), _NOTHING, gr.DownloadButton(visible=False), key]
        chosen = wanted if wanted in reports else next(iter(reports))
        picker = gr.Radio(choices=list(reports), value=chosen, visible=len(reports) > 1)
        return [picker, report_html(reports[chosen]), gr.DownloadButton(value=str(folder / "report.md"), visible=True), key]

    for trigger in (gr.Timer(1.5).tick, page.run.change, split.input):
        trigger(show, [page.run, split, seen], [split, report, files, seen], show_progress="hidden")
