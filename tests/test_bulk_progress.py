"""Progress and columns of a file of answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kerasft.bulk import answer_file
from kerasft.data.columns import Columns
from kerasft.data.readers import read_table
from kerasft.data.split import Split
from kerasft.tasks.classification import MOST_COLUMNS, share_cells


def test_progress_grows_inside_a_part_and_ends_with_all_rows(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\n" + "word\n" * 12_000, encoding="utf-8")
    seen: list[int] = []

    def answer(part: Split, share: object) -> list[str]:
        share(0.5)  # type: ignore[operator]
        return ["x"] * len(part)

    split = Split("data", read_table(tmp_path / "in.csv"), Columns("text"))
    answer_file(split, tmp_path / "out.csv", answer, lambda one: {"label": one}, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 12_000
    assert 2_500 in seen


@pytest.mark.parametrize("count", [2, MOST_COLUMNS])
def test_few_labels_have_a_column_each(count: int) -> None:
    shares = {f"label {i}": 1 / count for i in range(count)}
    assert list(share_cells(shares)) == [f"probability_{label}" for label in shares]


def test_of_many_labels_the_likeliest_are_written_in_one_column() -> None:
    values = np.random.default_rng(0).dirichlet(np.ones(5_000))
    shares = {f'l"{i}': float(value) for i, value in enumerate(values)}
    cells = share_cells(shares)
    assert list(cells) == ["likeliest_labels"]
    likeliest = json.loads(cells["likeliest_labels"])
    assert list(likeliest) == sorted(shares, key=lambda label: -shares[label])[:10]
