"""Questions in every window, contexts in pieces: offsets slice the context, nothing is left out, answers are found again."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kerasft  # noqa: F401  chooses the backend before Keras is imported
from kerasft.backbones.loading import load_framer
from kerasft.preprocessing.encoding import Encoded, encode
from kerasft.preprocessing.question_framing import QuestionFraming
from kerasft.tasks import Learned
from kerasft.tasks.answer_cells import Gold
from kerasft.tasks.question_answering import QuestionAnswering

LETTERS = "aegodfilm.,'-9Éßñ\u0301漢字の한ש🙂👍🏽\u200d\u200b\ufeff\ufffd\x00\x7f"
SPACES = " \t\n\x0b\x85\u00a0\u2003\u2028"
TEXT = st.text(st.sampled_from(LETTERS + SPACES), max_size=50)
FAMILIES = ("bert", "gpt2")
ROOM, OVERLAP, QUESTION = 14, 4, 5


@pytest.fixture(scope="module")
def framings(presets: dict[str, str]) -> dict[str, Any]:
    framers = {family: load_framer(Path(presets[family]), ROOM) for family in FAMILIES}
    return {family: (framer, QuestionFraming(framer, OVERLAP, QUESTION)) for family, framer in framers.items()}


def framed(framings: dict[str, Any], family: str, rows: list[tuple[str, str]]) -> Encoded:
    framer, framing = framings[family]
    questions, contexts = map(list, zip(*rows, strict=True))
    return encode(framer, [(questions, contexts)], paired=True, framing=framing)


def parts(encoded: Encoded, window: int) -> dict[str, np.ndarray]:
    tokens = slice(*encoded.offsets[window : window + 2])
    return {"ids": encoded.ids[tokens], **{name: np.asarray(values[tokens]) for name, values in encoded.flat.items()}}


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None, max_examples=25)
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@example(rows=[("", ""), ("what " * 20, "a good film " * 20), ("\x00", " \x00 "), ("🙂", "🙂" * 9)])
def test_context_tokens_slice_the_context_in_order_and_leave_out_but_space(
    framings: dict[str, Any], family: str, rows: list[tuple[str, str]]
) -> None:
    framer = framings[family][0]
    encoded = framed(framings, family, rows)
    assert encoded.lengths.max() <= ROOM
    assert sorted(set(encoded.owners.tolist())) == list(range(len(rows)))
    covered = [np.zeros(len(context), dtype=bool) for _, context in rows]
    for window, owner in enumerate(encoded.owners):
        context = rows[owner][1]
        token = parts(encoded, window)
        inside = token["starts"] >= 0
        starts, ends = token["starts"][inside], token["ends"][inside]
        assert (token["ends"][~inside] == -1).all()
        assert (starts <= ends).all()
        assert ends.max(initial=0) <= len(context)
        assert (np.diff(starts) >= 0).all()
        assert (np.diff(ends) >= 0).all()
        for start, end in zip(starts, ends, strict=True):
            assert not any(sign in context[start:end] for sign in " \t\n\x00\u00a0\u2003\u2028")
            covered[owner][start:end] = True
        # The special ids, the question and where "no answer" is said stand where they should.
        asked = framer.tokenize([rows[owner][0]]).to_list()[0][:QUESTION]
        head = [*framer.start, *asked, *framer.end]
        assert token["ids"][: len(head)].tolist() == head
        assert encoded.first_lengths[window] == len(head)
        assert np.flatnonzero(inside).tolist() == list(range(len(head), len(head) + inside.sum()))
        assert token["ids"][-1] == framer.end[0]
        assert np.flatnonzero(token["null"]).tolist() == [len(token["ids"]) - 1 if family == "gpt2" else 0]
    for (_, context), seen in zip(rows, covered, strict=True):
        assert not "".join(c for c, done in zip(context, seen, strict=True) if not done).replace("\x00", " ").strip()


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbouring_windows_share_tokens_and_all_have_the_question(framings: dict[str, Any], family: str) -> None:
    context = " ".join("abcdefghijklmnop")
    encoded = framed(framings, family, [("it is", context)])
    windows = [parts(encoded, i) for i in range(len(encoded))]
    assert len(windows) > 2
    for before, after in itertools.pairwise(windows):
        places = [sorted({s for s in window["starts"].tolist() if s >= 0}) for window in (before, after)]
        assert len(set(places[0]) & set(places[1])) >= (OVERLAP if family == "bert" else OVERLAP // 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_that_is_too_long_is_cut_and_counted(framings: dict[str, Any], family: str) -> None:
    encoded = framed(framings, family, [("b b b b b", "a"), ("b b b b b b b", "a")])
    cut = (encoded.full_lengths - encoded.lengths).tolist()
    assert cut == ([0, 2] if family == "bert" else [4, 8])  # GPT-2's few merges leave the space before b a token of its own
    assert encoded.cut == (1 if family == "bert" else 2)


WORDS = st.lists(st.sampled_from(["a", "good", "film", "plot", "the", "badly", "漢", "🙂", "é", "it's"]), min_size=1, max_size=25)


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None, max_examples=25)
@given(words=WORDS, data=st.data())
def test_an_answer_is_pointed_at_where_a_window_shows_all_of_it_and_else_none(
    framings: dict[str, Any], family: str, words: list[str], data: st.DataObject
) -> None:
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 4, len(words) - 1)))
    start = len(" ".join([*words[:first], ""])) if first else 0
    answer = " ".join(words[first : last + 1])
    assert context[start : start + len(answer)] == answer
    gold = [Gold((answer,), start, start + len(answer)), Gold((), -1, -1), Gold(("elsewhere",), -1, -1)]
    encoded = framed(framings, family, [("it", context)] * 3)
    encoded = QuestionAnswering().targets(encoded, gold, Learned())
    assert encoded.targets is not None
    for window, owner in enumerate(encoded.owners):
        token = parts(encoded, window)
        begin, end = encoded.targets[window]
        null = int(np.flatnonzero(token["null"])[0])
        inside = token["starts"] >= 0
        if owner == 1:
            assert (begin, end) == (null, null)
        elif owner == 2:
            assert (begin, end) == (-1, -1)  # an answer that stands nowhere is not learned from, not taught as none
        elif token["starts"][inside][0] <= start and start + len(answer) <= token["ends"][inside][-1]:
            assert context[token["starts"][begin] : token["ends"][end]] == answer
        else:
            assert (begin, end) == (null, null)
