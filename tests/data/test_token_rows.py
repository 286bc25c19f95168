"""Tables with one token in each row become sentences; all other tables stay as they are."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.given_rows import as_split
from kerasft.data.readers import read_table

KAGGLE = """Sentence #,Word,POS,Tag
Sentence: 1,Mira,NNP,B-per
,sings,VBZ,O
,NA,NN,O
Sentence: 2,null,NN,O
,"""  # the last row is filled in below
ROWS = [
    {"sentence_id": 0, "token": "Mira", "ner": "B-PER"},
    {"sentence_id": 0, "token": "sings", "ner": "O"},
    {"sentence_id": 7, "token": "well", "ner": "O"},
]


def lists(table, *names: str) -> list[tuple[list[str], ...]]:
    return [tuple(json.loads(row[name]) for name in names) for row in table.columns.to_pylist()]


def test_sentences_named_in_their_first_row_only(write) -> None:
    table = read_table(write("ner.csv", KAGGLE + '"""",NN,O\n'))
    assert lists(table, "tokens", "tags", "POS") == [
        (["Mira", "sings", "NA"], ["B-per", "O", "O"], ["NNP", "VBZ", "NN"]),
        (["null", '"'], ["O", "O"], ["NN", "NN"]),
    ]
    assert table.rows.tolist() == [2, 5]
    assert table.columns["Sentence #"].to_pylist() == ["Sentence: 1", "Sentence: 2"]


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("sentence_id", "token", "ner"), {}),
        (("Sentence ID", "Word", "Tag"), {}),
        (("sent_idx", "words", "labels"), {}),
        (("sentence", "form", "upos"), {}),
        (("doc", "token", "tag"), {"sentence": "doc"}),
        (("doc", "w", "t"), {"sentence": "doc", "text": "w", "label": "t"}),
    ],
)
def test_names(names: tuple[str, ...], options: dict[str, str]) -> None:
    rows = [dict(zip(names, row.values(), strict=True)) for row in ROWS]
    data = load_data(rows, validation=0, **options)
    assert data.columns == Columns("tokens", label="tags")
    assert lists(data["train"].table, "tokens", "tags") == [(["Mira", "sings"], ["B-PER", "O"]), (["well"], ["O"])]
    kept = load_data({"train": data["train"].table.columns}, data.config)
    assert kept.columns == data.columns
    assert kept["train"].cells("text") == data["train"].cells("text")


def test_another_column_of_tags_can_be_said(write) -> None:
    path = write("ner.csv", KAGGLE + "x,NN,O\n")
    data = load_data(path, label="POS", text="Word", validation=0)
    assert data.columns == Columns("tokens", label="tags")
    assert json.loads(data["train"].cells("label")[0]) == ["NNP", "VBZ", "NN"]
    assert as_split(path, data.columns, need_label=True).cells("text") == data["train"].cells("text")


def test_a_split_column_stays_a_split_column() -> None:
    rows = [{**row, "split": part} for row, part in zip(ROWS, ["train", "train", "test"], strict=True)]
    data = load_data(rows)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 1, "test": 1}


def test_sentences_without_tags_are_there_to_be_tagged() -> None:
    table = read_table([*ROWS[:2], {"sentence_id": 7, "token": "well", "ner": None}])
    assert table.columns["tags"].to_pylist() == ['["B-PER", "O"]', None]
    assert read_table([{"sent_id": 1, "word": word} for word in "ab"]).names == ["tokens", "sent_id"]


def test_blank_rows_are_no_tokens() -> None:
    blank = {"sentence_id": None, "token": None, "ner": None}
    table = read_table([blank, ROWS[0], ROWS[1], blank, ROWS[2], blank])
    assert lists(table, "tokens") == [(["Mira", "sings"],), (["well"],)]
    assert table.rows.tolist() == [2, 5]


def test_one_id_that_comes_back_later_is_another_sentence() -> None:
    table = read_table([{"sent_id": i, "token": f"t{i}", "tag": "O"} for i in (1, 1, 2, 1, 1)])
    assert table.rows.tolist() == [1, 3, 4]


@pytest.mark.parametrize(
    ("rows", "options", "parts"),
    [
        pytest.param([*ROWS, {"sentence_id": 7, "token": None, "ner": "O"}], {}, ("without a token", "row 4", "keep_default_na"),
                     id="a token is missing"),
        pytest.param([{**ROWS[0], "ner": ""}, *ROWS], {}, ("without a tag in column 'ner'", "row 1"), id="a tag is missing"),
        pytest.param(ROWS, {"sentence": "doc"}, ("no column 'doc' for sentence", "'sentence_id', 'token', 'ner'"), id="absent"),
        pytest.param([{"doc": 1, "w": "a"}], {"sentence": "doc"}, ("like that of the tokens", "text='...'"), id="no tokens"),
        pytest.param([{"doc": 1, "w": "a"}], {"sentence": "doc", "text": "v"}, ("no column 'v' for text",), id="no such tokens"),
    ],
)  # fmt: skip
def test_refused(refused, rows, options: dict[str, str], parts: tuple[str, ...]) -> None:
    refused(load_data, rows, *parts, **options)


def test_words_that_pandas_lost_are_told(write, refused) -> None:
    path = write("ner.csv", KAGGLE + "x,NN,O\n")
    refused(read_table, pd.read_csv(path), "2 rows are without a token in column 'Word'", "rows 3, 4")
    assert len(read_table(pd.read_csv(path, keep_default_na=False))) == 2


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"sentence": "He went to the bank.", "word": "bank", "label": "x"}] * 3, id="a word in a sentence"),
        pytest.param([{"sentence_id": i, "token": "a", "label": "x"} for i in range(3)], id="a sentence a row"),
        pytest.param([{"sent_id": 1, "tokens": ["a", "b"], "tags": ["O", "O"]}] * 3, id="lists"),
        pytest.param([{"sent_id": 1, "word": "many words in a cell", "tag": "x"}] * 3, id="texts"),
        pytest.param([{"text": "a", "label": "x"}] * 3, id="no sentence"),
        pytest.param([{"sentence_id": 1, "text": "a", "label": "x"}] * 3, id="no token"),
    ],
)
def test_other_tables_stay(rows: list[dict[str, object]]) -> None:
    table = read_table(rows)
    assert table.names == list(rows[0])
    assert len(table) == 3
