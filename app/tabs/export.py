"""Tab Export: a SavedModel with strings in and answers out, proven equal, as a zip with the commands that serve it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kerasft.errors import KerasFTError
from kerasft_app.charts import error_box, escape
from kerasft_app.children import run_command
from kerasft_app.page import Page
from kerasft_app.recipes import served, serving_commands


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    gr.Markdown(
        "A SavedModel for TensorFlow Serving, the tokenizer inside. It is answered in a fresh process on the validation "
        "rows and compared before it is offered."
    )
    about = gr.Markdown(elem_id="export-about")
    start = gr.Button("Export", variant="primary", elem_id="export")
    said = gr.HTML(elem_id="export-said")
    download = gr.File(label="Download", interactive=False, visible=False, elem_id="export-file")
    commands = gr.Code(language="shell", label="Serve it", visible=False, interactive=False, elem_id="export-commands")

    def export(run: str | None) -> list[Any]:
        try:
            folder = page.model_folder(run)
            printed = run_command(["export", str(folder), "--overwrite", "--zip"], "The export failed.")
        except KerasFTError as error:
            return [error_box(error), gr.File(visible=False), gr.Code(visible=False)]
        archive = max((folder / "serving").glob("*.zip"), key=lambda path: path.stat().st_mtime)
        proof = next((line for line in printed.splitlines() if line.startswith("Replayed")), "Not replayed: the rows are gone.")
        shown = f'<div class="kft-status"><div class="good">{escape(proof)}</div></div>'
        facts = page.facts(run)
        lines = serving_commands(str(run), facts) if facts else ""
        return [shown, gr.File(str(archive), visible=True), gr.Code(lines, visible=True)]

    def suit(run: str | None) -> list[Any]:
        """Another run: what its graph answers, and nothing of the run before."""
        facts = page.facts(run)
        return [served(facts) if facts else "", "", gr.File(visible=False), gr.Code(visible=False)]

    start.click(export, page.run, [said, download, commands])
    page.run.change(suit, page.run, [about, said, download, commands], show_progress="hidden")
