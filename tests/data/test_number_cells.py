"""Numbers as people write them: what a comma means where one file does not show it, Indian grouping, currencies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict

import pytest

from kerasft.data.columns import Columns
from kerasft.data.given_rows import as_split
from tests.data.helpers import findings, load


def file_of(write, cells: Sequence[str], name: str = "a.tsv") -> str:
    return write(name, "text\tscore\n" + "".join(f"a text number {i}\t{cell}\n" for i, cell in enumerate(cells)))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,82,967", "12,67,583", "950"], ["182967", "1267583", "950"]),
        (["₹1,00,000.50", "₹25,000", "₹ 7,50,000"], ["100000.50", "25000", "750000"]),
        (["-1,82,967", "2,00,000"], ["-182967", "200000"]),
    ],
)
def test_indian_grouping_is_read(write, cells: list[str], expected: list[str]) -> None:
    data = load(file_of(write, cells * 6))
    assert data["train"].cells("label")[: len(cells)] == expected


@pytest.mark.parametrize("cells", [["1,22,3", "2"], ["3,12,45", "1,82,967"]])
def test_other_lists_of_numbers_stay_as_they_are(write, cells: list[str]) -> None:
    assert load(file_of(write, cells * 6))["train"].cells("label")[:2] == cells


def test_a_comma_that_may_mean_a_list_is_a_finding_with_its_rows(write) -> None:
    cells = ["1,4", "2", "3", "0,5", "1", "2"]
    data = load(file_of(write, cells))
    assert data["train"].cells("label") == cells
    assert findings(data)["comma_or_list"] == (2, 5)
    assert "comma_or_list" not in findings(load(write("b.tsv", "text\tlabels\na b c\t1,4\nb c d\t2\nc d e\t3\n")))


@pytest.mark.parametrize(("cells", "rows"), [(["$5.10", "€7.20", "$3"], (3,)), (["5 EUR", "7 USD", "9 EUR", "4 GBP"], (3, 5))])
def test_several_currencies_are_a_finding_with_the_rows_of_the_rarer_ones(write, cells: list[str], rows: tuple[int, ...]) -> None:
    data = load(file_of(write, cells))
    assert findings(data)["several_currencies"] == rows
    assert [float(cell) for cell in data["train"].cells("label")] == [float(re.sub(r"[^\d.]", "", cell)) for cell in cells]


def test_one_currency_is_no_finding(write) -> None:
    assert "several_currencies" not in findings(load(file_of(write, ["$5.10", "$7.20", "3"])))


@pytest.mark.parametrize(
    ("trained_on", "expected"), [(["0,512", "1,75"], "1.205"), (["5,120", "1,750"], "1205"), (["0.5", "1.7"], "1205")]
)
def test_rows_given_later_are_read_by_the_decimal_sign_of_the_training_rows(write, trained_on: list[str], expected: str) -> None:
    columns = load(file_of(write, trained_on * 4))["train"].columns
    columns = Columns(**asdict(columns))  # as a run keeps them
    later = as_split(file_of(write, ["1,205", "2,310"], "later.tsv"), columns, need_label=True)
    assert later.cells("label")[0] == expected
    assert any(note.code == "number_format" for note in later.table.notes)


def test_few_decimal_commas_are_read_when_the_training_rows_had_them(write) -> None:
    columns = load(file_of(write, ["0,5", "1,7"] * 4))["train"].columns
    later = as_split(file_of(write, ["1", "2", "3,5", "4"], "later.tsv"), columns, need_label=True)
    assert later.cells("label") == ["1", "2", "3.5", "4"]


def test_runs_of_before_have_columns_without_a_decimal_sign() -> None:
    assert Columns(**{"text": "a", "text_pair": None, "label": "b", "split": None}).decimal_comma is False
