"""Files whose cells mean something else than they seem to: read as they are meant, reported, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.data.file_kinds import refuse_other_text
from kerasft.data.recognise import suggest_task
from kerasft.data.similar_labels import similar_labels
from kerasft.evaluation.tag_spelling import scheme_and_spelling
from tests.data.helpers import cells, findings, json_lines, load, messages, note_rows, write_files


def labels(source: Any, **options: Any) -> list[str | None]:
    return [label for _, label in cells(load(source, **options))]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["0,512", "0,734", "1,205"], ["0.512", "0.734", "1.205"]),  # nothing has a thousands group that begins with 0
        (["-0,500", "0,250", "1,125"], ["-0.500", "0.250", "1.125"]),
        (["0.5", "1,5", "2.5", "3,25"], ["0.5", "1.5", "2.5", "3.25"]),
        (["1,205", "2,734", "3,500"], ["1205", "2734", "3500"]),
        (["1.205,5", "2,75", "3.500,0"], ["1205.5", "2.75", "3500.0"]),
        (["1,205.5", "2.75", "3,500.0"], ["1205.5", "2.75", "3500.0"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_decimal_signs(written: list[str], read: list[str], suffix: str, tmp_path: Path) -> None:
    sign = {"csv": ",", "tsv": "\t"}[suffix]
    rows = [f'"text number {i}"{sign}"{written[i % len(written)]}"' for i in range(12)]
    path = tmp_path / f"scores.{suffix}"
    path.write_text(f"text{sign}score\n" + "\n".join(rows) + "\n")
    assert labels(path) == [read[i % len(read)] for i in range(12)]


def test_all_splits_show_what_a_comma_means() -> None:
    train = [{"text": f"text {i}", "score": ["0,512", "0,734"][i % 2]} for i in range(8)]
    test = [{"text": f"new {i}", "score": ["1,205", "1,333"][i % 2]} for i in range(4)]
    data = load({"train": train, "test": test}, label="score")
    assert data["test"].cells("label")[:2] == ["1.205", "1.333"]
    assert data["train"].cells("label")[0] == "0.512"


MARKS = [[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
PLACES = [["1", "2"], ["0"], ["2"], []]


@pytest.mark.parametrize("kind", [int, float, bool])
@pytest.mark.parametrize("as_text", [False, True])
def test_lists_of_marks_are_the_places_of_the_marks(kind: type, as_text: bool, tmp_path: Path) -> None:
    lists = [[kind(mark) for mark in MARKS[i % 4]] for i in range(12)]
    rows = [{"text": f"text {i}", "labels": str(marks) if as_text else marks} for i, marks in enumerate(lists)]
    path = write_files(tmp_path, {"a.jsonl": json_lines(rows)}) / "a.jsonl"
    assert [json.loads(label or "") for label in labels(path)] == [PLACES[i % 4] for i in range(12)]
    data = load(path)
    assert "marked_labels" in findings(data)
    assert suggest_task(data).task == "multi_label_classification"


def test_every_row_of_lists_counts() -> None:
    rows = [{"text": f"text {i}", "labels": MARKS[i % 4]} for i in range(1500)]
    assert "marked_labels" not in findings(load([*rows, {"text": "late", "labels": [2, 3]}]))
    nested: list[dict[str, Any]] = [{"text": f"text {i}", "labels": [["joy"]]} for i in range(1500)]
    assert "nested_labels" not in findings(load([*nested, {"text": "late", "labels": [["joy", "anger"]]}]))
    assert "nested_labels" not in findings(load([*nested, {"text": "late", "labels": [[]]}]))


def test_all_splits_are_read_alike() -> None:
    train = [{"text": f"text {i}", "labels": MARKS[i % 4]} for i in range(12)]
    data = load({"train": train, "test": [{"text": "new", "labels": [0, 1, 0]}, {"text": "newer", "labels": [1, 1, 1]}]})
    assert [json.loads(cell) for cell in data["test"].cells("label")] == [["1"], ["0", "1", "2"]]
    with pytest.raises(kft.DataError, match="split 'test'"):
        load({"train": train, "test": [{"text": "new", "labels": [0, 1]}]})


def test_lists_of_numbers_that_are_no_marks_stay_labels() -> None:
    votes = [{"text": f"text {i}", "labels": [[1, 1, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1]][i % 4]} for i in range(12)]
    assert "marked_labels" not in findings(load(votes))
    named = [{"text": f"text {i}", "votes": MARKS[i % 4]} for i in range(12)]
    assert "marked_labels" not in findings(load(named, label="votes"))
    classes = [{"text": f"text {i}", "labels": [[0, 1], [1], [2, 0]][i % 3]} for i in range(12)]
    assert "marked_labels" not in findings(load(classes))
    tokens = [{"tokens": ["a", "b", "c"], "tags": [[0, 1, 1], [0, 0, 1]][i % 2]} for i in range(8)]
    assert "marked_labels" not in findings(load(tokens))


def test_nested_and_printed_lists(tmp_path: Path) -> None:
    nested = [{"text": f"text {i}", "labels": [["joy"], ["anger"]][: 1 + i % 2]} for i in range(8)]
    data = load(nested)
    assert [json.loads(label or "") for _, label in cells(data)] == [["joy", "anger"][: 1 + i % 2] for i in range(8)]
    assert "nested_labels" in findings(data)
    printed = "text,labels\n" + "".join(f"text {i},\"Index(['joy', 'anger'], dtype='object')\"\n" for i in range(8))
    path = write_files(tmp_path, {"a.csv": printed}) / "a.csv"
    assert {json.loads(label or "")[1] for label in labels(path)} == {"anger"}


def test_the_semicolon_of_an_entity_separates_nothing() -> None:
    data = load([{"text": f"text {i}", "label": ["R&amp;D", "sales", "R&amp;D"][i % 3]} for i in range(12)])
    assert suggest_task(data).task == "text_classification"


def test_bytes_that_python_printed_are_named_and_repaired() -> None:
    rows = [{"text": f"b'caf\\xc3\\xa9 {i}'", "label": "ab"[i % 2]} for i in range(8)]
    assert len(findings(load(rows))["python_bytes"]) == 8
    assert cells(load(rows, repair=True))[0] == ("café 0", "a")


def test_a_span_with_another_text_is_named(tmp_path: Path) -> None:
    rows = [{"text": "I saw Ana today", "entities": [{"start": 2, "end": 5, "label": "PER", "text": "Ana"}]}] * 3
    rows.append({"text": "I saw Ana today", "entities": [{"start": 6, "end": 9, "label": "PER", "text": "ana "}]})
    path = write_files(tmp_path, {"a.jsonl": json_lines(rows)}) / "a.jsonl"
    assert note_rows(load(path)["train"].table)["span_texts"] == (1, 2, 3)


@pytest.mark.parametrize("name", ["system", "history", "input", "options", "choices"])
def test_columns_beside_a_prompt_are_named(name: str) -> None:
    rows = [{"prompt": f"question {i}", "completion": f"answer {i}", name: ["be kind"] if name == "history" else "be kind"}
            for i in range(8)]  # fmt: skip
    assert name in messages(load(rows))


def test_choices_of_answers_are_named() -> None:
    rows = [
        {"question": f"which one is it {i}", "A": "x", "B": "y", "C": "z", "D": "w", "answer": "ABCD"[i % 4]} for i in range(8)
    ]
    assert "'A', 'B', 'C', 'D'" in messages(load(rows))


def test_a_header_repeated_behind_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    part = "\ufefftext,label\n" + "".join(f"text number {i},{'ab'[i % 2]}\n" for i in range(8))
    quoted = part.replace("text,label", '"text","label"')
    for content in (part + part, part + quoted):
        path = write_files(tmp_path, {"a.csv": content}) / "a.csv"
        data = load(path)
        assert set(labels(path)) == {"a", "b"}
        assert findings(data)["repeated_header"] == (10,)


def turn(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_turns_without_weight_are_not_learned(tmp_path: Path) -> None:
    messages = [
        turn("user", "hi"),
        turn("assistant", "bad", weight=0),
        turn("user", "again"),
        turn("assistant", "good", weight=1),
    ]
    path = write_files(tmp_path, {"a.jsonl": json_lines([{"messages": messages}] * 3)}) / "a.jsonl"
    assert [label for _, label in cells(load(path))] == ["good"] * 3
    assert findings(load(path))["weight_zero"] == (1, 2, 3)


def test_conversations_of_weight_0_alone_are_refused_for_that(tmp_path: Path) -> None:
    messages = [turn("user", "hi"), turn("assistant", "bad", weight=0)]
    path = write_files(tmp_path, {"a.jsonl": json_lines([{"messages": messages}] * 3)}) / "a.jsonl"
    with pytest.raises(kft.DataError, match="weight 0"):
        load(path)


def test_calls_of_tools_are_named(tmp_path: Path) -> None:
    call = {"id": "1", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        turn("user", "hi"),
        turn("assistant", None, tool_calls=[call]),
        turn("tool", "rain"),
        turn("assistant", "It rains"),
    ]
    path = write_files(tmp_path, {"a.jsonl": json_lines([{"messages": messages}] * 3)}) / "a.jsonl"
    assert findings(load(path))["tool_calls"] == (1, 2, 3)


def test_conversations_without_an_answer_are_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a.jsonl": json_lines([{"messages": [turn("user", "hi")]}] * 3)}) / "a.jsonl"
    with pytest.raises(kft.DataError, match="'user'"):
        load(path)


@pytest.mark.parametrize("shape", ["explicit", "implicit", "both", "object"])
def test_preferences_as_lists_of_messages(shape: str, tmp_path: Path) -> None:
    prompt, good, bad = [turn("user", "hi")], [turn("assistant", "good")], [turn("assistant", "bad")]
    row: dict[str, Any] = {
        "explicit": {"prompt": prompt, "chosen": good, "rejected": bad},
        "implicit": {"chosen": prompt + good, "rejected": prompt + bad},
        "both": {"prompt": [turn("user", "hi ")], "chosen": prompt + good, "rejected": prompt + bad},
        "object": {"messages": prompt, "chosen": {"content": "good"}, "rejected": {"content": "bad"}},
    }[shape]
    path = write_files(tmp_path, {"a.jsonl": json_lines([row] * 3)}) / "a.jsonl"
    assert cells(load(path)) == [("hi", "good")] * 3
    assert "preferences" in findings(load(path))


def test_an_accepted_row_of_prodigy_without_a_label_has_none(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": "GOOD", "answer": ["accept", "reject"][i % 2]} for i in range(6)]
    rows.append({"text": "no label", "answer": "accept"})
    path = write_files(tmp_path, {"a.jsonl": json_lines(rows)}) / "a.jsonl"
    assert labels(path) == ["GOOD", "not GOOD"] * 3 + [None]


def test_predictions_of_label_studio_are_no_labels(tmp_path: Path) -> None:
    result = [{"from_name": "sentiment", "type": "choices", "value": {"choices": ["good"]}}]
    rows = [{"id": i, "data": {"text": f"text {i}"}, "predictions": [{"result": result}]} for i in range(3)]
    path = write_files(tmp_path, {"a.json": json.dumps(rows)}) / "a.json"
    assert findings(load(path))["predictions"] == (1, 2, 3)
    annotated = [{**row, "annotations": [{"result": result}]} for row in rows]
    path = write_files(tmp_path, {"b.json": json.dumps(annotated)}) / "b.json"
    assert labels(path) == ["good"] * 3
    assert "predictions" not in findings(load(path))


@pytest.mark.parametrize("outside", ["OTHER", "NIL", "none", "_"])
def test_another_word_for_outside_is_read_beside_prefixes(outside: str) -> None:
    tags = [["B-PER", outside, outside, outside, "B-LOC", "I-LOC", outside]] * 3
    scheme, spelling = scheme_and_spelling(tags)
    assert scheme == "BIO"
    assert spelling.canonical(tags[0]) == ["B-PER", "O", "O", "O", "B-LOC", "I-LOC", "O"]


@pytest.mark.parametrize(
    ("tags", "asked"),
    [
        (["PER", "OTHER", "OTHER", "OTHER", "LOC", "LOC", "OTHER"], True),
        (["EN", "OTHER", "ES", "OTHER", "OTHER"], True),  # languages: every tag is a class
        (["food", "none", "none", "service"], True),
        (["IN", "OUT", "OUT", "UP"], True),
        (["S_sg", "M_pl", "_", "_", "_"], True),
        (["NOUN", "VERB", "NOUN", "ADJ", "_"], False),
    ],
)
def test_tags_without_prefixes_stay_and_are_asked_about(tags: list[str], asked: bool) -> None:
    scheme, spelling = scheme_and_spelling([tags] * 3)
    assert scheme == "plain"
    assert spelling.canonical(tags) == tags
    data = load([{"tokens": [f"word{i}{k}" for k in range(len(tags))], "tags": tags} for i in range(4)])
    assert ("outside_tag" in findings(data)) == asked


def test_entities_in_the_last_column_of_conllu_are_named(tmp_path: Path) -> None:
    lines = "1\tAna\tAna\tPROPN\tNNP\t_\t2\tnsubj\t_\tNE=B-PER\n2\tcame\tcome\tVERB\tVBD\t_\t0\troot\t_\tNE=O\n\n"
    path = write_files(tmp_path, {"a.conllu": lines * 3}) / "a.conllu"
    assert findings(load(path))["entities_in_misc"] == (1, 4, 7)


@pytest.mark.parametrize(
    "pair", [("01", "1"), ("+1", "1"), ("0", "0.00"), ("Y", "yes"), ("n", "NO"), ("1", "True"), ("роs", "pos"), ("ﬁne", "fine")]
)
def test_labels_that_probably_mean_the_same_are_named(pair: tuple[str, str]) -> None:
    assert {frozenset(found) for found in similar_labels([*pair, "other one"])} == {frozenset(pair)}


@pytest.mark.parametrize(
    "pair",
    [
        ("1.1", "1.10"),
        ("-1", "1"),
        ("A", "A+"),
        ("C", "C++"),
        ("\u03b1", "a"),
        ("1.0", "10"),
        ("yes", "no"),
        ("1", "2"),
        ("0.5", "5"),
    ],
)
def test_labels_that_differ_are_not_named(pair: tuple[str, str]) -> None:
    assert list(similar_labels(pair)) == []


@pytest.mark.parametrize("word", ["--", ".", "missing", "not available", "unlabeled", "TBD"])
def test_words_for_no_label_are_named(word: str) -> None:
    data = load([{"text": f"text {i}", "label": ["a", "b", word][i % 3]} for i in range(12)])
    assert findings(data)["missing_word"] == (3, 6, 9, 12)


def test_a_line_of_fasttext_without_a_label_is_named(tmp_path: Path) -> None:
    lines = [f"__label__{'ab'[i % 2]} text number {i}" for i in range(8)]
    lines[3] = "this one has none"
    path = write_files(tmp_path, {"a.txt": "\n".join(lines)}) / "a.txt"
    assert labels(path)[2:4] == ["a", None]
    assert findings(load(path))["no_label"] == (4,)


def test_files_beside_and_among_class_folders_are_named(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{name}/{i}.txt": f"{name} film {i}" for name in ("pos", "neg") for i in range(3)}
    folder = write_files(tmp_path / "beside", {**files, "extra.txt": "what is this"})
    assert "'extra.txt'" in messages(load(folder))
    folder = write_files(tmp_path / "among", {**files, "pos/3.md": "what is this"})
    with pytest.raises(kft.DataError, match=r"pos/3\.md"):
        load(folder)


def test_a_pattern_over_several_folders_says_that_they_may_be_classes(tmp_path: Path) -> None:
    write_files(tmp_path / "d", {f"{name}/{i}.txt": f"{name} film {i}" for name in ("pos", "neg") for i in range(3)})
    assert "several_folders" in findings(load(str(tmp_path / "d" / "**" / "*.txt")))


REFUSED = {
    "LIBSVM": ["1 3:0.5 7:1", "-1 2:0.25 9:1e-3", "1 3:1 4:2 9:1"],
    "gettext": ['msgid "good"', 'msgstr "gut"', 'msgid "bad"', 'msgstr "schlecht"'],
    "e-mail": ["From: ana@example.org", "To: bo@example.org", "Subject: the film", "Date: today", "", "It was good."],
    "one line for each field": ["text: a good film", "label: pos", "text: a bad film", "label: neg"],
}


@pytest.mark.parametrize("what", REFUSED)
def test_formats_that_are_no_tables_are_refused_by_name(what: str) -> None:
    with pytest.raises(kft.DataError, match=what):
        refuse_other_text(REFUSED[what], Path("a.txt"))


@pytest.mark.parametrize(
    "lines",
    [
        ["From: the first to the last", "To: whom it may concern", "Date: a sweet one", "So it goes"],
        ["7 10:30", "8 11:45", "9 12:00"],
        ["Ana: hello", "Bo: hello", "Ana: how is it", "Bo: fine"],
    ],
)
def test_texts_that_look_like_other_formats_are_read(lines: list[str]) -> None:
    refuse_other_text(lines, Path("a.txt"))


@pytest.mark.parametrize("label", ["MAT 101", "PHY 102", "ABC 7"])
def test_codes_of_three_capitals_are_no_currency(label: str) -> None:
    assert labels([{"text": f"text {i}", "label": [label, "BIO 201"][i % 2]} for i in range(8)])[0] == label


def test_joined_prompts_are_not_called_unread() -> None:
    rows = [{"instruction": f"do this {i}", "input": f"with this one here {i}", "output": f"done {i}"} for i in range(8)]
    assert "unread_columns" not in findings(load(rows))


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("a.jsonl", '["a fine film", "a"]\n' * 3, "objects"),
        ("a.json", "[{'text': 'a fine film', 'label': 'good'}]", "double quotes"),
        ("a.jsonl", json_lines([{"tokens": ["Ana", "came"], "entities": [{"start": 0, "end": 8, "label": "PER"}]},
                                {"tokens": ["Ana", "came"], "entities": [{"start": 0, "end": 1, "label": "PER"}]}] * 2), "count"),
    ],
)  # fmt: skip
def test_refusals_say_what_to_do(name: str, content: str, hint: str, tmp_path: Path) -> None:
    path = write_files(tmp_path, {name: content}) / name
    with pytest.raises(kft.DataError) as raised:
        load(path)
    assert hint in str(raised.value.hint)


def test_a_column_that_became_another_one_is_explained(tmp_path: Path) -> None:
    rows = [{"tokens": ["Ana", "came"], "entities": [{"start": 0, "end": 1, "type": "PER"}]}] * 3
    path = write_files(tmp_path, {"a.json": json.dumps(rows)}) / "a.json"
    with pytest.raises(kft.DataError) as raised:
        load(path, label="entities")
    assert "converted to BIO tags" in str(raised.value.hint)
