"""Rows of tasks other than classification: which are usable, and how a share of them is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kerasft.data.dataset import load_data


def test_empty_lists_of_tokens_are_empty_texts() -> None:
    rows = [{"tokens": tokens, "tags": ["O"] * len(tokens)} for tokens in (["a"], [], ["b", "c"])]
    split = load_data([*rows, {"tokens": None, "tags": ["O"]}, {"tokens": ["d"], "tags": None}], validation=0)["train"]
    assert split.has_tokens
    usable, notes = split.usable()
    assert usable.table.rows.tolist() == [1, 3]
    assert {note.code: note.rows for note in notes} == {"empty_text": (2, 4), "missing_label": (5,)}
    plain = load_data([{"text": "[]", "label": "x"}, {"text": "fine", "label": "y"}], validation=0)["train"]
    assert not plain.has_tokens
    assert len(plain.usable()[0]) == 2


def test_questions_without_an_answer_are_kept() -> None:
    rows = [{"question": "Who?", "context": "Ada.", "answer": answer} for answer in ("Ada", "", None)]
    split = load_data(rows, validation=0)["train"]
    assert split.usable() == (split, [])


def label_rows(labels: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"text": f"text number {i}", "label": label} for i, label in enumerate(labels)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(label_rows([i / 7 for i in range(100)]), id="numbers of one row each"),
        pytest.param(label_rows([i % 50 / 7 for i in range(100)]), id="numbers"),
        pytest.param(label_rows([None, *(i / 7 for i in range(99))]), id="numbers and one missing"),
        pytest.param(label_rows([f"an answer of its own, number {i}" for i in range(100)]), id="texts"),
        pytest.param(label_rows([["joy"], ["joy", "fear"], ["fear"], []] * 25), id="lists"),
        pytest.param([{"tokens": ["a"] * (i % 60 + 1), "tags": ["O"] * (i % 60 + 1), "id": i} for i in range(60)], id="tags"),
    ],
)
def test_a_share_is_set_aside_whatever_the_labels(rows: list[dict[str, Any]]) -> None:
    data = load_data(rows, validation=0.2)
    assert len(data["validation"]) == pytest.approx(0.2 * len(rows), abs=1)


def test_numbers_are_set_aside_by_size() -> None:
    data = load_data(label_rows([i / 7 for i in range(1000)]), validation=0.1)
    values = np.asarray(data["validation"].cells("label"), dtype=float)
    assert all(9 <= count <= 11 for count in np.histogram(values, bins=10, range=(0, 1000 / 7))[0])


def test_numbers_that_are_classes_keep_their_shares() -> None:
    data = load_data(label_rows([i % 40 for i in range(800)]), validation=0.1)
    assert sorted(map(int, data["validation"].cells("label"))) == sorted([*range(40)] * 2)
