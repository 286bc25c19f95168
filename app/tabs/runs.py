"""Tab Runs: every run with its state; resume one that was stopped; remove one; take over a model from elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ConfigError, KerasFTError
from kerasft_app import removal
from kerasft_app.charts import error_box, escape, good_box
from kerasft_app.children import run_command
from kerasft_app.figures import spoken_score
from kerasft_app.page import Page


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    said = gr.HTML()
    with gr.Row():
        refresh = gr.Button("Refresh", size="sm")
        resume = gr.Button("Resume the chosen run", size="sm", elem_id="resume")
        remove = gr.Button("Remove the chosen run", size="sm", elem_id="remove")
    away = gr.Column()

    def show() -> str:
        rows = "".join(
            f'<tr><td>{escape(run.name)}</td><td><span class="pill s-{escape(run.state)}">{escape(run.state)}</span></td>'
            f'<td class="num">{escape(spoken_score(run.score))}</td><td>{escape(run.preset)}</td><td>{escape(run.data)}</td>'
            f"<td>{time.strftime('%Y-%m-%d %H:%M', time.localtime(run.changed))}</td></tr>"
            for run in page.board.runs()
        )
        if not rows:
            return '<div class="kft-empty big">No runs yet.</div>'
        head = "<th>run</th><th>state</th><th class='num'>score</th><th>model</th><th>data</th><th>changed</th>"
        return (
            f'<div class="kft-report"><div class="scroll"><table class="kft-table"><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div><p>All in {escape(page.board.root)}</p></div>"
        )

    table = gr.HTML(show, elem_id="runs-table")
    with away:
        removal.question(page, remove, page.run, said, lambda: renew(None), [table, page.run])

    with gr.Accordion("Take over a model fine-tuned with transformers", open=False, elem_id="import"):
        source = gr.Textbox(label="Folder, or hf://owner/name", max_lines=1, elem_id="import-source",
                            info="Head and labels come with it; it is tried, explained and exported like a run.")  # fmt: skip
        base = gr.Textbox(label="Base, for an adapter of PEFT alone", max_lines=1, elem_id="import-base",
                          info="Folder, preset or hf://owner/name; empty for the one that the adapter names.")  # fmt: skip
        take = gr.Button("Take it over", elem_id="import-take")

    def take_over(source: str, base: str) -> list[Any]:
        try:
            if not source.strip():
                raise ConfigError("No model is named.", hint="Give a folder that holds config.json, or hf://owner/name.")
            name = page.board.free_name(Path(source.strip().rstrip("/")).name)
            chosen = ["--base", base.strip()] if base.strip() else []
            command = ["import-huggingface", source.strip(), str(page.board.folder(name)), *chosen]
            run_command(command, "The model cannot be taken over.")
        except KerasFTError as error:
            return [error_box(error), show(), gr.skip()]
        return [good_box(f"Taken over as {name}."), show(), page.runs_update(name)]

    def again(run: str | None) -> list[Any]:
        try:
            if not run:
                raise ConfigError("No run is chosen.", hint="Choose one above.")
            page.board.enqueue_resume(run)
        except KerasFTError as error:
            return [error_box(error), show(), gr.skip()]
        return ["", show(), page.runs_update(run)]

    def renew(run: str | None) -> list[Any]:
        return [show(), page.runs_update(run)]

    refresh.click(renew, page.run, [table, page.run], show_progress="hidden")
    page.ticking.tick(show, None, table, show_progress="hidden")
    page.loaded(show, None, table, show_progress="hidden")
    take.click(take_over, [source, base], [said, table, page.run])
    resume.click(again, page.run, [said, table, page.run])
