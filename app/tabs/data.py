"""Tab Data: upload or take the example, see rows, columns and the data report. A new page begins with the example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.data.dataset import DataConfig, load_data
from kerasft.data.quality import check_data
from kerasft.data.readers import read_table
from kerasft.errors import KerasFTError
from kerasft.presets import DEFAULT_PRESET, fetch, find_preset, token_counter
from kerasft.tasks.classification import TextClassification
from kerasft_app.charts import error_box
from kerasft_app.forms import Form
from kerasft_app.page import EXAMPLE, Page
from kerasft_app.reports import quality_html

_PREVIEW = 50
_TYPES = [".csv", ".tsv", ".txt", ".psv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz"]
_NONE = "(none)"


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):
            upload = gr.File(label="Labelled texts: CSV, TSV, JSONL or Parquet, also .gz", file_types=_TYPES, height=150)
            example = gr.Button("Use the example: support tickets", elem_id="use-example")
            gr.Markdown("Which column is what is found by looking; correct it here.", elem_classes="hint")
            with gr.Row():
                text = gr.Dropdown([], label="Text", elem_id="text-column")
                label = gr.Dropdown([], label="Label", elem_id="label-column")
            pair = gr.Dropdown([_NONE], value=_NONE, label="Second text (for pairs)")
            with gr.Accordion("How the file is read and split", open=False):
                form = Form(DataConfig, skip=("path", "text", "text_pair", "label", "validation_path", "test_path"))
                form.render(advanced=False)
                form.render(advanced=True)
                again = gr.Button("Read again")
        with gr.Column(scale=3, min_width=300):
            report = gr.HTML('<div class="kft-empty big">Reading the example …</div>', elem_id="data-report")
            preview = gr.Dataframe(label="First rows", wrap=True, visible=False, max_height=340, interactive=False, max_chars=300)
            ahead = gr.Button("Next: train", variant="primary", visible=False, elem_id="to-train")

    path = gr.State(None)
    shown = [page.data, report, preview, ahead]

    def understand(source: str | None, *values: Any) -> list[Any]:
        """A new file: read it, guess the columns, check it."""
        if source is None:
            return [None, None, *[gr.skip()] * 6]
        try:
            kept = str(page.board.keep_upload(Path(source))) if source != str(EXAMPLE) else source
            options = form.read(values)
            table = read_table(kept, **{k: v for k, v in options.items() if k in ("delimiter", "encoding", "header")})
            data = load_data(kept, **options)
        except KerasFTError as error:
            return [None, None, error_box(error), gr.Dataframe(visible=False), gr.Button(visible=False), *_dropdowns([], None)]
        return [kept, *_describe(data), *_dropdowns(table.names, data.columns)]

    def correct(source: str | None, text: str, label: str, pair: str, *values: Any) -> list[Any]:
        """The same file with other columns or options."""
        if source is None:
            return [gr.skip()] * 4
        try:
            roles: dict[str, Any] = {"text": text, "label": label, "text_pair": None if pair == _NONE else pair}
            return _describe(load_data(source, **form.read(values), **roles))
        except KerasFTError as error:
            return [None, error_box(error), gr.Dataframe(visible=False), gr.Button(visible=False)]

    arrived = [path, *shown, text, label, pair]
    upload.upload(understand, [upload, *form.components], arrived)
    upload.clear(lambda: [None, None, "", gr.Dataframe(visible=False), gr.Button(visible=False)], None, [path, *shown])
    for trigger in (example.click, page.loaded):
        trigger(lambda *values: understand(str(EXAMPLE), *values), form.components, arrived)
    for dropdown in (text, label, pair):
        dropdown.input(correct, [path, text, label, pair, *form.components], shown)
    again.click(correct, [path, text, label, pair, *form.components], shown)
    ahead.click(lambda: gr.Tabs(selected="train"), None, page.tabs)


def _dropdowns(names: list[str], columns: Any) -> list[Any]:
    return [
        gr.Dropdown(choices=names, value=columns.text if columns else None),
        gr.Dropdown(choices=names, value=columns.label if columns else None),
        gr.Dropdown(choices=[_NONE, *names], value=(columns.text_pair if columns else None) or _NONE),
    ]


def _describe(data: Any) -> list[Any]:
    preset = find_preset(DEFAULT_PRESET)
    counter = token_counter(fetch(preset)) if preset.here else None
    report = check_data(data, TextClassification(), count_tokens=counter)
    first = data["train"] if "train" in data else next(iter(data.splits.values()))
    frame = first.table.columns.slice(0, _PREVIEW).to_pandas()
    frame.insert(0, "row", first.table.rows[:_PREVIEW])
    config = {
        **data.config.to_dict(),
        "text": data.columns.text,
        "label": data.columns.label,
        "text_pair": data.columns.text_pair,
    }
    return [config, quality_html(report), gr.Dataframe(frame, visible=True), gr.Button(visible=True)]
