"""Exports of annotation tools and layouts of benchmarks: read as they are meant, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.data.recognise import suggest_task
from kerasft.errors import DataError
from tests.data.helpers import json_lines, note_rows


def places(cell: str) -> list[tuple[int, int, str]]:
    return [(span["start"], span["end"], span["label"]) for span in json.loads(cell)]


def task(text: str = "Ana came home", **results: Any) -> dict[str, Any]:
    """A task of Label Studio with the results of one annotator."""
    made = [{"from_name": name, "to_name": "text", "type": kind, "value": value} for name, (kind, value) in results.items()]
    return {"id": 1, "data": {"text": text}, "annotations": [{"id": 3, "was_cancelled": False, "result": made}]}


SPAN = {"start": 0, "end": 3, "text": "Ana", "labels": ["PER"]}
ONE_SPAN = '[{"start": 0, "end": 3, "label": "PER"}]'


# --- Label Studio


def test_label_studio_entities(write) -> None:
    table = read_table(write("a.json", json.dumps([task(label=("labels", SPAN))] * 3)))
    assert [places(cell) for cell in table.columns["entities"].to_pylist()] == [[(0, 3, "PER")]] * 3
    assert "format" in note_rows(table)
    data = kft.load_data(write("a.json", json.dumps([task(label=("labels", SPAN))] * 3)), validation=0)
    assert (data.columns.text, data.columns.label) == ("text", "entities")


def test_label_studio_choices(write) -> None:
    rows = [task(f"text {i}", sentiment=("choices", {"choices": [["pos", "neg"][i % 2]]})) for i in range(6)]
    table = read_table(write("a.json", json.dumps(rows)))
    assert table.columns["label"].to_pylist() == ["pos", "neg"] * 3
    several = [task(f"text {i}", topics=("choices", {"choices": ["a", "b"][: 1 + i % 2]})) for i in range(4)]
    table = read_table(write("b.json", json.dumps(several)))
    assert table.columns["label"].to_pylist() == ['["a"]', '["a", "b"]'] * 2


def test_label_studio_skipped_and_differing(write) -> None:
    rows = [task(f"text {i}", sentiment=("choices", {"choices": ["pos"]})) for i in range(4)]
    rows[1]["annotations"][0]["was_cancelled"] = True
    other = {"result": [{"from_name": "sentiment", "type": "choices", "value": {"choices": ["neg"]}}]}
    rows[2]["annotations"] += [other, other]
    table = read_table(write("a.json", json.dumps(rows)))
    assert table.columns["label"].to_pylist() == ["pos", "neg", "pos"]
    assert note_rows(table)["skipped_tasks"] == (2,)
    assert note_rows(table)["several_annotators"] == (3,)


def test_label_studio_several_controls_and_completions(write) -> None:
    row = task("text", sentiment=("choices", {"choices": ["pos"]}), stars=("rating", {"rating": 4}))
    row["completions"] = row.pop("annotations")
    table = read_table(write("a.json", json.dumps([row, row])))
    assert table.names == ["text", "sentiment", "stars"]
    assert table.columns["stars"].to_pylist() == ["4", "4"]
    assert "controls" in note_rows(table)


def test_label_studio_min(write) -> None:
    known = {"id": 1, "annotator": 1, "annotation_id": 2, "created_at": "x", "updated_at": "y", "lead_time": 1.5}
    table = read_table(write("a.json", json.dumps([{"text": "Ana came home", "label": [SPAN], **known}])))
    assert [places(cell) for cell in table.columns["entities"].to_pylist()] == [[(0, 3, "PER")]]
    table = read_table(write("b.json", json.dumps([{"text": "a", "sentiment": "Positive", **known}] * 2)))
    assert table.columns["sentiment"].to_pylist() == ["Positive"] * 2


# --- Prodigy


def test_prodigy_leaves_out_what_was_ignored_or_rejected(write) -> None:
    rows = [
        {"text": f"text {i}", "label": ["A", "B"][i % 2], "answer": ["accept", "reject", "ignore", "accept"][i % 4]}
        for i in range(8)
    ]
    table = read_table(write("a.jsonl", json_lines(rows)))
    assert table.columns["label"].to_pylist() == ["A", "B"] * 2
    assert note_rows(table)["ignored"] == (3, 7)
    assert note_rows(table)["rejected"] == (2, 6)


def test_prodigy_with_one_label_has_two_classes(write) -> None:
    rows = [{"text": f"text {i}", "label": "INSULT", "answer": ["accept", "reject"][i % 2]} for i in range(6)]
    table = read_table(write("a.jsonl", json_lines(rows)))
    assert table.columns["label"].to_pylist() == ["INSULT", "not INSULT"] * 3
    assert "binary" in note_rows(table)


def test_prodigy_choices_and_spans(write) -> None:
    options = [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]
    rows = [{"text": f"t {i}", "options": options, "accept": ["ab"[i % 2]], "answer": "accept"} for i in range(4)]
    assert read_table(write("a.jsonl", json_lines(rows))).columns["label"].to_pylist() == ["a", "b"] * 2
    spans = [{"text": "Ana came", "spans": [{"start": 0, "end": 3, "label": "PER", "token_start": 0}], "answer": answer}
             for answer in ("accept", "reject", "accept")]  # fmt: skip
    table = read_table(write("b.jsonl", json_lines(spans)))
    assert table.columns["spans"].to_pylist() == [ONE_SPAN] * 2
    assert note_rows(table)["rejected"] == (2,)


# --- spaCy


@pytest.mark.parametrize("whole", [True, False])
def test_spacy_pairs(write, whole: bool) -> None:
    rows = [["Ana came home", {"entities": [[0, 3, "PER"]]}]] * 2
    path = write("a.json", json.dumps(rows)) if whole else write("a.jsonl", json_lines(rows))
    table = read_table(path)
    assert table.columns["entities"].to_pylist() == [ONE_SPAN] * 2
    assert table.columns["text"].to_pylist() == ["Ana came home"] * 2


def test_spacy_categories(write) -> None:
    rows = [{"text": f"text {i}", "cats": {"POS": float(i % 2), "NEG": 1.0 - i % 2}} for i in range(4)]
    assert read_table(write("a.jsonl", json_lines(rows))).columns["label"].to_pylist() == ["NEG", "POS"] * 2
    rows = [{"text": f"text {i}", "cats": {"A": 1.0, "B": float(i % 2)}} for i in range(4)]
    assert read_table(write("b.jsonl", json_lines(rows))).columns["label"].to_pylist() == ['["A"]', '["A", "B"]'] * 2


# --- Prompts and answers


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}, [("hi", "hello")]),
        ({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}, [("hi", "hello")]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": "hello"}]},
         [("hi", "hello")]),
        ({"messages": [{"role": r, "content": c} for r, c in
                       [("system", "Be kind."), ("user", "hi"), ("assistant", "hello"), ("user", "bye"), ("assistant", "so")]]},
         [("system: Be kind.\nuser: hi", "hello"),
          ("system: Be kind.\nuser: hi\nassistant: hello\nuser: bye", "so")]),
        ({"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": "hello"},
          "rejected": {"from": "gpt", "value": "go"}}, [("hi", "hello")]),
    ],
)  # fmt: skip
def test_turns_of_the_assistant(write, row: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    table = read_table(write("a.jsonl", json_lines([row] * 3)))
    found = list(zip(table.columns["prompt"].to_pylist(), table.columns["completion"].to_pylist(), strict=True))
    assert found == expected * 3
    assert suggest_task(kft.load_data(write("a.jsonl", json_lines([row] * 3)))).task == "causal_lm"
    assert ("preferences" in note_rows(table)) is ("chosen" in row)


def test_conversations_without_an_answer_are_counted(write) -> None:
    rows = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}] * 2
    rows.append({"messages": [{"role": "user", "content": "alone"}]})
    assert note_rows(read_table(write("a.jsonl", json_lines(rows))))["no_answer"] == (3,)
    rated = [{"messages": rows[0]["messages"], "label": label} for label in (True, False)]
    table = read_table(write("b.jsonl", json_lines(rated)))
    assert len(table) == 1
    assert note_rows(table)["unwanted_answers"] == (2,)


def test_alpaca_s_input_is_part_of_the_prompt(write) -> None:
    rows = [{"instruction": "Translate.", "input": text, "output": text.upper()} for text in ("cat", "dog", "")]
    for path in (
        write("a.json", json.dumps(rows)),
        write("a.csv", "instruction,input,output\nTranslate.,cat,CAT\nTranslate.,dog,DOG\n"),
    ):
        table = read_table(path)
        assert table.columns["instruction"].to_pylist()[:2] == ["Translate.\n\ncat", "Translate.\n\ndog"]
        assert "joined_prompt" in note_rows(table)
    assert read_table(write("a.json", json.dumps(rows))).columns["instruction"][2].as_py() == "Translate."


def test_intents_with_patterns(write) -> None:
    content = {"intents": [{"tag": "greeting", "patterns": ["Hi", "Hello"], "responses": ["Hi there"]},
                           {"tag": "bye", "patterns": ["Bye"], "responses": ["See you"]},
                           {"tag": "none", "patterns": [], "responses": []}]}  # fmt: skip
    table = read_table(write("intents.json", json.dumps(content)))
    assert table.columns["text"].to_pylist() == ["Hi", "Hello", "Bye"]
    assert table.columns["label"].to_pylist() == ["greeting", "greeting", "bye"]
    assert note_rows(table)["no_patterns"] == (3,)


# --- Spans


@pytest.mark.parametrize(
    "row",
    [
        {
            "tokens": ["Ana", "Lopez", "met", "Bo"],
            "entities": [{"start": 0, "end": 2, "type": "PER"}, {"start": 3, "end": 4, "type": "PER"}],
        },
        {"tokenized_text": ["Ana", "Lopez", "met", "Bo"], "ner": [[0, 1, "PER"], [3, 3, "PER"]]},
        {"sentences": [["Ana", "Lopez", "met", "Bo"]], "ner": [[[0, 1, "PER"], [3, 3, "PER"]]]},
    ],
)
def test_spans_that_count_tokens(write, row: dict[str, Any]) -> None:
    table = read_table(write("a.json", json.dumps([row] * 2)))
    assert table.columns["tokens"].to_pylist() == ['["Ana", "Lopez", "met", "Bo"]'] * 2
    assert table.columns["tags"].to_pylist() == ['["B-PER", "I-PER", "O", "B-PER"]'] * 2


def test_spans_that_count_tokens_of_a_document_overlap_and_lie_outside(write, refused) -> None:
    row = {"sentences": [["Ana", "met"], ["Bo", "Li"]], "ner": [[[0, 0, "PER"]], [[2, 3, "PER"], [3, 3, "ORG"]]]}
    table = read_table(write("a.jsonl", json_lines([row])))
    assert table.columns["tags"].to_pylist() == ['["B-PER", "O"]', '["B-PER", "I-PER"]']
    assert note_rows(table)["overlapping"] == (1,)
    bad = {"tokens": ["a", "b"], "entities": [{"start": 1, "end": 5, "type": "X"}]}
    refused(read_table, write("b.jsonl", json_lines([bad])), "outside its sentence", "row 1")


def test_doccano_of_both_generations(write) -> None:
    old = {"text": "Ana came", "annotations": [{"label": 2, "start_offset": 0, "end_offset": 3, "user": 1}]}
    table = read_table(write("a.jsonl", json_lines([old] * 2)))
    assert table.columns["entities"].to_pylist() == ['[{"start": 0, "end": 3, "label": "2"}]'] * 2
    assert "label_numbers" in note_rows(table)
    new = {
        "id": 1,
        "text": "Ana came",
        "entities": [{"id": 3, "label": "PER", "start_offset": 0, "end_offset": 3}],
        "relations": [],
        "Comments": [],
    }
    assert read_table(write("b.jsonl", json_lines([new]))).columns["entities"].to_pylist() == [ONE_SPAN]
    assert read_table(write("c.jsonl", json_lines([{"text": "Ana came", "label": [[0, 3, "PER"]]}]))).columns[
        "label"
    ].to_pylist() == [ONE_SPAN]
    votes = [{"text": "a", "annotations": [{"label": "x", "user": 1}, {"label": "y", "user": 2}, {"label": "y", "user": 3}]}] * 2
    table = read_table(write("d.jsonl", json_lines(votes)))
    assert table.columns["label"].to_pylist() == ["y", "y"]
    assert note_rows(table)["several_annotators"] == (1, 2)


def test_offsets_in_utf_16_units_are_recognised_by_the_surfaces(write) -> None:
    text = "😀😀 Ana came"
    shifted = {"text": text, "entities": [{"start": 5, "end": 8, "label": "PER", "text": "Ana"}]}
    right = {"text": text, "entities": [{"start": 3, "end": 6, "label": "PER", "text": "Ana"}]}
    table = read_table(write("a.jsonl", json_lines([shifted, right])))
    spans = [json.loads(cell)[0] for cell in table.columns["entities"].to_pylist()]
    assert [text[span["start"] : span["end"]] for span in spans] == ["Ana", "Ana"]
    assert note_rows(table)["utf16_offsets"] == (1,)


# --- Shapes of JSON

COLUMNS = {"text": ["a good film", "a bad film", "so so"], "label": ["p", "n", "p"]}
ROWS = [("a good film", "p"), ("a bad film", "n"), ("so so", "p")]


@pytest.mark.parametrize(
    "content",
    [
        COLUMNS,
        {"text": {"0": "a good film", "1": "a bad film", "2": "so so"}, "label": {"0": "p", "1": "n", "2": "p"}},
        {"columns": ["text", "label"], "index": [0, 1, 2], "data": [list(row) for row in ROWS]},
        {
            "0": dict(zip(COLUMNS, ROWS[0], strict=True)),
            "1": dict(zip(COLUMNS, ROWS[1], strict=True)),
            "2": dict(zip(COLUMNS, ROWS[2], strict=True)),
        },
        {"schema": {"fields": []}, "data": [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]},
        [dict(zip(COLUMNS, row, strict=True)) for row in ROWS],
        {"version": 1, "rows": [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]},
        {"features": [], "rows": [{"row_idx": i, "row": dict(zip(COLUMNS, row, strict=True))} for i, row in enumerate(ROWS)]},
        {"outer": {"examples": [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]}},
        [{"id": i, "content": {"text": row[0]}, "annotation": {"label": row[1]}} for i, row in enumerate(ROWS)],
        [["text", "label"], *map(list, ROWS)],
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_every_shape_of_json(write, content: Any, indent: int | None) -> None:
    table = read_table(write("a.json", json.dumps(content, indent=indent)))
    assert list(zip(table.columns["text"].to_pylist(), table.columns["label"].to_pylist(), strict=True)) == ROWS


def test_an_object_of_splits(write) -> None:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    data = kft.load_data(write("a.json", json.dumps({"train": rows, "test": rows[:1]})), validation=0)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 3, "test": 1}
    lists = {"train": [[text, label] for text, label in ROWS] * 3, "val": [list(ROWS[0])] * 3, "oos_train": [["x", "oos"]]}
    data = kft.load_data(write("b.json", json.dumps(lists)))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 9, "validation": 3}
    assert [note.code for note in data.notes] == ["other_lists"]


@pytest.mark.parametrize(
    "content",
    [
        {"greeting": ["hi", "hello"], "bye": ["bye"]},
        {"a text": "label", "another": "label"},
        {"pos": ["a", "b"], "neg": ["c", "d"]},
        {"a": 1},
    ],
)
def test_objects_that_make_no_rows_are_refused_with_their_keys(write, refused, content: Any) -> None:
    refused(
        read_table,
        write("a.json", json.dumps(content, indent=1)),
        "no rows can be found",
        repr(next(iter(content))),
        "pandas.to_json",
    )


def test_objects_are_never_texts_or_labels(write, refused) -> None:
    rows = [{"text": "a", "label": {"value": "x", "by": "me"}}, {"text": "b", "label": {"value": "y", "by": "me"}}]
    refused(kft.load_data, write("a.jsonl", json_lines(rows)), "'value', 'by'", "a label is expected", "rows 1, 2", label="label")
    rows = [{"document": {"raw": "a", "by": "me"}, "label": "x"}, {"document": {"raw": "b", "by": "me"}, "label": "y"}]
    refused(kft.load_data, write("b.jsonl", json_lines(rows)), "'raw', 'by'", "a text is expected", text="document")


@pytest.mark.parametrize(
    ("row", "tool"),
    [
        ({"fields": {"text": "a"}, "responses": [], "metadata": {}}, "Argilla"),
        ({"example_id": 1, "content": "a", "annotations": []}, "LightTag"),
        ({"%FEATURE_STRUCTURES": [], "%TYPES": {}}, "INCEpTION"),
    ],
)
def test_formats_that_are_refused_by_name(write, refused, row: dict[str, Any], tool: str) -> None:
    refused(read_table, write("a.jsonl", json_lines([row] * 3)), tool, "not read", "docs/data.md")


# --- Parquet and Arrow with the names of their classes


def huggingface(features: dict[str, Any], **columns: list[Any]) -> pa.Table:
    return pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_class_names_stand_in_the_schema(tmp_path, kind: str) -> None:
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
                "tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}}  # fmt: skip
    table = huggingface(features, text=["a", "b", "c"], label=[0, 1, -1], tags=[[0, 1], [0], None])
    path = tmp_path / f"data.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    read = read_table(path)
    assert read.columns["label"].to_pylist() == ["neg", "pos", None]
    assert read.columns["tags"].to_pylist() == ['["O", "B-PER"]', '["O"]', None]


# --- Lists


@pytest.mark.parametrize(
    "cells",
    [
        ['["joy", "anger"]', '["joy"]'],
        ["['joy', 'anger']", "['joy']"],
        ["('joy', 'anger')", "('joy',)"],
        ["{'joy', 'anger'}", "{'joy'}"],
        ["{joy,anger}", "{joy}"],
        ["['joy' 'anger']", "['joy']"],
        ['{"joy","anger"}', "{joy}"],
    ],
)
def test_lists_in_every_spelling(write, cells: list[str]) -> None:
    rows = [{"text": f"text {i}", "labels": cells[i % 2]} for i in range(8)]
    data = kft.load_data(write("a.jsonl", json_lines(rows)), validation=0)
    learned = kft.MultiLabelClassification().learn(data["train"])
    assert learned.labels == ("anger", "joy")
    assert ("list_cells" in {note.code for note in data.notes}) is not cells[0].startswith('["')


def test_a_set_of_pandas_and_lists_of_one(write) -> None:
    rows = [{"text": f"text {i}", "labels": {"a"} if i % 2 else {"b", "a"}} for i in range(6)]
    learned = kft.MultiLabelClassification().learn(kft.load_data(rows, validation=0)["train"])
    assert learned.labels == ("a", "b")
    single = [{"text": f"text {i}", "label": [["a"], ["b"]][i % 2]} for i in range(6)]
    data = kft.load_data(single, validation=0)
    assert suggest_task(data).task == "text_classification"
    assert kft.TextClassification().learn(data["train"]).labels == ("a", "b")
    several = kft.load_data([*single, {"text": "x", "label": ["a", "b"]}, {"text": "y", "label": ["a", "b"]}], validation=0)
    with pytest.raises(DataError, match="2 rows hold several labels") as caught:
        kft.TextClassification().learn(several["train"])
    assert "multi_label_classification" in str(caught.value)


def test_a_cell_that_is_no_list_among_lists_is_named(write) -> None:
    rows = [{"text": f"text {i}", "labels": "['a', 'b']"} for i in range(60)] + [{"text": "x", "labels": "oops ["}]
    assert note_rows(read_table(write("a.jsonl", json_lines(rows))))["odd_lists"] == (61,)


def test_words_and_tags_with_blanks_between(write) -> None:
    rows = [{"text_a": "Ana came home", "label": "B-PER O O"}, {"text_a": "to New York", "label": "O B-LOC I-LOC"}]
    table = read_table(write("a.jsonl", json_lines(rows)))
    assert table.columns["label"].to_pylist() == ['["B-PER", "O", "O"]', '["O", "B-LOC", "I-LOC"]']
    assert "spaced_tags" in note_rows(table)
