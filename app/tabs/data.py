"""Tab Data: upload or take the example, see what it is for, its columns and the data report. Begins with the example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.data.columns import NO_COLUMN
from kerasft.data.data_config import DataConfig
from kerasft.errors import KerasFTError
from kerasft_app.charts import error_box
from kerasft_app.facts import role_names
from kerasft_app.forms import Form
from kerasft_app.newest_read import NewestRead
from kerasft_app.page import EXAMPLE, TO_TOP, Page
from kerasft_app.reading import ReadFile
from kerasft_app.reading_process import CANCELLED, Reader
from kerasft_app.reports import asked_html, quality_html, understood_html
from kerasft_app.runs import upload_key

_SHORT = 20  # characters of a cell that is not broken
_TABLE, _LEAST, _CHARACTER, _MARGIN = 700, 240, 8, 48  # pixels: what there is, a text's least, a character's, a heading's buttons
_NONE = "(none)"
_NO_LABEL = "None of them: the texts have no label"
_ASKED = 12  # columns, so that the question fits on a screen
_MORE = "Another one: choose it below, under Label"
_CLASSES = ("text_classification", "multi_label_classification", "cloze_classification")
_LABEL_INFO = "Several columns of 0 and 1 are one label each: type their names, joy,anger,fear."
_AT_A_TIME = 8  # files, of several people
_READING = '<div class="kft-empty big">Reading the data …</div>'


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(scale=2, min_width=300):
            # Every file is accepted: what cannot be read is refused below, in words and not by the browser.
            upload = gr.File(label="Your data: one file or several", file_count="multiple", height=150, elem_id="upload")
            example = gr.Button("Use the example: support tickets", elem_id="use-example")
            gr.Markdown(
                "CSV, TSV, Excel, JSON, Parquet, CoNLL, SQuAD, plain text, exports of annotation tools, also packed (.zip, .gz). "
                "The columns are recognised by name and content; correct them here.",
                elem_classes="hint",
            )
            question = gr.Radio([], label="Which column is the label?", visible=False, elem_id="label-question")
            with gr.Row():
                # Any name may be typed: where no column looks like a text, the message says which there are.
                text = gr.Dropdown([], label="Text", elem_id="text-column", allow_custom_value=True)
                pair = gr.Dropdown([_NONE], value=_NONE, label="Second text (for pairs)", elem_id="pair-column")
            label = gr.Dropdown([_NONE], label="Label", elem_id="label-column", allow_custom_value=True)
            with gr.Accordion("How the file is read and split", open=False):
                form = Form(DataConfig, skip=("path", "text", "text_pair", "label", "validation_path", "test_path"))
                form.render(advanced=False)
                form.render(advanced=True)
                again = gr.Button("Read the file again")
        with gr.Column(scale=3, min_width=300):
            understood = gr.HTML(elem_id="understood")
            report = gr.HTML(_READING, elem_id="data-report")
            cancel = gr.Button("Cancel reading", size="sm", visible=False, elem_id="cancel-reading")
            preview = gr.Dataframe(label="First rows", wrap=True, visible=False, max_height=340, interactive=False, max_chars=300)
            ahead = gr.Button("Next: train", variant="primary", visible=False, elem_id="to-train")

    path = gr.State(None)
    last = gr.BrowserState("")  # key of the files uploaded last, so that they are still there when the page is loaded again
    roles = [text, pair, label]
    shown = [page.data, page.task, understood, report, preview, ahead, question, cancel, *roles]

    chosen = gr.BrowserState({})  # the roles of columns that a person has chosen, and for which files (`key`)
    reads, reader = NewestRead(), Reader()
    number = gr.State(None)  # of the read that this page has started

    def begin(request: gr.Request) -> list[Any]:
        """Before new files are read: remove the previous ones, so that no run can begin with them meanwhile."""
        reader.cancel(request.session_hash)
        return [reads.begin(request.session_hash), None, *_nothing(_READING), *_no_columns()]

    def read_uploads(request: gr.Request, number: int, source: Any, *values: Any) -> list[Any]:
        return if_newest(number, understand(request, source, *values), request)

    def read_example(request: gr.Request, number: int, *values: Any) -> list[Any]:
        return if_newest(number, understand(request, str(EXAMPLE), *values), request)

    def if_newest(number: int | None, updates: list[Any], request: gr.Request) -> list[Any]:
        return updates if reads.is_newest(request.session_hash, number) else [gr.skip()] * len(updates)

    def may_cancel(source: str | None) -> Any:
        return gr.update(visible=source is not None)

    def stop(request: gr.Request) -> Any:
        reader.cancel(request.session_hash)
        return gr.update(visible=False)

    def leave(request: gr.Request) -> None:
        reader.cancel(request.session_hash)

    def clear(request: gr.Request) -> list[Any]:
        reader.cancel(request.session_hash)
        return [reads.begin(request.session_hash), None, *_nothing(""), *_no_columns()]

    def understand(
        request: gr.Request, source: str | list[str] | None, *values: Any, named: dict[str, str] | None = None
    ) -> list[Any]:
        """New files (or the example): read them, guess the columns that are not named, check them."""
        if not source:
            return [None, *_nothing(""), *_no_columns()]
        try:
            kept = source if isinstance(source, str) else page.board.keep_uploads([Path(one) for one in source])
            found = reader.read(request.session_hash, kept, {**form.read(values), **(named or {})})
        except (KerasFTError, OSError) as error:
            kept, found = "", error
        if isinstance(found, KerasFTError):
            # The source stays, so that an option of reading can be corrected.
            return [kept or None, *_nothing(error_box(found)), *_no_columns()]
        return [kept, *_describe(found)]

    def again_or_example(request: gr.Request, key: Any, said: Any, *values: Any) -> list[Any]:
        """When the page is loaded: the files it had before, otherwise the example; nothing if an upload was faster."""
        number = reads.begin_first(request.session_hash)
        if number is None:
            return [gr.skip()] * (1 + len(shown))
        source = page.board.kept_upload(key)
        found = understand(request, source or str(EXAMPLE), *values, named=roles_of(said, source))
        return if_newest(number, found, request)

    def roles_of(said: Any, source: str | None) -> dict[str, str]:
        """The roles that were chosen for these files."""
        fits = source is not None and isinstance(said, dict) and said.get("key") == upload_key(source)
        return {role: str(said[role]) for role in ("text", "text_pair", "label") if fits and said.get(role)}

    def correct(request: gr.Request, source: str | None, said: Any, *values: Any) -> list[Any]:
        """The same file with other options; a column that was chosen and is not there any more is not asked for again."""
        if source is None:
            return [gr.skip()] * (1 + len(shown))
        named = roles_of(said, source)
        try:
            options = form.read(values)
            found = reader.read(request.session_hash, source, {**options, **named})
            if isinstance(found, KerasFTError) and named and found is not CANCELLED:
                anew = reader.read(request.session_hash, source, options)
                there = [] if isinstance(anew, KerasFTError) else [NO_COLUMN, *anew.columns_there]
                left = {role: name for role, name in named.items() if name in there or "," in name}
                if there and left != named:
                    named, found = left, reader.read(request.session_hash, source, {**options, **left})
        except (KerasFTError, OSError) as error:
            found = error
        if isinstance(found, KerasFTError):
            return [said, *_nothing(error_box(found)), *[gr.skip()] * 3]
        return [{"key": upload_key(source), **named}, *_describe(found)]

    def choose(role: str) -> Callable[..., list[Any]]:
        """What follows when a person chooses the column of a role."""

        def chose(request: gr.Request, source: str | None, said: Any, text: str, name: str | None, *values: Any) -> list[Any]:
            if source is None or not name or name == _MORE:
                return [gr.skip()] * (1 + len(shown))
            none = name in (_NONE, _NO_LABEL) and role != "text"
            # The text column is the one that is shown; a label or second text that nobody has chosen is looked for again.
            named = {"text": text, **roles_of(said, source), role: NO_COLUMN if none else name.strip()}
            return correct(request, source, {"key": upload_key(source), **named}, *values)

        return chose

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    many: dict[str, Any] = {"concurrency_limit": _AT_A_TIME}
    for event in (upload.upload, upload.delete):  # delete: one of several
        event(begin, None, [number, path, *shown], **quiet).then(
            read_uploads, [number, upload, *form.components], [path, *shown], **many
        )
    upload.clear(clear, None, [number, path, *shown])
    example.click(begin, None, [number, path, *shown], **quiet).then(
        read_example, [number, *form.components], [path, *shown], **many
    )
    page.loaded(again_or_example, [last, chosen, *form.components], [path, *shown], **many)
    page.closed(leave)
    path.change(upload_key, path, last, **quiet)
    for widget, role in ((text, "text"), (pair, "text_pair"), (label, "label"), (question, "label")):
        widget.input(may_cancel, path, cancel, **quiet).then(
            choose(role), [path, chosen, text, widget, *form.components], [chosen, *shown], **many
        )
    again.click(may_cancel, path, cancel, **quiet).then(correct, [path, chosen, *form.components], [chosen, *shown], **many)
    cancel.click(stop, None, cancel, **quiet)
    ahead.click(lambda: gr.Tabs(selected="train"), None, page.tabs, js=TO_TOP)


def _nothing(said: str) -> list[Any]:
    """No data: nothing to learn from, whatever was there before."""
    return [None, None, "", said, gr.Dataframe(visible=False), *(gr.update(visible=False) for _ in range(2)),
            gr.update(visible=said == _READING)]  # fmt: skip


def _no_columns() -> list[Any]:
    return [gr.Dropdown(choices=[], value=None), *(gr.Dropdown(choices=[_NONE], value=_NONE) for _ in range(2))]


def _describe(found: ReadFile) -> list[Any]:
    """What the data are, for all that shows it; nothing to learn from as long as it is not clear which column is the label."""
    suggestion = found.suggestion
    asked = suggestion.unclear if found.config.label is None else ()
    # The options as they were given: what was found by looking will be found again, in whatever process reads the file.
    config = None if asked else found.config.to_dict()
    choices = [(f"{name}: {', '.join(values)[:80]}", name) for name, values in zip(asked, suggestion.examples, strict=False)]
    more = [(_MORE, _MORE)] if len(choices) > _ASKED else []
    why = suggestion.why + (" If they are amounts, choose Regression." if suggestion.other_task else "")
    what = asked_html(found.file, found.sizes) if asked else understood_html(found.title, why, found.file, found.sizes)
    return [
        config,
        None if asked else found.known(),
        what,
        quality_html(found.report, suggestion.task, windows=found.windows),
        gr.Dataframe({"headers": found.names, "data": found.cells}, column_widths=_widths(found), visible=True),
        gr.Button(visible=not asked),
        gr.Radio(choices=[*choices[:_ASKED], *more, (_NO_LABEL, _NO_LABEL)], value=None, visible=bool(asked)),
        gr.update(visible=False),
        *_dropdowns(found, "text_classification" if asked else suggestion.task),
    ]


def _widths(found: ReadFile) -> list[int]:
    """Pixels of each column: short cells and their heading on one line, texts share the rest and wrap."""
    columns = list(zip(*found.cells, strict=True)) or [()] * len(found.names)
    longest = [
        max([len(str(name)), *(len(str(cell)) for cell in cells)]) for name, cells in zip(found.names, columns, strict=True)
    ]
    short = [min(_SHORT, length) * _CHARACTER + _MARGIN if length <= _SHORT else 0 for length in longest]
    rest = (_TABLE - sum(short)) // max(1, short.count(0))
    return [width or max(_LEAST, rest) for width in short]


def _dropdowns(found: ReadFile, task: str) -> list[Any]:
    columns, names, label = found.columns, found.columns_there, found.columns.label
    if found.marks and label not in (found.config.label, None):
        names, label = [name for name in names if name != label], found.marks
    title, pair_title, label_title = role_names(task)
    choices = [_NONE, *([label] if label and label not in names else []), *names]
    return [
        gr.Dropdown(choices=names, value=columns.text, label=title),
        gr.Dropdown(choices=[_NONE, *names], value=columns.text_pair or _NONE, label=pair_title),
        gr.Dropdown(choices=choices, value=label or _NONE, label=label_title, info=_LABEL_INFO if task in _CLASSES else ""),
    ]
