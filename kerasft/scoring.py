"""Labelled rows scored with a model: what `FineTunedModel.evaluate` does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kerasft.data.given_rows import as_split
from kerasft.data.read_options import ReadOptions, as_trained
from kerasft.data.split import Split
from kerasft.data.table import Note
from kerasft.errors import DataError, name_rows, say_rows
from kerasft.evaluation.report import Report, samples
from kerasft.tasks.base import pick


def evaluate(
    model: Any, rows: Any, *, by: str | None = None, batch_size: int = 64, found: Any = None, how: ReadOptions | None = None
) -> Report:
    """Score rows; see `FineTunedModel.evaluate`.

    Args:
        model: A `FineTunedModel`.
        rows: What to score.
        by: Column whose values get figures of their own.
        batch_size: Rows a call of the model.
        found: What the model has found on the usable ones of these rows, where that is known (`FineTunedModel.found`).
        how: How a file is read.
    """
    labelled = model.columns.label is not None or model.task.needs_label
    split = as_split(rows, model.columns, need_label=labelled, labels=model.labels, how=as_trained(model.recipe, how))
    read_notes = [] if rows is split else [_with_rows(note) for note in split.table.notes]
    split = model.task.as_learned(split, model.learned)
    needed = model.task.needs(model.columns)
    if (needed or model.task.needs_label) and split.columns.label is None:
        raise DataError("The rows have no label column.", where=split.table.source, hint="Name it as in training.")
    usable, dropped = split.usable(need_label=needed)
    notes = [*read_notes, *map(_with_rows, dropped)]
    if not len(usable):
        what = "both a text and a label" if needed else "a text"
        raise DataError(f"No row has {what}.", where=split.table.source)
    gold = model.task.gold(usable, model.learned)
    unknown = model.task.unknown(gold)
    if unknown.any():
        named = name_rows([int(row) for row in usable.table.rows[unknown]])
        notes.append(f"{int(unknown.sum()):,} rows with a label the model has never seen are left out. They are {named}.")
        usable, gold = usable.take(np.flatnonzero(~unknown)), pick(gold, np.flatnonzero(~unknown))
    if not len(usable):
        raise DataError("No row has a label the model knows.", where=split.table.source)
    notes += model.task.remarks(usable, model.learned)
    encoded = model.task.targets(model.encode(usable), gold, model.learned)
    if encoded.cut:
        notes.append(f"{encoded.cut:,} of {len(encoded):,} texts were cut at {model.framer.max_length} tokens.")
    found = model.found(encoded, batch_size=batch_size) if found is None else found
    report: Report = model.task.report(found, gold, model.learned, usable, notes)
    report = model.task.enrich(report, usable, model.learned, lambda texts: model.answer(texts, [None] * len(texts)))
    report = replace(report, samples=samples(usable))
    return report if by is None else replace(report, groups=_groups(model, usable, by, found, gold))


def _with_rows(note: Note) -> str:
    return f"{note.message} {say_rows(note.rows)}" if note.rows else note.message


def _groups(model: Any, split: Split, by: str, found: Any, gold: Any) -> dict[str, dict[str, float]]:
    """Figures of the rows of each value of a column, most rows first."""
    figures = {}
    for name, rows in split.groups(by):
        report = model.task.report(pick(found, rows), pick(gold, rows), model.learned, split.take(rows), [])
        figures[name] = {"rows": float(len(rows)), **report.metrics}
    return figures
