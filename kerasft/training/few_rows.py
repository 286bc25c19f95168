"""Options of training that follow from how many rows there are: enough updates of the weights to learn from few of them."""

from __future__ import annotations

import math
from dataclasses import replace

from kerasft.data.data_config import LEAST_FOR_FOLDS
from kerasft.errors import count_of
from kerasft.training.options import TrainConfig

BATCH = 32  # rows of a step where nobody said another number
# On polarity, GoEmotions and pairs, 16 rows of each label, one draw: not worse than 100 or 150 (benchmarks/RESULTS.md).
LEAST_UPDATES = 60
SOLVED_BELOW = 1000  # rows; runs on more begin as they always did
JUDGED_FROM = 30  # validation rows, below which no epoch is chosen on them
_SMALL_BATCH, _SMALLEST_BATCH, _FEW = 16, 8, 64
_MOST_EPOCHS = 60
SOLVED_HEAD_RATE = 1e-2  # of a head that reads vectors of length 1
FOLDS = 5  # Kohavi 1995 finds 5 to 10 best


def settled(
    given: TrainConfig,
    learning_rate: float,
    epochs: int,
    *,
    rows: int,
    validation_rows: int,
    few: bool,
    solvable: bool,
    unit_length: bool = False,
) -> tuple[TrainConfig, str]:
    """Options with nothing left open, and a sentence on what is not as usual.

    Args:
        given: What a person has said.
        learning_rate: Recommended for method, task and size of the model.
        epochs: Recommended likewise, where there are rows enough.
        rows: Rows to learn from (windows, where a row has several).
        validation_rows: Rows that are held out.
        few: Whether a run on few rows gets more updates; not where texts alone are learned from.
        solvable: Whether the head can be solved on frozen features and then trained further.
        unit_length: Whether the head reads vectors of length 1, which suit a higher rate.
    """
    batch, passes = given.batch_size or BATCH, epochs if given.epochs is None else given.epochs
    usual = math.ceil(rows / batch) * passes // given.accumulate
    reason = ""
    if few and given.epochs is None and rows > 0 and usual < LEAST_UPDATES:
        usual_batch, usual_passes = batch, passes
        if given.batch_size is None:
            batch = min(batch, _SMALLEST_BATCH if rows < _FEW else _SMALL_BATCH)
        passes = max(passes, min(_MOST_EPOCHS, math.ceil(LEAST_UPDATES * given.accumulate / math.ceil(rows / batch))))
        updates = math.ceil(rows / batch) * passes // given.accumulate
        reason = (
            f"{count_of(usual_passes, 'epoch')} of batches of {usual_batch} rows would make {count_of(usual, 'update')} of the "
            f"weights, too few to learn from {count_of(rows, 'row')}: {count_of(passes, 'epoch')} of batches of {batch} rows "
            f"are taken, {count_of(updates, 'update')}."
        )
    head = "solved" if begins_solved(given, rows, few=few, solvable=solvable) else "random"
    head_rate = given.head_learning_rate
    if head_rate is None and head == "solved" and unit_length:
        head_rate = SOLVED_HEAD_RATE
    best = given.restore_best
    if best is None:  # whoever asks for early stopping wants the weights it was for
        best = validation_rows >= JUDGED_FROM or given.patience is not None
    made = replace(
        given,
        learning_rate=given.learning_rate or learning_rate,
        epochs=passes,
        batch_size=batch,
        head_start=head,
        head_learning_rate=head_rate,
        restore_best=best,
    )
    return made, reason


def begins_solved(given: TrainConfig, rows: int, *, few: bool, solvable: bool) -> bool:
    """Whether the head is solved before training begins; arguments as of `settled`."""
    if given.epochs == 0:
        return False
    if given.head_start == "auto":
        return few and solvable and rows < SOLVED_BELOW
    return given.head_start == "solved"


def expects_estimate(train: TrainConfig, validation: float | None, *, few: bool) -> bool:
    """Whether a run on few rows learns from all of them and is judged by cross-validation.

    Args:
        train: What a person has said.
        validation: The share of validation rows that a person has said.
        few: As of `settled`.
    """
    # Whoever asks for validations, early stopping or the best weights wants rows to judge them by.
    judged = bool(train.patience or train.validate_every or train.restore_best)
    return few and validation is None and train.epochs != 0 and not judged


def folds_for(rows: int, asked: int | None, *, held_out: bool, unasked: bool) -> int:
    """Number of folds.

    Args:
        rows: That are learned from.
        asked: By a person; None where nobody did.
        held_out: Whether there are validation rows.
        unasked: Whether figures by cross-validation are expected where nobody asked: rows have labels, and their split is open.
    """
    if asked is not None:
        return min(asked, rows) if asked > 1 else 0
    return FOLDS if unasked and not held_out and rows >= LEAST_FOR_FOLDS else 0
