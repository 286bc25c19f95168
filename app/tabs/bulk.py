"""A part of tab Try: a file of texts is answered in bulk, with its progress, a way to stop it, and the first answers."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.data.csv_dialect import LARGEST_CELL
from kerasft.errors import ArtifactError, KerasFTError
from kerasft.progress import clock
from kerasft.runs import read_recipe
from kerasft_app.charts import bar, error_box, escape, note_box
from kerasft_app.children import Child
from kerasft_app.page import Page

_COUNT = re.compile(r"([\d,]+) of ([\d,]+) rows")
_ROWS = 8
_ANSWERS = ("predicted_label", "predicted_labels", "predicted", "predicted_answer", "generated", "filled", "entities", "vector")
_DETAILS = re.compile(r"probability_|words$|predicted_tags$|answer_(start|end)$|gaps$")  # not in the preview


def build(page: Page) -> None:
    """Lay out the part and wire it."""
    gr.Markdown("### Many at once\nA file with the column names of the training data in; the same rows with their answers out.")
    with gr.Row(equal_height=False, elem_classes="stack"):
        bulk = gr.File(label="File with texts", height=120, elem_id="bulk-in")
        with gr.Column():
            start = gr.Button("Predict the file", elem_id="bulk-predict")
            stop = gr.Button("Stop", variant="stop", size="sm", visible=False, elem_id="bulk-stop")
            said = gr.HTML(elem_id="bulk-said")
            result = gr.File(label="Answers (CSV)", interactive=False, visible=False, elem_id="bulk-out")
    preview = gr.HTML(elem_id="bulk-preview")
    at_work: dict[str, Child] = {}  # by browser session

    def predict_file(run: str | None, path: str | None, request: gr.Request) -> Iterator[list[Any]]:
        session, child, out = str(request.session_hash), None, None
        hidden, idle, busy = gr.update(visible=False), gr.update(visible=False), gr.update(visible=True)
        try:
            folder = page.model_folder(run)
            if not path:
                raise ArtifactError("No file is chosen.", hint="Drop one on the left.")
            if session in at_work:
                raise ArtifactError("A file is being answered already.", hint="Wait for it, or stop it.")
            out = Path(tempfile.mkdtemp(prefix="kerasft-")) / f"{Path(path).name.split('.')[0]}-answers.csv"
            command = ["predict", str(folder), "--file", path, "--out", str(out), "--harmless-cells"]
            at_work[session] = child = Child(command)
            yield [bar(0.0, "Loading the model"), hidden, "", busy]
            begun = 0.0
            for line in child.lines():
                if counted := _COUNT.search(line):
                    begun = begun or time.monotonic()
                    done, rows = (int(number.replace(",", "")) for number in counted.groups())
                    left = (time.monotonic() - begun) / max(1, done) * (rows - done)
                    yield [bar(done / max(1, rows), f"{done:,} of {rows:,} rows, about {clock(left)} left"), hidden, "", busy]
            child.ended("The file could not be answered.")
            answers = gr.update(value=str(out), label=f"Answers of {run} (CSV)", visible=True)
            last = [_summary(out), answers, preview_html(out, read_recipe(folder)), idle]
        except (KerasFTError, OSError, csv.Error) as error:
            stopped = child is not None and child.stopped
            last = [note_box("Stopped; no answers were written.") if stopped else error_box(error), hidden, "", idle]
            if out is not None:
                shutil.rmtree(out.parent, ignore_errors=True)
        finally:
            if child is not None:
                del at_work[session]
                child.close()
        yield last

    def on_stop(request: gr.Request) -> None:
        if child := at_work.get(str(request.session_hash)):
            child.stop()

    shown = [said, result, preview, stop]
    start.click(predict_file, [page.run, bulk], shown, show_progress="hidden", concurrency_limit=4)
    stop.click(on_stop, None, None, show_progress="hidden")


def _rows(out: Path) -> Iterator[list[str]]:
    """The records of a file of answers."""
    csv.field_size_limit(LARGEST_CELL)  # a global setting of the csv module, which other code may change
    with out.open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file)


def _summary(out: Path) -> str:
    """How many rows a file of answers has, and how many of them have none."""
    reasons = [row[-1] for row in _rows(out)][1:]
    unanswered = sum(map(bool, reasons))
    rows = f"{len(reasons):,} row{'s' * (len(reasons) != 1)}."
    if not unanswered:
        return str(note_box(rows))
    have = "has" if unanswered == 1 else "have"
    return str(note_box(f"{rows} {unanswered:,} of them {have} no answer: the reason stands in the last column."))


def preview_html(out: Path, recipe: dict[str, Any]) -> str:
    """The first rows of a file of answers: the texts, what was answered, and why not."""
    rows = list(islice(_rows(out), _ROWS + 1))
    head = rows[0]
    read = (recipe.get("model") or {}).get("columns") or {}
    texts = [head.index(name) for name in (read.get("text"), read.get("text_pair")) if name in head]
    # A file of answers that is answered again has an older column of that name.
    first = max((i for i, name in enumerate(head) if re.sub(r" \(\d+\)$", "", name) in _ANSWERS), default=len(head))
    columns = [
        *texts,
        *(i for i in range(first, len(head)) if not _DETAILS.match(head[i]) and (i == first or any(row[i] for row in rows[1:]))),
    ]
    cells = "".join(f"<th>{escape(head[i])}</th>" for i in columns)
    body = "".join(
        "<tr>" + "".join(f'<td data-name="{escape(head[i])}">{escape(_short(row[i]))}</td>' for i in columns) + "</tr>"
        for row in rows[1:]
    )
    table = f'<table class="kft-table stacked"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="First answers">{table}</div>'
    return f'<div class="kft-report"><h3>The first answers</h3>{scroll}</div>'


def _short(cell: str, most: int = 160) -> str:
    return cell if len(cell) <= most else cell[: most - 1] + "…"
