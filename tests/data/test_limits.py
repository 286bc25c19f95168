"""Limits on what is read: too many columns, a line without an end, files that unpack to far more than they are."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from kerasft.data.limits import Limits, limits, variable
from kerasft.data.readers import read_table
from kerasft.errors import ConfigError, DataError


def write(folder: Path, kind: str, columns: int) -> object:
    names = [f"c{i}" for i in range(columns)]
    if kind == "arrow":
        return pa.table({name: ["x", "y"] for name in names})
    if kind == "csv":
        (folder / "a.csv").write_text("\n".join(",".join(row) for row in (names, ["x"] * columns, ["y"] * columns)))
        return folder / "a.csv"
    (folder / "a.jsonl").write_text("\n".join(json.dumps(dict.fromkeys(names, value)) for value in "xy"))
    return folder / "a.jsonl"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "arrow"])
def test_too_many_columns_are_refused_by_number_and_the_limit_can_be_raised(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERASFT_MAX_COLUMNS", "20")
    assert len(read_table(write(tmp_path, kind, 20)).names) == 20
    with pytest.raises(DataError, match=r"has 21 columns; at most 20") as caught:
        read_table(write(tmp_path, kind, 21))
    assert "KERASFT_MAX_COLUMNS" in caught.value.hint
    monkeypatch.setenv("KERASFT_MAX_COLUMNS", "21")
    assert len(read_table(write(tmp_path, kind, 21)).names) == 21


def test_a_line_without_an_end_is_refused_and_json_on_one_line_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASFT_MAX_LINE", "1000")
    (tmp_path / "a.csv").write_text(f"text,label\n{'a' * 2000},b\n")
    with pytest.raises(DataError, match=r"more than 1,000 characters") as caught:
        read_table(tmp_path / "a.csv")
    assert str(caught.value.where).endswith("a.csv, line 2")
    (tmp_path / "a.json").write_text(json.dumps([{"text": "a" * 400, "label": "b"}] * 10))
    assert len(read_table(tmp_path / "a.json")) == 10


def test_a_compressed_file_may_not_be_far_larger_than_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"text,label\n" + b"the same text,good\n" * 4_000_000  # 76 MB
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(rows))
    monkeypatch.setenv("KERASFT_MAX_RATIO", "100")
    with pytest.raises(DataError, match=r"unpack to more than") as caught:
        read_table(tmp_path / "a.csv.gz")
    assert "KERASFT_MAX_RATIO" in caught.value.hint
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", rows)
    with pytest.raises(DataError, match=r"when unpacked; the limits are") as caught:
        read_table(tmp_path / "a.zip")
    assert "KERASFT_MAX_RATIO" in caught.value.hint


def test_small_files_of_repeated_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"the same text,good\n" * 100_000))
    assert len(read_table(tmp_path / "a.csv.gz")) == 100_000


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5"])
def test_a_limit_is_a_whole_number(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("columns"), value)
    with pytest.raises(ConfigError, match="whole number above 0"):
        limits()


def test_the_defaults_hold_without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable("columns"), raising=False)
    assert limits() == Limits()
