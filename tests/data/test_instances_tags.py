"""Further spellings of tags and columns of CoNLL files, spans over tokens, names of classes in Parquet and Arrow."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kerasft as kft
from kerasft.data.quality import check_data
from kerasft.data.readers import read_table
from kerasft.errors import KerasFTError

SENTENCES = [["Ana", "Lopez", "came"], ["Bo", "in", "New", "York"], ["Nobody", "was", "there"], ["Rome", "and", "Ana"]]
BIO = [["B-PER", "I-PER", "O"], ["B-PER", "O", "B-LOC", "I-LOC"], ["O", "O", "O"], ["B-LOC", "O", "B-PER"]]
BIOES = [["B-PER", "E-PER", "O"], ["S-PER", "O", "B-LOC", "E-LOC"], ["O", "O", "O"], ["S-LOC", "O", "S-PER"]]
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def bilou(tag: str) -> str:
    return tag.replace("E-", "L-").replace("S-", "U-")


def spelled(make: Any, tags: list[list[str]] = BIO) -> list[list[str]]:
    return [[make(tag) for tag in row] for row in tags]


def conll(tags: list[list[str]], sign: str = " ", *, before: str = "", after: str = "", end: str = "\n") -> str:
    rows = []
    for words, row in zip(SENTENCES, tags, strict=True):
        rows += [f"{word}{sign}{before}{tag}{after}" for word, tag in zip(words, row, strict=True)] + [""]
    return end.join(rows) + end


def learned(data: Any) -> tuple[tuple[str, ...], list[list[str]]]:
    """What a tagger learns: its labels, and the tags of the training rows by them."""
    task = kft.TokenClassification()
    known = task.learn(data["train"])
    gold = task.gold(data["train"], known)
    return known.labels, [[known.labels[number] for number in row] for row in gold]


SPELLINGS = {
    "colons": spelled(lambda tag: tag.replace("-", ":")),
    "points": spelled(lambda tag: tag.replace("-", ".")),
    "underscores BIOES": spelled(lambda tag: tag.replace("-", "_"), BIOES),
    "lower case": spelled(str.lower),
    "lower BILOU": spelled(lambda tag: bilou(tag).lower(), BIOES),
    "BILOU": spelled(bilou, BIOES),
    "BMES": spelled(lambda tag: tag, BIOES),
    "type first": spelled(lambda tag: "-".join(reversed(tag.split("-")))),
    "type first, underscore": spelled(lambda tag: "_".join(reversed(tag.split("-")))),
    "type first, point": spelled(lambda tag: ".".join(reversed(tag.split("-"))), BIOES),
    "types with hyphens": spelled(lambda tag: tag.replace("PER", "PER-SON").replace("LOC", "LOC-A")),
    "lower o": spelled(lambda tag: "o" if tag == "O" else tag),
    "IOB1": spelled(lambda tag: tag.replace("B-", "I-")),
    "IO": spelled(lambda tag: tag[2:] or "O"),
    "IO with prefix": spelled(lambda tag: tag.replace("B-", "I-")),
    "lower types": spelled(lambda tag: tag.replace("PER", "person").replace("LOC", "geo-loc")),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in SPELLINGS
        for kind in ("conll", "jsonl", "tsv")
        if kind != "tsv" or name not in ("lower BILOU", "type first, point")
    ],
)
def test_spellings_of_tags(write, name: str, kind: str) -> None:
    tags = SPELLINGS[name]
    if kind == "jsonl":
        rows = [{"tokens": words, "tags": row} for words, row in zip(SENTENCES, tags, strict=True)]
        path = write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        path = write(f"a.{kind}", conll(tags, "\t" if kind == "tsv" else " "))
    labels, gold = learned(kft.load_data(path, validation=0))
    assert labels[0] == "O"
    assert len(labels) == 5, labels
    assert [[tag[:2].upper() for tag in row] for row in gold] == [[tag[:2] for tag in row] for row in BIO]


@pytest.mark.parametrize("name", ["BIOES", "BILOU", "colons", "lower case", "IOB1", "type first"])
def test_a_test_file_in_another_spelling(write, name: str) -> None:
    task = kft.TokenClassification()
    train = kft.load_data(write("train.conll", conll(BIO)), validation=0)
    known = task.learn(train["train"])
    path = write("test.conll", conll(BIOES if name == "BIOES" else SPELLINGS[name]))
    try:
        gold = task.gold(kft.load_data(path, validation=0)["train"], known)
    except KerasFTError as error:
        if not error.hint:
            raise
    else:
        assert [[known.labels[number] for number in row] for row in gold] == BIO


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(spelled(lambda tag: "0" if tag == "O" else tag), id="zero for O"),
        pytest.param(spelled(lambda tag: "OUT" if tag == "O" else tag), id="OUT for O"),
        pytest.param(spelled(lambda tag: "_" if tag == "O" else tag), id="a line for O"),
        pytest.param(spelled(lambda tag: {"O": "0", "B-PER": "1", "I-PER": "2", "B-LOC": "3", "I-LOC": "4"}[tag]), id="numbers"),
    ],
)
def test_tags_that_fit_no_scheme_are_told_or_refused(write, tags: list[list[str]]) -> None:
    task = kft.TokenClassification()
    try:
        data = kft.load_data(write("a.conll", conll(tags)), validation=0)
        known = task.learn(data["train"])
    except KerasFTError:
        return
    if known.facts["scheme"] == "plain":
        assert task.remarks(data["train"], known)
    else:
        labels, gold = learned(data)
        assert [[tag[:2] for tag in row] for row in gold] == [[tag[:2] for tag in row] for row in BIO], labels


NER_FIRST = {"Ana": "NOUN", "Lopez": "NOUN", "Bo": "NOUN", "New": "ADJ", "York": "NOUN", "Rome": "NOUN", "Nobody": "PRON"}


def columns(*order: str, sign: str = "\t", header: bool = False) -> str:
    """Sentences with columns of words, tags (ner), parts of speech (pos), chunks, lemmas and numbers."""
    out = ["\t".join(order).replace("\t", sign)] if header else []
    for words, row in zip(SENTENCES, BIO, strict=True):
        for i, (word, tag) in enumerate(zip(words, row, strict=True), start=1):
            cells = {
                "word": word,
                "ner": tag,
                "pos": NER_FIRST.get(word, "VERB"),
                "lemma": word.lower(),
                "id": str(i),
                "chunk": "B-NP" if word in NER_FIRST else "B-VP",
                "none": "_",
                "doc": "bc/cnn",
                "o": "O",
            }
            out.append(sign.join(cells[name] for name in order))
        out.append("")
    return "\n".join(out) + "\n"


@pytest.mark.parametrize(
    "order",
    [
        "word pos ner",
        "word ner pos",
        "word pos chunk ner",
        "id word pos ner",
        "word none none ner",
        "word ner o",
        "word o ner",
        "id word lemma pos chunk ner",
        "word ner pos pos",
    ],
)
@pytest.mark.parametrize(("sign", "name"), [("\t", "a.conll"), (" ", "a.txt"), ("\t", "a.tsv"), ("  ", "a.bio")])
def test_the_column_of_entities_wherever_it_stands(write, order: str, sign: str, name: str) -> None:
    table = read_table(write(name, columns(*order.split(), sign=sign)))
    assert [json.loads(cell) for cell in table.columns["tokens"].to_pylist()] == SENTENCES
    assert [json.loads(cell) for cell in table.columns["tags"].to_pylist()] == BIO
    if "o" in order.split():
        assert "tag_columns" in {note.code for note in table.notes}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("# global.columns = ID FORM LEMMA NER\n" + columns("id", "word", "lemma", "ner"), id="conllup"),
        pytest.param("# global.columns = FORM UPOS SHARED:NER\n" + columns("word", "pos", "ner"), id="conllup, named"),
        pytest.param("-DOCSTART- -X- O\n\n" + columns("word", "pos", "ner", sign=" "), id="document"),
        pytest.param(columns("word", "ner").replace("\n", "\r\n"), id="CRLF"),
        pytest.param("\ufeff" + columns("word", "ner"), id="mark"),
        pytest.param(columns("word", "ner").replace("\n\n", "\n\n\n"), id="two blank lines"),
        pytest.param(columns("word", "ner").replace("\n\n", "\n \t\n"), id="lines of blanks"),
        pytest.param("# id 1\tdomain=en\n" + columns("word", "none", "none", "ner", sign=" "), id="MultiCoNER"),
        pytest.param(columns("word", "ner", header=True).replace("ner", "tag", 1), id="header"),
        pytest.param(columns("ner", "word"), id="tags first"),
    ],
)
def test_oddities_of_conll(write, content: str) -> None:
    table = read_table(write("a.conll", content))
    assert [json.loads(cell) for cell in table.columns["tokens"].to_pylist()] == SENTENCES
    assert [json.loads(cell) for cell in table.columns["tags"].to_pylist()] == BIO


@pytest.mark.parametrize(
    "word", ["#", "#tag", "-", "\u00a0", "\u2028", "1", "O", "B-PER", '"', "'", "\u3000", "\ufe0f", "\u200b"]
)
def test_any_token_keeps_its_place(write, word: str) -> None:
    content = conll(BIO, "\t") + f"He\tO\n{word}\tO\nAna\tB-PER\n\n"
    table = read_table(write("a.conll", content))
    assert json.loads(table.columns["tags"].to_pylist()[-1]) == ["O", "O", "B-PER"]
    assert len(table) == 5


def test_a_sentence_of_numbers_is_no_count_of_words(write) -> None:
    content = "1\tB-NUM\n2\tB-NUM\n3\tB-NUM\n\n1\tB-NUM\nman\tO\n\n"
    table = read_table(write("a.conll", content))
    assert json.loads(table.columns["tokens"].to_pylist()[0]) == ["1", "2", "3"]


# --- K13

SPANS = [(0, 2, "PER"), (3, 4, "PER")]
WORDS = ["Ana", "Lopez", "met", "Bo"]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"tokens": WORDS, "entity_mentions": [{"start": 0, "end": 2, "entity_type": "PER"}]}, id="OneIE"),
        pytest.param({"sentence": WORDS, "ner": [{"index": [0, 1], "type": "PER"}, {"index": [3], "type": "PER"}]}, id="W2NER"),
        pytest.param({"tokens": WORDS, "spans": [[0, 2, "PER"], [3, 4, "PER"]]}, id="triples"),
        pytest.param(
            {"words": WORDS, "entities": [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 4, "label": "PER"}]},
            id="words",
        ),
        pytest.param({"tokens": WORDS, "spans": [{"token_start": 0, "token_end": 1, "label": "PER"}]}, id="Prodigy's tokens"),
        pytest.param(
            {"sents": [WORDS], "vertexSet": [[{"pos": [0, 2], "sent_id": 0, "type": "PER", "name": "Ana Lopez"}]]}, id="DocRED"
        ),
        pytest.param({"tokens": WORDS, "ner_spans": [[0, 1], [3, 3]], "ner_labels": ["PER", "PER"]}, id="spans and labels apart"),
        pytest.param(
            {"token": WORDS, "h": {"name": "Ana Lopez", "pos": [0, 2]}, "t": {"name": "Bo", "pos": [3, 4]}, "relation": "met"},
            id="FewRel",
        ),
    ],
)
def test_spans_over_tokens_are_read_or_refused(write, row: dict[str, Any]) -> None:
    path = write("a.json", json.dumps([row] * 3))
    try:
        data = kft.load_data(path, validation=0)
        labels, gold = learned(data)
    except KerasFTError:
        return
    assert labels == ("O", "B-PER", "I-PER")
    assert gold[0][:2] == ["B-PER", "I-PER"]


# --- K6


def huggingface(features: dict[str, Any], **cells: Any) -> pa.Table:
    return pa.table(cells).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


CLASS = {"names": ["neg", "pos"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    ("feature", "cells", "expected"),
    [
        pytest.param(CLASS, pa.array([0, 1, 1]), ["neg", "pos", "pos"], id="class"),
        pytest.param(CLASS, pa.array([0, None, 1]), ["neg", None, "pos"], id="missing"),
        pytest.param(CLASS, pa.array([0, 1, 1], pa.int8()), ["neg", "pos", "pos"], id="bytes"),
        pytest.param(
            {"feature": CLASS, "_type": "List"}, pa.array([[0], [1, 0], []]), ['["neg"]', '["pos", "neg"]', "[]"], id="List"
        ),
        pytest.param([CLASS], pa.array([[0], [1, 0], None]), ['["neg"]', '["pos", "neg"]', None], id="older list"),
        pytest.param(
            {"feature": CLASS, "length": 2, "_type": "Sequence"}, pa.array([[0, 1]] * 3), ['["neg", "pos"]'] * 3, id="fixed"
        ),
        pytest.param({"dtype": "int64", "_type": "Value"}, pa.array([0, 1, 1]), ["0", "1", "1"], id="no names"),
        pytest.param(
            {"names": ["1", "0"], "_type": "ClassLabel"}, pa.array([0, 1, 1]), ["1", "0", "0"], id="names that are numbers"
        ),
        pytest.param(
            {"dtype": "string", "_type": "Value"}, pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"], id="categories"
        ),
    ],
)
def test_class_names_of_columns(tmp_path, feature: Any, cells: pa.Array, expected: list[str | None]) -> None:
    table = huggingface(
        {"text": {"dtype": "string", "_type": "Value"}, "label": feature}, text=["a b", "c d", "e f"], label=cells
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert read_table(path).columns["label"].to_pylist() == expected


def test_class_numbers_beyond_the_names_are_told(tmp_path) -> None:
    table = huggingface({"label": CLASS}, text=[f"text {i}" for i in range(6)], label=[0, 1, 0, 1, 7, 7])
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    try:
        data = kft.load_data(path, validation=0)
    except KerasFTError:
        return
    assert any({5, 6} <= set(finding.rows) for finding in check_data(data).findings)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_categories_of_pandas(tmp_path, kind: str) -> None:
    frame = pd.DataFrame({"text": ["a b", "c d", "e f"], "label": pd.Categorical(["x", None, "y"])})
    path = tmp_path / f"a.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_feather(path)
    assert read_table(path).columns["label"].to_pylist() == ["x", None, "y"]
