"""Answers: against the official SQuAD 2.0 script (a fixture), by hand, and the threshold against trying every one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.evaluation.answers import answer_f1, best_no_answer_threshold, exact_match, normalise_answer

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "metrics_squad.json").read_text(encoding="ascii"))
THRESHOLDS = {case["name"]: case for case in FIXTURE["thresholds"]}
PARTING = ("negative scores, nothing to be answered", "equal scores")


@pytest.mark.parametrize("case", FIXTURE["answers"], ids=lambda case: repr((case["predicted"], case["golds"])))
def test_answers_score_as_in_the_official_script(case: dict[str, Any]) -> None:
    assert [normalise_answer(text) for text in (case["predicted"], *case["golds"])] == case["normalised"]
    assert exact_match(case["predicted"], case["golds"]) == case["exact_match"]
    assert answer_f1(case["predicted"], case["golds"]) == case["f1"]


@pytest.mark.parametrize("name", [name for name in THRESHOLDS if name not in PARTING])
def test_thresholds_are_the_official_scripts(name: str) -> None:
    case = THRESHOLDS[name]
    threshold, best = best_no_answer_threshold(case["no_answer_scores"], case["scores"], case["has_answer"])
    assert threshold == case["threshold"]
    assert 100 * best == pytest.approx(case["best"])


def mean_score(threshold: float, surer: list[float], values: list[float], has_answer: list[bool]) -> float:
    """The rule itself: answered if the score is at most the threshold; silence is right where there is no answer."""
    return float(
        np.mean([v if score <= threshold else float(not has) for score, v, has in zip(surer, values, has_answer, strict=True)])
    )


@pytest.mark.parametrize(("name", "ours", "attained"), [(PARTING[0], (-4.0, 1.0), 1 / 3), (PARTING[1], (0.0, 2 / 3), 1 / 3)])
def test_where_the_scripts_threshold_does_not_keep_its_promise(name: str, ours: tuple[float, float], attained: float) -> None:
    case = THRESHOLDS[name]
    columns = case["no_answer_scores"], case["scores"], case["has_answer"]
    assert case["best"] == 100
    assert mean_score(case["threshold"], *columns) == pytest.approx(attained)
    assert best_no_answer_threshold(*columns) == pytest.approx(ours)


questions = st.lists(
    st.tuples(
        st.sampled_from([-2.5, -1.0, 0.0, 0.5, 1.0, 3.0]) | st.floats(-50, 50, width=32),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(rows=questions)
def test_no_threshold_is_better_and_the_promise_is_kept(rows: list[tuple[float, float, bool]]) -> None:
    surer = [row[0] for row in rows]
    has_answer = [row[2] for row in rows]
    values = [value if has else float(value == 1.0) for _, value, has in rows]
    threshold, best = best_no_answer_threshold(surer, values, has_answer)
    assert mean_score(threshold, surer, values, has_answer) == pytest.approx(best)
    assert best == pytest.approx(max(mean_score(t, surer, values, has_answer) for t in [-1e9, *surer]))
    if not any(has_answer) and not any(values):
        assert all(score > np.float32(threshold) for score in surer)


def test_no_questions_have_no_best_score() -> None:
    threshold, best = best_no_answer_threshold([], [], [])
    assert threshold == 0.0
    assert math.isnan(best)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.text(max_size=40), other=st.text(max_size=40))
def test_a_text_answers_itself_and_normalising_twice_changes_nothing(text: str, other: str) -> None:
    assert exact_match(text, [other, text]) == answer_f1(text, [other, text]) == 1.0 or not normalise_answer(text)
    assert 0 <= answer_f1(text, [other]) <= 1
    assert exact_match(text, [other]) <= answer_f1(text, [other])
    assert answer_f1(text, [other]) == pytest.approx(answer_f1(other, [text]))


def test_an_article_made_by_normalising_stays() -> None:
    """Punctuation goes before articles do, so that "a-n" is an article and vanishes; the script's order, kept."""
    assert normalise_answer("a-n apple") == "apple"
    assert normalise_answer("The  (a) End, an 'the'") == "end"
