"""Odd rows far down in a file of a known format; lists of labels that are the same; what else could vanish in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.errors import KerasFTError
from tests.data.helpers import findings, json_lines, load, reported_rows

SPAN = {"start": 0, "end": 3, "label": "PER"}


GOOD: dict[str, Any] = {
    "spacy": lambda i: [f"Ana came {i}", {"entities": [[0, 3, "PER"]]}],
    "cats": lambda i: {"text": f"text {i}", "cats": {"A": float(i % 2), "B": float(1 - i % 2)}},
    "prodigy": lambda i: {"text": f"text {i}", "label": "AB"[i % 2], "answer": "accept"},
    "doccano": lambda i: {"text": f"Ana came {i}", "annotations": [{"label": 1, "start_offset": 0, "end_offset": 3, "user": 1}]},
    "doccano classes": lambda i: {"text": f"text {i}", "annotations": [{"label": i % 2, "user": 1}]},
    "label studio": lambda i: {
        "id": i,
        "data": {"text": f"text {i}"},
        "annotations": [{"result": [{"from_name": "s", "type": "choices", "value": {"choices": ["AB"[i % 2]]}}]}],
    },
    "label studio min": lambda i: {
        "text": f"text {i}",
        "sentiment": "AB"[i % 2],
        "annotator": 1,
        "annotation_id": i,
        "lead_time": 1.0,
        "created_at": "x",
    },
    "chat": lambda i: {"messages": [{"role": "user", "content": f"hi {i}"}, {"role": "assistant", "content": "hello"}]},
    "spert": lambda i: {"tokens": ["Ana", "came", str(i)], "entities": [{"start": 0, "end": 1, "type": "PER"}]},
    "intents": lambda i: {"tag": f"t{i % 3}", "patterns": [f"text {i}"], "responses": []},
    "nested": lambda i: {"id": i, "content": {"text": f"text {i}"}, "annotation": {"label": "AB"[i % 2]}},
    "plain": lambda i: {"text": f"text {i}", "label": "AB"[i % 2]},
}
ODD: dict[str, Any] = {
    "empty": {},
    "only a text": {"text": "a lone text"},
    "a list": ["a lone text", {}],
    "a string": "a lone text",
    "null": None,
    "another format": {"text": "a lone text", "label": "A"},
    "null fields": {
        "text": "a lone text",
        "annotations": None,
        "cats": None,
        "data": None,
        "messages": None,
        "tokens": None,
        "patterns": None,
    },
    "strings for lists": {
        "text": "a",
        "annotations": "x",
        "spans": "x",
        "entities": "x",
        "data": {"text": "a"},
        "tokens": "x",
        "patterns": "x",
        "answer": "accept",
        "accept": "x",
    },
    "odd items": {
        "text": "a",
        "annotations": [3],
        "spans": [3],
        "entities": [3],
        "data": {"text": "a"},
        "tokens": [3],
        "patterns": [3],
        "answer": "accept",
        "cats": {"A": None},
    },
    "items without keys": {
        "text": "a",
        "annotations": [{}],
        "spans": [{}],
        "entities": [{}],
        "data": {},
        "patterns": [""],
        "answer": "accept",
    },
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("odd", [odd for odd in ODD if odd not in ("a list", "a list of three", "odd items")])
@pytest.mark.parametrize(("count", "place"), [(40, 20)])
def test_one_odd_row_is_read_named_or_refused(write, name: str, odd: str, count: int, place: int) -> None:
    rows = [GOOD[name](i) for i in range(count)]
    rows[place] = ODD[odd]
    path = write("a.json", json.dumps(rows))
    try:
        table = read_table(path)
    except KerasFTError:
        return
    rows_read = {int(row) for row in table.rows}
    named = {row for note in table.notes for row in note.rows}
    assert set(range(1, count + 1)) <= rows_read | named, sorted(set(range(1, count + 1)) - rows_read - named)[:5]


@pytest.mark.parametrize("name", GOOD)
def test_all_good_rows_are_read(write, name: str) -> None:
    rows = [GOOD[name](i) for i in range(30)]
    for path in (write("a.json", json.dumps(rows, indent=1)), write("a.jsonl", json_lines(rows)), write("a", json_lines(rows))):
        assert len(read_table(path)) == 30


# --- Labels in lists and tags that are the same (K7)


@pytest.mark.parametrize(
    "cells",
    [
        ["1;2", "1.0;2.0", "1", "2"],
        ["a;b\u200b", "a", "b", "b;a"],
        ["ＡＢ;c", "AB", "c", "AB;c"],
        ['["True"]', '["TRUE", "x"]', '["true"]', '["x"]'],
    ],
)
def test_several_labels_of_one_class(cells: list[str]) -> None:
    data = load([{"text": f"text number {i}", "labels": cells[i % len(cells)]} for i in range(16)], label="labels")
    assert len(kft.MultiLabelClassification().learn(data["train"]).labels) == 2


# --- What a name says and content does not


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "12345678901234567890", "0.1", "true", "null"])
def test_numbers_of_json_stay(write, value: str) -> None:
    path = write("a.jsonl", "".join(f'{{"text": "text {i}", "label": {value if i % 2 else 0}}}\n' for i in range(8)))
    cells = read_table(path).columns["label"].to_pylist()
    expected = {"NaN": None, "null": None, "Infinity": "inf", "1e400": "inf"}.get(value, value)
    assert cells == ["0", expected] * 4


def test_more_columns_than_the_first_thousand_rows_show(write) -> None:
    rows = [{"text": f"text {i}"} | ({"label": "x"} if i > 1200 else {}) for i in range(1400)]
    data = load(write("a.jsonl", json_lines(rows)))
    assert data.columns.label == "label" or 1202 in reported_rows(data)


@pytest.mark.parametrize("kind", ["frame", "dictionary", "tuples", "arrow", "series"])
def test_tables_in_memory(kind: str) -> None:
    import pandas as pd
    import pyarrow as pa

    texts, labels = [f"text {i}" for i in range(8)], ["p", None, "n", float("nan"), "p", "n", "p", "n"]
    frame = pd.DataFrame({"text": texts, "label": labels})
    source: Any = {
        "frame": frame,
        "dictionary": {"text": texts, "label": labels},
        "tuples": list(zip(texts, labels, strict=True)),
        "arrow": pa.Table.from_pandas(frame),
        "series": {"text": frame["text"], "label": frame["label"]},
    }[kind]
    data = load(source)
    assert data["train"].cells("label") == ["p", None, "n", None, "p", "n", "p", "n"]
    assert findings(data)["missing_label"] == (2, 4)


def test_one_hot_columns_exclusive_and_not(write) -> None:
    exclusive = "text,joy,anger,fear\n" + "".join(
        f"a text number {i},{int(i % 3 == 0)},{int(i % 3 == 1)},{int(i % 3 == 2)}\n" for i in range(12)
    )
    data = load(write("a.csv", exclusive))
    learned = kft.MultiLabelClassification().learn(data["train"])
    assert sorted(learned.labels) == ["anger", "fear", "joy"]
    gold = np.asarray(kft.MultiLabelClassification().gold(data["train"], learned))
    assert gold.sum() == 12


@pytest.mark.parametrize("first", ["question,what is it and why", "message,hello to you", "class,it was a good class"])
def test_a_first_row_whose_label_is_a_usual_name(write, first: str) -> None:
    """Rows without a header; the first label happens to be a name that columns have."""
    label = first.partition(",")[0]
    content = f"{first}\n" + "".join(f"{['order', label, 'thanks'][i % 3]},some words of row {i}\n" for i in range(12))
    try:
        data = load(write("a.csv", content))
    except KerasFTError:
        return
    assert len(data["train"]) == 13


@pytest.mark.parametrize("kind", ["parquet", "frame", "csv"])
@pytest.mark.parametrize("name", ["messages", "cats", "annotations"])
def test_formats_in_a_table_are_read_or_refused(tmp_path: Path, kind: str, name: str) -> None:
    import pandas as pd

    held = {
        "messages": [{"role": "user", "content": "hi to you"}, {"role": "assistant", "content": "hello"}],
        "cats": {"POS": 1.0, "NEG": 0.0},
        "annotations": [{"label": 1, "start_offset": 0, "end_offset": 3}],
    }[name]
    frame = pd.DataFrame({"text": [f"Ana came {i}" for i in range(4)], name: [held] * 4})
    if name == "messages":
        frame = frame.drop(columns="text")
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "csv":
        frame[name] = frame[name].map(json.dumps)
        frame.to_csv(path, index=False)
    try:
        data = load(frame if kind == "frame" else path)
    except KerasFTError:
        return
    assert not any(str(cell).startswith(("{", "[{")) for cell in data["train"].cells("text"))
    assert findings(data) or data.columns.label is not None
