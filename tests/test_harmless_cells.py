"""Answered files that a spreadsheet opens without computing anything."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kerasft.bulk import answer_file, harmless_cell
from kerasft.data.columns import Columns
from kerasft.data.readers import read_table
from kerasft.data.split import Split


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "- a list"])
def test_formulas_get_an_apostrophe(cell: str) -> None:
    assert harmless_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", None, "a", "-0.5", "+3", "-1e-7", "a=1", "'=1", "1-2", "-inf"])
def test_numbers_and_texts_stay(cell: str | None) -> None:
    assert harmless_cell(cell) == cell


@pytest.mark.parametrize(("kind", "harmless", "marked"), [("csv", True, True), ("csv", False, False), ("jsonl", True, False)])
def test_only_a_csv_is_marked_and_only_when_asked(kind: str, harmless: bool, marked: bool, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,=odd\n=1+1,-0.5\nplain,@x\n", encoding="utf-8")
    table = read_table(tmp_path / "in.csv")
    out = tmp_path / f"out.{kind}"
    answer_file(
        Split("data", table, Columns("text")), out, lambda part, share: ["="] * len(part), lambda one: {"label": one}, None,
        harmless=harmless,
    )  # fmt: skip
    written = out.read_text(encoding="utf-8")
    assert ("'=1+1" in written) is marked
    assert ("'@x" in written) is marked
    assert "-0.5" in written
    if kind == "csv":
        rows = list(csv.reader(written.splitlines()))
        assert rows[0] == ["text", "'=odd" if marked else "=odd", "label", "kerasft_note"]
        assert len(rows) == 3
