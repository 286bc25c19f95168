"""Tab Export: what a model is wanted for, from TensorFlow Serving to the next run; written, compared, packed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ArtifactError, KerasFTError
from kerasft.runs import free_path
from kerasft_app.charts import bar, error_box, good_box, note_box
from kerasft_app.children import Child, run_command
from kerasft_app.page import Page
from kerasft_app.recipes import loading_lines, served, serving_commands

_SERVING, _PRESET = "savedmodel", "preset"
_WEIGHTS = [("32 bits, as trained", "float32"), ("16 bits, half the size", "float16"), ("8 bits, about a quarter", "int8")]
_FORMS = {
    _SERVING: (
        "TensorFlow Serving",
        "A SavedModel that takes text, with the tokenizer inside. Before you can download it, a fresh process loads it, answers "
        "the validation rows, and its answers are compared with those of the model here.",
    ),
    "huggingface": (
        "Hugging Face",
        "A folder that `transformers` loads with equal logits; low-rank updates are merged into it. A classifier that reads the "
        "mean of all tokens (pooling) has no counterpart there: it becomes a folder of `sentence-transformers`, whose `encode` "
        "gives the logits.",
    ),
    "peft": (
        "PEFT",
        "A LoRA of a BERT, with its head, in the layout of Hugging Face's PEFT. Only for runs tuned with LoRA; a classifier's "
        "**pooling** must be `pooled` (Advanced, in the tab Train).",
    ),
    _PRESET: (
        "The next run",
        "The tuned backbone as a model to begin another run with: after pre-training, the task. It is chosen in the tab Train.",
    ),
}
_STAGES = ("Loading", "Writing", "Answering", "Measuring", "Packing")  # what the command says, in order


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    form = gr.Radio([(title, name) for name, (title, _) in _FORMS.items()], value=_SERVING, label="For", elem_id="export-form")
    means = gr.Markdown(_FORMS[_SERVING][1])
    smaller = "16 or 8 bits make a smaller file, which a server unpacks once. The export reports how the answers change."
    weights = gr.Radio(_WEIGHTS, value="float32", label="Weights", info=smaller, elem_id="export-weights")
    about = gr.Markdown(elem_id="export-about")
    start = gr.Button("Export", variant="primary", elem_id="export")
    stop = gr.Button("Stop", variant="stop", size="sm", visible=False, elem_id="export-stop")
    said = gr.HTML(elem_id="export-said")
    download = gr.File(label="Download", interactive=False, visible=False, elem_id="export-file")
    python = gr.Code(language="python", label="In Python", visible=False, interactive=False, elem_id="export-python")
    commands = gr.Code(language="shell", label="In Docker, asked with curl", visible=False, interactive=False,
                       elem_id="export-commands")  # fmt: skip
    idle, busy = gr.update(visible=False), gr.update(visible=True)
    nothing = [idle] * 3
    at_work: dict[str, tuple[Path, Child]] = {}  # the run's folder and the process, by browser session

    def export(run: str | None, form: str, weights: str, request: gr.Request) -> Iterator[list[Any]]:
        session, child = str(request.session_hash), None
        try:
            folder = page.model_folder(run)
            if any(other == folder for other, _ in at_work.values()):  # two would write into one folder
                raise ArtifactError("This run is being exported already.", hint="Wait for it, or stop it.")
            if form == _PRESET:
                yield [bar(0.3, "Writing ..."), *nothing, gr.skip(), idle]
                yield [*keep(folder), idle]
                return
            command = ["export", str(folder), "--format", form, "--overwrite", "--zip"]
            command += ["--weights", weights] if form == _SERVING else []
            child = Child(command)
            at_work[session] = (folder, child)
            for line in child.lines():
                if line.startswith(_STAGES):
                    done = next(i for i, stage in enumerate(_STAGES) if line.startswith(stage))
                    yield [bar((done + 0.5) / len(_STAGES), line.strip()), *nothing, gr.skip(), busy]
            printed = child.ended("The export failed.")
        except (KerasFTError, OSError) as error:
            stopped = child is not None and child.stopped
            yield [note_box("Stopped; nothing was exported.") if stopped else error_box(error), *nothing, gr.skip(), idle]
            return
        finally:
            if child is not None:
                at_work.pop(session, None)
                child.close()
        yield [*written(str(run), folder, form, printed), gr.skip(), idle]

    def written(run: str, folder: Path, form: str, printed: str) -> list[Any]:
        """What was written and compared, the archive, and the lines that use it."""
        archive, facts = Path(printed.rpartition("Packed as ")[2].strip().removesuffix(".")), page.facts(run)
        target = folder / "serving" / "1" if form == _SERVING else folder / form
        lines = loading_lines(form, target, facts) if facts and form != "peft" else ""
        code = gr.Code(lines, visible=bool(lines))
        if form != _SERVING:
            return [good_box(f"Written to {target}."), gr.File(str(archive), visible=True), code, nothing[2]]
        proof = [line.strip() for line in printed.splitlines() if line.startswith(("Replayed", "Written", "  "))]
        if len(proof) < 2:
            proof.append("Not compared: the rows that the run was trained on are not there any more.")
        serving = gr.Code(serving_commands(run, facts) if facts else "", visible=bool(facts))
        return [good_box(*proof), gr.File(str(archive), visible=True), code, serving]

    def keep(folder: Path) -> list[Any]:
        target = free_path(page.own_models, folder.name)
        run_command(["save-backbone", str(folder), str(target)], "The model cannot be kept.")
        said = good_box(f"Written to {target}, and chosen as the model in the tab Train.")
        return [said, *nothing, page.models_update(str(target))]

    def on_stop(request: gr.Request) -> None:
        if mine := at_work.get(str(request.session_hash)):
            mine[1].stop()

    def suit(run: str | None, form: str) -> list[Any]:
        """Another run or another form: what it answers, and nothing of the one before."""
        facts = page.facts(run)
        answers = served(facts) if facts and form == _SERVING else ""
        return [_FORMS[form][1], gr.Radio(visible=form == _SERVING), answers, "", *nothing]

    shown = [said, download, python, commands]
    start.click(export, [page.run, form, weights], [*shown, page.model, stop], show_progress="hidden", concurrency_limit=4)
    stop.click(on_stop, None, None, show_progress="hidden")
    for choice in (page.run, form):
        choice.change(suit, [page.run, form], [means, weights, about, *shown], show_progress="hidden")
