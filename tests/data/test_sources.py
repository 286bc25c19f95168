"""Many files as one: patterns, lists of paths and folders whose files say their split somewhere in the name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.folders import split_parts

HEAD = "text,label\n"


@pytest.fixture
def notes(tmp_path: Path, write) -> Path:
    (tmp_path / "notes" / "old").mkdir(parents=True)
    for name, text in {"b.txt": "One.\n\nTwo.\n", "a.txt": "Three.\n", "old/c.txt": "Four.\n", "d.csv": HEAD}.items():
        write(f"notes/{name}", text)
    return tmp_path / "notes"


def test_a_pattern_is_the_rows_of_all_files(notes: Path) -> None:
    data = load_data(f"{notes}/*.txt", validation=0)
    assert data.columns == Columns("text")
    assert data["train"].table.columns.to_pylist() == [
        {"text": "Three.", "file": "a.txt"}, {"text": "One.", "file": "b.txt"}, {"text": "Two.", "file": "b.txt"},
    ]  # fmt: skip
    assert data["train"].table.rows.tolist() == [1, 1, 3]
    assert data.config.path == f"{notes}/*.txt"
    deep = load_data(notes / "**" / "*.txt", validation=0)["train"].table.columns
    assert deep["file"].to_pylist() == ["a.txt", "b.txt", "b.txt", "old/c.txt"]


def test_a_pattern_of_one_place(notes: Path, monkeypatch) -> None:
    monkeypatch.chdir(notes.parent)
    assert len(load_data("notes/[ab].txt", validation=0)["train"]) == 3
    assert len(load_data("notes/?.txt", validation=0, validation_path="notes/old/*")["validation"]) == 1


@pytest.mark.parametrize("kind", [str, Path])
def test_a_list_of_paths(notes: Path, kind: type) -> None:
    data = load_data([kind(notes / "b.txt"), kind(notes / "old" / "c.txt")], validation=0)
    assert data["train"].table.columns["file"].to_pylist() == ["b.txt", "b.txt", "old/c.txt"]


def test_tables_of_equal_columns(write) -> None:
    write("part-1.csv", HEAD + "fine,pos\n")
    path = write("part-2.csv", "label,text\nneg,bad\nneg\n").parent / "part-*.csv"
    data = load_data(str(path), validation=0)
    assert data.columns == Columns("text", label="label")
    assert data["train"].cells("label") == ["pos", "neg", "neg"]
    assert [note.code for note in data.notes] == ["short_rows"]


def test_the_name_of_the_file_is_no_label_and_overwrites_no_column(write) -> None:
    paths = [write(f"{name}.csv", "text,file\n" + "a text of some length,x\n" * 3) for name in "ab"]
    data = load_data(paths, validation=0)
    assert data.columns == Columns("text")
    assert data["train"].table.names == ["text", "file", "source_file"]


def test_a_name_with_signs_of_a_pattern(write) -> None:
    assert len(load_data(write("notes[1].txt", "One.\nTwo.\n"), validation=0)["train"]) == 2


def test_patterns_that_are_refused(write, refused) -> None:
    path = write("a.csv", HEAD + "fine,pos\n")
    write("b.csv", "text,stars\nfine,5\n")
    refused(load_data, str(path.parent / "*.json"), "No file matches the pattern", "*.json")
    refused(load_data, str(path.parent / "*.csv"), "do not have the same columns: 'text', 'stars'", "b.csv")
    refused(load_data, [path, path.parent / "c.csv"], "no such file", "c.csv")
    refused(load_data, ["a text", 7], "type list cannot be read")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train-v2.0.json", "dev-v2.0.json"], {"train": "train-v2.0.json", "validation": "dev-v2.0.json"}),
        (["de_x-ud-train.conllu", "de_x-ud-test.conllu"], {"train": "de_x-ud-train.conllu", "test": "de_x-ud-test.conllu"}),
        (["train.csv", "my_test.csv"], {"train": "train.csv"}),
        (["my-train.csv", "test-notes.md", ".train.csv", "trainer.csv"], {"train": "my-train.csv"}),
    ],
)
def test_folders_of_splits(tmp_path: Path, write, names: list[str], expected: dict[str, str]) -> None:
    for name in names:
        write(name, "x")
    assert {split: path.name for split, path in split_parts(tmp_path).items()} == expected


def test_two_files_that_say_one_split(tmp_path: Path, write, refused) -> None:
    write("a-train.csv", "x")
    write("b-train.csv", "x")
    refused(split_parts, tmp_path, "Two files for the split 'train': a-train.csv and b-train.csv")
