"""What the model sees: the windows that training gets, told for people, for every task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.cli import main
from kerasft.errors import DataError
from kerasft.tasks import TASKS
from kerasft_app.seen import seen_html
from tests.task_data import examples, options


def windows(preset: str, task: str, rows: int = 3, epoch: int = 0) -> list[kft.SeenWindow]:
    given = examples(task)
    family = "gpt2" if task == "causal_lm" else "bert"
    data = kft.load_data({"train": given.pop("rows")}, validation=0, **given)
    return kft.preview(preset, data, options(task, family), rows=rows, epoch=epoch)


@pytest.mark.parametrize("task", TASKS.all())
def test_every_task_shows_its_windows(task: str, presets: dict[str, str]) -> None:
    seen = windows(presets["gpt2" if task == "causal_lm" else "bert"], task)
    assert seen
    assert all(window.tokens for window in seen)
    if task not in ("text_embedding",):  # pairs are only to find each other
        assert any(window.target or any(token.target for token in window.tokens) for window in seen)
    html = seen_html([json.loads(json.dumps(vars_of(window))) for window in seen])
    assert html.count("<h3>") == len(seen[:12])
    assert str(len(seen[0].tokens)) in str(seen[0]).splitlines()[0]


def vars_of(window: kft.SeenWindow) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(window)


def test_a_tagger_tells_the_tag_of_first_sub_words_only(presets: dict[str, str]) -> None:
    rows = [{"tokens": ["a", "mnop", "film"], "tags": ["O", "B-X", "I-X"]}] * 2
    data = kft.load_data({"train": rows}, validation=0, text="tokens", label="tags")
    [window, *_] = kft.preview(presets["bert"], data, kft.TokenClassification())
    told = [(token.piece, token.target) for token in window.tokens]
    assert told == [
        ("[CLS]", ""),
        ("a", "O"),
        ("m", "B-X"),
        ("##n", ""),
        ("##o", ""),
        ("##p", ""),
        ("film", "I-X"),
        ("[SEP]", ""),
    ]


def test_a_question_shows_its_answer_in_the_context(presets: dict[str, str]) -> None:
    seen = windows(presets["bert"], "question_answering", rows=4)
    told = {token.piece: token.target for token in seen[0].tokens if token.target}
    assert told == {"good": "start", "film": "end"}
    assert seen[3].tokens[0].target == "no answer"


def test_hidden_tokens_are_other_ones_in_another_epoch(presets: dict[str, str]) -> None:
    one, other = ([[t.target for t in w.tokens] for w in windows(presets["bert"], "masked_lm", 8, epoch)] for epoch in (0, 1))
    assert one == [[t.target for t in w.tokens] for w in windows(presets["bert"], "masked_lm", 8, 0)]
    assert one != other
    told = [token for window in windows(presets["bert"], "masked_lm", 8) for token in window.tokens if token.target]
    assert all(token.unit and token.boundary and not token.special for token in told)
    assert any(token.hidden and token.piece == "[MASK]" for token in told)


def test_packed_documents_are_numbered(presets: dict[str, str]) -> None:
    task = kft.MaskedLM(separate_documents=True)
    [window] = kft.preview(presets["bert"], ["a good film", "it is dull", "hate it"], task, rows=3)
    assert [token.segment for token in window.tokens if token.piece == "[CLS]"] == [0, 1, 2]


def test_the_command_line_shows_texts(presets: dict[str, str], reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["preview", "--preset", presets["bert"]]
    assert main([*base, "--task", "masked_lm", "--task.rate", "0.5", "--text", "a good film", "--json"]) == 0
    [window] = json.loads(capsys.readouterr().out)
    assert [token["piece"] for token in window["tokens"] if not token["special"]][:1] != []
    assert main([*base, "--data", str(reviews), "--task", "text_classification", "--rows", "1"]) == 0
    assert "to tell: good" in capsys.readouterr().out
    assert main([*base, "--task", "masked_lm"]) == 2
    assert "No data were given" in capsys.readouterr().err


def test_texts_without_labels_do_not_suit_a_classifier(presets: dict[str, str]) -> None:
    with pytest.raises(DataError):
        kft.preview(presets["bert"], ["a film"], kft.TextClassification())
