"""Tab Export: a SavedModel with strings in and answers out, proven equal, as a zip with the commands that serve it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import gradio as gr

from kerasft.errors import ArtifactError, KerasFTError, RunError
from kerasft.runs import is_paired, read_recipe
from kerasft_app.charts import error_box, escape
from kerasft_app.page import Page


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    gr.Markdown(
        "A SavedModel for TensorFlow Serving: text in, label names and probabilities out, the tokenizer inside. It is "
        "answered in a fresh process on the validation rows and compared before it is offered."
    )
    start = gr.Button("Export", variant="primary", elem_id="export")
    said = gr.HTML(elem_id="export-said")
    download = gr.File(label="Download", interactive=False, visible=False, elem_id="export-file")
    commands = gr.Code(language="shell", label="Serve it", visible=False, interactive=False, elem_id="export-commands")

    def export(run: str | None) -> list[Any]:
        try:
            if not run:
                raise ArtifactError("No run is chosen.", hint="Train one first (tab Train).")
            folder = page.board.folder(run)
            if not (folder / "model.safetensors").exists():
                raise ArtifactError(f"The run {run!r} has no model yet.", hint="Wait until it has finished.")
            command = [sys.executable, "-m", "kerasft", "export", str(folder), "--overwrite", "--zip"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                told = [line for line in done.stderr.splitlines() if "Error" in line or "NOT" in line or line.startswith("  ")]
                raise RunError("The export failed.", where="\n".join(told)[-1500:] or None)
        except KerasFTError as error:
            return [error_box(error), gr.File(visible=False), gr.Code(visible=False)]
        archive = max((folder / "serving").glob("*.zip"), key=lambda path: path.stat().st_mtime)
        proof = next(
            (line for line in done.stdout.splitlines() if line.startswith("Replayed")), "Not replayed: the rows are gone."
        )
        shown = f'<div class="kft-status"><div class="good">{escape(proof)}</div></div>'
        return [shown, gr.File(str(archive), visible=True), gr.Code(commands_for(run), visible=True)]

    def commands_for(run: str) -> str:
        return serving_commands(run, is_paired(read_recipe(page.board.folder(run))))

    start.click(export, page.run, [said, download, commands])


def serving_commands(run: str, paired: bool) -> str:
    """Shell lines that unpack, serve and ask an exported model."""
    row = {"text": "some text", "text_pair": "another"} if paired else {"text": "some text"}
    request = json.dumps({"instances": [row]})
    name = run.lower().replace(".", "-")
    return "\n".join(
        [
            f"unzip {run}-serving-1.zip -d {name}",
            f'docker run --rm -p 8501:8501 -v "$PWD/{name}:/models/{name}" -e MODEL_NAME={name} tensorflow/serving',
            f"curl -s localhost:8501/v1/models/{name}:predict -d '{request}'",
        ]
    )
