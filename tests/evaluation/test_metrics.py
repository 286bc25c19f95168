"""Metrics against values worked out by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from kerasft.evaluation import regression
from kerasft.evaluation.metrics import (
    accuracy,
    bootstrap_interval,
    classification_intervals,
    count_figures,
    cross_entropy,
    macro_f1,
    softmax,
    weighted_f1,
    wilson_interval,
)

# By hand: class 0 has 2 right, 1 missed, 1 too many: F1 = 4/6; class 1 has 1 right, 1 missed, 1 too many: F1 = 2/4;
# class 2 has 1 row, right: F1 = 1.
TARGETS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 2])


def test_accuracy_and_f1_by_hand() -> None:
    assert accuracy(TARGETS, PREDICTED) == pytest.approx(4 / 6)
    assert macro_f1(TARGETS, PREDICTED) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert weighted_f1(TARGETS, PREDICTED) == pytest.approx((3 * 2 / 3 + 2 * 1 / 2 + 1 * 1) / 6)


def test_f1_agrees_with_scikit_learn_and_counts_a_class_never_predicted_as_zero() -> None:
    rng = np.random.default_rng(0)
    targets, predicted = rng.integers(0, 5, 200), rng.integers(0, 4, 200)  # class 4 is never predicted
    assert macro_f1(targets, predicted) == pytest.approx(f1_score(targets, predicted, average="macro", zero_division=0))
    assert weighted_f1(targets, predicted) == pytest.approx(f1_score(targets, predicted, average="weighted", zero_division=0))
    assert macro_f1(np.array([0, 0, 1]), np.array([0, 0, 0])) == pytest.approx((0.8 + 0) / 2)


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(softmax(np.array([[0.0, math.log(3.0)], [5.0, 5.0]])), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-15)


def test_softmax_of_large_logits_has_no_infinity() -> None:
    probabilities = softmax(np.array([[1e5, 0.0, 1e5], [-1e5, 0.0, -3e4], [3e38, -3e38, 0.0]], dtype=np.float32))
    np.testing.assert_array_equal(probabilities, [[0.5, 0, 0.5], [0, 1, 0], [1, 0, 0]])


def test_softmax_is_float64_so_that_rows_sum_to_one() -> None:
    probabilities = softmax(np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32))
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)


def test_cross_entropy_by_hand_and_as_scikit_learns_log_loss() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    assert cross_entropy(logits, np.array([1, 2])) == pytest.approx((math.log(4) + math.log(1 / 0.8)) / 2)
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(100, 4)), rng.integers(0, 4, 100)
    assert cross_entropy(logits, targets) == pytest.approx(log_loss(targets, softmax(logits), labels=range(4)))


def test_cross_entropy_leaves_out_unknown_targets() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]]))
    assert cross_entropy(logits, np.array([0, -1, 0])) == pytest.approx((math.log(2) - math.log(0.9)) / 2)
    assert math.isnan(cross_entropy(logits, np.array([-1, -1, -1])))


def test_cross_entropy_of_a_sure_mistake_is_a_number() -> None:
    loss = cross_entropy(np.array([[1e4, -1e4]], dtype=np.float32), np.array([1]))
    assert loss == pytest.approx(300 * math.log(10))  # held at 1e-300


def answers(rows: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of which exactly the share `right` agree."""
    targets = np.arange(rows) % 2
    return targets, np.where(np.arange(rows) < right * rows, targets, 1 - targets)


FIGURES = {"accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1}


@pytest.mark.parametrize("seed", range(20))
def test_figures_of_counted_pairs_are_those_of_the_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets, predicted, counts = (rng.integers(0, high, 30) for high in (5, 7, 4))
    told = count_figures(targets, predicted, counts)
    rows = np.repeat(targets, counts), np.repeat(predicted, counts)
    assert told == pytest.approx({name: metric(*rows) for name, metric in FIGURES.items()})


def both(targets: np.ndarray, predicted: np.ndarray, **options: float) -> list[dict[str, tuple[float, float]]]:
    """The intervals by both ways of drawing rows."""
    by_rows = {name: bootstrap_interval(metric, targets, predicted, **options) for name, metric in FIGURES.items()}
    return [by_rows, classification_intervals(targets, predicted, **options)]


def test_drawing_pairs_is_drawing_rows() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(-1, 4, 300)  # -1: a class the model has never seen
    predicted = np.where(rng.random(300) < 0.7, np.maximum(targets, 0), rng.integers(0, 4, 300))
    by_rows, by_pairs = both(targets, predicted, resamples=2000)
    for name in FIGURES:
        assert by_pairs[name] == pytest.approx(by_rows[name], abs=0.006)


def test_the_interval_contains_the_figure_and_narrows_with_more_rows() -> None:
    widths: dict[tuple[int, str, int], float] = {}
    for rows in (40, 640):
        targets, predicted = answers(rows, 0.8)
        for way, intervals in enumerate(both(targets, predicted)):
            for name, (low, high) in intervals.items():
                assert 0 <= low < FIGURES[name](targets, predicted) < high <= 1
                widths[way, name, rows] = high - low
    for way, name in {key[:2] for key in widths}:
        assert widths[way, name, 640] < 0.5 * widths[way, name, 40]  # 16 times the rows: about a quarter of the width


def test_the_intervals_width_is_that_of_the_binomial() -> None:
    """Normal approximation: accuracy p of n rows has 95 % within 1.96 * sqrt(p * (1 - p) / n) on each side."""
    for intervals in both(*answers(1000, 0.8), resamples=2000):
        low, high = intervals["accuracy"]
        assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(0.8 * 0.2 / 1000), rel=0.1)


def test_less_confidence_gives_a_narrower_interval() -> None:
    for way in range(2):
        wide, narrow = (both(*answers(200, 0.7), confidence=share)[way]["accuracy"] for share in (0.95, 0.5))
        assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_seed_fixes_the_interval() -> None:
    one, same, other = (both(*answers(97, 0.6), seed=seed, resamples=50) for seed in (1, 1, 2))
    assert one == same
    assert all(one[way] != other[way] for way in range(2))


def test_draws_without_a_value_do_not_spoil_the_interval() -> None:
    gold = np.array([5.0] * 18 + [1.0] * 2)  # in one draw of eight no 1 is drawn, and R2 has no value
    low, high = bootstrap_interval(regression.r2, gold, gold + 0.2)
    assert 0.5 < low <= high < 1
    few = np.array([5.0] * 30 + [1.0])  # in more than a third of the draws
    assert not np.isnan(bootstrap_interval(regression.r2, few, few + 0.2)[0])
    assert np.isnan(bootstrap_interval(regression.r2, np.full(9, 5.0), np.full(9, 5.2))).all()


def test_when_all_is_right_the_draws_say_nothing_and_wilson_does() -> None:
    by_rows, by_pairs = both(TARGETS, TARGETS)
    assert all(math.isnan(end) for name in FIGURES for end in by_rows[name])
    low, high = by_pairs.pop("accuracy")
    assert 0.5 < low < high == 1.0
    assert all(math.isnan(end) for limits in by_pairs.values() for end in limits)


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(16, 16, 0.8064, 1.0), (0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval_against_published_values(right: int, rows: int, low: float, high: float) -> None:
    """The last is the example of Newcombe 1998, table I; the others follow from the formula."""
    assert wilson_interval(right, rows) == pytest.approx((low, high), abs=5e-5)
