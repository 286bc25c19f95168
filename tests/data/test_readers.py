"""JSON, Parquet, tables in memory, folders and the hub -> columns of strings."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kerasft.data.folders import split_parts
from kerasft.data.readers import read_table
from kerasft.data.sources import load_hub_dataset
from kerasft.errors import DataError, MissingPackageError

# --- JSON


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        pytest.param('{"text": "fine", "label": "pos"}', ("fine", "pos"), id="strings"),
        pytest.param('{"label": "pos", "text": "fine"}', ("fine", "pos"), id="another order"),
        pytest.param('{"text": "fine"}', ("fine", None), id="a field is absent"),
        pytest.param('{"text": null, "label": ""}', (None, ""), id="null"),
        pytest.param('{"text": 10, "label": 2.0}', ("10", "2"), id="numbers"),
        pytest.param('{"text": 0.5, "label": 1e400}', ("0.5", "inf"), id="fractions"),
        pytest.param('{"text": NaN, "label": false}', (None, "false"), id="NaN and false"),
        pytest.param('{"text": ["é", 1, null], "label": {"a": 1}}', ('["é", 1, null]', '{"a": 1}'), id="lists and objects"),
        pytest.param(r'{"text": "\ud83d\ude00", "label": "x"}', ("😀", "x"), id="a pair of surrogates"),
        pytest.param(r'{"text": "cut \ud83d", "label": "\udc00x"}', ("cut \ufffd", "\ufffdx"), id="lone surrogates"),
        pytest.param(r'{"text": "a\u0000b\nc", "label": "x"}', ("a\0b\nc", "x"), id="escapes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.json", "rows.jsonl.gz"])
def test_json_lines(write, rows, name: str, line: str, cells: tuple[str | None, ...]) -> None:
    content = f'\n{{"text": "first", "label": "one"}}\r\n\n{line}\n'.encode()
    table = read_table(write(name, gzip.compress(content) if name.endswith("gz") else content))
    assert table.names == ["text", "label"]
    assert rows(table) == [("first", "one"), cells]
    assert table.rows.tolist() == [2, 4]
    assert table.source == name


@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n   "])
def test_a_json_array(write, rows, start: str) -> None:
    table = read_table(write("rows.json", start + '[{"text": "fine",\n"label": 1},\n{"text": "bad", "label": 0}]'))
    assert rows(table) == [("fine", "1"), ("bad", "0")]
    assert table.rows.tolist() == [1, 2]


def test_a_lone_surrogate_in_a_field_name(write) -> None:
    assert read_table(write("rows.jsonl", r'{"te\ud83dxt": "fine"}')).names == ["te\ufffdxt"]


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        pytest.param("a.jsonl", '{"text": "a"}\n{"text": "b"\n{"text": "c"}\n', ("not valid JSON", "row 2"), id="bad line"),
        pytest.param("a.jsonl", '{"text": "a"}\n\n["b"]\n', ("Row 3 is not a JSON object", "['b']"), id="a list for a line"),
        pytest.param("a.jsonl", '{"text": "a"}\n"b"\n', ("not a JSON object", "row 2"), id="a string for a line"),
        pytest.param("a.jsonl", f'{{"text": {DEEP}}}', ("not valid JSON", "row 1"), id="nested deeply"),
        pytest.param("a.jsonl", f'{{"text": {"1" * 5000}}}', ("not valid JSON", "row 1"), id="a number of 5,000 digits"),
        pytest.param("a.jsonl", "text,label\nfine,pos\n", ("not valid JSON", "row 1"), id="CSV within"),
        pytest.param("a.jsonl", " \n\n", ("no rows",), id="blank lines"),
        pytest.param("a.jsonl", "{}\n{}\n", ("no rows",), id="empty objects"),
        pytest.param("a.jsonl", "", ("empty (0 bytes)",), id="empty"),
        pytest.param("a.json", "[]", ("no rows",), id="empty array"),
        pytest.param("a.json", '[\n{"text": "a"},\n{"text": }\n]', ("not valid JSON", "line 3"), id="damaged array"),
        pytest.param("a.json", '[{"text": "a"}, {"text"', ("not valid JSON", "line 1"), id="truncated array"),
        pytest.param("a.json", '[{"text": "a"}, 7]', ("Item 2 is not an object", "'7'"), id="array of other things"),
        pytest.param("a.json", f'[{{"text": {DEEP}}}]', ("cannot be read as JSON",), id="array nested deeply"),
        pytest.param("a.json", f'[{{"text": {"1" * 5000}}}]', ("cannot be read as JSON",), id="array, long number"),
        pytest.param("a.json", "null", ("not a JSON object", "row 1"), id="null"),
    ],
)  # fmt: skip
def test_json_that_is_refused(write, refused, name: str, content: str, parts: tuple[str, ...]) -> None:
    refused(read_table, write(name, content), *parts)


@pytest.mark.parametrize("depth", range(900, 1000, 10))
def test_nesting_near_the_limit_loads_or_is_refused(write, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    try:
        said = read_table(write("a.jsonl", f'{{"text": {nested}}}')).columns["text"][0].as_py()
    except DataError as error:
        said = str(error)
    assert said == nested or "row 1" in said


def test_a_field_that_appears_late_is_noted(write) -> None:
    lines = [{"text": f"{i}"} for i in range(1500)]
    lines[1200]["extra"] = lines[1300]["extra"] = "x"
    table = read_table(write("a.jsonl", "\n".join(map(json.dumps, lines))))
    assert table.names == ["text"]
    assert len(table) == 1500
    assert [(note.code, note.rows) for note in table.notes] == [("late_field", (1201,))]


def test_a_field_that_appears_early_enough_is_a_column(write) -> None:
    lines = [{"text": f"{i}"} for i in range(1000)]
    lines[999]["extra"] = "x"
    table = read_table(write("a.jsonl", "\n".join(map(json.dumps, lines))))
    assert table.columns["extra"].to_pylist()[-2:] == [None, "x"]


# --- Parquet and Arrow


def test_parquet_of_every_type(tmp_path: Path, rows) -> None:
    day = datetime.datetime(2024, 5, 1)
    columns = {
        "text": pa.array(["fine", None]),
        "large": pa.array(["é", "😀"], pa.large_string()),
        "int": pa.array([10, None], pa.int8()),
        "unsigned": pa.array([2**64 - 1, 0], pa.uint64()),
        "bool": pa.array([True, None]),
        "float": pa.array([1.0, float("nan")]),
        "half": pa.array([0.5, None], pa.float32()),
        "words": pa.array(["pos", None]).dictionary_encode(),
        "numbers": pa.array([7, 8]).dictionary_encode(),
        "time": pa.array([day, None], pa.timestamp("s")),
        "bytes": pa.array([b"a\xff", b"b"]),
        "list": pa.array([["a", "b"], None]),
        "times": pa.array([[day], None], pa.list_(pa.timestamp("s"))),
        "money": pa.array([decimal.Decimal("1.50"), None]),
        "nothing": pa.array([None, None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert table.names == list(columns)
    assert rows(table) == [
        ("fine", "é", "10", "18446744073709551615", "true", "1", "0.5", "pos", "7", "2024-05-01 00:00:00", "a\ufffd",
         '["a", "b"]', '["2024-05-01 00:00:00"]', "1.50", None),
        (None, "😀", None, "0", None, None, None, None, "8", None, "b", None, None, None, None),
    ]  # fmt: skip
    assert table.rows.tolist() == [1, 2]
    assert (table.source, table.columns.schema.types) == ("a.parquet", [pa.large_string()] * len(columns))


def parquet(folder: Path) -> bytes:
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(500)], "label": ["a", "b"] * 250}), folder / "whole.parquet")
    return (folder / "whole.parquet").read_bytes()


def test_parquet_that_is_refused(tmp_path: Path, write, refused) -> None:
    whole = parquet(tmp_path)
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "none.parquet")
    refused(read_table, write("cut.parquet", whole[: len(whole) // 2]), "not valid Parquet")
    refused(read_table, write("csv.parquet", "text,label\nfine,pos\n"), "not valid Parquet")
    refused(read_table, write("empty.parquet", b""), "not valid Parquet")
    refused(read_table, tmp_path / "absent.parquet", "no such file")
    refused(read_table, tmp_path / "none.parquet", "no rows")


def test_damage_anywhere_in_a_parquet_file_is_read_or_refused(tmp_path: Path, write, refused) -> None:
    whole = parquet(tmp_path)
    damaged = 0
    for start in range(4, len(whole), 37):
        path = write("damaged.parquet", whole[:start] + b"\xff" * 5 + whole[start + 5 :])
        try:
            read_table(path)
        except DataError as error:
            damaged += "not valid Parquet" in str(error) and path.name in str(error)
        else:
            damaged += 1
    assert damaged == len(range(4, len(whole), 37))


def test_strings_that_are_no_utf_8_are_refused(tmp_path: Path, refused) -> None:
    wrong = pa.array([b"fine", b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"text": wrong}), tmp_path / "a.parquet")
    refused(read_table, tmp_path / "a.parquet", "not valid Parquet", "UTF8")


def test_two_arrow_columns_of_one_name(rows) -> None:
    table = read_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]))
    assert table.names == ["text", "text (2)"]
    assert rows(table) == [("a", "b")]


# --- In memory


def test_a_data_frame_of_every_type(rows) -> None:
    frame = pd.DataFrame(
        {
            "text": ["fine", float("nan"), None],
            "na": pd.array(["a", pd.NA, "b"], dtype="string"),
            "int": [10, 2, 0],
            "missing": pd.array([1, None, 3], dtype="Int64"),
            "float": [1.0, float("nan"), 0.25],
            "small": np.array([2, float("nan"), 0.25], dtype="float32"),
            "kind": pd.Categorical(["pos", None, "neg"]),
            "number": pd.Categorical([3, 1, 3]),
            "time": pd.to_datetime(["2024-05-01 00:00", None, "2024-05-02 10:00"]),
            "flag": [True, False, None],
            "mixed": np.array([1, "x", pd.NaT], dtype=object),
        },
        index=[7, 7, 9],
    )
    table = read_table(frame)
    assert rows(table) == [
        ("fine", "a", "10", "1", "1", "2", "pos", "3", "2024-05-01 00:00:00", "true", "1"),
        (None, None, "2", None, None, None, None, "1", None, "false", "x"),
        (None, "b", "0", "3", "0.25", "0.25", "neg", "3", "2024-05-02 10:00:00", None, None),
    ]
    assert table.rows.tolist() == [1, 2, 3]
    assert table.source == "the DataFrame"


@pytest.mark.parametrize(
    ("names", "expected"), [(["text", "text"], ["text", "text (2)"]), ([0, 1], ["0", "1"]), ([1, "1"], ["1", "1 (2)"])]
)
def test_any_names_of_a_data_frame(rows, names: list[Any], expected: list[str]) -> None:
    table = read_table(pd.DataFrame([["a", "b"]], columns=names))
    assert table.names == expected
    assert rows(table) == [("a", "b")]


def test_a_list_of_dictionaries(rows) -> None:
    given = [
        {"text": "fine", "label": 1, 7: "seven"},
        {"text": pd.NA, "label": np.int64(2), "more": np.float32("nan")},
        {"text": pd.NaT, "label": np.True_, "more": np.array([1, 2])},
        {"text": {"b": {1}}, "label": (1, 2), "more": np.float64(3)},
        {"text": {(1, 2): "x"}, "label": [pd.Timestamp("2024-05-01")], "more": "\ud83d"},
    ]
    table = read_table(given)
    assert table.names == ["text", "label", "7", "more"]
    assert rows(table) == [
        ("fine", "1", "seven", None),
        (None, "2", None, None),
        (None, "true", None, "[1, 2]"),
        ('{"b": "{1}"}', "[1, 2]", None, "3"),
        ("{(1, 2): 'x'}", '["2024-05-01 00:00:00"]', None, "\ufffd"),
    ]
    assert table.rows.tolist() == [1, 2, 3, 4, 5]


def test_a_list_that_holds_itself(rows) -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert rows(read_table([{"text": loop}])) == [("[[...]]",)]


def test_a_list_nested_too_deeply(refused) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    refused(read_table, [{"text": "fine"}, {"text": deep}], "nested too deeply", "the list, row 2")
    refused(read_table, pd.DataFrame({"text": [deep]}), "nested too deeply")


@pytest.mark.parametrize(
    "nothing",
    [pd.DataFrame(), pd.DataFrame({"text": []}), pa.table({"text": pa.array([], pa.string())}), [{}, {}]],
    ids=["no columns", "no rows", "Arrow", "empty dictionaries"],
)
def test_tables_without_rows(refused, nothing: Any) -> None:
    refused(read_table, nothing, "no rows")


@pytest.mark.parametrize("source", [[{"text": "a"}, "b"], 7, None, b"text,label", pd.Series(["a"]), np.array(["a"])], ids=repr)
def test_what_is_no_table(refused, source: Any) -> None:
    refused(read_table, source, f"type {type(source).__name__} cannot be read", "pandas DataFrame")


class FakeDataset:
    """Has what is used of `datasets.Dataset`."""

    def __init__(self) -> None:
        self.table = pa.table({"text": ["fine", "bad", "new", "odd"], "label": pa.array([1, 0, -1, None])})
        self.num_rows = self.table.num_rows
        self.features = {"text": object(), "label": types.SimpleNamespace(names=["neg", "pos"])}

    def with_format(self, kind: str) -> FakeDataset:
        assert kind == "arrow"
        return self

    def __getitem__(self, rows: slice) -> pa.Table:
        return self.table[rows]


def test_class_labels_come_as_their_names(rows) -> None:
    assert rows(read_table(FakeDataset())) == [("fine", "pos"), ("bad", "neg"), ("new", None), ("odd", None)]


def test_lists_of_class_labels_come_as_their_names(rows) -> None:
    made = FakeDataset()
    made.table = pa.table({"tokens": [["a", "b"], ["c"]], "ner_tags": [[1, 0], None]})
    made.features = {"tokens": object(), "ner_tags": types.SimpleNamespace(feature=types.SimpleNamespace(names=["O", "B-X"]))}
    assert rows(read_table(made)) == [('["a", "b"]', '["B-X", "O"]'), ('["c"]', None)]


def test_a_dataset_that_can_only_be_walked_through(refused) -> None:
    walked = types.SimpleNamespace(features={}, with_format=None)
    refused(read_table, walked, "cannot be read")


# --- Files by name


@pytest.mark.parametrize(
    "name", ["a.pkl", "a.PKL", "a.pickle.gz", "a.csv.pkl", "a.npy", "a.h5", "a.docx", "a.pdf", "a.joblib", "a.rds"]
)
def test_types_that_are_refused_unopened(tmp_path: Path, refused, name: str) -> None:
    refused(read_table, tmp_path / name, "are not read", "CSV UTF-8")


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_of_both_kinds(write, rows, kind: type) -> None:
    assert rows(read_table(kind(write("a.csv", "text,label\nfine,pos\n")))) == [("fine", "pos")]


def test_home(write, monkeypatch, tmp_path: Path) -> None:
    write("a.csv", "text,label\nfine,pos\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read_table("~/a.csv")) == 1


# --- Folders of splits


def test_split_parts_by_their_usual_names(tmp_path: Path, write) -> None:
    for name in ("Train.csv", "dev.jsonl.gz", "testing.tsv", "README.md", ".hidden", "trainer.csv"):
        write(name, "x")
    (tmp_path / "validation").mkdir()
    found = split_parts(tmp_path)
    assert {split: path.name for split, path in found.items()} == {
        "train": "Train.csv", "validation": "dev.jsonl.gz", "test": "testing.tsv",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["train.csv", "training.jsonl"], ("Two files for the split 'train'", "train.csv", "training.jsonl")),
        (["train.csv", "dev.csv", "valid.csv"], ("Two files for the split 'validation'",)),
        ([], ("no split files", "nothing")),
        (["reviews.csv", "more.csv"], ("no split files", "reviews.csv", "train.csv, validation.csv")),
        (["dev.csv", "labels.csv", "notes.csv"], ("no split files", "dev.csv")),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, write, refused, names: list[str], parts: tuple[str, ...]) -> None:
    for name in names:
        write(name, "x")
    refused(split_parts, tmp_path, *parts)


# --- The hub, without a network


def fake_hub(monkeypatch, load) -> None:
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load))


def test_the_hub_gives_splits(monkeypatch) -> None:
    asked = []
    fake_hub(monkeypatch, lambda *args: asked.append(args) or {"train": "a", "test": "b"})
    assert load_hub_dataset("owner/name") == {"train": "a", "test": "b"}
    load_hub_dataset("owner/name:config")
    assert asked == [("owner/name", None), ("owner/name", "config")]


def test_the_hub_fails_in_its_own_ways(monkeypatch, refused) -> None:
    def fail(*args: Any) -> None:
        raise KeyError("no such thing\nand a long explanation")

    fake_hub(monkeypatch, fail)
    text = refused(load_hub_dataset, "owner/name", "'owner/name' could not be loaded", "no such thing", "network")
    assert "long explanation" not in text.splitlines()[1:]


def test_without_the_package_of_the_hub(monkeypatch, refused) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused(load_hub_dataset, "owner/name", "needs the package 'datasets'", "pip install", error=MissingPackageError)
