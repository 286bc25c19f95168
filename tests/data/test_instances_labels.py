"""Further labels that are the same, missing values, columns beside the text, several annotators, which column is the label."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.data.recognise import suggest_task
from kerasft.errors import KerasFTError
from tests.data.helpers import findings, load, mentions, messages, reported_rows

EURO = "Übergröße"


def rows(labels: list[Any], **more: list[Any]) -> list[dict[str, Any]]:
    """Twelve rows, their labels (and other cells) taken in turn."""
    count = max(12, len(labels))
    return [
        {"text": f"this is row number {i}", "label": labels[i % len(labels)], **{k: v[i % len(v)] for k, v in more.items()}}
        for i in range(count)
    ]


def csv_of(records: list[dict[str, Any]]) -> str:
    return (
        ",".join(records[0])
        + "\n"
        + "".join(",".join("" if v is None else str(v) for v in row.values()) + "\n" for row in records)
    )


# --- K7


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        pytest.param(["0", "0.0", "1", "1.0", "2"], ("0", "1", "2"), id="floats"),
        pytest.param(["-1", "-1.0", "1.0", "1"], ("-1", "1"), id="negative"),
        pytest.param(["TRUE", "True", "true", "False"], ("False", "true"), id="booleans"),
        pytest.param(["ＡＢＣ", "ABC", "ｄ", "d"], ("ABC", "d"), id="full width"),
        pytest.param(["１", "1", "2", "２"], ("1", "2"), id="full-width numbers"),
        pytest.param([unicodedata.normalize("NFD", EURO), EURO, "b"], ("b", EURO), id="umlauts"),
        pytest.param([unicodedata.normalize("NFD", "한국어"), "한국어", "日本"], ("日本", "한국어"), id="Hangul"),
        pytest.param(["good\u200b", "good", "bad"], ("bad", "good"), id="zero width"),
        pytest.param(["\ufeffgood", "good", "bad\u00a0"], ("bad", "good"), id="byte-order mark"),
        pytest.param(["so\u00adso", "soso", "bad"], ("bad", "soso"), id="soft hyphen"),
        pytest.param(["\u202agood\u202c", "good", "bad"], ("bad", "good"), id="direction"),
        pytest.param(["not\u2009good", "not good", "x"], ("not good", "x"), id="thin blank"),
        pytest.param(["❤️", "❤", "👍"], ("❤", "👍"), id="emoji"),
        pytest.param(["\x00good", "good", "bad\x1f"], ("bad", "good"), id="control"),
    ],
)
def test_one_class_with_a_finding(labels: list[str], classes: tuple[str, ...]) -> None:
    data = load(rows(labels))
    assert kft.TextClassification().learn(data["train"]).labels == classes
    assert "same_label" in findings(data)


@pytest.mark.parametrize(
    "labels",
    [
        ["1.10", "1.1"],
        ["-1", "1"],
        ["1.0", "10"],
        ["01", "1"],
        ["1.00", "100"],
        ["good", "Good"],
        ["é", "e"],
        ["a-b", "ab"],
        ["C", "C++", "C#"],
        ["1.5", "15"],
        ["true", "truely"],
        ["ﬁne", "fine"],
    ],
)
def test_labels_that_differ_stay_apart(labels: list[str]) -> None:
    data = load(rows(labels))
    assert len(kft.TextClassification().learn(data["train"]).labels) == len(labels)
    assert "same_label" not in findings(data)


@pytest.mark.parametrize("labels", [["-1", "1"], ["1.0", "10"], ["1.1", "11"], ["-1", "0", "1"], [":)", ":("], ["5", "50"]])
def test_no_false_alarm(labels: list[str]) -> None:
    assert not {"similar_labels", "same_label", "no_label_number", "missing_word"} & set(findings(load(rows(labels))))


@pytest.mark.parametrize(
    ("train", "other"),
    [
        (["0", "1"], ["0.0", "1.0"]),
        (["1.0", "2.0"], ["1", "2"]),
        ([True, False], ["TRUE", "FALSE"]),
        (["True", "False"], [True, False]),
        ([1, 0], [1.0, 0.0]),
        (["yes", "no"], ["yes ", "no\u200b"]),
        ([EURO, "b"], [unicodedata.normalize("NFD", EURO), "b"]),
        (["ABC", "b"], ["ＡＢＣ", "ｂ"]),
        (["true", "1"], ["TRUE", "1.0"]),
        ([["a"], ["b"]], ["a", "b"]),
        (["a", "b"], ['["a"]', "['b']"]),
        ([-1, 1], ["-1.0", "1.0"]),
        (["\ufeffa", "b"], ["a", "b\u2060"]),
    ],
)
@pytest.mark.parametrize("direction", [1, -1])
def test_an_evaluation_file_in_another_spelling(train: list[Any], other: list[Any], direction: int) -> None:
    first, second = (train, other)[::direction]
    task = kft.TextClassification()
    known = task.learn(load(rows(first))["train"])
    gold = task.gold(load(rows(second))["train"], known)
    assert gold.tolist() == task.gold(load(rows(first))["train"], known).tolist()
    assert len(np.unique(gold)) == 2


def test_several_labels_in_another_spelling(write) -> None:
    task = kft.MultiLabelClassification()
    known = task.learn(load(rows(["1;2", "1", "2"]))["train"])
    gold = task.gold(load(rows(["1.0;2.0", "1.0", "2.0"]))["train"], known)
    assert np.asarray(gold).tolist() == np.asarray(task.gold(load(rows(["1;2", "1", "2"]))["train"], known)).tolist()


def test_pandas_floats_and_the_file_without_missing_cells(write) -> None:
    """A column of class numbers becomes floats when one cell is missing; the test file has none missing."""
    train = write("train.csv", csv_of(rows(["0.0", "1.0", None])))
    test = write("test.csv", csv_of(rows(["0", "1"])))
    data = load(train, test_path=str(test))
    known = kft.TextClassification().learn(data["train"].usable()[0])
    assert len(known.labels) == 2
    assert "unseen_label" not in findings(data)


# --- K8


@pytest.mark.parametrize(
    "word",
    [
        "\\N",
        "#VALUE!",
        "#REF!",
        "#NAME?",
        "#DIV/0!",
        "#N/A",
        "#WERT!",
        "#BEZUG!",
        "#¡VALOR!",
        "#NOM?",
        "NaN",
        "nan",
        "NULL",
        "None",
        "N/A",
        "n/a",
        "<NA>",
        "NaT",
        "(null)",
        "#NUM!",
        "undefined",
        "nil",
        "#NULL!",
        "#SPILL!",
    ],
)
def test_words_for_nothing_are_told(write, word: str) -> None:
    data = load(write("a.csv", csv_of(rows(["good", "bad", "good", word]))))
    assert word in messages(data) or {4, 5} & reported_rows(data)


@pytest.mark.parametrize("kind", ["tsv", "json"])
def test_words_for_nothing_in_other_formats(write, kind: str) -> None:
    records = rows(["good", "bad", "good", "\\N"])
    content = csv_of(records).replace(",", "\t") if kind == "tsv" else __import__("json").dumps(records)
    assert "missing_word" in findings(load(write(f"a.{kind}", content)))


@pytest.mark.parametrize("labels", [["0", "1"] * 8 + ["-1"], ["0", "1", "2"] * 6 + ["-1", "-1"], ["0.0", "1.0"] * 8 + ["-1.0"]])
def test_a_rare_minus_one_is_told(labels: list[str]) -> None:
    assert "no_label_number" in findings(load(rows(labels)))


def test_minus_one_in_the_test_split_only(write) -> None:
    train, test = write("train.csv", csv_of(rows(["0", "1"]))), write("test.csv", csv_of(rows(["-1"])))
    data = load(train, test_path=str(test))
    assert {"no_label_number", "no_test_labels"} & set(findings(data))


@pytest.mark.parametrize("empty", ["column", "cells", "json null", "split column"])
def test_a_test_split_without_labels_does_not_stop_a_run(tmp_path: Path, empty: str) -> None:
    records = rows(["pos", "neg"])
    unlabelled = [{"text": f"a hidden text {i}"} | ({} if empty == "column" else {"label": None}) for i in range(4)]
    if empty == "json null":
        import json

        (tmp_path / "train.json").write_text(json.dumps(records))
        (tmp_path / "test.json").write_text(json.dumps(unlabelled))
        data = load(tmp_path)
    elif empty == "split column":
        both = [row | {"split": "train"} for row in records] + [row | {"split": "test"} for row in unlabelled]
        (tmp_path / "a.csv").write_text(csv_of(both))
        data = load(tmp_path / "a.csv")
    else:
        (tmp_path / "train.csv").write_text(csv_of(records))
        (tmp_path / "test.csv").write_text(csv_of(unlabelled))
        data = load(tmp_path)
    assert len(data["train"]) == 12
    assert len(data["test"]) == 4
    assert "no_test_labels" in findings(data)


def test_glue_folder_whose_test_file_has_other_columns(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("sentence\tlabel\n" + "".join(f"a sentence number {i}\t{i % 2}\n" for i in range(8)))
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\n" + "".join(f"a dev sentence {i}\t{i % 2}\n" for i in range(4)))
    (tmp_path / "test.tsv").write_text("index\tsentence\n" + "".join(f"{i}\ta hidden sentence {i}\n" for i in range(4)))
    data = kft.load_data(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 8, "validation": 4, "test": 4}
    assert data["test"].cells("text") == [f"a hidden sentence {i}" for i in range(4)]
    assert "no_test_labels" in findings(data)


def test_jigsaw_marks_rows_that_are_not_scored_by_minus_one(write) -> None:
    content = "comment,toxic,insult\n" + "".join(
        f"a comment number {i},{[1, 0, -1][i % 3]},{[0, 1, -1][i % 3]}\n" for i in range(9)
    )
    try:
        data = load(write("a.csv", content), label="toxic,insult")
    except KerasFTError as error:
        if "-1" not in str(error):
            raise
    else:
        assert "-1" in messages(data)


# --- K12 and which column is the label


@pytest.mark.parametrize(
    "header",
    [
        "title,text,label",
        "question,passage,answer,label",
        "subject,body,label",
        "headline,body,class",
        "text,context,label",
        "claim,evidence,label",
        "premise,hypothesis,label",
        "sent1,ending0,ending1,label",
    ],
)
def test_columns_of_the_example_are_used_or_named(write, header: str) -> None:
    names = header.split(",")
    short = {"aspect", "word", "target_phrase"}

    def cell(name: str, i: int) -> str:
        if name in ("label", "polarity", "class"):
            return ["pos", "neg", "neu"][i % 3]
        return (
            ["food", "bank", "waiter", "river", "price"][(i * 7) % 5]
            if name in short
            else f"some {name} of the example number {i}"
        )

    content = header + "\n" + "".join(",".join(cell(name, i) for name in names) + "\n" for i in range(15))
    data = load(write("a.csv", content))
    used = {data.columns.text, data.columns.text_pair, data.columns.label}
    text = mentions(data)
    assert not [name for name in names if name not in used and repr(name) not in text]


# --- K23


@pytest.mark.parametrize(
    "names",
    [
        ["label", "label_ana", "label_bo"],
        ["annotator1", "annotator2", "annotator3"],
        ["label_1", "label_2", "label_3"],
        ["A1", "A2", "A3"],
        ["rater_1", "rater_2", "gold_label"],
        ["coder1", "coder2"],
    ],
)
@pytest.mark.parametrize("values", [["pos", "neg", "neu"], ["0", "1", "2"], ["yes", "no"]])
def test_several_annotators_are_named(write, names: list[str], values: list[str]) -> None:
    records = [
        {"text": f"a text number {i}", **{n: values[(i + j * (i % 5 == 0)) % len(values)] for j, n in enumerate(names)}}
        for i in range(20)
    ]
    try:
        data = load(write("a.csv", csv_of(records)))
    except KerasFTError:
        return
    text = mentions(data)
    others = [name for name in names if name != data.columns.label]
    assert all(name in text for name in others), (data.columns, text)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"p_pos": [0.7, 0.2], "p_neg": [0.3, 0.8]}, id="probabilities"),
        pytest.param({"hate": [2, 0, 1], "offensive": [1, 3, 0], "neither": [0, 0, 2], "class": [0, 1, 2]}, id="counts of votes"),
        pytest.param({"label": [{"pos": 0.7, "neg": 0.3}, {"pos": 0.1, "neg": 0.9}]}, id="an object of probabilities"),
    ],
)
def test_soft_labels_are_told(columns: dict[str, list[Any]]) -> None:
    records = [
        {"text": f"a text number {i}", **{name: cells[i % len(cells)] for name, cells in columns.items()}} for i in range(12)
    ]
    try:
        data = load(records)
    except KerasFTError:
        return
    text = mentions(data)
    assert any(name in text for name in columns), (data.columns, suggest_task(data), text)


def test_a_row_for_each_annotator(write) -> None:
    records = [
        {"text": f"a text number {i // 3}", "worker": f"w{i % 3}", "label": "pn"[(i % 3 == 2) ^ (i // 3) % 2]} for i in range(18)
    ]
    assert "contradictory_labels" in findings(load(write("a.csv", csv_of(records))))
