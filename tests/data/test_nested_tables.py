"""Chats and spaCy's categories in tables (Parquet, CSV, a DataFrame, a data set) are read as in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kerasft as kft
from tests.data.helpers import cells, findings, load

ROLES = ("user", "assistant", "user", "assistant")
CHATS = [
    {"messages": [{"role": role, "content": f"{role} {i} {k}"} for k, role in enumerate(ROLES)], "source": "made"}
    for i in range(4)
]
SHAREGPT = [{"id": f"c{i}", "conversations": [{"from": "human", "value": f"hi {i}"}, {"from": "gpt", "value": f"yes {i}"}]}
            for i in range(4)]  # fmt: skip
CATS = [{"text": f"text {i}", "cats": {"GOOD": float(i % 2), "BAD": float(1 - i % 2)}} for i in range(6)]
SEVERAL = [{"text": f"text {i}", "cats": {"A": 1.0, "B": float(i % 2), "C": 0.2}} for i in range(6)]


def source_of(rows: list[dict[str, Any]], kind: str, folder: Path) -> Any:
    frame = pd.DataFrame(rows)
    if kind == "parquet":
        frame.to_parquet(folder / "a.parquet")
        return folder / "a.parquet"
    if kind == "csv":  # pandas prints the lists as Python does
        frame.to_csv(folder / "a.csv", index=False)
        return folder / "a.csv"
    if kind == "frame":
        return frame
    import datasets

    return datasets.Dataset.from_list(rows)


@pytest.mark.parametrize("kind", ["parquet", "csv", "frame", "dataset"])
def test_chats(kind: str, tmp_path: Path) -> None:
    data = load(source_of(CHATS, kind, tmp_path))
    assert cells(data)[:2] == [
        ("user 0 0", "assistant 0 1"),
        ("user: user 0 0\nassistant: assistant 0 1\nuser: user 0 2", "assistant 0 3"),
    ]
    assert data["train"].table.rows.tolist() == [row for row in data["train"].table.rows[::2] for _ in range(2)]
    assert "format" in findings(data)
    assert cells(load(source_of(SHAREGPT, kind, tmp_path)))[0] == ("hi 0", "yes 0")


@pytest.mark.parametrize("kind", ["parquet", "csv", "frame", "dataset"])
def test_categories_of_spacy(kind: str, tmp_path: Path) -> None:
    assert [label for _, label in cells(load(source_of(CATS, kind, tmp_path)))] == ["BAD", "GOOD"] * 3
    assert [label for _, label in cells(load(source_of(SEVERAL, kind, tmp_path)))] == ['["A"]', '["A", "B"]'] * 3


@pytest.mark.parametrize("kind", ["parquet", "csv", "frame", "dataset"])
def test_unwanted_answers_are_left_out(kind: str, tmp_path: Path) -> None:
    rows = [{**row, "label": bool(i % 2)} for i, row in enumerate(SHAREGPT)]
    data = load(source_of(rows, kind, tmp_path))
    assert len(data["train"]) == 2
    assert len(findings(data)["unwanted_answers"]) == 2


def test_a_row_that_breaks_the_format_is_refused(tmp_path: Path) -> None:
    rows = [*CHATS * 30, {"messages": "none", "source": "made"}]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(kft.DataError, match="list of messages") as raised:
        load(tmp_path / "a.csv")
    assert "row 122" in str(raised.value.where)


def test_predictions_on_a_file_keep_its_rows(tmp_path: Path) -> None:
    from kerasft.data.readers import read_table

    pd.DataFrame(CHATS).to_parquet(tmp_path / "a.parquet")
    assert len(read_table(tmp_path / "a.parquet", every_record=True)) == len(CHATS)
