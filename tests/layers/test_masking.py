"""Masking layers: what is hidden, how often, and that nothing else is. Statistics with bounds that fail once in thousands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasft  # noqa: F401  registers the layers with Keras
from kerasft.layers.masking import SpanMasking, TokenMasking, WholeWordMasking, masked_places
from kerasft.layers.row_random import row_seeds

PAD, UNKNOWN, BEGIN, END, MASK = range(5)
SPECIAL, VOCABULARY = [PAD, UNKNOWN, BEGIN, END], 120
KINDS = (TokenMasking, WholeWordMasking, SpanMasking)
ROWS, LENGTH = 6000, 48


def texts(rows: int = ROWS, length: int = LENGTH, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[BEGIN] tokens [END] [PAD]...` of different lengths, and which tokens begin a word."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, VOCABULARY, (rows, length))
    starts = (rng.random((rows, length)) < 0.7).astype(np.int32)
    kept = rng.integers(3, length + 1, rows)
    ids[:, 0] = BEGIN
    ids[np.arange(rows), kept - 1] = END
    ids[np.arange(length)[None] >= kept[:, None]] = PAD
    return ids.astype(np.int32), starts


def draw(
    kind: Any, ids: np.ndarray, starts: np.ndarray, *, seed: int = 1, epoch: int = 0, **options: Any
) -> dict[str, np.ndarray]:
    layer = kind(mask_id=MASK, vocabulary_size=VOCABULARY, special_ids=SPECIAL, **options)
    found = layer(ids, row_seeds(np.arange(len(ids)), seed=seed, epoch=epoch), word_starts=starts)
    return {name: value.numpy() for name, value in found.items()}


def words(row: np.ndarray, starts: np.ndarray) -> list[tuple[int, int]]:
    """First token of each word and the one behind its last, by a plain loop."""
    found: list[list[int]] = []
    before = False
    for place, (number, begins) in enumerate(zip(row, starts, strict=True)):
        ordinary = number > MASK
        if ordinary and (begins or not before):
            found.append([place, place + 1])
        elif ordinary:
            found[-1][1] = place + 1
        before = ordinary
    return [(first, last) for first, last in found]


def units(drawn: dict[str, np.ndarray], row: int) -> list[tuple[int, int]]:
    chosen = drawn["chosen"][row] > 0
    return sorted(set(zip(drawn["starts"][row][chosen].tolist(), drawn["stops"][row][chosen].tolist(), strict=True)))


def within(found: float, expected: float, count: int, deviation: float | None = None) -> None:
    """A share of `count` draws is the expected one but for what happens once in some ten thousand times."""
    deviation = np.sqrt(expected * (1 - expected)) if deviation is None else deviation
    assert abs(found - expected) < 4 * deviation / np.sqrt(count), (found, expected, count)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_the_share_of_hidden_tokens_is_the_rate(kind: Any, rate: float) -> None:
    ids, starts = texts()
    drawn = draw(kind, ids, starts, rate=rate)
    hidden = drawn["chosen"].sum(axis=1)
    ordinary = (ids > MASK).sum(axis=1)
    # Rows are independent of each other, tokens of a row are not.
    within(hidden.sum() / ordinary.sum(), rate, len(ids), float(np.std(hidden - rate * ordinary) / ordinary.mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_of_the_hidden_units_eighty_percent_are_masks_ten_another_token_ten_as_they_were(kind: Any) -> None:
    ids, starts = texts()
    drawn = draw(kind, ids, starts)
    fates = []
    for row in range(len(ids)):
        for first, last in units(drawn, row):
            after, before = drawn["token_ids"][row, first:last], ids[row, first:last]
            ordinary = before > MASK
            masks = (after == MASK)[ordinary]
            assert masks.all() or not masks.any()  # one fate a unit
            same = (after == before).all()
            assert same or masks.all() or kind is not TokenMasking or len(after) == 1
            fates.append(0 if masks.all() else 2 if same else 1)
    shares = np.bincount(fates, minlength=3) / len(fates)
    within(shares[0], 0.8, len(fates))
    # A drawn token is the old one by chance once in 115 times.
    lucky = 0.1 / (VOCABULARY - 5) if kind is TokenMasking else 0.1 / (VOCABULARY - 5) * 0.7
    assert abs(shares[2] - 0.1 - lucky) < 4 * np.sqrt(0.09 / len(fates)) + 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_are_never_hidden_and_never_drawn(kind: Any) -> None:
    ids, starts = texts()
    ids[:, 7] = UNKNOWN
    drawn = draw(kind, ids, starts, rate=0.5, mask_rate=0.0, random_rate=1.0)
    assert not drawn["chosen"][ids <= MASK].any()
    np.testing.assert_array_equal(drawn["token_ids"][drawn["chosen"] == 0], ids[drawn["chosen"] == 0])
    other = drawn["token_ids"][drawn["chosen"] > 0]
    assert set(other.tolist()) == set(range(5, VOCABULARY))  # all of them, and evenly
    counts = np.bincount(other)[5:]
    expected = len(other) / (VOCABULARY - 5)
    assert ((counts - expected) ** 2 / expected).sum() < (VOCABULARY - 6) + 5 * np.sqrt(2 * (VOCABULARY - 6))


def test_whole_words_are_hidden_whole() -> None:
    ids, starts = texts(500)
    drawn = draw(WholeWordMasking, ids, starts, rate=0.3)
    for row in range(len(ids)):
        assert set(units(drawn, row)) <= set(words(ids[row], starts[row]))
        covered = {place for first, last in units(drawn, row) for place in range(first, last)}
        assert covered == set(np.flatnonzero(drawn["chosen"][row]))


def test_spans_are_of_whole_words_and_do_not_meet() -> None:
    ids, starts = texts(500)
    ids[::2, 20] = END  # a second segment, which no span may reach into from the first
    drawn = draw(SpanMasking, ids, starts, rate=0.4)
    for row in range(len(ids)):
        known = words(ids[row], starts[row])
        firsts, lasts = {first for first, _ in known}, {last for _, last in known}
        covered: list[int] = []
        for first, last in units(drawn, row):
            assert first in firsts
            assert last in lasts
            covered += range(first, last)
        assert len(covered) == len(set(covered))
        assert sorted(covered) == np.flatnonzero(drawn["chosen"][row]).tolist()


def test_lengths_of_spans_follow_the_geometric_distribution_cut_at_ten() -> None:
    rng = np.random.default_rng(3)
    ids = rng.integers(5, VOCABULARY, (4000, 128)).astype(np.int32)
    drawn = draw(SpanMasking, ids, np.ones_like(ids))
    lengths = np.asarray([last - first for row in range(len(ids)) for first, last in units(drawn, row)])
    expected = 0.2 * 0.8 ** np.arange(10)
    expected /= expected.sum()
    assert lengths.max() == 10
    for length, share in enumerate(expected, start=1):
        # Two spans side by side look like one only in a picture: they have bounds of their own.
        within(float((lengths == length).mean()), float(share), len(lengths))
    assert lengths.mean() == pytest.approx(3.8, abs=0.08)  # the mean the paper gives


def test_spans_begin_anywhere_alike() -> None:
    ids = np.full((20_000, 60), 7, dtype=np.int32)
    drawn = draw(SpanMasking, ids, np.ones_like(ids), rate=0.02, longest=1)  # one word, mostly one span a row
    begun = np.bincount(np.flatnonzero(drawn["chosen"]) % 60, minlength=60)
    expected = begun.sum() / 60
    assert ((begun - expected) ** 2 / expected).sum() < 59 + 5 * np.sqrt(2 * 59)


def test_whole_words_and_tokens_are_chosen_anywhere_alike() -> None:
    ids = np.full((10_000, 40), 7, dtype=np.int32)
    for kind in (TokenMasking, WholeWordMasking):
        counts = draw(kind, ids, np.ones_like(ids))["chosen"].sum(axis=0)
        assert np.abs(counts / len(ids) - 0.15).max() < 5 * np.sqrt(0.15 * 0.85 / len(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_mask_and_another_epoch_another(kind: Any) -> None:
    ids, starts = texts(200)
    first = draw(kind, ids, starts)
    np.testing.assert_array_equal(first["token_ids"], draw(kind, ids, starts)["token_ids"])
    for other in (draw(kind, ids, starts, epoch=1), draw(kind, ids, starts, seed=2)):
        shared = (first["chosen"] & other["chosen"]).sum() / first["chosen"].sum()
        assert shared < 0.3  # 0.15 by chance


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_has_the_same_mask_in_any_batch_compiled_and_in_tf_data(kind: Any) -> None:
    ids, starts = texts(64)
    layer = kind(mask_id=MASK, vocabulary_size=VOCABULARY, special_ids=SPECIAL)
    seeds = row_seeds(np.arange(64), seed=5, epoch=2)
    whole = layer(ids, seeds, word_starts=starts)
    some = np.asarray([40, 3])
    wide = np.pad(ids[some], [[0, 0], [0, 9]])  # padded further
    part = layer(wide, tf.gather(seeds, some), word_starts=np.pad(starts[some], [[0, 0], [0, 9]]))

    def call(ids: Any, seeds: Any, starts: Any) -> Any:
        return layer(ids, seeds, word_starts=starts)

    compiled = tf.function(call, jit_compile=True)(ids, seeds, starts)
    data = tf.data.Dataset.from_tensor_slices((ids, seeds, starts)).batch(16).map(call)
    piped = list(data)
    for name, value in whole.items():
        np.testing.assert_array_equal(part[name][:, :LENGTH], value.numpy()[some])
        np.testing.assert_array_equal(compiled[name], value)
        np.testing.assert_array_equal(np.concatenate([batch[name] for batch in piped]), value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ids", [[[PAD, PAD]], [[BEGIN, END]], [[BEGIN, 9, END]], [[9]], [[MASK, MASK]]])
def test_short_and_empty_rows(kind: Any, ids: list[list[int]]) -> None:
    rows = np.repeat(np.asarray(ids, np.int32), 4000, axis=0)
    drawn = draw(kind, rows, np.ones_like(rows))
    ordinary = (rows > MASK).sum()
    assert not drawn["chosen"][rows <= MASK].any()
    if ordinary:  # a text of one word loses it as often as any other word
        within(drawn["chosen"].sum() / ordinary, 0.15, ordinary)


def test_masks_are_pinned() -> None:
    # From this code: what is drawn must stay the same from version to version, or a resumed run goes on with other masks.
    ids, starts = texts(3, 16)
    for kind, expected in PINNED.items():
        drawn = draw(kind, ids, starts, rate=0.3)
        assert ["".join(map(str, row)) for row in drawn["chosen"]] == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=5, max_size=5), min_size=1, max_size=4), st.integers(0, 2**31 - 1))
def test_any_ids_give_a_whole_answer(rows: list[list[int]], seed: int) -> None:
    ids = np.asarray(rows, np.int32)
    starts = ids % 2
    for kind in KINDS:
        drawn = draw(kind, ids, starts, seed=seed, rate=0.5)
        chosen = drawn["chosen"] > 0
        assert not chosen[ids <= MASK].any()
        assert (drawn["token_ids"][~chosen] == ids[~chosen]).all()
        assert (drawn["starts"][chosen] <= np.nonzero(chosen)[1]).all()
        assert (drawn["stops"][chosen] > np.nonzero(chosen)[1]).all()


def test_the_places_of_hidden_tokens() -> None:
    chosen = np.asarray([[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    places, there = masked_places(chosen, 2)
    np.testing.assert_array_equal(places, [[1, 3], [0, 0], [0, 0]])
    np.testing.assert_array_equal(there, [[1, 1], [0, 0], [1, 0]])


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_saved_within_a_model(kind: Any, tmp_path: Path) -> None:
    ids, starts = texts(8)
    inputs = [keras.Input((None,), dtype="int32"), keras.Input((), dtype="int32"), keras.Input((None,), dtype="int32")]
    layer = kind(mask_id=MASK, vocabulary_size=VOCABULARY, special_ids=SPECIAL, rate=0.25)
    model = keras.Model(inputs, layer(inputs[0], inputs[1], word_starts=inputs[2]))
    model.save(tmp_path / "masking.keras")
    given = [ids, np.arange(8, dtype=np.int32), starts]
    loaded = keras.models.load_model(tmp_path / "masking.keras")
    for name, value in model(given).items():
        np.testing.assert_array_equal(loaded(given)[name], value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5}, "`rate` must be from 0 to 1"),
        ({"mask_rate": 0.9, "random_rate": 0.2}, "at most 1 together"),
        ({"special_ids": range(120)}, "no tokens but special ones"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenMasking(**{"mask_id": MASK, "vocabulary_size": VOCABULARY, **options})
    with pytest.raises(ValueError, match="`longest` at least 1"):
        SpanMasking(mask_id=MASK, vocabulary_size=VOCABULARY, longest=0)


PINNED = {
    TokenMasking: ["0100000000000000", "0000100100000000", "0000011000000000"],
    WholeWordMasking: ["0111000000000000", "0000111000000000", "0000011000000000"],
    SpanMasking: ["0000101000000000", "0001111000000000", "0011110000000000"],
}
