"""A split keeps groups together, takes the same share of every class, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data.splitting import normalise, stratified_split, text_key


@st.composite
def splits(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Rows of groups, each group of one class or of several."""
    rows = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=150))
    groups, strata = (np.asarray(column) for column in zip(*rows, strict=True))
    if draw(st.booleans()):
        strata = groups % 6
    return groups, strata, draw(st.floats(0.0, 0.9)), draw(st.integers(0, 2**31))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(case=splits())
def test_groups_shares_and_seeds(case: tuple[np.ndarray, np.ndarray, float, int]) -> None:
    groups, strata, fraction, seed = case
    chosen = stratified_split(groups, strata, fraction, seed)
    assert (chosen.shape, chosen.dtype) == (groups.shape, np.dtype(bool))
    of_group = {group: set(chosen[groups == group]) for group in groups}
    assert all(len(sides) == 1 for sides in of_group.values())
    class_of = {group: strata[groups == group][0] for group in groups}
    for stratum in set(class_of.values()):
        members = [group for group, own in class_of.items() if own == stratum]
        taken = sum(of_group[group] == {True} for group in members)
        assert abs(taken - fraction * len(members)) <= 1
        assert taken < len(members)
    assert np.array_equal(chosen, stratified_split(groups, strata, fraction, seed))


def test_the_total_is_right_with_hundreds_of_small_classes() -> None:
    groups, strata = np.arange(1000), np.repeat(np.arange(200), 5)
    chosen = stratified_split(groups, strata, 0.1, seed=0)
    assert chosen.sum() == 100
    assert np.bincount(strata[chosen]).max() == 1


@pytest.mark.parametrize(("fraction", "each"), [(0.1, 10), (0.25, 25), (0.29, 29), (0.3, 30), (0.7, 70), (0.9, 90)])
def test_whole_shares_are_exact(fraction: float, each: int) -> None:
    chosen = stratified_split(np.arange(300), np.arange(300) % 3, fraction, seed=5)
    assert np.bincount((np.arange(300) % 3)[chosen]).tolist() == [each] * 3


def test_another_seed_chooses_others() -> None:
    groups, strata = np.arange(200), np.arange(200) % 2
    choices = {stratified_split(groups, strata, 0.5, seed).tobytes() for seed in range(10)}
    assert len(choices) == 10


def test_every_row_has_its_turn() -> None:
    groups, strata = np.arange(20), np.arange(20) % 2
    often = sum(stratified_split(groups, strata, 0.5, seed).astype(int) for seed in range(200))
    assert often.min() > 60
    assert often.max() < 140


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_nothing_to_split(rows: int) -> None:
    nothing = np.zeros(rows, dtype=int)
    assert not stratified_split(nothing, nothing, 0.5, seed=0).any()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("A  fine\tFilm\n", None), ("a fine film", ""), True),
        (("ÉTÉ", None), ("été", None), True),
        (("a", "b"), ("a b", None), False),
        (("a", "b"), ("b", "a"), False),
        (("a b", None), ("ab", None), False),
        (("fine.", None), ("fine", None), False),
        (("\ud83d", None), ("\ud83e", None), False),
    ],
)
def test_texts_that_count_as_equal(first: tuple[str, str | None], second: tuple[str, str | None], same: bool) -> None:
    assert (text_key(*first) == text_key(*second)) is same


def test_normalise() -> None:
    assert normalise(" So\u00a0 FINE\r\n") == "so fine"
