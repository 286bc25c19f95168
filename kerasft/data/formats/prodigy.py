"""Prodigy's JSONL: `answer` says whether an annotation holds.

Ignored rows are left out; a rejected label or span is never learned.

Source: https://prodi.gy/docs/api-interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from kerasft.data.cells import as_json
from kerasft.data.formats.base import Rows, misfit, objects
from kerasft.data.table import Note, Table, TableBuilder, as_text

NAME = "an export of Prodigy"
_ANSWERS = frozenset({"accept", "reject", "ignore"})


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample)
    said = [row for row in rows if is_answer(row.get("answer"))]
    return (
        bool(said)
        and all("text" in row for row in rows)
        and all("answer" not in row for row in rows if not is_answer(row.get("answer")))
    )


def is_answer(value: Any) -> bool:
    """Whether a value says that an annotation holds, does not, or was passed over."""
    return isinstance(value, str) and value in _ANSWERS


def with_annotator_answers(table: Table) -> Table:
    """A table whose column `answer` says which annotations hold, without the rows that do not; any other table as it is."""
    if "answer" not in table.names or "label" not in table.names:
        return table
    said = set(pc.unique(table.columns["answer"]).drop_null().to_pylist())
    if not said or not said <= _ANSWERS:
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
    kept = []
    for number, row in rows:
        spans = row.get("spans") or [] if isinstance(row, Mapping) else None
        if not isinstance(spans, list) or not all(isinstance(one, Mapping) for one in spans):
            raise misfit(number, row, source, NAME)
        kept.append((number, row))
    labels = {row["label"] for _, row in kept if isinstance(row.get("label"), str) and not row.get("spans")}
    binary = len(labels) == 1 and not any(row.get("spans") or row.get("options") for _, row in kept)
    choices = any(isinstance(row.get("accept"), list) for _, row in kept)
    several = any(len(row.get("accept") or ()) > 1 for _, row in kept if isinstance(row.get("accept"), list))
    ignored: list[int] = []
    rejected: list[int] = []
    unanswered: list[int] = []
    for number, row in kept:
        answer = row.get("answer")
        if not is_answer(answer):
            unanswered.append(number)
            continue
        if answer == "ignore" or (answer == "reject" and not binary):
            (ignored if answer == "ignore" else rejected).append(number)
            continue
        columns = {
            key: value
            for key, value in row.items()
            if not key.startswith("_") and key not in ("options", "accept", "tokens", "answer")
        }
        if binary:
            columns["label"] = row["label"] if answer == "accept" else f"not {row['label']}"
        elif choices:
            chosen = [str(one) for one in row.get("accept") or []]
            columns["label"] = as_json(chosen) if several else (chosen[0] if chosen else None)
        elif isinstance(row.get("spans"), list):
            columns["spans"] = as_json(
                [{"start": one.get("start"), "end": one.get("end"), "label": one.get("label")} for one in row["spans"]]
            )
            columns.pop("label", None)
        elif any(item.get("spans") for _, item in kept):
            columns["spans"] = "[]"
        yield number, columns
    if ignored:
        notes.append(Note("ignored", f"{len(ignored):,} rows that were ignored by the annotator are left out.", tuple(ignored)))
    if unanswered:
        message = f"{len(unanswered):,} rows have no answer (accept, reject or ignore) and are left out."
        notes.append(Note("unanswered", message, tuple(unanswered)))
    if rejected:
        message = f"{len(rejected):,} rows with a rejected annotation are left out: what was rejected says only what is not so."
        notes.append(Note("rejected", message, tuple(rejected)))
    if binary:
        notes.append(Note("binary", f"The one label {next(iter(labels))!r} was accepted or rejected: these are the two classes."))
