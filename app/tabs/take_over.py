"""A part of tab Runs: a model that was fine-tuned with transformers becomes a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft_app.charts import error_box, good_box
from kerasft_app.children import run_command
from kerasft_app.page import Page


def build(page: Page, said: Any, table: Any, shown: Callable[..., str], shown_by: list[Any]) -> None:
    """Lay out the part and wire it.

    Args:
        page: The page.
        said: Component for what has happened.
        table: Component of the table of runs.
        shown: Its value, from the values of `shown_by`.
        shown_by: What the person has chosen of it.
    """
    with gr.Accordion("Take over a model fine-tuned with transformers", open=False, elem_id="import"):
        source = gr.Textbox(label="Folder, or hf://owner/name", max_lines=1, elem_id="import-source",
                            info="Head and labels come with it; it is tried, explained and exported like a run.")  # fmt: skip
        base = gr.Textbox(label="Base model, for a PEFT adapter without one", max_lines=1, elem_id="import-base",
                          info="Folder, preset or hf://owner/name; empty for the one that the adapter names.")  # fmt: skip
        take = gr.Button("Take it over", elem_id="import-take")

    def take_over(source: str, base: str, *chosen: Any) -> list[Any]:
        try:
            source, base = (source or "").strip(), (base or "").strip()
            if not source:
                raise ConfigError("No model is named.", hint="Give a folder that holds config.json, or hf://owner/name.")
            name = page.board.free_name(Path(source.rstrip("/")).name)
            base_option = ["--base", base] if base else []
            command = ["import-huggingface", source, str(page.board.folder(name)), *base_option]
            run_command(command, "The model cannot be taken over.")
        except (KerasFTError, OSError) as error:
            return [error_box(error), shown(*chosen), gr.skip()]
        return [good_box(f"Taken over as {name}."), shown(*chosen), page.runs_update(name)]

    take.click(take_over, [source, base, *shown_by], [said, table, page.run])
