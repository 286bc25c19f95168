"""`load_data`: one to three splits of rows with roles, whatever they come from."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasft as kft
from kerasft.data.columns import Columns
from kerasft.data.data_config import DataConfig
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.given_rows import as_split
from kerasft.data.label_spelling import clean_label
from kerasft.data.splitting import normalise
from kerasft.errors import ConfigError, DataError

HEAD = "text,label\n"


def numbered(count: int, labels: Sequence[str] = ("neg", "pos")) -> list[dict[str, str]]:
    return [{"text": f"text number {i}", "label": labels[i % len(labels)]} for i in range(count)]


def row_numbers(data: Dataset) -> dict[str, list[int]]:
    return {name: split.table.rows.tolist() for name, split in data.splits.items()}


# --- What it is loaded from


def test_a_file_by_path_and_by_config(write) -> None:
    path = write("reviews.csv", HEAD + "".join(f"fine {i},pos\nbad {i},neg\n" for i in range(20)))
    data = load_data(str(path))
    assert data.columns == Columns("text", label="label")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 40}
    assert {name: len(split) for name, split in data.divided().splits.items()} == {"train": 36, "validation": 4}
    assert data.divided().fingerprint() == load_data(path, validation=0.1).fingerprint()
    assert data.divided().config == DataConfig(path=str(path), validation=0.1)
    assert data.config == DataConfig(path=str(path))
    by_config = load_data(config=DataConfig(path=str(path), validation=0.5), validation=0.2)
    assert by_config.config == DataConfig(path=str(path), validation=0.2)
    assert load_data(path).fingerprint() == data.fingerprint()


def test_a_folder_of_splits(tmp_path: Path, write) -> None:
    write("train.csv", HEAD + "fine,pos\nbad,neg\n")
    write("dev.jsonl", '{"text": "so so", "label": "neg"}\n')
    pq.write_table(pa.table({"text": ["well"], "label": ["pos"]}), tmp_path / "test.parquet")
    data = load_data(tmp_path)
    assert {name: split.cells("text") for name, split in data.splits.items()} == {
        "train": ["fine", "bad"],
        "validation": ["so so"],
        "test": ["well"],
    }
    assert [split.name for split in data.splits.values()] == ["train", "validation", "test"]


def test_splits_by_option(write) -> None:
    train, dev, test = (write(f"{name}.csv", f"{HEAD}{name},pos\nother,neg\n") for name in ("a", "b", "c"))
    data = load_data(train, validation_path=str(dev), test_path=str(test))
    assert [split.cells("text")[0] for split in data.splits.values()] == ["a", "b", "c"]
    data = load_data({"train": train, "dev": test}, validation_path=str(dev))
    assert data["validation"].cells("text")[0] == "b"


def test_a_dictionary_of_splits() -> None:
    data = load_data({"Training": numbered(4), "test": pd.DataFrame(numbered(2)), "unsupervised": 7})
    assert row_numbers(data) == {"train": [1, 2, 3, 4], "test": [1, 2]}
    assert data.config.path is None


def test_a_split_column() -> None:
    parts = ["train", "Training ", "VAL", "dev", "test", "train"]
    data = load_data([{**row, "split": part} for row, part in zip(numbered(6), parts, strict=True)])
    assert row_numbers(data) == {"train": [1, 2, 6], "validation": [3, 4], "test": [5]}


def test_a_split_column_beside_a_file_of_its_own(write) -> None:
    rows = [(f"text {i}", "ab"[i % 2], "test" if i % 3 == 0 else "train") for i in range(30)]
    whole = write("all.csv", "text,label,split\n" + "".join(f"{','.join(row)}\n" for row in rows))
    held = write("held.csv", "text,label,split\nnew,a,validation\nnewer,b,validation\n")
    data = load_data(str(whole), validation_path=str(held))
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 20, "validation": 2, "test": 10}
    with pytest.raises(DataError, match="marks rows as test, but a separate file"):
        load_data(str(whole), test_path=str(held))


def test_a_split_column_of_another_name(write) -> None:
    content = "text,label,part\n" + "fine a,pos,train\nbad a,neg,test\n" * 3
    assert row_numbers(load_data(write("a.csv", content), split="part"))["test"] == [3, 5, 7]


@pytest.mark.parametrize(
    ("content", "options", "parts"),
    [
        pytest.param("text,label,split\nfine,pos,train\nbad,neg,other\nbad,neg,\n", {},
                     ("'split' holds 'other', None", "rows 3, 4"), id="odd values in the split column"),
        pytest.param("text,label,split\nfine,pos,test\n", {}, ("marks no row as train",), id="nothing to train on"),
        pytest.param(HEAD + "fine,pos\n", {"text": "words"}, ("no column 'words' for text",), id="an absent column"),
        pytest.param(HEAD + "fine,pos\n", {"label": "text", "text": "text"}, ("two roles",), id="two roles"),
        pytest.param(HEAD + "fine,pos\n", {"encoding": "utf-99"}, ("no text encoding named 'utf-99'",), id="no such encoding"),
        pytest.param("words\nfine and well and good\nquite the reverse\n", {"need_label": True},
                     ("like a label", "'words'"), id="no label"),
    ],
)  # fmt: skip
def test_refused_with_file_rows_and_column(write, refused, content: str, options: dict[str, Any], parts: tuple[str]) -> None:
    refused(load_data, write("reviews.csv", content), *parts, **options)


def test_refused_before_any_file_is_read(refused) -> None:
    refused(load_data, None, "No data were given")
    refused(load_data, {"a": numbered(2), "b": numbered(2)}, "None of the splits", "'a', 'b'")
    refused(load_data, {"dev": numbered(2), "validation": numbered(2)}, "Two of the splits are for validation")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"delimiter": ";;"}, "one character"),
        ({"delimiter": ""}, "one character"),
        ({"delimiter": "\n"}, "line end"),
        ({"validation": 1.5}, "at most 0.9"),
        ({"validation": 0.6, "test": 0.6}, "below 1"),
        ({"validation": -0.1}, "at least 0"),
        ({"txt": "text"}, "did you mean 'text'?"),
        ({"split_seed": "x"}, "type int"),
    ],
)
def test_impossible_options(write, refused, options: dict[str, Any], part: str) -> None:
    refused(load_data, str(write("reviews.csv", HEAD + "fine,pos\n")), part, error=ConfigError, **options)


def test_a_split_that_lacks_a_column(write, refused) -> None:
    train, dev = write("a.csv", HEAD + "fine,pos\nbad,neg\n"), write("b.csv", "text,stars\nfine,5\n")
    refused(load_data, str(train), "lacks the columns 'label'", "b.csv", "'text', 'stars'", validation_path=str(dev))


def test_a_name_of_the_hub_is_asked_of_the_hub(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("kerasft.data.sources.load_hub_dataset", lambda name: asked.append(name) or {"train": numbered(4)})
    assert len(load_data("owner/name:config", validation=0)["train"]) == 4
    assert asked == ["owner/name:config"]


@pytest.mark.parametrize("name", ["reviews/train.csv", "./owner/name", "a/b/c", "name"])
def test_names_that_are_no_names_of_the_hub(monkeypatch, refused, tmp_path: Path, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kerasft.data.sources.load_hub_dataset", lambda name: pytest.fail("asked the hub"))
    refused(load_data, name, "no such file", Path(name).name)


# --- Splits set aside


def test_shares_are_set_aside_by_label() -> None:
    data = load_data(numbered(200, ["a", "b", "c", "d"]), validation=0.1, test=0.25)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 135, "validation": 15, "test": 50}
    assert all(12 <= data["test"].cells("label").count(label) <= 13 for label in "abcd")


def test_without_shares_all_rows_are_for_training() -> None:
    assert row_numbers(load_data(numbered(10), validation=0)) == {"train": list(range(1, 11))}


@pytest.mark.parametrize("content", [HEAD + "fine,pos\n", HEAD + "fine,pos\n" * 30, HEAD + "fine,\n" * 3])
def test_one_text_is_not_divided(write, content: str) -> None:
    data = load_data(write("a.csv", content), validation=0.5)
    assert list(data.splits) == ["train"]


def test_one_class_is_divided_all_the_same() -> None:
    data = load_data(numbered(20, ["only"]), validation=0.1)
    assert (len(data["train"]), len(data["validation"]), data.labels) == (18, 2, ("only",))


def test_rows_are_set_aside_unasked_where_a_tenth_is_thirty() -> None:
    assert set(load_data(numbered(299)).splits) == {"train"}
    assert {name: len(split) for name, split in load_data(numbered(300)).splits.items()} == {"train": 270, "validation": 30}
    assert load_data(numbered(40), validation=0).divided().splits.keys() == {"train"}  # asked for is asked for
    with pytest.raises(DataError, match=r"fewer than 30: give validation=0\.1"):
        load_data(numbered(40))["validation"]
    in_memory = load_data(numbered(40)).divided()
    assert in_memory.fingerprint() == load_data(numbered(40), validation=0.1).fingerprint()


def test_seeds() -> None:
    splits = [row_numbers(load_data(numbered(100), split_seed=seed, validation=0.1)) for seed in (0, 0, 1)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]


TEXTS = st.sampled_from(["fine", "FINE ", "bad", " bad\n", "so so", "", "é", "É"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=5
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    cells=st.lists(st.tuples(TEXTS, st.sampled_from(["pos", "neg", " pos ", None])), min_size=1, max_size=60),
    validation=st.floats(0, 0.45),
    test=st.floats(0, 0.45),
    seed=st.integers(0, 1000),
)
def test_splits_are_disjoint_complete_and_share_no_text(cells, validation: float, test: float, seed: int) -> None:
    given_rows = [{"text": text, "label": label} for text, label in cells]
    data = load_data(given_rows, text="text", label="label", validation=validation, test=test, split_seed=seed)
    numbers = [number for split in row_numbers(data).values() for number in split]
    assert sorted(numbers) == list(range(1, len(cells) + 1))
    texts = [{normalise(text) for text in split.cells("text")} for split in data.splits.values()]
    assert sum(map(len, texts)) == len(set.union(*texts))
    for split in data.splits.values():
        assert split.table.rows.tolist() == sorted(split.table.rows)
        assert list(zip(split.cells("text"), split.cells("label"), strict=True)) == [cells[i - 1] for i in split.table.rows]


# --- Labels


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "2", "1"], ("1", "2", "10")),
        (["1.5", "-2", "1e1", "01", "1"], ("-2", "01", "1", "1.5", "1e1")),
        (["pos", "10", "2"], ("10", "2", "pos")),
        ([" pos", "pos ", "neg"], ("neg", "pos")),
        (["pos", None, " ", ""], ("pos",)),
        (["None", "NA", "nan"], ("NA", "None", "nan")),
        (["3", "nan", "1", "inf"], ("1", "3", "inf", "nan")),
        (["nan", "2", "10", "1"], ("1", "10", "2", "nan")),
        ([None], ()),
    ],
)
def test_labels_in_a_stable_order(labels: list[str | None], expected: tuple[str, ...]) -> None:
    for given_order in (labels, labels[::-1]):
        data = load_data([{"text": f"text {i}", "label": label} for i, label in enumerate(given_order)], validation=0)
        assert data.labels == expected


def test_labels_of_data_without_a_label(refused) -> None:
    data = load_data([{"text": "a text"}], need_label=False)
    refused(lambda _: data.labels, "", "no label column")


@pytest.mark.parametrize(("value", "expected"), [(" a b ", "a b"), ("", None), ("\t\u00a0", None), (None, None), ("0", "0")])
def test_clean_label(value: str | None, expected: str | None) -> None:
    assert clean_label(value) == expected


# --- Rows of a split


def test_unusable_rows_are_named_once() -> None:
    rows = [("fine", "pos"), (" \t", "neg"), (None, None), ("bad", None), ("bad", "\u00a0"), ("so", " neg ")]
    split = load_data([{"text": text, "label": label} for text, label in rows], validation=0)["train"]
    usable, notes = split.usable()
    assert usable.table.rows.tolist() == [1, 6]
    assert {note.code: note.rows for note in notes} == {"empty_text": (2, 3), "missing_label": (4, 5)}
    usable, notes = split.usable(need_label=False)
    assert usable.table.rows.tolist() == [1, 4, 5, 6]
    assert [note.code for note in notes] == ["empty_text"]


def test_white_space_means_the_same_everywhere() -> None:
    signs = [chr(code) for code in range(0x3100) if not chr(code).strip()] + ["\u200b", "\ufeff", "\u180e", "x"]
    split = load_data([{"text": sign, "label": sign} for sign in signs], validation=0, text="text", label="label")["train"]
    usable, _ = split.usable()
    assert usable.cells("text") == [sign for sign in signs if clean_label(sign)] == ["x"]


def test_a_usable_split_is_itself() -> None:
    split = load_data(numbered(4), validation=0)["train"]
    assert split.usable() == (split, [])


def test_batches_are_all_rows_in_order() -> None:
    split = load_data([{"premise": f"a {i}", "hypothesis": f"b {i}", "label": str(i)} for i in range(7)], validation=0)["train"]
    batches = list(split.batches(3))
    assert [len(texts) for texts, _, _ in batches] == [3, 3, 1]
    assert batches[1] == (["a 3", "a 4", "a 5"], ["b 3", "b 4", "b 5"], ["3", "4", "5"])
    assert split.take(np.array([6, 0])).cells("text") == ["a 6", "a 0"]


def test_roles_that_no_column_has_are_missing() -> None:
    assert load_data(numbered(3), validation=0)["train"].cells("text_pair") == [None] * 3


def test_a_split_that_is_not_there(refused) -> None:
    data = load_data(numbered(4), validation=0)
    assert "train" in data
    assert "test" not in data
    refused(data.__getitem__, "test", "no split 'test'", "There are: train")
    assert repr(data).startswith("Dataset(train: 4; ")


@pytest.mark.parametrize("name", ["validation", "test"])
def test_rows_are_given_or_set_aside_but_not_both(name: str) -> None:
    with pytest.raises(kft.ConfigError, match=f"'{name}_path' gives them. Received both: 0.3"):
        kft.DataConfig(**{name: 0.3, f"{name}_path": "b.csv"})
    assert kft.DataConfig(**{name: 0, f"{name}_path": "b.csv"})


def test_notes_of_all_files_once(write) -> None:
    train = write("a.csv", HEAD + "fine,pos\nbad\n" * 10)
    dev = write("b.csv", "x\n\n" + HEAD + "fine,pos\nbad,neg\nbad,neg\n")
    data = load_data(train, validation_path=str(dev), test=0.3)
    assert [note.code for note in data.notes] == ["short_rows", "preamble"]


# --- Fingerprint

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cells=st.lists(st.tuples(WORDS.map("t".__add__), WORDS, WORDS), min_size=1, max_size=12))
def test_the_fingerprint_is_of_the_rows_not_of_the_file(folder: Path, cells: list[tuple[str, str, str]]) -> None:
    names = ["premise", "hypothesis", "label"]
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *cells])
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "a.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    files = [folder / f"a.{kind}" for kind in ("csv", "jsonl", "json", "parquet")]
    prints = {load_data(source, validation=0.2).fingerprint() for source in (*files, rows, pd.DataFrame(rows))}
    assert len(prints) == 1


def test_the_fingerprint_tells_data_apart() -> None:
    rows = numbered(10)
    variants = [
        load_data(rows, validation=0.1),
        load_data(rows, validation=0.1, split_seed=1),
        load_data(rows, validation=0),
        load_data(rows[::-1]),
        load_data(rows[:-1]),
        load_data([{**row, "text": row["text"] + "."} for row in rows]),
        load_data([{**row, "label": None if i == 3 else row["label"]} for i, row in enumerate(rows)]),
        load_data(rows, text="label", label="text", validation=0),
        load_data([{"text": row["label"], "label": row["text"]} for row in rows], validation=0),
    ]
    assert len({data.fingerprint() for data in variants}) == len(variants)
    assert len(variants[0].fingerprint()) == 64


# --- Roles no column is to have


def test_no_label_whatever_the_names(write) -> None:
    path = write("rows.csv", "text,label\n" + "".join(f"row number {i},{'ab'[i % 2]}\n" for i in range(20)))
    assert load_data(str(path)).columns == Columns("text", None, "label")
    data = load_data(str(path), label="none")
    assert data.columns == Columns("text")
    assert load_data(None, data.config).columns == data.columns  # read again from the recipe
    shuffled = write("short.csv", "opinion,note\n" + "".join(f"{'ab'[i % 2]},word {i}\n" for i in range(20)))
    assert load_data(str(shuffled), label="none").columns.text == "note"  # what looks like a label is not taken for the text
    with pytest.raises(DataError, match="A label is needed, but label='none' was given"):
        load_data(str(path), label="none", need_label=True)


def test_no_label_where_columns_of_0_and_1_would_be_one() -> None:
    rows = [{"text": f"row number {i}", "joy": str(i % 2), "fear": str(i % 3 % 2)} for i in range(12)]
    assert load_data(rows).columns.label == "labels"
    kept = load_data(rows, label="none")
    assert kept.columns.label is None
    assert load_data(rows, kept.config).columns.label is None


def test_no_second_text() -> None:
    rows = [{"premise": f"first {i}", "hypothesis": f"second {i}", "label": "ab"[i % 2]} for i in range(12)]
    assert load_data(rows).columns == Columns("premise", "hypothesis", "label")
    assert load_data(rows, text_pair="none").columns == Columns("premise", None, "label")


# --- Rows for evaluate and predict


def test_as_split(write, refused) -> None:
    data = load_data(numbered(4), validation=0)
    assert as_split(data["train"], None, need_label=True) is data["train"]
    refused(lambda rows: as_split(rows, None, need_label=True), data, "several splits", "data['test']")
    path = write("new.csv", "id,text,label\n1,fine,pos\n2,bad,neg\n")
    split = as_split(str(path), data.columns, need_label=True)
    assert split.cells("text") == ["fine", "bad"]
    unlabelled = as_split([{"text": "fine"}], data.columns, need_label=False)
    assert unlabelled.cells("label") == [None]
    refused(lambda rows: as_split(rows, data.columns, need_label=True), [{"text": "fine"}], "'label' (label)")
    pairs = Columns("premise", "hypothesis", "label")
    refused(lambda rows: as_split(rows, pairs, need_label=False), [{"text": "fine"}], "'hypothesis' (text_pair)")


# --- Size

ROWS = 1_000_000
CHILD = """
import json, resource, sys, time
from kerasft.data.dataset import load_data

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

base, start = peak(), time.perf_counter()
data = load_data(sys.argv[1])
seconds = time.perf_counter() - start
sizes = {name: len(split) for name, split in data.splits.items()}
json.dump({"bytes": peak() - base, "base": base, "seconds": seconds, "sizes": sizes, "labels": data.labels}, sys.stdout)
"""


@pytest.mark.slow
def test_a_million_rows_need_less_than_two_gibibytes(tmp_path: Path) -> None:
    path = tmp_path / "million.csv"
    text = "a review, of some length, " * 8
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(f'"{i:>8} {text:.191}",{i % 5}\n' for i in range(ROWS))
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    print(f"{path.stat().st_size / 2**20:,.0f} MiB read in {seen['seconds']:.1f} s, {seen['bytes'] / 2**20:,.0f} MiB at the peak")
    assert seen["sizes"] == {"train": 0.9 * ROWS, "validation": 0.1 * ROWS}
    assert seen["labels"] == list("01234")
    assert seen["bytes"] < 2 << 30
