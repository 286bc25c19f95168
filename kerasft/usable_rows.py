"""Which rows of a run's splits are used, and what is told of those that are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.dataset import Dataset
from kerasft.data.split import Split
from kerasft.errors import DataError, are, count_of, say_rows
from kerasft.events import Emit, Phase, Warned
from kerasft.preprocessing.encoding import Encoded
from kerasft.tasks import Learned, Task
from kerasft.tasks.base import pick

_MANY = 0.05  # share of a split's texts that makes its figures too good


def usable_rows(task: Task, split: Split, emit: Emit) -> Split:
    """The rows with a text and, where the task needs one, a label.

    Raises:
        DataError: There is none.
    """
    needed = task.needs(split.columns)
    usable, notes = split.usable(need_label=needed)
    for note in notes:
        emit(Warned(code=note.code, message=note.message, hint=say_rows(note.rows)))
    if not len(usable):
        what = "both a text and a label" if needed else "a text"
        raise DataError(f"No row of {split.name} has {what}.", where=split.table.source)
    return usable


def without_unlabelled_test(task: Task, data: Dataset, emit: Emit) -> Dataset:
    """The data without a test split that has no labels, which a task that scores by labels has no use for."""
    if "test" not in data or not task.needs(data.columns) or not data["test"].is_unlabelled_test:
        return data
    emit(Warned(code="no_test_labels", message="The test rows have no labels: they are not scored."))
    return replace(data, splits={name: split for name, split in data.splits.items() if name != "test"})


def known_rows(task: Task, split: Split, learned: Learned, emit: Emit) -> tuple[Split, Any]:
    """The rows whose labels the task knows, and their gold."""
    gold = task.gold(split, learned)
    for remark in task.remarks(split, learned):
        emit(Warned(code="repaired", message=remark))
    unknown = task.unknown(gold)
    if unknown.any():
        rows = [int(row) for row in split.table.rows[unknown]]
        message = f"{count_of(len(rows), 'row')} of {split.name} with an unknown label {are(len(rows))} left out."
        emit(Warned(code="unknown_label", message=message, hint=say_rows(rows)))
        keep = np.flatnonzero(~unknown)
        split, gold = split.take(keep), pick(gold, keep)
    return split, gold


def tell_shared_texts(train: Split, others: Iterable[Split], emit: Emit) -> None:
    """Warn of labelled splits many of whose texts are also learned from; corpora may not fit into memory and are left alone."""
    for split in others if train.columns.label else ():
        texts, shared = _texts(split), set()
        for part in train.parts():
            known = _texts(part)
            shared |= set(known.filter(pc.is_in(known, value_set=texts)).to_pylist())
        also = np.asarray(pc.is_in(texts, value_set=pa.array(sorted(shared), pa.string())))
        if also.sum() > _MANY * max(1, len(split)):
            rows = [int(row) for row in split.table.rows[also]]
            message = f"{len(rows):,} of the {len(split):,} texts of {split.name} are also in train, so its figures are too good."
            emit(Warned(code="leaked_texts", message=message, hint=say_rows(rows)))


def _texts(split: Split) -> Any:
    """(rows,) each row's text, with the second text where there is one."""
    roles = [role for role in (split.columns.text, split.columns.text_pair) if role]
    columns = [pc.fill_null(split.table.columns[role].cast(pa.string()), "") for role in roles]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "\0")


def encoded_rows(model: Any, split: Split, gold: Any, emit: Emit) -> Encoded:
    """The rows of a split as framed tokens with their targets; what is unusual about them, or is cut, is said.

    Args:
        model: A `FineTunedModel`.
        split: The rows.
        gold: What their labels say.
        emit: Where warnings go.
    """
    emit(Phase(phase="tokenise", detail=f"{len(split):,} rows of {split.name}"))
    encoded: Encoded = model.task.targets(model.encode(split), gold, model.learned)
    for remark in model.task.remarks_on_tokens(encoded, model.framer, training=split.name == "train"):
        emit(Warned(code="tokens", message=remark))
    if encoded.cut:
        share = encoded.cut / len(encoded)
        longest = model.framer.max_length
        message = f"{encoded.cut:,} rows of {split.name} ({share:.1%}) are longer than {longest} tokens and are cut."
        most = model.backbone.max_length
        hint = f"The model takes up to {most}: --task.max_length." if longest < most else "The model takes no more."
        emit(Warned(code="cut", message=message, hint=hint))
    return encoded
