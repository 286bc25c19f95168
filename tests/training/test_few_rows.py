"""What follows from the number of rows: updates, batches, the head's beginning, which weights are kept."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kerasft.training.few_rows import BATCH, JUDGED_FROM, LEAST_UPDATES, SOLVED_BELOW, settled
from kerasft.training.options import TrainConfig


def decided(rows: int, given: TrainConfig | None = None, **changes: Any) -> tuple[TrainConfig, str]:
    how: dict[str, Any] = {"validation_rows": 100, "few": True, "solvable": True, **changes}
    return settled(given or TrainConfig(), 1e-4, 3, rows=rows, **how)


def updates(options: TrainConfig, rows: int) -> int:
    assert options.epochs is not None
    assert options.batch_size is not None
    return math.ceil(rows / options.batch_size) * options.epochs // options.accumulate


@pytest.mark.parametrize("rows", [8, 16, 32, 63, 64, 96, 200, 500, 607])
def test_few_rows_get_enough_updates_and_the_reason_is_said(rows: int) -> None:
    options, reason = decided(rows)
    assert LEAST_UPDATES <= updates(options, rows) < 2 * LEAST_UPDATES
    assert options.batch_size is not None
    assert options.batch_size < BATCH
    assert f"{options.epochs} epochs of batches of {options.batch_size} rows" in reason
    assert f"{updates(options, rows)} updates" in reason


@pytest.mark.parametrize("rows", [SOLVED_BELOW, 5_000, 1_000_000])
def test_many_rows_are_learned_from_as_ever(rows: int) -> None:
    options, reason = decided(rows)
    assert (options.epochs, options.batch_size, options.head_start, options.head_learning_rate) == (3, BATCH, "random", None)
    assert reason == ""


def test_a_persons_own_numbers_stay() -> None:
    options, reason = decided(32, TrainConfig(epochs=2, batch_size=4, learning_rate=1e-3, head_learning_rate=0.5))
    assert (options.epochs, options.batch_size, options.learning_rate, options.head_learning_rate) == (2, 4, 1e-3, 0.5)
    assert reason == ""
    assert decided(32, TrainConfig(batch_size=16))[0].batch_size == 16
    assert decided(32, TrainConfig(epochs=0))[0].epochs == 0


def test_batches_gathered_into_one_update_count_once() -> None:
    given = TrainConfig(batch_size=8, accumulate=4)
    assert updates(decided(40, given)[0], 40) >= LEAST_UPDATES


def test_texts_alone_get_no_more_updates() -> None:
    options, reason = decided(32, few=False)
    assert (options.epochs, options.batch_size, options.head_start, reason) == (3, BATCH, "random", "")


def test_the_head_is_solved_first_only_where_it_can_be() -> None:
    assert decided(32)[0].head_start == "solved"
    assert decided(32, solvable=False)[0].head_start == "random"
    assert decided(32, TrainConfig(head_start="random"))[0].head_learning_rate is None
    assert decided(5_000, TrainConfig(head_start="solved"))[0].head_start == "solved"


def test_no_epoch_is_chosen_on_a_handful_of_rows() -> None:
    assert decided(200, validation_rows=JUDGED_FROM)[0].restore_best is True
    assert decided(200, validation_rows=JUDGED_FROM - 1)[0].restore_best is False
    assert decided(200, TrainConfig(patience=2), validation_rows=3)[0].restore_best is True
    assert decided(200, TrainConfig(restore_best=True), validation_rows=3)[0].restore_best is True


def test_what_was_decided_is_not_decided_again() -> None:
    first, _ = decided(32)
    again, reason = settled(first, 9.0, 9, rows=32, validation_rows=0, few=True, solvable=True)
    assert again == first
    assert reason == ""
