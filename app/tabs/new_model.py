"""A part of tab Train: a model that begins with random weights and a vocabulary of the person's own texts."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kerasft.architectures import Architecture
from kerasft.errors import ConfigError, KerasFTError
from kerasft_app.charts import error_box, good_box
from kerasft_app.children import run_command
from kerasft_app.forms import Form
from kerasft_app.page import Page


def build(page: Page) -> None:
    """Lay out the part and wire it; what was made is chosen in the dropdown of models."""
    with gr.Accordion("Begin with a new model", open=False, elem_id="new-model"):
        gr.Markdown(
            "A vocabulary is made from the chosen texts, and random weights. Pre-train it with the task *Masked language model* "
            "(BERT) or *Text generation* (GPT-2), for more epochs than others; it takes millions of words to be of use.",
            elem_classes="hint",
        )
        form = Form(Architecture)
        form.render(advanced=False)
        name = gr.Textbox(label="Name of the model", placeholder="new-model", max_lines=1, elem_id="new-model-name")
        make = gr.Button("Make the model", elem_id="new-model-make")
        said = gr.HTML(elem_id="new-model-said")

    def create(data: dict[str, Any] | None, wish: str, *values: Any) -> list[Any]:
        try:
            if data is None:
                raise ConfigError("No data are chosen.", hint="Upload texts in the tab Data.")
            options = Architecture.from_dict(form.read(values)).to_dict()
            folder = page.own_models / page.board.folder((wish or "").strip() or "new-model").name
            given = {f"--data.{key}": value for key, value in data.items() if key != "path"}
            given |= {f"--architecture.{key}": value for key, value in options.items()}
            words = [f"{key}={_word(value)}" for key, value in given.items() if value is not None]
            command = ["create-preset", "--data", str(data["path"]), *words, str(folder)]
            told = run_command(command, "The model cannot be made.")
        except (KerasFTError, OSError) as error:
            return [error_box(error), gr.skip()]
        return [good_box(told.splitlines()[0]), page.models_update(str(folder))]

    make.click(create, [page.data, name, *form.components], [said, page.model])


def _word(value: Any) -> str:
    """A value as the command line takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
