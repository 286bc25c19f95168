"""Characters <-> words <-> sub-words: offsets slice the text, and tags come back from sub-words as they went in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kerasft  # noqa: F401  chooses the backend before Keras is imported
from kerasft.backbones.loading import load_framer
from kerasft.evaluation.tags import to_bio
from kerasft.preprocessing.alignment import RUNS, WORDS, split_words, to_sub_words
from kerasft.preprocessing.encoding import encode
from kerasft.preprocessing.word_framing import WordFraming, words_of
from kerasft.tasks import Learned
from kerasft.tasks.token_classification import TokenClassification, bio_labels

# Letters of the tiny vocabulary, signs, accents (composed and combining), scripts of several bytes, emoji with a joiner and
# a skin tone, zero-width characters, a byte-order mark, the replacement character, NUL, a lone surrogate.
LETTERS = "aegodfilm.,'-!9Éßñ\u0301\u0327漢字の한עש🙂👍🏽\u200d\u200b\u2060\ufeff\ufffd\x00\x7f\ud800"
SPACES = " \t\n\r\x0b\x85\u00a0\u2003\u2028\u3000"
WORD = st.text(st.sampled_from(LETTERS), max_size=7)
LABELS = bio_labels(("A", "B"))
ROOM = 7  # tokens of a window: most texts need several, and some words are longer than one
KEYS = [("bert", ROOM, 0), ("bert", ROOM, 3), ("gpt2", ROOM, 3), ("gpt2", 64, 0)]  # family, room, overlap
TEXT = st.text(st.sampled_from(LETTERS.replace("\ud800", "") + SPACES), max_size=40)


@pytest.fixture(scope="module")
def framings(presets: dict[str, str]) -> dict[str, Any]:
    """Small windows and a single large one."""
    framers = {(family, room): load_framer(Path(presets[family]), room) for family, room, _ in KEYS}
    return {key: (framers[key[:2]], WordFraming(framers[key[:2]], key[2])) for key in KEYS}


def framed(framings: dict[str, Any], key: tuple[str, int, int], cells: list[str]) -> Any:
    framer, framing = framings[key]
    return encode(framer, [(cells, [None] * len(cells))], paired=False, framing=framing)


@st.composite
def tagged_rows(draw: st.DrawFn) -> list[tuple[list[str], list[str]]]:
    """Rows of words with valid BIO tags."""
    rows = draw(st.lists(st.lists(st.tuples(WORD, st.sampled_from(LABELS)), max_size=9), min_size=1, max_size=4))
    return [([word for word, _ in row], to_bio([tag for _, tag in row], "BIO")) for row in rows]


@pytest.mark.parametrize("sub_words", ["first", "all"])
@pytest.mark.parametrize("key", KEYS, ids=str)
@settings(deadline=None, max_examples=12)
@given(rows=tagged_rows())
@example(rows=[([], []), (["", "\x00", "\u200b"], ["B-A", "I-A", "B-B"]), (["film"] * 30, ["B-A"] * 30)])
def test_tags_go_to_sub_words_and_come_back_whatever_the_words(
    framings: dict[str, Any], key: tuple[str, int, int], sub_words: str, rows: list[tuple[list[str], list[str]]]
) -> None:
    task = TokenClassification(sub_words=sub_words)
    learned = Learned(LABELS, {"scheme": "BIO", "majority": "O"})
    gold = [np.asarray([LABELS.index(tag) for tag in tags], dtype=np.int32) for _, tags in rows]
    encoded = task.targets(framed(framings, key, [json.dumps(words) for words, _ in rows]), gold, learned)
    assert encoded.lengths.max() <= key[1]

    # Every word is scored once, in order, on its first sub-word.
    scored = np.flatnonzero(encoded.flat["scored"])
    places = list(zip(encoded.owners[encoded.token_windows[scored]].tolist(), encoded.flat["word"][scored].tolist(), strict=True))
    assert places == [(row, word) for row, (words, _) in enumerate(rows) for word in range(len(words))]
    assert (np.asarray(encoded.flat["first"])[scored] == 1).all()

    # What a model that has learned the targets to the letter finds is what was given.
    sure = np.eye(len(LABELS), dtype=np.float32)[np.maximum(encoded.token_targets, 0)]
    found = task.tags(task.collect(sure, encoded), learned)
    assert [[LABELS[tag] for tag in row] for row in found] == [tags for _, tags in rows]

    # On the further sub-words of a word stands nothing, or the same tag without a new beginning.
    for target, word, first, window in zip(
        encoded.token_targets, encoded.flat["word"], encoded.flat["first"], encoded.token_windows, strict=True
    ):
        if word < 0:
            assert target == -1  # special tokens
            continue
        tag = rows[encoded.owners[window]][1][word]
        if first:
            assert LABELS[target] == tag
        else:
            assert target == -1 if sub_words == "first" else LABELS[target] == tag.replace("B-", "I-")


@pytest.mark.parametrize("key", [("bert", ROOM, 3), ("gpt2", ROOM, 3)], ids=str)
@settings(deadline=None, max_examples=15)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_every_word_of_plain_texts_is_scored_once_with_its_offsets(
    framings: dict[str, Any], key: tuple[str, int, int], texts: list[str]
) -> None:
    plain = [text for text in texts if words_of(text) is None]  # no brackets in the alphabet, so all
    encoded = framed(framings, key, plain)
    scored = np.flatnonzero(encoded.flat["scored"])
    found: dict[int, list[tuple[int, int]]] = {row: [] for row in range(len(plain))}
    for place in scored:
        row = int(encoded.owners[encoded.token_windows[place]])
        found[row].append((int(encoded.flat["starts"][place]), int(encoded.flat["ends"][place])))
    for row, text in enumerate(plain):
        assert_covers(text, found[row])


def assert_covers(text: str, places: list[tuple[int, int]]) -> None:
    """Places are in order, apart, not empty, and leave nothing out but white space (as which NUL counts)."""
    text = text.replace("\x00", " ")
    before = 0
    for start, end in [*places, (len(text), len(text) + 1)]:
        assert before <= start < end
        assert not text[before:start].strip()
        before = end


@pytest.mark.parametrize("pattern", [WORDS, RUNS], ids=["words", "runs"])
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(TEXT, min_size=1, max_size=5))
@example(texts=["", " ", "\x00", "a\x00b", " \u3000a\u2028", "🙂🙂 🙂"])
def test_offsets_slice_the_text_and_only_white_space_is_left_over(pattern: str, texts: list[str]) -> None:
    words = split_words([text.encode() for text in texts], pattern)
    starts, ends, spaced = (column.numpy().tolist() for column in (words.starts, words.ends, words.spaced))
    assert len(starts) == len(ends) == len(spaced) == int(words.strings.row_lengths().numpy().sum())
    number = 0
    for text, strings in zip(texts, words.strings.to_list(), strict=True):
        part = slice(number, number + len(strings))
        number += len(strings)
        places = list(zip(starts[part], ends[part], strict=True))
        assert [text.replace("\x00", " ")[start:end] for start, end in places] == [word.decode() for word in strings]
        assert_covers(text, places)
        befores = [0, *(end for _, end in places[:-1])]
        assert spaced[part] == [start > before for (start, _), before in zip(places, befores, strict=False)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mr. O'Brien isn't in the U.S. today.", ["Mr", ".", "O'Brien", "isn", "'", "t", "in", "the", "U.S", ".", "today", "."]),
        ("Ana's e-mail: ana@x.org (3.14%)", ["Ana", "'", "s", "e-mail", ":", "ana@x.org", "(", "3.14", "%", ")"]),
        ("東京に行く。Tokyo", ["東", "京", "に", "行", "く", "。", "Tokyo"]),
        ("l’amour d'Alembert d'où", ["l’amour", "d'Alembert", "d", "'", "où"]),
        ("‘Li’ and 'Bo'", ["‘", "Li", "’", "and", "'", "Bo", "'"]),
        ("e\u0301lan x\u200by", ["e\u0301lan", "x", "\u200b", "y"]),
    ],
)
def test_words_are_cut_as_annotators_cut_them(text: str, words: list[str]) -> None:
    assert [word.decode() for word in split_words([text.encode()], WORDS).strings.to_list()[0]] == words


@pytest.mark.parametrize("text", ["'Über alles'", "he said 'État' twice", "‘a’ ’né5", "'の9 ab"])
def test_no_letter_after_an_apostrophe_is_lost(text: str) -> None:
    words = split_words([text.encode()], WORDS)
    places = list(zip(words.starts.numpy().tolist(), words.ends.numpy().tolist(), strict=True))
    assert_covers(text, places)
    assert [text[start:end] for start, end in places] == [word.decode() for word in words.strings.to_list()[0]]


def shown(framer: Any, number: int) -> str:
    """A piece's text; of part of a character U+FFFD."""
    return "?" if number == framer.unknown_id else framer.family.show_piece(framer.tokenizer, number)[0].decode(errors="replace")


def sub_words(presets: dict[str, str], family: str, text: str, pattern: str = RUNS) -> list[tuple[str, int, int, bool]]:
    """Piece, slice of the text, and whether it is a word's first, of each sub-word."""
    framer = load_framer(Path(presets[family]), 64)
    how = {"causal": framer.family.causal, "empty": framer.unknown_id, "lengths": framer.piece_lengths}
    pieces = to_sub_words(split_words([text.encode()], pattern), framer.tokenize, **how)
    columns = [pieces.ids.values, pieces.starts, pieces.ends, pieces.first]
    return [
        (shown(framer, int(i)), int(s), int(e), bool(f))
        for i, s, e, f in zip(*(column.numpy() for column in columns), strict=True)
    ]


def test_a_sub_word_has_offsets_of_its_own_where_lengths_add_up(presets: dict[str, str]) -> None:
    assert sub_words(presets, "bert", "The films,") == [
        ("the", 0, 3, True), ("film", 4, 8, True), ("s", 8, 9, False), (",", 9, 10, True)]  # fmt: skip
    assert sub_words(presets, "bert", "Éz") == [("e", 0, 1, True), ("z", 1, 2, False)]  # the accent is stripped
    assert sub_words(presets, "gpt2", "the bady") == [
        ("the", 0, 3, True),
        (" ", 4, 4, True),
        ("bad", 4, 7, False),
        ("y", 7, 8, False),
    ]


def test_a_sub_word_has_its_words_offsets_where_they_do_not(presets: dict[str, str]) -> None:
    assert sub_words(presets, "bert", "a e\u0301z 漢") == [
        ("a", 0, 1, True), ("e", 2, 5, True), ("z", 2, 5, False), ("?", 6, 7, True)]  # fmt: skip
    assert {(s, e) for _, s, e, _ in sub_words(presets, "gpt2", "🙂")} == {(0, 1)}
    assert [f for *_, f in sub_words(presets, "gpt2", "🙂")] == [True, False, False, False]


def test_a_word_without_any_sub_word_gets_the_unknown_one(presets: dict[str, str]) -> None:
    assert sub_words(presets, "bert", "a \u200b a") == [("a", 0, 1, True), ("?", 2, 3, True), ("a", 4, 5, True)]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("[]", []),
        (' ["a"]', ["a"]),
        ("[1]", None),
        ("[a]", None),
        ("a", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_json_list_of_strings_is_taken_as_words(cell: str | None, words: list[str] | None) -> None:
    assert words_of(cell) == words
    assert words_of(None if cell is None else cell.encode()) == words


def test_given_words_have_offsets_in_their_sentence(framings: dict[str, Any]) -> None:
    words = ["don't", "", "a b", "🙂", "\x00"]
    encoded = framed(framings, ("gpt2", 64, 0), [json.dumps(words)])
    scored = np.flatnonzero(encoded.flat["scored"])
    text = TokenClassification().plain(json.dumps(words))
    found = [text[encoded.flat["starts"][i] : encoded.flat["ends"][i]] for i in scored]
    assert found == words
