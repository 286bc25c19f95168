"""What the readers say of a file, and which rows they name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.errors import DataError

TABLE = "text,label\n" + "".join(f"text number {i},{'ab'[i % 2]}\n" for i in range(8))


def notes(source: Any, **options: Any) -> dict[str, tuple[int, ...]]:
    return {note.code: note.rows for note in read_table(source, **options).notes}


def test_tokens_that_are_blanks(write: Callable[..., Path]) -> None:
    content = "Ana\tB-PER\nwent\tO\ncame\tO\n\nBo\tB-PER\n \tO\n"
    assert notes(write("a.conll", content))["blank_tokens"] == (6,)


def test_folders_of_classes(tmp_path: Path) -> None:
    for label in ("good", "bad"):
        (tmp_path / label).mkdir()
        for i in range(3):
            (tmp_path / label / f"{i}.txt").write_text(f"a {label} text {i}")
    data = kft.load_data(tmp_path, validation=0)
    assert "class_folders" in {note.code for note in data["train"].table.notes}
    assert set(data["train"].cells("label")) == {"good", "bad"}


def test_lines_that_are_damaged(write: Callable[..., Path]) -> None:
    content = "".join(f"ein schöner Text {i},{'ab'[i % 2]}\n" for i in range(400)).encode()
    damaged = b"text,label\n" + content + "abgeschnitten ö".encode()[:-1] + b",a\n"
    assert notes(write("a.csv", damaged))["damaged_lines"] == (402,)


def test_two_exports_in_two_encodings(write: Callable[..., Path]) -> None:
    one = "".join(f"ein schöner Text {i},{'ab'[i % 2]}\n" for i in range(6)).encode()
    other = "".join(f"ein trüber Tag für Käse {i},{'ab'[i % 2]}\n" for i in range(6)).encode("cp1252")
    path = write("a.csv", b"text,label\n" + one + other)
    assert notes(path)["mixed_encoding"] == tuple(range(8, 14))
    assert "trüber" in read_table(path).columns["text"].to_pylist()[-1]


def test_labels_at_the_beginning_of_lines(write: Callable[..., Path]) -> None:
    content = "".join(f"__label__{'ab'[i % 2]} some text {i}\n" for i in range(8))
    table = read_table(write("a.txt", content))
    assert "labelled_lines" in {note.code for note in table.notes}
    assert table.columns["label"].to_pylist()[:2] == ["a", "b"]


def test_a_workbook_of_several_sheets(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "empty"
    sheet = book.create_sheet("rows")
    for row in [("text", "label"), *((f"text number {i}", "ab"[i % 2]) for i in range(6))]:
        sheet.append(row)
    path = tmp_path / "a.xlsx"
    book.save(path)
    assert "sheet" in notes(path)
    assert len(read_table(path, sheet="rows")) == 6
    book["empty"].append(["no longer"])
    book.save(path)
    with pytest.raises(DataError, match="2 sheets"):
        read_table(path)
    with pytest.raises(DataError, match="rows"):
        read_table(path, sheet="none such")


def test_repair_leaves_texts_whose_letters_are_counted() -> None:
    rows = [{"text": "AT&amp;T hired Ana", "entities": [{"start": 15, "end": 18, "label": "PER"}]}] * 3
    assert notes(rows, repair=True)["not_repaired"] == (1, 2, 3)


def test_single_labels_among_lists() -> None:
    rows = [{"text": f"text {i}", "labels": ["['a', 'b']", "['a']", "b"][i % 3]} for i in range(9)]
    assert notes(rows)["single_labels"] == (3, 6, 9)


def test_annotations_without_an_answer(write: Callable[..., Path]) -> None:
    rows = "".join(f'{{"text": "text {i}", "label": "{"AB"[i % 2]}", "answer": "accept"}}\n' for i in range(6))
    assert notes(write("a.jsonl", rows + '{"text": "text 6", "label": "A"}\n'))["unanswered"] == (7,)


def test_files_beside_the_splits(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(TABLE)
    (tmp_path / "more.csv").write_text(TABLE)
    (tmp_path / "README.md").write_text("# about")
    table = kft.load_data(tmp_path, validation=0)["train"].table
    assert [note.message for note in table.notes if note.code == "unread_files"] == [
        "These files of the folder are not read: 'more.csv'."
    ]


def test_errors_in_an_archive_name_the_archive(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("rows.csv", "text,label\n")
    path = tmp_path / "a.zip"
    path.write_bytes(content.getvalue())
    with pytest.raises(DataError) as error:
        read_table(path)
    assert str(path) in str(error.value.where)
    assert "kerasft-archive" not in str(error.value)


def test_paths_that_are_not_there_are_no_texts() -> None:
    with pytest.raises(DataError, match="no file 'a.csv'"):
        read_table(["a.csv", "b.csv"])


def test_how_training_rows_were_read_holds_for_others(tmp_path: Path) -> None:
    from kerasft.data.read_options import ReadOptions, as_trained

    recipe = {"data": {"tag_column": 2, "sentence": None, "repair": True}}
    assert as_trained(recipe) == ReadOptions(tag_column=2, repair=True)
    assert as_trained(recipe, ReadOptions(tag_column=3)).tag_column == 3
    assert as_trained({}) == ReadOptions()
