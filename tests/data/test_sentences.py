"""Documents into sentences: what ends one, what only looks like an end, and that nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasft.data.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rained. We left! Why? Nobody knows.", ["It rained.", "We left!", "Why?", "Nobody knows."]),
        (
            "Dr. Smith met J. R. Tolkien, Jr. in St. Ives. They talked.",
            ["Dr. Smith met J. R. Tolkien, Jr. in St. Ives.", "They talked."],
        ),
        ("He left. Dr. Smith came in.", ["He left.", "Dr. Smith came in."]),
        ("It costs 3.50 in the U.S. today. Cheap.", ["It costs 3.50 in the U.S. today.", "Cheap."]),
        ('"Go!" he said. "Now." She went.', ['"Go!" he said.', '"Now."', "She went."]),
        ("One line\nanother line\n\nlast", ["One line", "another line", "last"]),
        ("我来了。你呢？好", ["我来了。", "你呢？", "好"]),
        ("e.g. this one. And i.e. that", ["e.g. this one.", "And i.e. that"]),
        ("Привет. Как дела?", ["Привет.", "Как дела?"]),
        ("version 2. see below", ["version 2. see below"]),  # no capital: no new sentence
        ("", []),
        (" \n\t ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(alphabet="aA .!?\n\"'”)漢。é", max_size=80))
def test_every_character_but_white_space_is_kept_in_order(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() and sentence for sentence in sentences)
