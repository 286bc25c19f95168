"""The learning curve in the tab Results: as a picture with what it says; what is not whole is measured anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kerasft.label_curve import CurvePoint, LearningCurve
from kerasft.runs import LEARNING_CURVE
from kerasft_app import label_needs
from kerasft_app.runs import RunBoard

CURVE = LearningCurve(
    metric="accuracy",
    points=tuple(CurvePoint(rows, (score - 0.05, score, score + 0.05)) for rows, score in ((8, 0.5), (24, 0.6), (72, 0.7))),
    rows=100,
    source="<b>made up</b>",
)


def test_a_picture_and_sentences() -> None:
    html = label_needs.curve_html(CURVE)
    assert html.count("<polyline") == 4
    assert "With 72 of the 100 labelled rows" in html
    assert "<b>made up" not in html


def test_a_number_of_rows_is_written_in_full() -> None:
    assert ">400<" in label_needs.curve_html(CURVE) or "400</text>" in label_needs.curve_html(CURVE)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"metric": 1}', json.dumps(CURVE.to_dict())])
def test_what_was_measured_before_is_shown_and_what_is_damaged_is_not(content: str | None, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    if content is not None:
        (tmp_path / "a" / LEARNING_CURVE).write_text(content, encoding="utf-8")
    board = RunBoard(tmp_path)
    assert ("made up" in label_needs.measured_before(board, "a")) == (content is not None and "points" in content)
    assert label_needs.measured_before(board, None) == label_needs.measured_before(board, "../x") == ""
