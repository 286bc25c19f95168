"""Tab Runs: every run with its state; title, notes and tags; resume one that was stopped; remove one, or bring it back."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft.run_about import About, read_about, tags_of, write_about
from kerasft_app import removal
from kerasft_app.charts import error_box, good_box
from kerasft_app.page import Page
from kerasft_app.run_table import ORDERS, table_html
from kerasft_app.tabs import take_over


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    said = gr.HTML(elem_id="runs-said")
    with gr.Row(equal_height=True, elem_classes="stack"):
        words = gr.Textbox(label="Filter", placeholder="Words in the name, state, model, data, tags or notes", max_lines=1,
                           scale=3, min_width=220, elem_id="runs-filter")  # fmt: skip
        order = gr.Dropdown(list(ORDERS), value="Newest first", label="Sort by", min_width=160, elem_id="runs-order")

    def show(words: str = "", order: str = "Newest first", run: str | None = None) -> str:
        return str(table_html(page.board.runs(), words or "", order, str(page.board.root), chosen=run or ""))

    shown_by = [words, order, page.run]
    table = gr.HTML(show, elem_id="runs-table")
    with gr.Row():
        resume = gr.Button("Resume the chosen run", size="sm", elem_id="resume")
        remove = gr.Button("Remove the chosen run", size="sm", elem_id="remove")
    away = gr.Column()
    with gr.Accordion("Title, notes and tags of the chosen run", open=False, elem_id="about"):
        title = gr.Textbox(label="Title", max_lines=1, elem_id="about-title",
                           info="What the run is called on screen. Its folder keeps its name.")  # fmt: skip
        tags = gr.Textbox(label="Tags", max_lines=1, placeholder="baseline, for the report", elem_id="about-tags",
                          info="Words between commas; the filter above finds them.")  # fmt: skip
        notes = gr.Textbox(label="Notes", lines=4, elem_id="about-notes")
        save = gr.Button("Save", elem_id="about-save")
        saved = gr.HTML(elem_id="about-said")

    def renew(words: str, order: str, before: str | None, run: str | None = None) -> list[Any]:
        return [show(words, order, run or before), page.runs_update(run)]

    with away:
        removed = removal.question(page, remove, page.run, said, renew, [table, page.run], shown_by)
    removal.removed_section(page, said, removed, renew, [table, page.run], shown_by)
    take_over.build(page, said, table, show, shown_by)

    def again(run: str | None, *chosen: Any) -> list[Any]:
        try:
            if not run:
                raise ConfigError("No run is chosen.", hint="Choose one at the top of the page.")
            page.board.enqueue_resume(run)
        except (KerasFTError, OSError) as error:
            return [error_box(error), show(*chosen), gr.skip()]
        return ["", show(*chosen), page.runs_update(run)]

    def about(run: str | None) -> list[str]:
        try:
            known = read_about(page.board.folder(run)) if run else About()
        except ConfigError:
            known = About()
        return [known.title, ", ".join(known.tags), known.notes]

    def keep(run: str | None, title: str, tags: str, notes: str, *chosen: Any) -> list[Any]:
        try:
            if not run or not (folder := page.board.folder(run)).is_dir():
                raise ConfigError("No run is chosen.", hint="Choose one at the top of the page.")
            write_about(folder, About(title, notes, tags_of(tags)))
        except (KerasFTError, OSError) as error:
            return [error_box(error), gr.skip(), gr.skip()]
        return [good_box(f"Saved with the run {run}."), show(*chosen), page.runs_update(run)]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    renewing = [words.change, order.change, page.run.change, page.loaded, page.opening, page.changing]
    gr.on(renewing, show, shown_by, table, trigger_mode="always_last", **quiet)
    page.run.change(about, page.run, [title, tags, notes], **quiet)
    save.click(keep, [page.run, title, tags, notes, *shown_by], [saved, table, page.run])
    resume.click(again, [page.run, *shown_by], [said, table, page.run])
