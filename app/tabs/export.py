"""Tab Export: what a model is wanted for, from TensorFlow Serving to the next run; written, proven, packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import KerasFTError
from kerasft.runs import free_path
from kerasft_app.charts import error_box, good_box
from kerasft_app.children import run_command
from kerasft_app.page import Page
from kerasft_app.recipes import served, serving_commands

_SERVING, _PRESET = "savedmodel", "preset"
_WEIGHTS = [("32 bits, as trained", "float32"), ("16 bits, half the size", "float16"), ("8 bits, about a quarter", "int8")]
_FORMS = {
    _SERVING: (
        "TensorFlow Serving",
        "A SavedModel, the tokenizer inside. It is answered in a fresh process on the validation rows and compared before it is "
        "offered.",
    ),
    "huggingface": (
        "Hugging Face",
        "A folder that `transformers` loads with equal logits; low-rank updates are merged into it. Its BERTs classify by "
        "the pooler: train with **pooling** `pooled` (Advanced, in the tab Train) for it.",
    ),
    "peft": (
        "PEFT",
        "A LoRA of a BERT, with its head, in the layout of Hugging Face's PEFT. Only for runs tuned with LoRA; a classifier's "
        "**pooling** must be `pooled`.",
    ),
    _PRESET: (
        "The next run",
        "The tuned backbone as a model to begin another run with: after pre-training, the task. It is chosen in the tab Train.",
    ),
}


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    form = gr.Radio([(title, name) for name, (title, _) in _FORMS.items()], value=_SERVING, label="For", elem_id="export-form")
    means = gr.Markdown(_FORMS[_SERVING][1])
    smaller = "16 or 8 bits make a smaller file, which a server unpacks once. The export reports how the answers change."
    weights = gr.Radio(_WEIGHTS, value="float32", label="Weights", info=smaller, elem_id="export-weights")
    about = gr.Markdown(elem_id="export-about")
    start = gr.Button("Export", variant="primary", elem_id="export")
    said = gr.HTML(elem_id="export-said")
    download = gr.File(label="Download", interactive=False, visible=False, elem_id="export-file")
    commands = gr.Code(language="shell", label="Serve it", visible=False, interactive=False, elem_id="export-commands")
    nothing = [gr.File(visible=False), gr.Code(visible=False)]

    def export(run: str | None, form: str, weights: str) -> list[Any]:
        try:
            folder = page.model_folder(run)
            if form == _PRESET:
                return keep(folder)
            command = ["export", str(folder), "--format", form, "--overwrite", "--zip"]
            command += ["--weights", weights] if form == _SERVING else []
            printed = run_command(command, "The export failed.")
        except KerasFTError as error:
            return [error_box(error), *nothing, gr.skip()]
        archive = Path(printed.rpartition("Packed as ")[2].strip().removesuffix("."))
        if form != _SERVING:
            return [good_box(f"Written to {folder / form}."), gr.File(str(archive), visible=True), nothing[1], gr.skip()]
        told = [line.strip() for line in printed.splitlines() if line.startswith(("Replayed", "Written", "  "))]
        proof = told if len(told) > 1 else [*told, "Not replayed: the rows are gone."]
        facts = page.facts(run)
        lines = serving_commands(str(run), facts) if facts else ""
        return [good_box(*proof), gr.File(str(archive), visible=True), gr.Code(lines, visible=True), gr.skip()]

    def keep(folder: Path) -> list[Any]:
        target = free_path(page.own_models, folder.name)
        run_command(["save-backbone", str(folder), str(target)], "The model cannot be kept.")
        return [
            good_box(f"Written to {target}, and chosen as the model in the tab Train."),
            *nothing,
            page.models_update(str(target)),
        ]

    def suit(run: str | None, form: str) -> list[Any]:
        """Another run or another form: what it answers, and nothing of the one before."""
        facts = page.facts(run)
        answers = served(facts) if facts and form == _SERVING else ""
        return [_FORMS[form][1], gr.Radio(visible=form == _SERVING), answers, "", *nothing]

    start.click(export, [page.run, form, weights], [said, download, commands, page.model])
    for choice in (page.run, form):
        choice.change(suit, [page.run, form], [means, weights, about, said, download, commands], show_progress="hidden")
