"""Further shapes of JSON, lists in cells, answers of Prodigy, spans over tokens, columns beside the text, several annotators."""

from __future__ import annotations

import json
from typing import Any

import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.data.recognise import suggest_task
from kerasft.errors import KerasFTError
from tests.data.helpers import findings, json_lines

TEXTS = ["a good film to see", "a bad film it was", "so so, nothing more", "the best of the year"]
LABELS = ["p", "n", "n", "p"]
PAIRS = list(zip(TEXTS, LABELS, strict=True))
ROWS = [{"text": text, "label": label} for text, label in PAIRS]


def pairs(table: Any) -> list[tuple[str | None, str | None]]:
    return list(zip(table.columns["text"].to_pylist(), table.columns["label"].to_pylist(), strict=True))


def refusal(read: Any, *args: Any, **options: Any) -> str | None:
    """The text of a refusal; None when the input is read. Any other exception fails the test."""
    try:
        read(*args, **options)
    except KerasFTError as error:
        return str(error)
    return None


# --- K1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"data": {"text": TEXTS, "label": LABELS}}, id="columns under a key"),
        pytest.param({"columns": ["text", "label"], "rows": [list(pair) for pair in PAIRS]}, id="datasette"),
        pytest.param({"count": 4, "next": None, "previous": None, "results": ROWS}, id="a page of a REST server"),
        pytest.param({"data": ROWS, "meta": {"result_count": 4}, "includes": {"users": []}}, id="Twitter"),
        pytest.param({"rasa_nlu_data": {"common_examples": ROWS, "regex_features": []}}, id="Rasa"),
        pytest.param({f"-N{i}xY": row for i, row in enumerate(ROWS)}, id="Firebase"),
        pytest.param([{"_index": "a", "_id": str(i), "_source": row} for i, row in enumerate(ROWS)], id="Elasticsearch"),
        pytest.param({"labels": ["n", "p"], "examples": ROWS}, id="names of classes beside the rows"),
        pytest.param(
            {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": row} for row in ROWS]}, id="GeoJSON"
        ),
        pytest.param([{"text": t, "label": [la]} for t, la in PAIRS], id="lists of one"),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_shapes_are_read_or_refused(write, content: Any, indent: int | None) -> None:
    path = write("a.json", json.dumps(content, indent=indent))
    try:
        table = read_table(path)
    except KerasFTError as error:
        if not error.hint:
            raise
        return
    found = [(text, label.strip('["]')) for text, label in pairs(table)]
    assert found == PAIRS


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            {
                "sentences": [{"id": i, "text": t} for i, t in enumerate(TEXTS)],
                "annotations": [{"sentence": i, "label": la} for i, la in enumerate(LABELS)],
            },
            id="texts and labels apart",
        ),
        pytest.param({"pos": ROWS[:2], "neg": ROWS[2:]}, id="rows by class"),
        pytest.param({"AddToPlaylist": [{"data": [{"text": "Add "}, {"text": "this", "entity": "x"}]}] * 3}, id="SNIPS"),
        pytest.param({"en": {"a": "x"}, "de": {"b": "y"}}, id="translations"),
        pytest.param({"text": TEXTS, "label": LABELS[:3]}, id="columns of two lengths"),
    ],
)
def test_shapes_that_are_half_read_are_told(write, content: Any) -> None:
    path = write("a.json", json.dumps(content, indent=1))
    if refusal(kft.load_data, path) is None:
        assert {"other_lists"} & {note.code for note in read_table(path).notes}


@pytest.mark.parametrize(
    "names", [("cuerpo", "clase"), ("Text", "Label"), ("Tweet", "Class")], ids=["Spanish", "capitals", "usual"]
)
def test_columns_of_pandas_under_any_names(write, names: tuple[str, str]) -> None:
    content = {name: {str(i): value for i, value in enumerate(cells)} for name, cells in zip(names, (TEXTS, LABELS), strict=True)}
    path = write("a.json", json.dumps(content))
    if refusal(read_table, path) is None:
        table = read_table(path)
        assert list(zip(*(table.columns[name].to_pylist() for name in names), strict=True)) == PAIRS


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"train": {"text": TEXTS, "label": LABELS}, "test": {"text": TEXTS[:2], "label": LABELS[:2]}}, id="columns"),
        pytest.param({"Train": ROWS, "Test": ROWS[:2]}, id="capitals"),
        pytest.param({"train": {"data": ROWS}, "test": {"data": ROWS[:2]}}, id="a key in each"),
        pytest.param(
            {"train": {str(i): row for i, row in enumerate(ROWS)}, "test": {"0": ROWS[0], "1": ROWS[1]}}, id="by number"
        ),
        pytest.param({"training": ROWS, "testing": ROWS[:2]}, id="other names"),
    ],
)
def test_objects_of_splits(write, content: Any) -> None:
    data = kft.load_data(write("a.json", json.dumps(content)), validation=0)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 4, "test": 2}
    assert list(zip(data["train"].cells("text"), data["train"].cells("label"), strict=True)) == PAIRS


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("\n".join(json.dumps(row, indent=1) for row in ROWS), id="objects of several lines"),
        pytest.param(",\n".join(map(json.dumps, ROWS)), id="commas between lines"),
        pytest.param("".join(map(json.dumps, ROWS)), id="nothing between objects"),
        pytest.param("[" + ",".join(map(json.dumps, ROWS)) + ",]", id="a comma too many"),
        pytest.param("[" + ",\n".join(map(json.dumps, ROWS)), id="cut short"),
        pytest.param(json.dumps([ROWS[:2], ROWS[2:]]), id="lists of rows"),
        pytest.param("// rows\n" + json.dumps(ROWS), id="a remark"),
        pytest.param(json.dumps({"a": {"b": {"c": {"d": ROWS}}}}), id="deep"),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_that_is_odd_is_read_whole_or_refused(write, content: str, suffix: str) -> None:
    path = write(f"a.{suffix}", content)
    if refusal(kft.load_data, path) is None:
        assert pairs(read_table(path)) == PAIRS


def test_rows_of_several_lists_of_cells(write) -> None:
    path = write("a.jsonl", json_lines([["text", "label"], *map(list, PAIRS)]))
    if refusal(read_table, path) is None:
        assert pairs(read_table(path)) == PAIRS


@pytest.mark.parametrize(
    "extra",
    [
        {"_id": {"$oid": "5f"}},
        {"created": {"$date": "2026-01-01"}},
        {"user": {"name": "Ana", "id": 3}},
        {"meta": {}},
        {"tags": []},
    ],
)
def test_objects_beside_text_and_label_do_no_harm(write, extra: dict[str, Any]) -> None:
    data = kft.load_data(write("a.jsonl", json_lines([{**extra, **row} for row in ROWS])), validation=0)
    assert (data.columns.text, data.columns.label) == ("text", "label")
    assert data["train"].cells("label") == LABELS


@pytest.mark.parametrize("label", [{"$numberInt": "5"}, {"id": 1, "name": "pos"}, [{"name": "pos"}], {"pos": 0.9, "neg": 0.1}])
def test_an_object_is_no_label(write, label: Any) -> None:
    path = write("a.jsonl", json_lines([{"text": text, "label": label} for text in TEXTS]))
    message = refusal(kft.load_data, path, validation=0)
    if message is None:
        data = kft.load_data(path, validation=0)
        labels = set(data["train"].cells("label"))
        assert not any(str(cell).startswith(("{", "[")) for cell in labels), labels


# --- K2


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(["['joy'\n 'anger']", "['joy']"], id="NumPy over lines"),
        pytest.param(["['joy', 'anger',]", "['joy',]"], id="a comma too many"),
        pytest.param(["[\"joy\", 'anger']", "['joy']"], id="both marks"),
        pytest.param(["joy;anger", "joy"], id="semicolons"),
        pytest.param(["[ 'joy' , 'anger' ]", " ['joy'] "], id="blanks"),
    ],
)
def test_lists_in_cells(write, cells: list[str]) -> None:
    path = write("a.jsonl", json_lines([{"text": f"text {i}", "labels": cells[i % 2]} for i in range(8)]))
    message = refusal(lambda: kft.MultiLabelClassification().learn(kft.load_data(path, validation=0)["train"]))
    if message is None:
        data = kft.load_data(path, validation=0)
        learned = kft.MultiLabelClassification().learn(data["train"])
        assert learned.labels == ("anger", "joy")


@pytest.mark.parametrize("cell", ["['pos']", "('pos',)", "{pos}", '{"pos"}', "['pos' ]"])
def test_lists_of_one_label_in_a_single_label_task(write, cell: str) -> None:
    rows = [{"text": f"text {i}", "label": cell if i % 2 else cell.replace("pos", "neg")} for i in range(8)]
    data = kft.load_data(write("a.jsonl", json_lines(rows)), validation=0)
    assert kft.TextClassification().learn(data["train"]).labels == ("neg", "pos")


@pytest.mark.parametrize(
    "text", ["[sic] he said so", "[Verse 1] la la", "(laughs) so be it", "{name} is here", "[1] a reference"]
)
def test_texts_that_begin_with_brackets_stay(write, text: str) -> None:
    rows = [{"text": f"{text} {i}", "label": "ab"[i % 2]} for i in range(8)]
    table = read_table(write("a.jsonl", json_lines(rows)))
    assert table.columns["text"].to_pylist() == [row["text"] for row in rows]
    data = kft.load_data(rows, validation=0)
    assert suggest_task(data).task == "text_classification"


def test_labels_in_brackets_are_no_lists_of_letters(write) -> None:
    rows = [{"text": f"text {i}", "label": ["[OOS]", "(none)"][i % 2]} for i in range(8)]
    data = kft.load_data(rows, validation=0)
    assert set(data["train"].cells("label")) == {"[OOS]", "(none)"}


# --- K3


def prodigy(answer: str | None, i: int, **more: Any) -> dict[str, Any]:
    row = {"text": f"text {i}", "label": "AB"[i % 2], "_input_hash": i, "_task_hash": i, **more}
    return row | {"answer": answer} if answer else row


@pytest.mark.parametrize("kind", ["rows", "json"])
def test_answers_of_prodigy_in_another_file_format(write, kind: str) -> None:
    rows = [
        {"text": f"text number {i}", "label": "AB"[i % 2], "answer": ("accept", "reject", "ignore")[i % 3]} for i in range(12)
    ]
    source: Any = rows if kind == "rows" else write("a.json", json.dumps(rows))
    if refusal(kft.load_data, source, validation=0) is not None:
        return
    data = kft.load_data(source, validation=0)
    left = len(data["train"]) == 4 and set(data["train"].cells("text")) == {f"text number {i}" for i in range(0, 12, 3)}
    assert left or {"rejected", "prodigy_answers", "answers"} & set(findings(data))


def test_prodigy_choices_without_a_choice_and_rejected_ones(write) -> None:
    options = [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]
    answers = [("accept", ["a"]), ("accept", []), ("reject", ["b"]), ("ignore", ["b"]), ("accept", ["b"])]
    rows = [{"text": f"t {i}", "options": options, "accept": held, "answer": answer} for i, (answer, held) in enumerate(answers)]
    table = read_table(write("a.jsonl", json_lines(rows)))
    assert pairs(table) == [("t 0", "a"), ("t 1", None), ("t 4", "b")]
    codes = {note.code: note.rows for note in table.notes}
    assert codes["rejected"] == (3,)
    assert codes["ignored"] == (4,)


def test_prodigy_spans_some_rows_without_any(write) -> None:
    span = {"start": 0, "end": 3, "label": "PER", "token_start": 0, "token_end": 0}
    tokens = [{"text": "Ana", "start": 0, "end": 3, "id": 0}]
    rows = [
        {"text": "Ana came", "tokens": tokens, "spans": [span], "answer": "accept"},
        {"text": "All gone", "tokens": tokens, "spans": [], "answer": "accept"},
        {"text": "Bo came", "tokens": tokens, "answer": "accept"},
        {"text": "Ana lost", "tokens": tokens, "spans": [span], "answer": "reject"},
    ] * 2
    data = kft.load_data(write("a.jsonl", json_lines(rows)), validation=0)
    assert data.columns.label == "spans"
    assert data["train"].cells("text") == ["Ana came", "All gone", "Bo came"] * 2
    assert kft.TokenClassification().learn(data["train"]).labels == ("O", "B-PER", "I-PER")


def test_prodigy_with_every_row_ignored_is_refused(write) -> None:
    path = write("a.jsonl", json_lines([prodigy("ignore", i) for i in range(4)]))
    assert refusal(read_table, path) is not None


def test_a_column_called_answer_that_is_no_verdict(write) -> None:
    rows = [{"text": f"a question number {i}", "answer": ["yes", "no"][i % 2]} for i in range(8)]
    assert len(read_table(write("a.jsonl", json_lines(rows)))) == 8
