"""Tags and entities in the graph against the plain definitions: all sequences tried, and `evaluation.tags`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.evaluation.tags import entities, to_bio
from kerasft.preprocessing.tag_decoding import find_entities, repair, tag_table, viterbi

BIO = ("O", "B-A", "I-A", "B-B", "I-B")
LABELS = [BIO, ("B-A", "I-A", "O"), ("I-B", "O", "B-A", "B-B", "I-A"), ("DET", "NOUN", "VERB")]
TAGS = st.lists(st.lists(st.sampled_from(BIO), max_size=12), max_size=5)


def valid(tags: tuple[str, ...]) -> bool:
    """Whether every I-X follows B-X or I-X."""
    return all(tag[:2] != "I-" or before[2:] == tag[2:] != "" for before, tag in itertools.pairwise(("O", *tags)))


def ragged(rows: list[np.ndarray], *inner: int) -> tf.RaggedTensor:
    flat = np.concatenate([np.zeros((0, *inner)), *rows]) if inner else np.concatenate([np.zeros(0), *rows])
    values = tf.constant(flat, tf.float32 if inner else tf.int32)
    return tf.RaggedTensor.from_row_lengths(values, np.asarray([len(row) for row in rows], np.int64))


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: ",".join(labels))
@pytest.mark.parametrize("seed", range(4))
def test_viterbi_finds_the_best_of_all_valid_sequences(labels: tuple[str, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = [0, *rng.integers(0, 5, 5), 5, 0]
    scores = [2 * rng.normal(size=(length, len(labels))).astype(np.float32) for length in lengths]
    found = viterbi(ragged(scores, len(labels)), tag_table(labels)).to_list()
    assert [len(row) for row in found] == lengths
    for row, tags in zip(scores, found, strict=True):
        sequences = [s for s in itertools.product(range(len(labels)), repeat=len(row)) if valid(tuple(labels[i] for i in s))]
        best = max(sequences, key=lambda s: row[np.arange(len(row)), list(s)].sum())
        assert tuple(tags) == best


def test_viterbi_of_no_text_and_of_texts_without_words() -> None:
    table = tag_table(BIO)
    assert viterbi(ragged([], 5), table).to_list() == []
    assert viterbi(ragged([np.zeros((0, 5))] * 3, 5), table).to_list() == [[], [], []]


def test_viterbi_compares_probabilities_not_logits() -> None:
    """A word whose logits are all large does not weigh more: only differences within a word count."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 5)).astype(np.float32)
    shifted = scores + 100 * rng.random((6, 1)).astype(np.float32)
    one, other = (viterbi(ragged([value], 5), tag_table(BIO)).to_list() for value in (scores, shifted))
    assert one == other


def test_viterbi_stays_valid_over_long_texts_and_hopeless_scores() -> None:
    rows = [np.tile(np.asarray([[0, 0, 50, 0, 49]], np.float32), (3000, 1)), np.full((2, 5), -1e6, np.float32)]
    found = viterbi(ragged(rows, 5), tag_table(BIO)).to_list()
    assert [BIO[i] for i in found[0]] == ["B-A"] + ["I-A"] * 2999
    assert valid(tuple(BIO[i] for i in found[1]))


@settings(deadline=None, max_examples=30)
@given(sequences=TAGS)
def test_repair_and_entities_are_those_of_the_evaluation(sequences: list[list[str]]) -> None:
    table = tag_table(BIO)
    numbers = ragged([np.asarray([BIO.index(tag) for tag in row]) for row in sequences])
    repaired = repair(numbers, table)
    names = [[BIO[i] for i in row] for row in repaired.to_list()]
    assert names == [to_bio(row, "BIO") for row in sequences]
    assert [entities(row) for row in names] == [entities(row) for row in sequences]

    rng = np.random.default_rng(0)
    sure = rng.random(int(numbers.row_lengths().numpy().sum())).astype(np.float32)
    found = find_entities(repaired, tf.constant(sure), table)
    starts = np.concatenate([[0], np.cumsum(numbers.row_lengths().numpy())]).astype(int)
    for row, (tags, start) in enumerate(zip(names, starts, strict=False)):
        wanted = entities(tags)
        kinds = [("A", "B")[i] for i in found.types[row].numpy()]
        places = zip(kinds, found.first[row].numpy() - start, found.last[row].numpy() - start + 1, strict=True)
        assert list(places) == wanted
        means = [sure[start + first : start + last].mean() for _, first, last in wanted]
        np.testing.assert_allclose(found.scores[row], means, rtol=1e-5)


def test_plain_tags_may_follow_each_other_in_any_way() -> None:
    labels = ("DET", "NOUN", "VERB")
    rows = [np.asarray([2, 2, 0]), np.zeros(0, int), np.asarray([1])]
    table = tag_table(labels)
    assert repair(ragged(rows), table).to_list() == [[2, 2, 0], [], [1]]
    assert find_entities(ragged(rows), tf.ones(4), table).first.to_list() == [[], [], []]


def test_a_plain_tag_that_looks_like_an_inside_one_is_a_tag_as_any() -> None:
    assert len(tag_table(("I-X", "NOUN", "VERB")).types) == 3
