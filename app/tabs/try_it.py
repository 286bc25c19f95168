"""Tab Try: one text with a bar for each label; a file of texts in bulk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ArtifactError, KerasFTError, RunError
from kerasft.runs import is_paired, read_recipe
from kerasft_app.charts import error_box
from kerasft_app.page import Page

_WAIT = '<div class="kft-status"><div class="note">The first answer takes some seconds: the model is loaded.</div></div>'


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    said = gr.HTML(elem_id="try-said")
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(min_width=300):
            text = gr.Textbox(label="Text", lines=4, elem_id="try-text", placeholder="Write or paste a text")
            pair = gr.Textbox(label="Second text", lines=4, visible=False)
            answer = gr.Button("Predict", variant="primary", elem_id="predict")
        with gr.Column(min_width=300):
            label = gr.Label(label="Answer", num_top_classes=10, elem_id="answer")
    gr.Markdown(
        "### Many at once\nA file with the column names of the training data in; the same rows with label and probabilities out."
    )
    with gr.Row(equal_height=False, elem_classes="stack"):
        bulk = gr.File(
            label="File of texts", file_types=[".csv", ".tsv", ".jsonl", ".parquet", ".gz"], height=120, elem_id="bulk-in"
        )
        with gr.Column():
            run_bulk = gr.Button("Predict the file", elem_id="bulk-predict")
            result = gr.File(label="Answers (CSV)", interactive=False, visible=False, elem_id="bulk-out")

    def folder_of(run: str | None) -> Path:
        if not run:
            raise ArtifactError("No run is chosen.", hint="Train one first (tab Train).")
        folder: Path = page.board.folder(run)
        if not (folder / "model.safetensors").exists():
            raise ArtifactError(f"The run {run!r} has no model yet.", hint="Wait until it has finished, or choose another run.")
        return folder

    def predict(run: str | None, text: str, pair: str) -> list[Any]:
        try:
            folder = folder_of(run)
            if not text.strip():
                raise ArtifactError("There is no text.", hint="Write one above.")
            answered = page.predictor.ask(folder, {"text": text, "text_pair": pair})
        except KerasFTError as error:
            return [error_box(error), None]
        if "error" in answered:
            return [error_box(answered["error"]), None]
        return ["", answered["probabilities"]]

    def predict_file(run: str | None, path: str | None) -> list[Any]:
        try:
            folder = folder_of(run)
            if not path:
                raise ArtifactError("No file is chosen.", hint="Drop one on the left.")
            out = Path(tempfile.mkdtemp(prefix="kerasft-")) / f"{Path(path).name.split('.')[0]}-answers.csv"
            command = [sys.executable, "-m", "kerasft", "predict", str(folder), "--file", path, "--out", str(out)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                told = [line for line in done.stderr.splitlines() if "Error" in line or line.startswith("  ")]
                raise RunError("The file could not be answered.", where="\n".join(told)[-1500:] or None)
        except KerasFTError as error:
            return [error_box(error), gr.File(visible=False)]
        return ["", gr.File(str(out), visible=True)]

    def suit(run: str | None) -> Any:
        return gr.Textbox(visible=bool(run) and is_paired(read_recipe(page.board.folder(run or ""))))

    for trigger in (answer.click, text.submit):
        trigger(lambda: _WAIT, None, said, show_progress="hidden").then(predict, [page.run, text, pair], [said, label])
    run_bulk.click(predict_file, [page.run, bulk], [said, result])
    page.run.change(suit, page.run, pair, show_progress="hidden")
