"""Removing a run or a study: the question before it, and the list of what was removed, to bring back or to delete for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft_app.charts import error_box, escape, good_box, note_box
from kerasft_app.page import Page


def question(
    page: Page,
    remove: Any,
    chosen: Any,
    said: Any,
    renewed: Callable[..., list[Any]],
    outputs: list[Any],
    renewed_by: Sequence[Any] = (),
) -> Any:
    """Lay out the question, hidden until the button is pressed, and wire it.

    Args:
        page: The page.
        remove: The button. With its `elem_id` and `-yes` the button of the answer is found.
        chosen: Component that holds the name.
        said: Component for what has happened.
        renewed: From the values of `renewed_by` to those of `outputs` when the folder is gone.
        outputs: What shows the folders.
        renewed_by: Components.

    Returns:
        The event after the removal.
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
        title = page.board.title(name)
        return [gr.Column(visible=True), note_box(f"Remove {title}, with its model? It is moved aside, not deleted."), name, ""]

    def go(name: str, *values: Any) -> list[Any]:
        try:
            target = page.board.remove(name)
        except (KerasFTError, OSError) as error:
            return [gr.Column(visible=False), error_box(error), *(gr.skip() for _ in outputs)]
        moved = f"Moved to {target}. To restore or delete it, open Removed in the tab Runs."
        return [gr.Column(visible=False), good_box(moved), *renewed(*values)]

    remove.click(ask, chosen, [asking, asked, meant, said])
    no.click(lambda: gr.Column(visible=False), None, asking, show_progress="hidden")
    return yes.click(go, [meant, *renewed_by], [asking, said, *outputs])


def removed_section(
    page: Page, said: Any, removed: Any, renewed: Callable[..., list[Any]], outputs: list[Any], renewed_by: Sequence[Any]
) -> None:
    """Lay out the list of what was removed, and wire it.

    Args:
        page: The page.
        said: Component for what has happened.
        removed: The event after a removal.
        renewed: From the values of `renewed_by` and a run's name to those of `outputs`.
        outputs: What shows the runs.
        renewed_by: Components.
    """
    with gr.Accordion("Removed", open=False, elem_id="removed"):
        where = gr.HTML(elem_id="removed-said")
        listed = gr.Dropdown([], label="Removed runs and studies", elem_id="removed-list")
        with gr.Row():
            back = gr.Button("Bring it back", size="sm", elem_id="bring-back")
            delete = gr.Button("Delete it for good", size="sm", variant="stop", elem_id="delete")
        with gr.Row(visible=False) as asking:
            asked = gr.HTML()
            yes = gr.Button("Delete", variant="stop", size="sm", elem_id="delete-yes")
            no = gr.Button("Cancel", size="sm")
    meant = gr.State("")

    def look() -> list[Any]:
        names = page.board.removed_names()
        here = f"What was removed is in {page.board.removed}." if names else "Nothing was removed."
        return [f'<p class="hint">{escape(here)}</p>', gr.Dropdown(choices=names, value=names[0] if names else None)]

    def restore(name: str | None, *values: Any) -> list[Any]:
        try:
            name = page.board.bring_back(name or "")
        except (KerasFTError, OSError) as error:
            return [error_box(error), *(gr.skip() for _ in outputs)]
        return [good_box(f"{page.board.title(name)} is back."), *renewed(*values, name)]

    def ask(name: str | None) -> list[Any]:
        if not name:
            return [gr.Row(visible=False), "", ""]
        return [gr.Row(visible=True), note_box(f"Delete {name} and its model? This cannot be undone."), name]

    def go(name: str) -> list[Any]:
        try:
            page.board.delete(name)
        except (KerasFTError, OSError) as error:
            return [gr.Row(visible=False), error_box(error)]
        return [gr.Row(visible=False), good_box(f"{name} is deleted.")]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    page.loaded(look, None, [where, listed], **quiet)
    page.opening(look, None, [where, listed], **quiet)  # something may have been removed elsewhere
    removed.then(look, None, [where, listed], **quiet)
    back.click(restore, [listed, *renewed_by], [said, *outputs]).then(look, None, [where, listed], **quiet)
    delete.click(ask, listed, [asking, asked, meant])
    no.click(lambda: gr.Row(visible=False), None, asking, **quiet)
    yes.click(go, meant, [asking, said]).then(look, None, [where, listed], **quiet)
