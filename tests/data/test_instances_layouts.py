"""Rows, tags and labels of layouts that only look like others: read as they are meant, named, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.errors import KerasFTError
from tests.data.helpers import cells, findings, json_lines, load, load_or_none, mentions


def csv_of(rows: list[dict[str, Any]]) -> str:
    return ",".join(rows[0]) + "\n" + "".join(",".join(map(str, row.values())) + "\n" for row in rows)


# --- Rows of a known format far down in the file: lost without a word, or a raw exception

SPAN = {"label": 1, "start_offset": 0, "end_offset": 3}
GOOD: dict[str, Any] = {
    "spacy": lambda i: [f"Ana came {i}", {"entities": [[0, 3, "PER"]]}],
    "cats": lambda i: {"text": f"text {i}", "cats": {"A": float(i % 2), "B": 1.0 - i % 2}},
    "prodigy": lambda i: {"text": f"text {i}", "label": "AB"[i % 2], "answer": "accept"},
    "doccano": lambda i: {"text": f"Ana came {i}", "annotations": [SPAN]},
    "doccano classes": lambda i: {"text": f"text {i}", "annotations": [{"label": i % 2}]},
    "label studio": lambda i: {
        "data": {"text": f"text {i}"},
        "annotations": [{"result": [{"from_name": "s", "type": "choices", "value": {"choices": ["AB"[i % 2]]}}]}],
    },
    "intents": lambda i: {"tag": f"t{i % 3}", "patterns": [f"text {i}"], "responses": []},
}
ODD: list[tuple[str, Any]] = [
    *((name, {"text": "a lone text"}) for name in ("spacy", "cats", "doccano", "doccano classes", "label studio")),
    *((name, ["a lone text", {}]) for name in GOOD),
    ("doccano", {"text": "a lone text", "annotations": None}),
    ("doccano", {"text": "a lone text", "annotations": [{}]}),
    ("label studio", {"data": None, "annotations": []}),
    ("prodigy", {"text": "a lone text", "spans": [3], "answer": "accept"}),
    ("spacy", ["a lone text", {}]),
    ("cats", {"text": "a lone text", "cats": None}),
    ("cats", {"text": "a lone text", "cats": {"A": None}}),
]


@pytest.mark.parametrize(("name", "odd"), ODD)
def test_one_odd_row_is_read_named_or_refused(write, name: str, odd: Any) -> None:
    rows = [GOOD[name](i) for i in range(160)]
    rows[150] = odd
    try:
        found = read_table(write("a.json", json.dumps(rows)))
    except KerasFTError:
        return
    named = {row for note in found.notes for row in note.rows}
    assert 151 in {int(row) for row in found.rows} | named


# --- K1


@pytest.mark.parametrize("names", [("Nachricht", "Ergebnis"), ("0", "1"), ("tweet_raw", "gold_class")])
@pytest.mark.parametrize("index", ["0123", "abcd"])
def test_columns_of_pandas_are_not_taken_for_rows(write, names: tuple[str, str], index: str) -> None:
    """`df.to_json()`: an object of columns, each by row number (or row name)."""
    rows = [(f"a long text number {i}, longer than any word", "pn"[i % 2]) for i in range(4)]
    content = {name: dict(zip(index, column, strict=True)) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    data = load_or_none(write("a.json", json.dumps(content)))
    assert data is None or cells(data) == rows


def test_keys_of_one_name_in_an_object(write) -> None:
    data = load_or_none(write("a.jsonl", '{"text": "one", "text": "two", "label": "a"}\n' * 4))
    assert data is None or "one" in mentions(data) or set(findings(data)) - {"one_label", "duplicate_texts"}


# --- K2, K23


@pytest.mark.parametrize(
    "both",
    [
        pytest.param(["[joy, anger]", "[joy]"], id="Spark"),
        pytest.param(["array(['joy', 'anger'], dtype=object)", "array(['joy'], dtype=object)"], id="NumPy"),
        pytest.param(['c("joy", "anger")', 'c("joy")'], id="R"),
        pytest.param(["frozenset({'joy', 'anger'})", "frozenset({'joy'})"], id="frozenset"),
        pytest.param(["\"['joy', 'anger']\"", "\"['joy']\""], id="in marks again"),
        pytest.param(["{'joy': 1, 'anger': 1}", "{'joy': 1}"], id="Python dictionaries"),
        pytest.param(["joy", "['joy', 'anger']"], id="a plain label among lists"),
    ],
)
def test_lists_in_cells(write, both: list[str]) -> None:
    data = load_or_none(write("a.jsonl", json_lines([{"text": f"text {i}", "labels": both[i % 2]} for i in range(8)])))
    assert data is None or kft.MultiLabelClassification().learn(data["train"]).labels == ("anger", "joy")


@pytest.mark.parametrize("names", [["annotator1", "annotator2", "annotator3"], ["A1", "A2"], ["rater_1", "rater_2"]])
def test_annotators_of_a_yes_or_no_question_are_no_labels(write, names: list[str]) -> None:
    rows = [{"text": f"a text number {i}", **{n: int((i + j) % (2 + j) == 0) for j, n in enumerate(names)}} for i in range(20)]
    data = load_or_none(write("a.csv", csv_of(rows)))
    assert data is None or all(name in mentions(data) for name in names)


def test_annotators_of_a_yes_or_no_question_beside_the_label(write) -> None:
    rows = [{"text": f"a text number {i}", "label": i % 2, "label_ana": i % 2, "label_bo": int(i % 3 == 0)} for i in range(20)]
    assert "label_bo" in mentions(load(write("a.csv", csv_of(rows))))


@pytest.mark.parametrize("label", [[[0.7, 0.3], [0.2, 0.8]], [["pos", "pos", "neg"], ["neg", "neg", "pos"]]])
def test_soft_labels_and_votes_are_no_several_labels(label: list[Any]) -> None:
    data = load_or_none([{"text": f"a text number {i}", "label": label[i % 2]} for i in range(12)])
    assert data is None or "label" in mentions(data)


def test_the_votes_beside_the_gold_label_of_snli() -> None:
    rows = [
        {"text": f"text {i}", "label": "pn"[i % 2], "annotator_labels": [["p", "p", "n"], ["n", "n", "p"]][i % 2]}
        for i in range(12)
    ]
    assert "annotator_labels" in mentions(load(rows))


# --- K3


@pytest.mark.parametrize("missing", [0, 11])
def test_an_answer_that_is_missing_once(write, missing: int) -> None:
    """One row without `answer`, and no row is read as Prodigy's: rejected labels are learned as true."""
    rows: list[dict[str, Any]] = [
        {"text": f"text {i}", "label": "AB"[i % 2], "answer": ("accept", "reject", "accept")[i % 3]} for i in range(12)
    ]
    del rows[missing]["answer"]
    data = load_or_none(write("a.jsonl", json_lines(rows)))
    rejected = {row["text"] for row in rows if row.get("answer") == "reject"}
    assert data is None or not rejected & set(data["train"].cells("text"))


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_answers_of_prodigy_in_a_table(tmp_path: Path, kind: str) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        [{"text": f"text {i}", "label": "AB"[i % 2], "answer": ("accept", "reject", "ignore")[i % 3]} for i in range(12)]
    )
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path)
    data = load_or_none(frame if kind == "frame" else path)
    assert data is None or "answer" in mentions(data) or len(data["train"]) == 4


# --- K4, K5, K7 in tags

SENTENCES = [["Ana", "Lopez", "came"], ["Bo", "in", "New", "York"], ["Nobody", "was", "there"], ["Rome", "and", "Ana"]]
BIO = [["B-PER", "I-PER", "O"], ["B-PER", "O", "B-LOC", "I-LOC"], ["O", "O", "O"], ["B-LOC", "O", "B-PER"]]


def conll(tags: list[list[str]], line: str = "{}\t{}") -> str:
    return "\n".join(
        "".join(line.format(w, t) + "\n" for w, t in zip(*pair, strict=True)) for pair in zip(SENTENCES, tags, strict=True)
    )


@pytest.mark.parametrize("sign", ["/", "", "—", "|", "words"])
def test_prefixes_joined_by_another_sign_are_no_types(write, sign: str) -> None:
    """Each type is one type of entity, or the tags are refused; never two types `B/PER` and `I/PER`."""
    tags = [[tag.replace("-", sign) for tag in row] for row in BIO]
    if sign == "words":
        tags = [[tag.replace("B-", "BEGIN-").replace("I-", "INSIDE-") for tag in row] for row in BIO]
    task = kft.TokenClassification()
    try:
        data = load(write("a.conll", conll(tags)))
        known = task.learn(data["train"])
    except KerasFTError:
        return
    gold = [[known.labels[number][:2] for number in row] for row in task.gold(data["train"], known)]
    assert gold == [[tag[:2] for tag in row] for row in BIO]


def test_brackets_of_conll_2012(write) -> None:
    tags = [["(PER*", "*)", "*"], ["(PER)", "*", "(LOC*", "*)"], ["*", "*", "*"], ["(LOC)", "*", "(PER)"]]
    task = kft.TokenClassification()
    try:
        data = load(write("a.conll", conll(tags)))
        known = task.learn(data["train"])
    except KerasFTError:
        return
    assert known.facts["scheme"] != "plain" or task.remarks(data["train"], known)


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(
            [["b-per", "l-per", "o"], ["u-per", "o", "b-loc", "l-loc"], ["o"] * 3, ["u-loc", "o", "u-per"]], id="lower BILOU"
        ),
        pytest.param([[".".join(reversed(tag.split("-"))) for tag in row] for row in BIO], id="type first, point"),
    ],
)
@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a"])
def test_conll_without_its_suffix(write, spelling: list[list[str]], name: str) -> None:
    data = load_or_none(write(name, conll(spelling)))
    assert data is None or data.columns.label == "tags"


@pytest.mark.parametrize("line", ["{} x NOUN {} _", "{} {} x"])
def test_conll_in_a_txt_with_tags_within(write, line: str) -> None:
    data = load_or_none(write("a.txt", conll(BIO, line)))
    assert data is None or data.columns.label == "tags"


@pytest.mark.parametrize("other", ["B-PER\u200b", "\ufeffB-PER", "B-PER\u00a0", "B-ＰＥＲ", "B-PE\u00adR"])
def test_tags_that_look_alike_are_one_type(write, other: str) -> None:
    rows = [{"tokens": ["Ana", "came", str(i)], "tags": [["B-PER", other][i % 2], "O", "O"]} for i in range(8)]
    try:
        data = load(write("a.jsonl", json_lines(rows)))
        labels = kft.TokenClassification().learn(data["train"]).labels
    except KerasFTError:
        return
    assert labels == ("O", "B-PER", "I-PER")


# --- K13

WORDS = ["Ana", "Lopez", "met", "Bo"]
PLACES = [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 4, "label": "PER"}]
TOKEN_SPANS: list[tuple[dict[str, Any], str | None]] = [
    ({"words": WORDS, "entities": PLACES}, "entities"),
    ({"tokens": WORDS, "spans": PLACES}, "spans"),
    ({"tokens": WORDS, "spans": [[0, 2, "PER"], [3, 4, "PER"]]}, "spans"),
    ({"tokens": WORDS, "entity_mentions": [{**place, "entity_type": "PER"} for place in PLACES]}, "entity_mentions"),
    ({"tokens": WORDS, "label": PLACES}, None),
    ({"tokens": WORDS, "labels": [[0, 2, "PER"], [3, 4, "PER"]]}, None),
    ({"tokens": WORDS, "entities": [[0, 2, "PER"], [3, 4, "PER"]]}, "entities"),
]


@pytest.mark.parametrize(("row", "label"), TOKEN_SPANS)
def test_spans_over_words_are_not_laid_over_the_letters_of_json(write, row: dict[str, Any], label: str | None) -> None:
    task = kft.TokenClassification()
    try:
        data = load(write("a.json", json.dumps([row] * 3)), **({"label": label} if label else {}))
        known = task.learn(data["train"])
        gold = task.gold(data["train"], known)
    except KerasFTError:
        return
    assert [known.labels[number] for number in gold[0]] == ["B-PER", "I-PER", "O", "B-PER"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "frame", "dataset"])
def test_spans_over_words_in_a_table(tmp_path: Path, kind: str) -> None:
    """The formats are looked for in rows of JSON only."""
    import datasets
    import pandas as pd

    places = [{"start": 0, "end": 2, "type": "PER"}, {"start": 3, "end": 4, "type": "PER"}]
    frame = pd.DataFrame({"tokens": [WORDS] * 3, "entities": [places] * 3})
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "csv":
        frame.map(json.dumps).to_csv(path, index=False)
    task = kft.TokenClassification()
    source = {"frame": frame, "dataset": datasets.Dataset.from_dict({"tokens": [WORDS] * 3, "entities": [places] * 3})}.get(
        kind, path
    )
    try:
        data = load(source, label="entities")
        known = task.learn(data["train"])
        gold = task.gold(data["train"], known)
    except KerasFTError:
        return
    assert [known.labels[number] for number in gold[0]] == ["B-PER", "I-PER", "O", "B-PER"]


def test_columns_of_two_lengths_on_one_line(write) -> None:
    data = load_or_none(write("a.json", '{"text": ["a b", "c d", "e f", "g"], "label": ["p", "n", "p"]}'))
    assert data is None or set(findings(data)) - {"rare_label"}
