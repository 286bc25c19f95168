"""Texts to try a model with, the history, the preview of a file of answers, and lines that load what was written for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kerasft_app.facts import ModelFacts
from kerasft_app.first_texts import HISTORY, Asked, first_texts, in_short, remembered
from kerasft_app.recipes import loading_lines
from kerasft_app.tabs.bulk import preview_html


def facts(shows: str, *, paired: bool = False, task: str = "text_classification") -> ModelFacts:
    return ModelFacts(task=task, title="T", shows=shows, paired=paired, inputs=("Text", "Second text"), labels=("a", "b"))


def report(folder: Path, samples: Any) -> Path:
    (folder / "report.json").write_text(json.dumps({"validation": {"samples": samples}}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("shows", "cell", "text"),
    [
        ("label", "a good film", "a good film"),
        ("entities", '["Ada", "came", "."]', "Ada came ."),
        ("gaps", "The film was good.", "The film [MASK] good."),
        ("gaps", "A [MASK] film.", "A [MASK] film."),
        ("gaps", "!?", "!?"),
        ("text", "one two three four five six seven eight nine ten", "one two three four five six seven eight"),
    ],
)
def test_a_row_becomes_what_the_task_is_asked(shows: str, cell: str, text: str, tmp_path: Path) -> None:
    assert first_texts(report(tmp_path, [[cell, None]]), facts(shows)) == [Asked(text)]


def test_pairs_keep_their_second_text_and_others_do_not(tmp_path: Path) -> None:
    report(tmp_path, [["one", "two"]])
    assert first_texts(tmp_path, facts("label", paired=True)) == [Asked("one", "two")]
    assert first_texts(tmp_path, facts("label")) == [Asked("one")]


@pytest.mark.parametrize("content", ["", "[]", '{"validation": null}', '{"validation": {"samples": [1]}}', "{"])
def test_a_run_without_a_readable_report_has_none(content: str, tmp_path: Path) -> None:
    assert first_texts(tmp_path, facts("label")) == []
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    assert first_texts(tmp_path, facts("label")) == []


def test_the_history_is_newest_first_without_repetitions_and_of_a_length() -> None:
    history: list[Asked] = []
    for i in range(HISTORY + 5):
        history = remembered(history, Asked(f"text {i}", answer="a", run="r"))
    assert len(history) == HISTORY
    again = remembered(history, Asked("text 20", answer="b", run="r"))
    assert again[0].answer == "b"
    assert len(again) == HISTORY
    assert len(remembered(history, Asked("text 20", run="another"))) == HISTORY


@pytest.mark.parametrize(
    ("shows", "answered", "said"),
    [
        ("label", {"label": "good", "score": 0.931}, "good (93%)"),
        ("labels", {"labels": []}, "no label"),
        ("labels", {"labels": ["a", "b"]}, "a; b"),
        ("number", {"value": 3.25}, "3.25"),
        ("entities", {"entities": [{"text": "Ada", "type": "PER"}]}, "Ada (PER)"),
        ("answer", {"answer": ""}, "no answer"),
        ("vector", {"vector": [0.0] * 16}, "16 numbers"),
        ("gaps", {"gaps": [[["was", 0.5]], [["is", 0.2]]]}, "was, is"),
        ("text", {"text": "a\n b " + "c" * 200}, "a b " + "c" * 105 + "…"),
    ],
)
def test_an_answer_in_short(shows: str, answered: dict[str, Any], said: str) -> None:
    assert in_short(facts(shows), answered) == said


def test_the_preview_shows_texts_and_answers_escaped_and_no_thousand_columns(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    evil = "<img src=x onerror=alert(1)>"
    head = ["id", "body", "predicted_label", "score", "probability_a", "probability_b", "kerasft_note"]
    rows = [[str(i), evil, evil, "0.9", "0.9", "0.1", ""] for i in range(20)]
    out.write_text("\n".join(",".join(row) for row in [head, *rows]), encoding="utf-8")
    html = preview_html(out, {"model": {"columns": {"text": "body", "text_pair": None}}})
    assert "<img" not in html
    assert html.count("<tr>") == 9
    for name, there in (
        ("body", True),
        ("predicted_label", True),
        ("score", True),
        ("probability_a", False),
        ("kerasft_note", False),
    ):
        assert (f"<th>{name}</th>" in html) is there
    out.write_text("body,predicted_label,kerasft_note\n,,no text\n", encoding="utf-8")
    assert "no text" in preview_html(out, {"model": {"columns": {"text": "body"}}})
    assert "predicted_label" in preview_html(out, {})  # a damaged recipe


@pytest.mark.parametrize("shows", ["label", "labels", "number", "entities", "answer", "text", "gaps", "vector"])
@pytest.mark.parametrize("form", ["savedmodel", "huggingface"])
def test_the_lines_that_load_a_model_are_python(shows: str, form: str, tmp_path: Path) -> None:
    for paired in (False, True):
        lines = loading_lines(form, tmp_path / "it's here", facts(shows, paired=paired))
        compile(lines, "lines", "exec")
        assert ("import tensorflow_text" in lines) is (form == "savedmodel")
    (tmp_path / "modules.json").write_text("[]")
    sentences = loading_lines("huggingface", tmp_path, facts(shows))
    compile(sentences, "lines", "exec")
    assert "SentenceTransformer" in sentences
