"""Tab Data: upload or take the example, see what it is for, its columns and the data report. Begins with the example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.data.columns import NO_COLUMN
from kerasft.data.dataset import DataConfig, Dataset, load_data
from kerasft.data.label_columns import NAME as JOINED
from kerasft.data.label_columns import columns_of_0_and_1
from kerasft.data.quality import check_data
from kerasft.data.recognise import suggest_task
from kerasft.errors import KerasFTError
from kerasft.presets import default_preset, fetch, find_preset
from kerasft.tasks import TASKS, get_task
from kerasft.token_counts import token_counter
from kerasft_app.charts import error_box
from kerasft_app.facts import role_names
from kerasft_app.forms import Form
from kerasft_app.page import EXAMPLE, FILE_TYPES, TO_TOP, Page
from kerasft_app.reports import quality_html, readable, understood_html
from kerasft_app.runs import upload_key

_PREVIEW = 50
_SHORT = 20  # characters of a cell that is not broken
_TABLE, _LEAST, _CHARACTER, _MARGIN = 700, 240, 8, 48  # pixels: what there is, a text's least, a character's, a heading's buttons
_NONE = "(none)"
_CLASSES = ("text_classification", "multi_label_classification", "cloze_classification")
_LABEL_INFO = "Several columns of 0 and 1 are one label each: type their names, joy,anger,fear."


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):
            upload = gr.File(
                label="File of texts, or several (until then the example)",
                file_types=FILE_TYPES,
                file_count="multiple",
                height=150,
                elem_id="upload",
            )
            example = gr.Button("Use the example: support tickets", elem_id="use-example")
            gr.Markdown(
                "CSV, TSV, JSON, JSONL, Parquet, CoNLL, SQuAD or plain text, also .gz. "
                "Which column is what is found by looking; correct it here.",
                elem_classes="hint",
            )
            with gr.Row():
                text = gr.Dropdown([], label="Text", elem_id="text-column")
                pair = gr.Dropdown([_NONE], value=_NONE, label="Second text (for pairs)", elem_id="pair-column")
            label = gr.Dropdown([_NONE], label="Label", elem_id="label-column", allow_custom_value=True)
            with gr.Accordion("How the file is read and split", open=False):
                form = Form(DataConfig, skip=("path", "text", "text_pair", "label", "validation_path", "test_path"))
                form.render(advanced=False)
                form.render(advanced=True)
                again = gr.Button("Read again")
        with gr.Column(scale=3, min_width=300):
            understood = gr.HTML(elem_id="understood")
            report = gr.HTML('<div class="kft-empty big">Reading the data …</div>', elem_id="data-report")
            preview = gr.Dataframe(label="First rows", wrap=True, visible=False, max_height=340, interactive=False, max_chars=300)
            ahead = gr.Button("Next: train", variant="primary", visible=False, elem_id="to-train")

    path = gr.State(None)
    last = gr.BrowserState("")  # key of the files uploaded last, so that they are still there when the page is loaded again
    roles = [text, pair, label]
    shown = [page.data, page.task, understood, report, preview, ahead, *roles]

    def understand(source: str | list[str] | None, *values: Any) -> list[Any]:
        """New files (or the example): read them, guess the columns, check them."""
        if not source:
            return [None, *_nothing(""), *_no_columns()]
        try:
            kept = source if isinstance(source, str) else page.board.keep_uploads([Path(one) for one in source])
            return [kept, *_describe(load_data(kept, **form.read(values)))]
        except KerasFTError as error:
            return [None, *_nothing(error_box(error)), *_no_columns()]

    def again_or_example(key: Any, *values: Any) -> list[Any]:
        """A page that is loaded again: the files it had, else the example."""
        return understand(page.board.kept_upload(key) or str(EXAMPLE), *values)

    def correct(source: str | None, text: str, pair: str, label: str, *values: Any) -> list[Any]:
        """The same file with other columns or options."""
        if source is None:
            return [gr.skip()] * len(shown)
        wanted = {"text": text, "text_pair": pair, "label": label}
        named: dict[str, Any] = {
            role: NO_COLUMN if name == _NONE else (name or "").strip() or None for role, name in wanted.items()
        }
        try:
            return _describe(load_data(source, **form.read(values), **named))
        except KerasFTError as error:
            return [*_nothing(error_box(error)), *[gr.skip()] * 3]

    upload.upload(understand, [upload, *form.components], [path, *shown])
    upload.delete(understand, [upload, *form.components], [path, *shown])  # one of several
    upload.clear(lambda: [None, *_nothing(""), *_no_columns()], None, [path, *shown])
    example.click(lambda *values: understand(str(EXAMPLE), *values), form.components, [path, *shown])
    page.loaded(again_or_example, [last, *form.components], [path, *shown])
    path.change(upload_key, path, last, show_progress="hidden")
    for dropdown in roles:
        dropdown.input(correct, [path, *roles, *form.components], shown)
    again.click(correct, [path, *roles, *form.components], shown)
    ahead.click(lambda: gr.Tabs(selected="train"), None, page.tabs, js=TO_TOP)


def _nothing(said: str) -> list[Any]:
    return [None, None, "", said, gr.Dataframe(visible=False), gr.Button(visible=False)]


def _no_columns() -> list[Any]:
    return [gr.Dropdown(choices=[], value=None), *(gr.Dropdown(choices=[_NONE], value=_NONE) for _ in range(2))]


def _describe(data: Dataset) -> list[Any]:
    """What the data are, for all that shows it."""
    suggestion = suggest_task(data)
    cls: Any = TASKS.get(suggestion.task)
    counter = token_counter(fetch(find_preset(default_preset(cls.families))))
    checked = check_data(data, get_task(suggestion.task), count_tokens=counter)
    windows = any(spec.name == "overlap" for spec in cls.specs())
    # The options as they were given: what was found by looking will be found again, in whatever process reads the file.
    config = data.config.to_dict()
    columns = {role: getattr(data.columns, role) for role in ("text", "text_pair", "label")}
    return [
        config,
        {"name": suggestion.task, "columns": columns},
        understood_html(cls.title, suggestion.why),
        quality_html(checked, suggestion.task, windows=windows),
        gr.Dataframe(frame := _preview(data), column_widths=_widths(frame), visible=True),
        gr.Button(visible=True),
        *_dropdowns(data, suggestion.task),
    ]


def _first(data: Dataset) -> Any:
    return data["train"] if "train" in data else next(iter(data.splits.values()))


def _preview(data: Dataset) -> Any:
    """The first rows; the columns a model reads and learns from come first."""
    first, columns = _first(data), data.columns
    frame = first.table.columns.slice(0, _PREVIEW).to_pandas()
    used = [name for name in (columns.text, columns.text_pair, columns.label) if name in frame.columns]
    frame = frame[[*used, *(name for name in frame.columns if name not in used)]]
    for name in frame.columns:
        frame[name] = [readable(cell) for cell in frame[name]]
    frame.insert(0, "row", first.table.rows[:_PREVIEW], allow_duplicates=True)
    return frame


def _widths(frame: Any) -> list[int]:
    """Pixels of each column: short cells and their heading on one line, texts share the rest and wrap."""
    longest = [max(len(str(name)), *(len(str(cell)) for cell in frame[name]), 0) for name in frame.columns]
    short = [min(_SHORT, length) * _CHARACTER + _MARGIN if length <= _SHORT else 0 for length in longest]
    rest = (_TABLE - sum(short)) // max(1, short.count(0))
    return [width or max(_LEAST, rest) for width in short]


def _dropdowns(data: Dataset, task: str) -> list[Any]:
    columns, table = data.columns, _first(data).table
    names, label = list(table.names), columns.label
    several = data.config.label if "," in (data.config.label or "") else None
    if several is None and data.config.label is None and label == JOINED == names[-1]:
        several = ",".join(columns_of_0_and_1(table, but=(columns.text, columns.text_pair, columns.split)))
    if several and label not in (data.config.label, None):
        names, label = [name for name in names if name != label], several
    title, pair_title, label_title = role_names(task)
    choices = [_NONE, *([label] if label and label not in names else []), *names]
    return [
        gr.Dropdown(choices=names, value=columns.text, label=title),
        gr.Dropdown(choices=[_NONE, *names], value=columns.text_pair or _NONE, label=pair_title),
        gr.Dropdown(choices=choices, value=label or _NONE, label=label_title, info=_LABEL_INFO if task in _CLASSES else ""),
    ]
