"""Labels spread over columns of 0 and 1 -> one column with a list of names."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.given_rows import as_split

TEXTS = [f"a text of some length, number {i}" for i in range(4)]
CSV = "comment_text,joy,anger,fear\n" + "".join(
    f'"{text}",{marks}\n' for text, marks in zip(TEXTS, ["1,0,0", "0,0,0", "1,0,1", ",1,"], strict=True)
)
EXPECTED = [["joy"], [], ["joy", "fear"], ["anger"]]


def labels(split) -> list[list[str]]:
    return [json.loads(cell) for cell in split.cells("label")]


@pytest.mark.parametrize("label", [None, "joy,anger,fear", " joy, anger ,fear,", "joy,anger,fear,joy"])
def test_columns_said_or_seen(write, label: str | None) -> None:
    data = load_data(write("a.csv", CSV), label=label, validation=0)
    assert data.columns == Columns("comment_text", label="labels")
    assert labels(data["train"]) == EXPECTED
    assert data["train"].table.names == ["comment_text", "joy", "anger", "fear", "labels"]
    usable, notes = data["train"].usable()
    assert (len(usable), notes) == (4, [])


def test_some_of_the_columns(write) -> None:
    assert labels(load_data(write("a.csv", CSV), label="fear,joy", validation=0)["train"]) == [["joy"], [], ["fear", "joy"], []]


def test_a_column_of_that_very_name_goes_first() -> None:
    rows = [{"text": "a text", "a": 1, "b": 0, "a,b": "x"}, {"text": "b text", "a": 0, "b": 0, "a,b": "y"}]
    assert load_data(rows, label="a,b", validation=0)["train"].cells("label") == ["x", "y"]


@pytest.mark.parametrize(
    ("yes", "no"), [("1", "0"), ("true", "false"), ("YES", "No"), (" 1 ", ""), ("1.0", "0.0"), (True, False), (1, None), (1.0, 0)]
)
def test_ways_to_say_yes_and_no(yes: object, no: object) -> None:
    rows = [{"text": TEXTS[0], "a": yes, "b": no}, {"text": TEXTS[1], "a": no, "b": no}]
    assert labels(load_data(pd.DataFrame(rows), label="a,b", validation=0)["train"]) == [["a"], []]


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        pytest.param({"a": "0101", "b": "1100"}, "labels", id="two"),
        pytest.param({"a": "0101", "b": "0000", "c": "0110"}, "labels", id="one of them never"),
        pytest.param({"a": "0101"}, "a", id="one"),
        pytest.param({"a": "0101", "label": "xyxy"}, "label", id="beside a label"),
        pytest.param({"a": "0101", "b": "1100", "label": "xyxy"}, "label", id="two beside a label"),
        pytest.param({"a": "0101", "b": "0000", "kind": "xyxy"}, "labels", id="a kind and two"),
        pytest.param({"a": "0123", "b": "1100"}, "b", id="one beside numbers"),
        pytest.param({"a": "0101", "b": "0000"}, "labels", id="two, one of them never"),
        pytest.param({"target": "0101", "b": "1100"}, "target", id="one of them of a label's name"),
        pytest.param({"a": "0000", "b": "0000"}, None, id="never"),
        pytest.param({"a": "0101", "split": ["train"] * 4}, "a", id="one and a split"),
    ],
)
def test_when_they_are_seen(columns: dict[str, str], label: str | None) -> None:
    rows = [dict(zip(["text", *columns], cells, strict=True)) for cells in zip(TEXTS, *columns.values(), strict=True)]
    assert load_data(rows, validation=0).columns.label == label


@pytest.mark.parametrize(
    ("content", "label", "parts"),
    [
        (CSV + "x,2,0,0\ny,1,0,0\nz,many,0,0\n", "joy,anger", ("'joy' holds '2', 'many' where 0 or 1", "rows 6, 8")),
        (CSV, "joy,angr", ("no column 'angr' for label", "'comment_text', 'joy'")),
        (CSV, "happy,angry", ("no column 'happy,angry' for label",)),
        (CSV, "joy,comment_text", ("where 0 or 1 is expected", "'comment_text'")),
        (CSV.replace("comment_text", "labels"), "joy,labels", ("where 0 or 1 is expected",)),
    ],
)
def test_refused(write, refused, content: str, label: str, parts: tuple[str, ...]) -> None:
    refused(load_data, write("a.csv", content), *parts, label=label)


def test_a_text_is_no_label(write, refused) -> None:
    refused(load_data, write("a.csv", CSV), "cannot have two roles", text="joy", label="joy,anger")


def test_other_splits_need_the_columns(write, refused) -> None:
    train, dev = write("a.csv", CSV), write("b.csv", CSV.replace("fear", "fright"))
    refused(load_data, str(train), "lacks the columns 'fear'", "b.csv", validation_path=str(dev))
    data = load_data({"train": train, "dev": train})
    assert labels(data["validation"]) == EXPECTED


def test_rows_to_evaluate_and_rows_that_are_kept(write) -> None:
    path = write("a.csv", CSV)
    data = load_data(path, validation=0)
    assert labels(as_split(path, data.columns, need_label=True)) == EXPECTED
    some = as_split(path, data.columns, need_label=True, labels=("fear", "joy"))
    assert labels(some) == [["joy"], [], ["fear", "joy"], []]
    made = load_data(pd.read_csv(path), label="joy,anger,fear", validation=0)
    again = load_data({"train": made["train"].table.columns}, made.config)
    assert again.fingerprint() == made.fingerprint()


def test_a_column_of_that_name_is_not_overwritten(write) -> None:
    data = load_data(write("a.csv", CSV.replace("comment_text", "labels")), text="labels", label="joy,fear", validation=0)
    assert data.columns == Columns("labels", label="labels_2")
