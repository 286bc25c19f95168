"""`suggest_task`: data of every task are known for what they are, and the reason names what speaks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kerasft.cli import main
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.recognise import suggest_task

TEXT = "a text of some length, number {}"


def rows(label: Any, count: int = 60, **more: Any) -> list[dict[str, Any]]:
    values = label if callable(label) else lambda i: label[i % len(label)]
    return [{"text": TEXT.format(i), "label": values(i), **more} for i in range(count)]


def texts(*names: str) -> list[dict[str, str]]:
    return [{name: f"{name} and what it says, number {i}" for name in names} for i in range(40)]


@pytest.mark.parametrize(
    ("data", "task", "said"),
    [
        (rows(["pos", "neg"]), "text_classification", "'label' holds 2 classes: 'neg', 'pos'"),
        (rows(["pos"]), "text_classification", "1 class"),
        (rows(["1", "2", "3", "4", "5"]), "text_classification", "5 different whole numbers"),
        (rows(lambda i: f"topic {i % 30}"), "text_classification", "30 classes"),
        (rows(lambda i: i % 77, 2000), "text_classification", "77 different"),
        (rows(["a film that is good to see", "a film that is bad"]), "text_classification", "2 classes"),
        (rows(["A;B", "C"]), "multi_label_classification", "'A;B'"),
        (
            [{"text": row["text"], "labels": row["label"]} for row in rows(["a,b", "a", "b"])],
            "multi_label_classification",
            "'a,b'",
        ),
        (rows(["a,b", "a", "b"]), "text_classification", "3 classes"),
        (rows(["joy|fear", "joy", "fear"]), "multi_label_classification", "'joy|fear'"),
        (rows(lambda i: f"so; so {i}" if i % 10 == 0 else "ab"[i % 2]), "text_classification", "classes"),
        (rows([["joy"], ["joy", "fear"], []]), "multi_label_classification", "list of labels"),
        (rows(lambda i: i / 7), "regression", "not whole"),
        (rows(["4.5", "3", "2"]), "regression", "not whole"),
        (rows(lambda i: 100 + i), "regression", "many different"),
        (rows([[{"start": 0, "end": 1, "label": "X"}], []]), "token_classification", "parts of the text"),
        (rows(lambda i: f"an answer of its own, number {i}"), "causal_lm", "a text of its own"),
        ([{"prompt": f"{i} plus 1?", "completion": str(i) + "!"} for i in range(40)], "causal_lm", "'completion'"),
        ([{"tokens": ["a", f"b{i}"], "tags": ["O", "X"]} for i in range(9)], "token_classification", "a tag for each"),
        ([{"tokens": ["a", f"b{i}"]} for i in range(9)], "token_classification", "'tokens' holds lists"),
        ([{"tokens": ["a", f"b{i}"], "label": "xy"[i % 2]} for i in range(9)], "text_classification", "2 classes"),
        (texts("question", "context", "answer"), "question_answering", "answers from them"),
        (texts("question", "context"), "question_answering", "to find the answers in"),
        (texts("sentence1", "sentence2"), "text_embedding", "pairs of texts"),
        (texts("anchor", "positive"), "text_embedding", "'anchor' and 'positive'"),
        (texts("text"), "causal_lm", "no column is a label"),
        ([{**row, "score": i / 9} for i, row in enumerate(texts("sentence1", "sentence2"))], "regression", "'score'"),
    ],
)
def test_tasks(data: list[dict[str, Any]], task: str, said: str) -> None:
    for source in (data, {"test": data}):
        found = suggest_task(load_data(source, validation=0))
        assert found.task == task
        assert said in found.why
        assert found.why.endswith(".")


@pytest.mark.parametrize(
    ("name", "content", "task"),
    [
        ("a.txt", "One.\nTwo.\n", "causal_lm"),
        ("a.conll", "Mira B-PER\n", "token_classification"),
        ("a.csv", "text,joy,fear\na text,1,0\nb text,0,0\n", "multi_label_classification"),
        (
            "a.json",
            '{"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": []}]}]}]}',
            "question_answering",
        ),
    ],
)
def test_files(write, name: str, content: str, task: str) -> None:
    assert suggest_task(load_data(write(name, content), validation=0)).task == task


def test_a_sample_of_many_rows() -> None:
    data = rows(["pos", "neg"], 5000)
    assert suggest_task(load_data(data)) == suggest_task(load_data(data))


def test_no_split(refused) -> None:
    data = load_data(rows(["a"]))
    refused(suggest_task, Dataset({}, data.columns, data.config), "no split")


@pytest.mark.parametrize(
    ("name", "values", "other"),
    [
        ("rating", range(1, 11), "regression"),
        ("score", range(100, 106), "regression"),
        ("grade", range(6), "regression"),
        ("stars", range(1, 6), ""),  # five are classes
        ("label", range(10), ""),
        ("sentiment", range(10), ""),
    ],
)
def test_whole_numbers_that_may_be_amounts_are_asked_about(name: str, values: range, other: str) -> None:
    data = [{"text": f"text number {i}", name: values[i % len(values)]} for i in range(60)]
    suggestion = suggest_task(load_data(data, validation=0, label=name))
    assert (suggestion.task, suggestion.other_task) == ("text_classification", other)


def test_train_asks_whether_numbers_are_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("text,rating\n" + "".join(f"text number {i},{1 + i % 10}\n" for i in range(40)))
    assert main(["train", "--data", str(path), "--out", str(tmp_path / "run")]) != 0
    said = capsys.readouterr().err
    assert "--task regression for amounts" in said
    assert not (tmp_path / "run").exists()
    assert main(["check", str(path)]) == 0
    assert "may be classes or amounts" in capsys.readouterr().out
