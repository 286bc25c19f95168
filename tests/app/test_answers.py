"""Answers as HTML: hostile texts stay texts, every character of the text is shown once, offsets are characters."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from kerasft_app.answers import (
    answer_html,
    colour_of,
    entities_html,
    explanation_html,
    labels_html,
    mark_spans,
    number_html,
    text_html,
    vector_html,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'single' <b>bold</b>",
    "family 👩‍👩‍👧 and 🇩🇪 went",
    "e\u0301lan a\u0308\u0323 combined",
    "שלום world عالم",
    "&lt;already&gt; &amp; escaped",
    "line\nbreak\ttab   blanks",
    "</mark></div><img src=x onerror=alert(1)>",
)


def shown(page: str) -> str:
    """The text a browser would show, without the type names that stand in <b>."""
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"<b>.*?</b>", "", page)))


def entity(text: str, start: int, end: int, kind: str = "PER") -> dict[str, Any]:
    return {"text": text[start:end], "type": kind, "score": 0.9, "start": start, "end": end}


def tagged(text: str, entities: list[dict[str, Any]]) -> dict[str, Any]:
    words = [
        {"text": found.group(), "tag": "O", "score": 0.5, "start": found.start(), "end": found.end()}
        for found in re.finditer(r"\S+", text)
    ]
    return {"text": text, "words": words, "entities": entities}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_and_names_stay_texts(text: str) -> None:
    labels = ("O", f"B-{text}", f"I-{text}")
    end = len(text)
    pages = [
        labels_html({"labels": [text], "probabilities": {text: 0.7}}, {text: 0.5}),
        entities_html(tagged(text, [entity(text, 0, end, text)]), labels),
        entities_html(tagged(text, []), ("NOUN", text)),
        answer_html({"answer": text, "score": 0.5, "start": 0, "end": end}, text),
        answer_html({"answer": "", "score": 0.5, "start": -1, "end": -1}, text),
        text_html(text, text, text),
        vector_html({"vector": [0.1], "neighbours": [{"text": text, "cosine": 0.3}]}, text),
        explanation_html({"target": text, "score": 1.0, "baseline": 0.0, "words": [{"text": text, "score": 0.5}]}),
    ]
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page
        assert not re.search(r'="[^"]*<', page), "an attribute holds what could end it"
        assert html.unescape(re.sub(r"<[^>]*>", "", page)).count(text) >= 1


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cuts", [(0, 3), (2, 5), (0, 100), (4, 5)])
def test_every_character_is_shown_once_wherever_the_mark_is(text: str, cuts: tuple[int, int]) -> None:
    assert shown(mark_spans(text, [(*cuts, "PER", 0.5)], {"PER": "k0"})) == text


def test_overlapping_adjacent_and_impossible_spans() -> None:
    text = "New York City Hall"
    spans = [
        (0, 8, "LOC", 0.9),
        (4, 13, "ORG", 0.8),
        (13, 14, "X", 0.7),
        (0, 3, "IN", 0.6),
        (14, 18, "ORG", 0.5),
        (9, 9, "E", 1.0),
    ]
    page = mark_spans(text, spans, colour_of(["LOC", "ORG", "X", "IN"]))
    assert shown(page) == text
    assert [shown(mark) for mark in re.findall(r"<mark.*?</mark>", page)] == ["New York", " City", " ", "Hall"]
    adjacent = mark_spans("AB", [(0, 1, "P", 0.5), (1, 2, "P", 0.5)], {"P": "k0"})
    assert len(re.findall("<mark", adjacent)) == 2


def test_nothing_is_said_in_words() -> None:
    assert "no words" in entities_html(tagged("  ", []), ("O", "B-PER", "I-PER"))
    assert "No entity" in entities_html(tagged("so it is", []), ("O", "B-PER", "I-PER"))
    assert "No label applies" in labels_html({"labels": [], "probabilities": {"a": 0.1}}, {})
    assert "No answer" in answer_html({"answer": "", "score": 0.5, "start": -1, "end": -1}, "context")
    assert "(no words)" in explanation_html({"target": "x", "score": 0.0, "baseline": 0.0, "words": []})
    assert "Nearest" not in vector_html({"vector": []})


def test_parts_of_speech_show_every_word_with_its_tag() -> None:
    text = "dogs bark"
    words = [
        {"text": "dogs", "tag": "NOUN", "score": 0.9, "start": 0, "end": 4},
        {"text": "bark", "tag": "VERB", "score": 0.8, "start": 5, "end": 9},
    ]
    page = entities_html({"text": text, "words": words, "entities": []}, ("NOUN", "VERB"))
    assert page.count('class="word') == 2
    assert shown(page) == text


def test_colours_are_the_same_for_the_same_labels() -> None:
    assert colour_of(["O", "A", "B"]) == {"A": "k0", "B": "k1"}
    assert len(set(colour_of(str(i) for i in range(20)).values())) == 8


def test_numbers_bars_and_signs() -> None:
    assert "left:50.0%" in number_html({"value": 3.0}, {"mean": 3.0, "deviation": 1.0})
    assert "left:100.0%" in number_html({"value": 1e9}, {"mean": 3.0, "deviation": 1.0})
    assert "kft-scale" not in number_html({"value": 1.5}, {})
    page = labels_html({"labels": ["b"], "probabilities": {"a": 0.2, "b": 0.8}}, {"a": 0.5, "b": 0.3})
    assert page.index(">b<") < page.index(">a<")
    assert "left:30.0%" in page
    words = [{"text": "good", "score": 2.0}, {"text": "not", "score": -1.0}]
    why = explanation_html({"target": "logit of 'x'", "score": 1.5, "baseline": 0.5, "words": words})
    assert 'class="for" style="--share:1.000"' in why
    assert 'class="against" style="--share:0.500"' in why
    assert "+1.000" in why


def test_a_text_says_how_it_ended() -> None:
    assert "cursor" in text_html("p", "t", "")
    assert "ended" in text_html("p", "t", "end")
    assert "Stopped" in text_html("p", "t", "stopped")
