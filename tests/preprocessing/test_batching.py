"""Batches: every row once, a plan that can be repeated and entered anywhere, little padding, right masks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from kerasft.preprocessing.batching import (
    FEW_SHAPES,
    TokenFeed,
    class_weights,
    make_batches,
    pad_rows,
    padding_share,
    plan_epoch,
    predict_rows,
)
from kerasft.preprocessing.encoding import Encoded

PAD = 9


def encoded_rows(lengths: list[int] | np.ndarray, *, segments: bool = True, max_length: int = 64, **options: Any) -> Encoded:
    """Rows of the given lengths; the ids of row `i` are `1000 * i`, `1000 * i + 1`, ...; half is the first segment."""
    lengths = np.asarray(lengths, np.int64)
    ids = [1000 * i + np.arange(length) for i, length in enumerate(lengths)]
    return Encoded(
        ids=np.concatenate([*ids, []]).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first_lengths=((lengths + 1) // 2).astype(np.int32),
        full_lengths=lengths.astype(np.int32),
        owners=np.arange(len(lengths)),
        rows=len(lengths),
        flat={},
        pad_id=PAD,
        has_segments=segments,
        max_length=max_length,
        **options,
    )


lengths_of_rows = st.lists(st.integers(1, 300), max_size=400).map(np.array)
SKEWED = np.minimum(512, np.random.default_rng(0).lognormal(3, 1, 4000).astype(int) + 2)


@settings(deadline=None, max_examples=150)
@given(
    lengths=lengths_of_rows, batch_size=st.integers(1, 70), seed=st.integers(0, 2**32), epoch=st.integers(0, 99),
    shuffle=st.booleans(), group=st.booleans(),
)  # fmt: skip
def test_every_row_is_in_exactly_one_batch(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int, shuffle: bool, group: bool
) -> None:
    plan = plan_epoch(lengths, batch_size, seed=seed, epoch=epoch, shuffle=shuffle, group=group)
    assert sorted(int(row) for rows in plan for row in rows) == list(range(len(lengths)))
    # One batch holds the rest, all others are full, so that the number of steps is known before.
    sizes = sorted((len(rows) for rows in plan), reverse=True)
    full, rest = divmod(len(lengths), batch_size)
    assert sizes == [batch_size] * full + [rest] * bool(rest)
    if not (shuffle and group):
        assert [len(rows) for rows in plan] == sizes  # the smaller one is the last
    again = plan_epoch(lengths, batch_size, seed=seed, epoch=epoch, shuffle=shuffle, group=group)
    assert [rows.tolist() for rows in again] == [rows.tolist() for rows in plan]


@pytest.mark.parametrize("group", [True, False])
def test_epochs_and_seeds_differ(group: bool) -> None:
    plans = [
        np.concatenate(plan_epoch(SKEWED, 16, seed=seed, epoch=epoch, group=group)).tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert len({tuple(plan) for plan in plans}) == 4


def test_no_rows_make_no_batches() -> None:
    for shuffle in (True, False):
        assert plan_epoch(np.zeros(0, int), 8, seed=0, epoch=0, shuffle=shuffle) == []


def test_without_shuffling_and_grouping_rows_keep_their_order() -> None:
    plan = plan_epoch(SKEWED[:50], 8, seed=3, epoch=1, shuffle=False, group=False)
    assert np.concatenate(plan).tolist() == list(range(50))
    assert [len(rows) for rows in plan] == [8] * 6 + [2]


def test_without_shuffling_grouping_sorts_all_rows_by_length() -> None:
    plan = plan_epoch(SKEWED, 8, seed=3, epoch=1, shuffle=False)
    assert (np.diff(SKEWED[np.concatenate(plan)]) >= 0).all()


def test_grouping_removes_most_padding() -> None:
    encoded = encoded_rows(SKEWED, max_length=512)
    grouped, mixed = (padding_share(encoded, plan_epoch(SKEWED, 16, seed=0, epoch=0, group=group)) for group in (True, False))
    assert mixed > 0.5
    assert grouped < 0.3 * mixed  # what stays is mostly the rounding up to eights


def test_the_order_of_grouped_batches_says_nothing_about_length() -> None:
    plan = plan_epoch(SKEWED, 16, seed=0, epoch=1)
    means = [SKEWED[rows].mean() for rows in plan]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.2


@settings(deadline=None, max_examples=150)
@given(lengths=lengths_of_rows, batch_size=st.integers(1, 70), epoch=st.integers(0, 99))
def test_even_batches_hold_every_row_once_and_are_as_many(lengths: np.ndarray, batch_size: int, epoch: int) -> None:
    plan = plan_epoch(lengths, batch_size, seed=1, epoch=epoch, even=True)
    assert sorted(np.concatenate([*plan, np.zeros(0, int)]).tolist()) == list(range(len(lengths)))
    assert len(plan) == len(plan_epoch(lengths, batch_size, seed=1, epoch=epoch))  # the schedule counts them beforehand
    assert all(len(rows) for rows in plan)


def test_even_batches_hold_about_as_many_tokens() -> None:
    plan = plan_epoch(SKEWED, 16, seed=3, epoch=1, even=True)
    tokens = np.array([SKEWED[rows].sum() for rows in plan])
    by_rows = np.array([SKEWED[rows].sum() for rows in plan_epoch(SKEWED, 16, seed=3, epoch=1)])
    assert tokens.std() / tokens.mean() < 0.25 < 0.7 < by_rows.std() / by_rows.mean()


@pytest.mark.parametrize("together", [1, 2])
def test_only_the_first_epoch_begins_with_its_two_largest_batches(together: int) -> None:
    lengths = SKEWED[: len(SKEWED) // 2 * 2]
    first, second = (
        [len(rows) * lengths[rows].max() for rows in plan_epoch(lengths, 16, seed=4, epoch=epoch, together=together)]
        for epoch in (0, 1)
    )
    assert first[:2] == sorted(first, reverse=True)[:2]
    assert second[:2] != sorted(second, reverse=True)[:2]


def test_answers_of_batches_too_large_for_memory_come_from_smaller_ones() -> None:
    encoded = encoded_rows(SKEWED[:100], max_length=512)
    most, seen = 5, []

    class Model(Untraced):
        output_shape = (None, 1)

        def predict_on_batch(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
            if len(inputs["token_ids"]) > most:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            seen.append(len(inputs["token_ids"]))
            return inputs["padding_mask"].sum(axis=1, keepdims=True).astype(np.float32)

    assert predict_rows(Model(), encoded, 16).ravel().tolist() == SKEWED[:100].tolist()
    assert sum(seen) == 100  # what was refused once is asked for in halves, the rest in halves at once
    most = 0
    with pytest.raises(tf.errors.ResourceExhaustedError):
        predict_rows(Model(), encoded, 16)


def test_padding_share_by_hand() -> None:
    encoded = encoded_rows([3, 8, 9])
    assert padding_share(encoded, [np.array([0, 1]), np.array([2])], multiple=8) == pytest.approx(1 - 20 / (2 * 8 + 16))
    assert padding_share(encoded, [np.array([0, 1]), np.array([2])]) == pytest.approx(1 - 20 / (2 * 8 + 9))
    assert padding_share(encoded, []) == 0


def test_pad_rows_by_hand() -> None:
    encoded = encoded_rows([3, 5, 1])
    inputs = pad_rows(encoded, np.array([2, 0]), multiple=8)
    assert {name: value.dtype for name, value in inputs.items()} == dict.fromkeys(
        ("token_ids", "padding_mask", "segment_ids"), np.dtype(np.int32)
    )
    np.testing.assert_array_equal(inputs["token_ids"], [[2000] + [PAD] * 7, [0, 1, 2] + [PAD] * 5])
    np.testing.assert_array_equal(inputs["padding_mask"], [[1] + [0] * 7, [1] * 3 + [0] * 5])
    np.testing.assert_array_equal(inputs["segment_ids"], [[0] * 8, [0, 0, 1] + [0] * 5])  # 2 of 3 are the first segment
    assert "segment_ids" not in pad_rows(encoded_rows([3], segments=False), np.array([0]))


@pytest.mark.parametrize(
    ("lengths", "max_length", "width"),
    [([1], 64, 8), ([8, 2], 64, 8), ([9], 64, 16), ([60], 60, 60), ([57], 60, 60), ([41], 60, 48), ([3], 5, 5)],
)
def test_a_batch_is_as_wide_as_its_longest_row_in_eights_but_never_wider_than_the_model(
    lengths: list[int], max_length: int, width: int
) -> None:
    encoded = encoded_rows(lengths, max_length=max_length)
    assert pad_rows(encoded, np.arange(len(lengths)), multiple=8)["token_ids"].shape == (len(lengths), width)
    assert pad_rows(encoded, np.arange(len(lengths)))["token_ids"].shape == (len(lengths), max(lengths))  # without a GPU


def test_a_feed_for_a_compiled_model_has_few_shapes() -> None:
    feed = TokenFeed(encoded_rows([3, 5, 17]))
    rows = [np.array([0]), np.array([1]), np.array([2])]
    assert [feed(row)["token_ids"].shape[1] for row in rows] == [3, 5, 17]
    feed.multiple = FEW_SHAPES
    assert [feed(row)["token_ids"].shape[1] for row in rows] == [8, 8, 24]


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 64), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_what_the_mask_keeps_is_the_row(lengths: list[int], seed: int) -> None:
    encoded = encoded_rows(lengths)
    rows = np.random.default_rng(seed).permutation(len(lengths))
    inputs = pad_rows(encoded, rows)
    for i, row in enumerate(rows):
        kept = inputs["padding_mask"][i] == 1
        np.testing.assert_array_equal(inputs["token_ids"][i, kept], 1000 * row + np.arange(lengths[row]))
        assert (inputs["token_ids"][i, ~kept] == PAD).all()
        assert inputs["segment_ids"][i].sum() == lengths[row] // 2
        assert (inputs["segment_ids"][i, ~kept] == 0).all()


def rows_of(batches: Any) -> list[list[int]]:
    """Row numbers in a data set's batches, read back from the ids."""
    return [(item[0]["token_ids"][:, 0].numpy() // 1000).tolist() for item in batches]


def test_batches_come_in_the_order_of_the_plan_with_targets_and_class_weights() -> None:
    lengths = SKEWED[:50].clip(max=64)
    targets = np.arange(50, dtype=np.int32) % 3
    encoded = encoded_rows(lengths, targets=targets)
    plan = plan_epoch(lengths, 8, seed=1, epoch=2)
    weights = np.array([0.5, 1.0, 2.5])
    batches = list(make_batches(TokenFeed(encoded), plan, weights=weights))
    assert rows_of(batches) == [rows.tolist() for rows in plan]
    for rows, (_, given_targets, given_weights) in zip(plan, batches, strict=True):
        np.testing.assert_array_equal(given_targets, targets[rows])
        np.testing.assert_array_equal(given_weights, weights[targets[rows]])
    dataset = make_batches(TokenFeed(encoded), plan)
    assert int(dataset.cardinality()) == len(plan)
    assert len(next(iter(dataset))) == 2
    assert len(next(iter(make_batches(TokenFeed(encoded), plan, with_targets=False)))) == 1


def test_batches_have_no_tuner_whose_sleep_an_epoch_would_wait_for() -> None:
    data = make_batches(TokenFeed(encoded_rows([5, 6])), [np.array([0, 1])], with_targets=False)
    assert data.options().autotune.enabled is False


def test_starting_in_the_middle_of_a_plan_gives_the_tail_of_the_whole() -> None:
    lengths = SKEWED[:60].clip(max=64)
    encoded = encoded_rows(lengths, targets=np.zeros(60, np.int32))
    plan = plan_epoch(lengths, 8, seed=1, epoch=0)
    whole, tail = (list(make_batches(TokenFeed(encoded), part)) for part in (plan, plan[3:]))
    assert len(tail) == len(whole) - 3
    for (one, _), (other, _) in zip(whole[3:], tail, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


class Untraced:
    """A model that has no graph."""

    run_eagerly = True


class Stub(Untraced):
    """A model whose output tells the row: (row number, its length)."""

    output_shape = (None, 2)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def predict_on_batch(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        self.shapes.append(inputs["token_ids"].shape)
        return np.stack([inputs["token_ids"][:, 0] // 1000, inputs["padding_mask"].sum(axis=1)], axis=1).astype(np.float16)


def test_predicted_rows_are_in_their_own_order_and_little_padded() -> None:
    lengths = SKEWED[:100].clip(max=64)
    model = Stub()
    outputs = predict_rows(model, encoded_rows(lengths), batch_size=16)
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, np.stack([np.arange(100), lengths], axis=1))
    assert [shape[0] for shape in model.shapes] == [16] * 6 + [4]
    assert len({shape[1] for shape in model.shapes}) > 1  # short rows are not padded to the longest of all


def test_rows_of_any_length_are_predicted_by_one_graph() -> None:
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    counted = keras.ops.sum(mask, axis=1, keepdims=True) + 0 * ids[:, :1]
    model = keras.Model({"token_ids": ids, "padding_mask": mask}, counted)
    encoded = encoded_rows(SKEWED[:100].clip(max=64), segments=False)
    for _ in range(2):
        assert predict_rows(model, encoded, 16).ravel().tolist() == SKEWED[:100].clip(max=64).tolist()
    assert model.predict_function.experimental_get_tracing_count() == 1


def test_no_rows_give_no_predictions() -> None:
    assert predict_rows(Stub(), encoded_rows([])).shape == (0, 2)


def test_class_weights_are_scikit_learns_balanced() -> None:
    targets = np.random.default_rng(0).choice(4, 500, p=[0.7, 0.2, 0.07, 0.03])
    expected = compute_class_weight("balanced", classes=np.arange(4), y=targets)
    np.testing.assert_allclose(class_weights(targets, 4), expected, rtol=1e-6)
    assert class_weights(targets, 5)[4] == 0  # no rows, so nothing to weigh
