"""Prodigy's JSONL, whose `answer` accepts or rejects an annotation.

Ignored rows are left out, and rejected labels and spans are never used for training.

Source: https://prodi.gy/docs/api-interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from kerasft.data.cells import as_json
from kerasft.data.formats.base import Rows, objects, row_error
from kerasft.data.table import Note, Table, TableBuilder, as_text, row_notes

NAME = "an export of Prodigy"
_ANSWERS = frozenset({"accept", "reject", "ignore"})


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample)
    answered = [row for row in rows if is_answer(row.get("answer"))]
    return (
        bool(answered)
        and all("text" in row for row in rows)
        and all("answer" not in row for row in rows if not is_answer(row.get("answer")))
    )


def is_answer(value: Any) -> bool:
    """Whether a value is one of Prodigy's answers: `accept`, `reject` or `ignore`."""
    return isinstance(value, str) and value in _ANSWERS


def with_annotator_answers(table: Table) -> Table:
    """Apply the column `answer` of a Prodigy table: leave out what was not accepted. Any other table is returned unchanged."""
    if "answer" not in table.names or "label" not in table.names:
        return table
    answers = set(pc.unique(table.columns["answer"]).drop_null().to_pylist())
    if not answers or not answers <= _ANSWERS:
        return table
    names = [name for name in table.names if name != "answer"]
    cells = {name: table.columns[name].to_pylist() for name in table.names}
    rows = ((int(number), {"text": "", **{name: column[i] for name, column in cells.items() if column[i] is not None}})
            for i, number in enumerate(table.rows))  # fmt: skip
    notes = [Note("format", f"Read as {NAME}.")]
    builder = TableBuilder(names)
    for number, columns in read(rows, table.source, notes):
        builder.add(number, [as_text(columns.get(name)) for name in names])
    return replace(builder.build(table.source, [*table.notes, *notes]), delimiter=table.delimiter)


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    checked_rows = []
    for number, row in rows:
        spans = row.get("spans") or [] if isinstance(row, Mapping) else None
        if not isinstance(spans, list) or not all(isinstance(one, Mapping) for one in spans):
            raise row_error(number, row, source, NAME)
        checked_rows.append((number, row))
    labels = {row["label"] for _, row in checked_rows if isinstance(row.get("label"), str) and not row.get("spans")}
    is_binary = len(labels) == 1 and not any(row.get("spans") or row.get("options") for _, row in checked_rows)
    has_choices = any(isinstance(row.get("accept"), list) for _, row in checked_rows)
    multi_label = any(len(row.get("accept") or ()) > 1 for _, row in checked_rows if isinstance(row.get("accept"), list))
    ignored: list[int] = []
    rejected: list[int] = []
    unanswered: list[int] = []
    for number, row in checked_rows:
        answer = row.get("answer")
        if not is_answer(answer):
            unanswered.append(number)
            continue
        if answer == "ignore" or (answer == "reject" and not is_binary):
            (ignored if answer == "ignore" else rejected).append(number)
            continue
        columns = {
            key: value
            for key, value in row.items()
            if not key.startswith("_") and key not in ("options", "accept", "tokens", "answer")
        }
        if is_binary:
            label = row.get("label")
            columns["label"] = label if label is None or answer == "accept" else f"not {label}"
        elif has_choices:
            chosen = [str(one) for one in row.get("accept") or []]
            columns["label"] = as_json(chosen) if multi_label else (chosen[0] if chosen else None)
        elif isinstance(row.get("spans"), list):
            columns["spans"] = as_json(
                [{"start": one.get("start"), "end": one.get("end"), "label": one.get("label")} for one in row["spans"]]
            )
            columns.pop("label", None)
        elif any(item.get("spans") for _, item in checked_rows):
            columns["spans"] = "[]"
        yield number, columns
    notes += row_notes(
        ("ignored", ignored, "{count} rows that were ignored by the annotator are left out."),
        ("unanswered", unanswered, "{count} rows have no answer (accept, reject or ignore) and are left out."),
        (
            "rejected",
            rejected,
            "{count} rows with a rejected annotation are left out, since they do not tell which one is right.",
        ),
    )
    if is_binary:
        label = next(iter(labels))
        message = f"The only label {label!r} was accepted or rejected, so the two classes are {label!r} and 'not {label}'."
        notes.append(Note("binary", message))
