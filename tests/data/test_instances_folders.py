"""Further folders, archives and workbooks."""

from __future__ import annotations

import datetime
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.errors import KerasFTError
from tests.data.helpers import findings, write_files


def csv_text(name: str = "train", count: int = 8) -> str:
    return "text,label\n" + "".join(f"a text of {name} number {i},{'pn'[i % 2]}\n" for i in range(count))


def sizes(data: Any) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


THREE = {"train": 8, "validation": 4, "test": 2}
FOLDERS: dict[str, tuple[dict[str, str | bytes], dict[str, int]]] = {
    "dev": ({"train.csv": csv_text(), "dev.csv": csv_text("dev", 4), "test.csv": csv_text("test", 2)}, THREE),
    "valid": ({"train.csv": csv_text(), "valid.csv": csv_text("dev", 4), "test.csv": csv_text("test", 2)}, THREE),
    "eval": ({"train.csv": csv_text(), "eval.csv": csv_text("dev", 4)}, {"train": 8, "validation": 4}),
    "words in names": (
        {"imdb_train.csv": csv_text(), "imdb_dev.csv": csv_text("dev", 4), "imdb_test.csv": csv_text("test", 2)},
        THREE,
    ),
    "words in front": (
        {"train_data.csv": csv_text(), "val_data.csv": csv_text("dev", 4), "test_data.csv": csv_text("test", 2)},
        THREE,
    ),
    "capitals": ({"TRAIN.CSV": csv_text(), "Validation.csv": csv_text("dev", 4), "Test.csv": csv_text("test", 2)}, THREE),
    "with a note": (
        {"train.csv": csv_text(), "test.csv": csv_text("test", 2), "README.md": "# so\n", "LICENSE": "x"},
        {"train": 8, "test": 2},
    ),
    "litter": (
        {"train.csv": csv_text(), "._train.csv": b"\x00\x05", ".DS_Store": b"\x00", "~$train.xlsx": b"\x00"},
        {"train": 8},
    ),
    "one file": ({"my reviews.csv": csv_text(), "readme.txt": "so"}, {"train": 8}),
    "folders of splits": (
        {"train/data.csv": csv_text(), "dev/data.csv": csv_text("dev", 4), "test/data.csv": csv_text("test", 2)},
        THREE,
    ),
    "split folders with shards": (
        {"train/a-0.csv": csv_text(count=4), "train/a-1.csv": csv_text("more", 4), "test/a-0.csv": csv_text("test", 2)},
        {"train": 8, "test": 2},
    ),
    "a folder data": (
        {"data/train.csv": csv_text(), "data/test.csv": csv_text("test", 2), "README.md": "x"},
        {"train": 8, "test": 2},
    ),
    "shards of Hugging Face": (
        {
            "train-00000-of-00002.csv": csv_text(count=4),
            "train-00001-of-00002.csv": csv_text("b", 4),
            "test-00000-of-00001.csv": csv_text("t", 2),
        },
        {"train": 8, "test": 2},
    ),
    "shards without a split": ({"reviews_1.csv": csv_text(count=4), "reviews_2.csv": csv_text("b", 4)}, {"train": 8}),
    "ten shards": ({f"part{i}.csv": csv_text(str(i), 2) for i in range(1, 12)}, {"train": 22}),
    "packed": (
        {"train.csv.gz": __import__("gzip").compress(csv_text().encode()), "test.csv": csv_text("t", 2)},
        {"train": 8, "test": 2},
    ),
    "split folders of split files": ({"train/train.csv": csv_text(), "test/test.csv": csv_text("t", 2)}, {"train": 8, "test": 2}),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(tmp_path: Path, name: str) -> None:
    files, expected = FOLDERS[name]
    data = kft.load_data(write_files(tmp_path, files), validation=0)
    assert sizes(data) == expected
    assert data.columns.label == "label"


@pytest.mark.parametrize(
    "name", ["dev", "words in names", "folders of splits", "a folder data", "one file", "shards of Hugging Face"]
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tgz", "tar", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("top", ["", "corpus/"])
def test_archives_of_folders(tmp_path: Path, name: str, kind: str, top: str) -> None:
    files, expected = FOLDERS[name]
    write_files(tmp_path / "in" / top, files)
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for one in sorted((tmp_path / "in").rglob("*")):
                archive.write(one, one.relative_to(tmp_path / "in"))
            archive.writestr("__MACOSX/._x.csv", b"\x00")
    else:
        with tarfile.open(
            path, "w:" + {"tar.gz": "gz", "tgz": "gz", "tar": "", "tar.bz2": "bz2", "tar.xz": "xz"}[kind]
        ) as archive:
            archive.add(tmp_path / "in", arcname=".")
    data = kft.load_data(path, validation=0)
    assert sizes(data) == expected


@pytest.mark.parametrize(
    "inner",
    ["a.csv", "deep/er/a.csv", "a.jsonl", "a.tsv", "ä ö.csv", "data", "a.parquet", "a.xlsx", "a.csv.gz", "a.zip", "a.conll"],
)
def test_an_archive_with_one_file(tmp_path: Path, inner: str) -> None:
    rows = [{"text": f"a text number {i}", "label": "pn"[i % 2]} for i in range(8)]
    content: bytes = csv_text().encode()
    if inner.endswith("jsonl"):
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    elif inner.endswith("tsv"):
        content = content.replace(b",", b"\t")
    elif inner.endswith("parquet"):
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), out)
        content = out.getvalue()
    elif inner.endswith("xlsx"):
        content = workbook([["text", "label"], *[list(row.values()) for row in rows]])
    elif inner.endswith("gz"):
        content = __import__("gzip").compress(content)
    elif inner.endswith("zip"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("b.csv", content)
        content = out.getvalue()
    elif inner.endswith("conll"):
        content = b"Ana B-PER\ncame O\n\n" * 8
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(inner, content)
    assert len(kft.load_data(tmp_path / "x.zip", validation=0)["train"]) == 8


def test_two_files_that_are_no_splits_are_refused_with_their_names(tmp_path: Path) -> None:
    write_files(tmp_path / "in", {"reviews.csv": csv_text(), "books.csv": csv_text("b")})
    with pytest.raises(KerasFTError, match="books.csv"):
        kft.load_data(tmp_path / "in")


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(
            {"X_train.txt": "a b\nc d\n", "y_train.txt": "1\n0\n", "X_test.txt": "e f\n", "y_test.txt": "1\n"}, id="X and y"
        ),
        pytest.param({"train/seq.in": "a b\nc d\n", "train/seq.out": "O O\nO O\n", "train/label": "x\ny\n"}, id="seq.in"),
        pytest.param({"train.en": "a b\n", "train.de": "c d\n"}, id="two languages"),
        pytest.param({"Fake.csv": csv_text("fake"), "True.csv": csv_text("true")}, id="true and fake"),
        pytest.param({"train.csv": csv_text(), "train.jsonl": '{"text": "a", "label": "p"}\n'}, id="two formats"),
        pytest.param({"fold_0/train.csv": csv_text(), "fold_1/train.csv": csv_text("b")}, id="folds"),
        pytest.param({"en/train.csv": csv_text(), "de/train.csv": csv_text("b")}, id="languages"),
    ],
)
def test_folders_that_are_not_clear_are_refused_or_told(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    try:
        data = kft.load_data(write_files(tmp_path, files), validation=0)
    except KerasFTError as error:
        if not error.hint:
            raise
        return
    assert findings(data), (sizes(data), data.columns, data["train"].cells("text"))


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        pytest.param(
            {f"{c}/{i}.txt": f"a {c} text {i}" for c in ("pos", "neg") for i in range(3)}, ["neg"] * 3 + ["pos"] * 3, id="imdb"
        ),
        pytest.param(
            {f"train/{c}/{i}.txt": f"a {c} text {i}" for c in ("pos", "neg", "unsup") for i in range(3)},
            ["neg"] * 3 + ["pos"] * 3,
            id="unsup",
        ),
        pytest.param(
            {f"{c}/{5000 + i}": f"a {c} text {i}" for c in ("sci.med", "alt.atheism") for i in range(3)},
            ["alt.atheism"] * 3 + ["sci.med"] * 3,
            id="newsgroups",
        ),
        pytest.param(
            {f"{c}/sub/{i}.txt": f"a {c} text {i}" for c in ("good", "bad") for i in range(3)},
            ["bad"] * 3 + ["good"] * 3,
            id="deeper",
        ),
        pytest.param(
            {
                **{f"{c}/{i}.txt": f"a {c} text {i}" for c in ("pos", "neg") for i in range(3)},
                "labels.txt": "pos\nneg\n",
                "README": "x",
            },
            ["neg"] * 3 + ["pos"] * 3,
            id="notes beside",
        ),
        pytest.param({"pos.txt": "a\nb\nc\n", "neg.txt": "d\ne\nf\n"}, ["neg"] * 3 + ["pos"] * 3, id="files of lines"),
    ],
)
def test_a_folder_for_each_class(tmp_path: Path, files: dict[str, str], labels: list[str]) -> None:
    data = kft.load_data(write_files(tmp_path, dict(files)), validation=0)
    assert data["train"].cells("label") == labels


def test_class_folders_below_splits_and_an_empty_text(tmp_path: Path) -> None:
    files = {f"{s}/{c}/{i}.txt": f"a {c} text {i}" for s in ("train", "test") for c in ("pos", "neg") for i in range(3)}
    write_files(tmp_path, {**files, "train/pos/3.txt": " \n"})
    data = kft.load_data(tmp_path, validation=0)
    assert sizes(data) == {"train": 7, "test": 6}
    assert "empty_text" in findings(data)


def test_kaggle_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "comp.zip", "w") as archive:
        archive.writestr("train.csv", "id,text,target\n" + "".join(f"{i},a tweet number {i},{i % 2}\n" for i in range(10)))
        archive.writestr("test.csv", "id,text\n" + "".join(f"{i},a hidden tweet {i}\n" for i in range(4)))
        archive.writestr("sample_submission.csv", "id,target\n" + "".join(f"{i},0\n" for i in range(4)))
    data = kft.load_data(tmp_path / "comp.zip")
    assert data.columns.label == "target"
    assert "no_test_labels" in findings(data)


@pytest.mark.parametrize("kind", ["Dataset", "DatasetDict"])
@pytest.mark.parametrize("how", ["folder", "zip"])
def test_save_to_disk(tmp_path: Path, kind: str, how: str) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    made_set = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(8)], "label": [0, 1] * 4}, features=features)
    whole = made_set if kind == "Dataset" else datasets.DatasetDict(train=made_set, test=made_set.select([0, 1]))
    whole.save_to_disk(tmp_path / "ds")
    source = tmp_path / "ds"
    if how == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "ds"))
    data = kft.load_data(source, validation=0)
    assert sizes(data) == ({"train": 8} if kind == "Dataset" else {"train": 8, "test": 2})
    assert data["train"].cells("label") == ["neg", "pos"] * 4


# --- Workbooks


def workbook(rows: list[list[Any]], **more: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for title, cells in more.items():
        other = book.create_sheet(title)
        for row in cells:
            other.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


ROWS: list[list[Any]] = [[f"a text number {i}", "pn"[i % 2]] for i in range(8)]


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a", "a.xls", "a.txt", "a.xlsm", "a.zip"])
def test_a_workbook_whatever_its_name(write, name: str) -> None:
    table = read_table(write(name, workbook([["text", "label"], *ROWS])))
    assert [list(row.values()) for row in table.columns.to_pylist()] == ROWS
    assert table.rows.tolist() == list(range(2, 10))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 0], ["1", "0"]),
        ([1.0, 0.0], ["1", "0"]),
        ([1.5, 2.25], ["1.5", "2.25"]),
        ([True, False], ["true", "false"]),
        ([datetime.date(2026, 5, 1), datetime.date(2026, 5, 2)], ["2026-05-01", "2026-05-02"]),
        ([datetime.datetime(2026, 5, 1, 10, 30), None], ["2026-05-01 10:30:00", None]),
        ([None, "x"], [None, "x"]),
        (["  p ", "n"], ["  p ", "n"]),
        (["007", "010"], ["007", "010"]),
        ([12345678901234, 2], ["12345678901234", "2"]),
        (["#N/A", "x"], ["#N/A", "x"]),
        ([0.1 + 0.2, 1], None),
        (["=1+1", "=A1"], None),
        (["", "x"], [None, "x"]),
        (["a\nb", "x"], ["a\nb", "x"]),
    ],
)
def test_cells_of_a_workbook(write, cells: list[Any], expected: list[str | None] | None) -> None:
    rows = [[f"a text number {i}", cells[i % 2]] for i in range(8)]
    path = write("a.xlsx", workbook([["text", "label"], *rows]))
    data = kft.load_data(path, validation=0, label="label")
    if expected:
        assert data["train"].cells("label")[:2] == expected
    elif "=1+1" in cells:  # saved by a program that computes nothing: there is no value to read
        assert findings(data)


def test_a_title_over_merged_cells_blank_rows_and_columns(write) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"] = "Survey of May"
    sheet.merge_cells("A1:C1")
    for number, row in enumerate([["text", "label"], *ROWS], start=3):
        sheet.cell(number, 2, row[0])
        sheet.cell(number, 3, row[1])
    out = io.BytesIO()
    book.save(out)
    data = kft.load_data(write("a.xlsx", out.getvalue()), validation=0)
    assert data["train"].cells("text") == [row[0] for row in ROWS]
    assert data["train"].cells("label") == [row[1] for row in ROWS]


def test_merged_labels_are_told(write) -> None:
    """A label merged over several rows stands in the first of them only."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["label", "text"])
    for i in range(8):
        sheet.append(["pn"[i // 2 % 2] if i % 2 == 0 else None, f"a text number {i}"])
    for i in range(0, 8, 2):
        sheet.merge_cells(start_row=i + 2, end_row=i + 3, start_column=1, end_column=1)
    out = io.BytesIO()
    book.save(out)
    data = kft.load_data(write("a.xlsx", out.getvalue()), validation=0)
    assert findings(data).get("missing_label") == (3, 5, 7, 9) or data["train"].cells("label") == list("ppnnppnn")


def test_several_sheets(write, refused) -> None:
    content = workbook([["text", "label"], *ROWS], More=[["text", "label"], *ROWS[:3]], Empty=[])
    path = write("a.xlsx", content)
    refused(read_table, path, "2 sheets", "'More'", "--data.sheet")
    assert len(read_table(path, sheet="More")) == 3
    refused(read_table, path, "no sheet 'more'", sheet="more")


def test_sheets_named_after_splits(write) -> None:
    book = openpyxl.Workbook()
    for title, count in (("train", 8), ("test", 4)):
        sheet = book.create_sheet(title)
        for row in [["text", "label"], *ROWS[:count]]:
            sheet.append(row)
    del book["Sheet"]
    out = io.BytesIO()
    book.save(out)
    path = write("a.xlsx", out.getvalue())
    try:
        data = kft.load_data(path, validation=0)
    except KerasFTError as error:
        if "train" not in str(error):
            raise
    else:
        assert sizes(data) == {"train": 8, "test": 4}
