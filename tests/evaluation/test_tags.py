"""Tag schemes, entities and their scores: against seqeval (a fixture), by hand, and what must hold of any tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasft.errors import ConfigError, DataError
from kerasft.evaluation.tags import (
    entities,
    entity_counts,
    entity_scores,
    f1_from_counts,
    odd_tags,
    scheme_of,
    to_bio,
    token_accuracy,
)

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "metrics_seqeval.json").read_text(encoding="ascii"))
TYPES = ("A", "B", "creative-work", "I", "人")


def rows(*sentences: str) -> list[list[str]]:
    return [sentence.split() for sentence in sentences]


@pytest.mark.parametrize("case", FIXTURE["scores"], ids=lambda case: case["name"])
def test_scores_are_seqevals(case: dict[str, Any]) -> None:
    scores = entity_scores(case["gold"], case["predicted"])
    for name in ("precision", "recall", "f1", "macro_f1", "weighted_f1"):
        assert getattr(scores, name) == pytest.approx(case[name], abs=1e-12), name
    assert list(scores.per_type) == sorted(case["per_type"])
    for kind, figures in case["per_type"].items():
        wanted = {"f1" if name == "f1-score" else name: value for name, value in figures.items()}
        assert scores.per_type[kind] == pytest.approx(wanted, abs=1e-12)
    assert [[list(entity) for entity in entities(tags)] for tags in case["gold"]] == case["entities"]
    assert f1_from_counts(entity_counts(case["gold"], case["predicted"])) == scores.f1
    assert token_accuracy(case["gold"], case["predicted"]) == pytest.approx(case["accuracy"])


@pytest.mark.parametrize("scheme", ["IOB1", "BIOES"])
def test_conversion_leaves_the_entities_seqeval_finds(scheme: str) -> None:
    cases = [case for case in FIXTURE["schemes"] if case["scheme"] == scheme]
    assert len(cases) > 40
    for case in cases:
        assert [list(entity) for entity in entities(to_bio(case["tags"], scheme))] == case["entities"], case["tags"]


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (rows("B-A I-A O", "B-B"), "BIO"),
        (rows("B-A B-A I-A", "O B-A"), "BIO"),
        (rows("I-A I-A O", "I-B"), "IOB1"),
        (rows("I-A B-A I-A O", "I-B"), "IOB1"),
        (rows("I-A I-B", "I-B B-B"), "IOB1"),
        (rows("I-A I-A O", "B-B I-B"), "BIO"),  # B- where nothing forces it: BIO with a mistake
        (rows("I-A B-B"), "BIO"),  # in IOB1 a change of type needs no B-
        (rows("I-A", "B-A"), "BIO"),  # what the sentence before ended with does not count
        (rows("B-A E-A O S-B"), "BIOES"),
        (rows("B-A L-A O U-B"), "BIOES"),
        (rows("B-A M-A E-A O S-B"), "BIOES"),
        (rows("S-A O", "S-B"), "BIOES"),
        (rows("B I O", "B"), "BIO"),
        (rows("B M E S", "B E"), "BIOES"),
        (rows("NOUN VERB", "DET X O"), "plain"),
        (rows("S S-PRO V A ADV"), "plain"),  # Russian National Corpus: one tag looks like a prefix
        (rows("PER PER O LOC"), "plain"),
        (rows("B-A X"), "plain"),  # half is not most
        (rows("B-A I-A O", "B_A B-A"), "BIO"),  # a misspelt tag does not make it plain
        (rows("O O", "O"), "BIO"),
        (rows("", ""), "BIO"),
        ([], "BIO"),
    ],
)
def test_the_scheme_is_recognised(sentences: list[list[str]], scheme: str) -> None:
    assert scheme_of(sentences) == scheme
    assert scheme_of(sentences[::-1]) == scheme


@pytest.mark.parametrize(
    ("scheme", "tags", "bio"),
    [
        ("BIO", "B-A I-A O B-B", "B-A I-A O B-B"),
        ("BIO", "O I-A I-A I-B", "O B-A I-A B-B"),
        ("IOB1", "I-A I-A O I-A B-A I-A I-B", "B-A I-A O B-A B-A I-A B-B"),
        ("BIOES", "B-A E-A S-A B-B I-B E-B O", "B-A I-A B-A B-B I-B I-B O"),
        ("BIOES", "B-A M-A L-A U-A O", "B-A I-A I-A B-A O"),
        ("BIOES", "E-A E-A I-A S-A I-A", "B-A B-A B-A B-A B-A"),
        ("BIOES", "B-A O E-A B-B E-A", "B-A O B-A B-B B-A"),
        ("BIOES", "B-A U-A B-A I-A S-A B-A B-A", "B-A B-A B-A I-A B-A B-A B-A"),
        ("BIOES", "B-A L-A I-A L-A U-A I-A", "B-A I-A B-A I-A B-A B-A"),
        ("BIOES", "B M E S O I", "B I I B O B"),
        ("BIO", "I I O B", "B I O B"),
        ("plain", "NOUN O B-A", "NOUN O B-A"),
        ("BIO", "", ""),
    ],
)
def test_conversion_by_hand(scheme: str, tags: str, bio: str) -> None:
    assert to_bio(tags.split(), scheme) == bio.split()


def test_odd_tags_are_named_once_in_order() -> None:
    sentences = rows("B-A X I-A", "B_A X b-A", "B- B E-A")
    assert odd_tags(sentences, "BIO") == ["X", "B_A", "b-A", "B-", "B", "E-A"]
    assert odd_tags(sentences, "BIOES") == ["X", "B_A", "b-A", "B-", "B"]
    assert odd_tags(rows("B I O"), "BIO") == []
    assert odd_tags([["NOUN", "", " ", "B-A"]], "plain") == ["", " "]


def test_conversion_refuses_odd_tags_and_schemes() -> None:
    with pytest.raises(DataError, match="BIO tags are O or one of B, I with hyphen and type; got 'B_A', 'E-A'"):
        to_bio(["B-A", "B_A", "E-A", "B_A"], "BIO")
    for ask in (to_bio, odd_tags):
        with pytest.raises(ConfigError, match="'BIO', 'IOB1', 'BIOES', 'plain'. Received: 'IOB2'"):
            ask([], "IOB2")


def test_what_is_no_entity_tag_is_outside() -> None:
    assert entities(["B-A", "E-A", "X", "I-A", ""]) == [("A", 0, 1), ("A", 3, 4)]


def test_nothing_at_all_scores_zero() -> None:
    scores = entity_scores(rows("O O", ""), rows("O O", ""))
    assert (scores.precision, scores.recall, scores.f1, scores.macro_f1, scores.weighted_f1) == (0, 0, 0, 0, 0)
    assert scores.per_type == {}
    assert entity_counts([], []).shape == (0, 3)
    assert f1_from_counts(entity_counts([], [])) == 0.0
    assert np.isnan(token_accuracy([[]], [[]]))


@pytest.mark.parametrize("score", [entity_scores, entity_counts, token_accuracy])
def test_sentences_and_words_must_match(score: Any) -> None:
    with pytest.raises(DataError, match="There are 2 sentences of true tags and 1 predicted"):
        score(rows("O", "O"), rows("O"))
    with pytest.raises(DataError, match="Sentence 1 has 2 true tags and 1 predicted"):
        score(rows("O", "O O"), rows("O", "O"))


def test_counts_by_hand() -> None:
    counts = entity_counts(rows("B-A B-B O", "", "O"), rows("B-A I-A B-B", "", "B-A"))
    assert counts.tolist() == [[0, 2, 2], [0, 0, 0], [0, 1, 0]]
    assert f1_from_counts(np.array([[1, 2, 3], [1, 1, 0]])) == pytest.approx(2 * 2 / (3 + 3))


@st.composite
def laid_out(draw: st.DrawFn) -> tuple[list[tuple[str, int, int]], int]:
    """Entities that do not overlap, in order, and the number of words."""
    spans, word = [], 0
    for kind in draw(st.lists(st.sampled_from(TYPES), max_size=6)):
        first = word + draw(st.integers(0, 2))
        word = first + draw(st.integers(1, 4))
        spans.append((kind, first, word))
    return spans, word + draw(st.integers(0, 2))


def spell(spans: list[tuple[str, int, int]], words: int, scheme: str) -> list[str]:
    """The textbook's tags of the entities, written independently of `to_bio`."""
    tags = ["O"] * words
    previous: tuple[str, int, int] | None = None
    for kind, first, end in spans:
        letters = ["I"] * (end - first)
        touches = previous is not None and previous[0] == kind and previous[2] == first
        if scheme != "IOB1" or touches:
            letters[0] = "B"
        if scheme in ("BIOES", "BILOU"):
            letters[-1] = "S" if len(letters) == 1 else "E"
        if scheme == "BILOU":
            letters = ["LU"["ES".index(letter)] if letter in "ES" else letter for letter in letters]
        tags[first:end] = [f"{letter}-{kind}" for letter in letters]
        previous = (kind, first, end)
    return tags


@settings(max_examples=300, deadline=None, derandomize=True)
@given(case=laid_out(), scheme=st.sampled_from(["BIO", "IOB1", "BIOES", "BILOU"]))
def test_entities_come_back_from_every_scheme(case: tuple[list[tuple[str, int, int]], int], scheme: str) -> None:
    spans, words = case
    tags = spell(spans, words, scheme)
    bio = to_bio(tags, "BIOES" if scheme == "BILOU" else scheme)
    assert bio == spell(spans, words, "BIO")
    assert entities(bio) == spans
    # As the file alone says which scheme it is; one sentence may fit several, which must then mean the same.
    assert to_bio(tags, scheme_of([tags])) == bio


bioes_tags = ["O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B", "L-B", "U-A", "M-A"]
any_tags = st.lists(st.sampled_from(bioes_tags), max_size=15)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(tags=any_tags)
@example(tags=["S-A", "I-A"])
def test_any_tags_become_valid_bio(tags: list[str]) -> None:
    bio = to_bio(tags, "BIOES")
    assert [tag == "O" for tag in bio] == [tag == "O" for tag in tags]
    assert [tag[2:] for tag in bio] == [tag[2:] for tag in tags]
    for before, tag in zip(["O", *bio], bio, strict=False):
        assert tag[0] in "BIO"
        assert tag[0] != "I" or (before[0] in "BI" and before[2:] == tag[2:])
    assert to_bio(bio, "BIO") == bio
    assert odd_tags([bio], "BIO") == []


@st.composite
def tagged_twice(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]]]:
    tag = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])
    pairs = draw(st.lists(st.lists(st.tuples(tag, tag), max_size=8), max_size=6))
    return [[a for a, _ in row] for row in pairs], [[b for _, b in row] for row in pairs]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(case=tagged_twice())
def test_scores_lie_between_zero_and_one_and_mirror(case: tuple[list[list[str]], list[list[str]]]) -> None:
    gold, predicted = case
    scores, mirrored = entity_scores(gold, predicted), entity_scores(predicted, gold)
    for name in ("precision", "recall", "f1", "macro_f1", "weighted_f1"):
        assert 0 <= getattr(scores, name) <= 1
    assert (scores.precision, scores.recall, scores.f1) == (mirrored.recall, mirrored.precision, mirrored.f1)
    assert entity_scores(gold, gold).f1 == float(any(entities(tags) for tags in gold))
    assert f1_from_counts(entity_counts(gold, predicted)) == scores.f1
