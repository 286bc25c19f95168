"""The question behind a button that takes a run or a study away; what is removed is moved aside, never deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft_app.charts import error_box, good_box, note_box
from kerasft_app.page import Page


def question(page: Page, remove: Any, chosen: Any, said: Any, renewed: Callable[[], list[Any]], outputs: list[Any]) -> None:
    """Lay out the question, hidden until the button is pressed, and wire it.

    Args:
        page: The page.
        remove: The button. With its `elem_id` and `-yes` the button of the answer is found.
        chosen: Component that holds the name.
        said: Component for what has happened.
        renewed: The values of `outputs` when the folder is gone.
        outputs: What shows the folders.
    """
    with gr.Column(visible=False) as asking:
        asked = gr.HTML()
        with gr.Row():
            yes = gr.Button("Remove it", variant="stop", size="sm", elem_id=f"{remove.elem_id}-yes")
            no = gr.Button("Cancel", size="sm")
    meant = gr.State("")  # another one may be chosen while the question stands

    def ask(name: str | None) -> list[Any]:
        if not name:
            return [gr.Column(visible=False), "", "", error_box(ConfigError("Nothing is chosen.", hint="Choose one above."))]
        return [gr.Column(visible=True), note_box(f"Remove {name}, with its model? It is moved aside, not deleted."), name, ""]

    def go(name: str) -> list[Any]:
        try:
            target = page.board.remove(name)
        except KerasFTError as error:
            return [gr.Column(visible=False), error_box(error), *(gr.skip() for _ in outputs)]
        told = f"Moved to {target}. To have it back, move the folder back; to have its room, delete it there."
        return [gr.Column(visible=False), good_box(told), *renewed()]

    remove.click(ask, chosen, [asking, asked, meant, said])
    yes.click(go, meant, [asking, said, *outputs])
    no.click(lambda: gr.Column(visible=False), None, asking, show_progress="hidden")
