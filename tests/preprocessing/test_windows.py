"""Windows over long texts: everything is covered, everything is scored once, where most around it is seen."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.preprocessing.windows import cover, gather_windows, surround

LENGTHS = st.lists(st.integers(0, 60), max_size=6)
ROOM = st.integers(1, 20)


def windows_of(lengths: list[int], room: int | list[int], overlap: int, causal: bool) -> list[list[tuple[int, int, int, int]]]:
    """(start, stop, first scored, after the last scored) of the windows of each sequence."""
    found = cover(tf.constant(lengths, tf.int32), tf.constant(room, tf.int32), overlap, causal=causal)
    columns = [column.numpy().tolist() for column in found]
    assert columns[0] == sorted(columns[0])
    return [[tuple(rest) for owner, *rest in zip(*columns, strict=True) if owner == i] for i in range(len(lengths))]


@pytest.mark.parametrize("causal", [False, True])
@settings(deadline=None, max_examples=200)
@given(lengths=LENGTHS, room=ROOM, overlap=st.integers(0, 25))
def test_windows_cover_everything_and_score_it_once(causal: bool, lengths: list[int], room: int, overlap: int) -> None:
    shared = min(overlap, room - 1)
    for length, windows in zip(lengths, windows_of(lengths, room, overlap, causal), strict=True):
        assert windows[0][0] == 0
        assert windows[-1][1] == length
        for start, stop, first, after in windows:
            assert 0 <= stop - start <= room
            assert start <= first <= after <= stop
        for before, window in itertools.pairwise(windows):
            assert before[1] - before[0] == room  # only the last may be short
            assert before[1] - window[0] == shared
            assert window[1] > before[1]  # and each shows something new
        scored = [place for _, _, first, after in windows for place in range(first, after)]
        assert scored == list(range(length))


@pytest.mark.parametrize("causal", [False, True])
@settings(deadline=None, max_examples=100)
@given(length=st.integers(1, 60), room=ROOM, overlap=st.integers(0, 25))
def test_a_token_is_scored_where_most_around_it_is_seen(causal: bool, length: int, room: int, overlap: int) -> None:
    [windows] = windows_of([length], room, overlap, causal)

    def seen(window: tuple[int, int, int, int], token: int) -> float:
        start, stop, _, _ = window
        before = token - start if start else math.inf
        after = stop - 1 - token if stop < length else math.inf
        return before if causal else min(before, after)

    for window in windows:
        for token in range(window[2], window[3]):
            best = max(seen(other, token) for other in windows if other[0] <= token < other[1])
            assert seen(window, token) >= (best if causal else best - 1)  # halves are rounded


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(st.tuples(st.integers(0, 40), ROOM), min_size=1, max_size=5), overlap=st.integers(0, 9))
def test_each_sequence_may_have_room_of_its_own(rows: list[tuple[int, int]], overlap: int) -> None:
    lengths, rooms = map(list, zip(*rows, strict=True))
    together = windows_of(lengths, rooms, overlap, False)
    assert together == [windows_of([length], room, overlap, False)[0] for length, room in rows]


@settings(deadline=None, max_examples=50)
@given(lengths=LENGTHS.filter(bool), room=ROOM, overlap=st.integers(0, 9))
def test_the_tokens_of_windows_are_those_of_their_place(lengths: list[int], room: int, overlap: int) -> None:
    values = tf.RaggedTensor.from_row_lengths(np.arange(sum(lengths), dtype=np.int32), lengths)
    windows = cover(values.row_lengths(), room, overlap)
    found = gather_windows(values, windows).to_list()
    rows = values.to_list()
    expected = [rows[o][s:e] for o, s, e in zip(*(column.numpy() for column in windows[:3]), strict=True)]
    assert found == expected


def test_fillings_stand_around_each_row() -> None:
    values = tf.ragged.constant([[1, 2], [], [3]], dtype=tf.int32)
    assert surround(values, [1, 0, 2], 1, -1).to_list() == [[-1, 1, 2, -1], [-1], [-1, -1, 3, -1]]
    assert surround(values[:0], 1, 1, -1).to_list() == []
