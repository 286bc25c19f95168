"""Several labels a row: against scikit-learn, by hand, and the tuned thresholds against trying every one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, log_loss, precision_recall_fscore_support
from sklearn.metrics import precision_recall_curve as peers_curve

from kerasft.evaluation.metrics import bootstrap_interval
from kerasft.evaluation.multilabel import (
    average_precision,
    binary_cross_entropy,
    choose,
    intervals,
    label_table,
    macro_f1,
    micro_f1,
    pr_curve,
    sample_f1,
    subset_accuracy,
    tune_thresholds,
)

# By hand: label 0 right 2, chosen 2, true 3: F1 = 4/5; label 1 right 1, chosen 2, true 1: F1 = 2/3; label 2 nowhere.
TARGETS = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
CHOSEN = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)


def test_figures_by_hand() -> None:
    assert micro_f1(TARGETS, CHOSEN) == pytest.approx(2 * 3 / (4 + 4))
    assert macro_f1(TARGETS, CHOSEN) == pytest.approx((4 / 5 + 2 / 3) / 2)  # without the label that is nowhere
    assert sample_f1(TARGETS, CHOSEN) == pytest.approx((1 + 1 + 0 + 1) / 4)  # none where there is none is right
    assert subset_accuracy(TARGETS, CHOSEN) == pytest.approx(3 / 4)
    table = label_table(TARGETS, CHOSEN)
    np.testing.assert_allclose(table["precision"], [1, 1 / 2, 0])
    np.testing.assert_allclose(table["recall"], [2 / 3, 1, 0])
    np.testing.assert_allclose(table["f1"], [4 / 5, 2 / 3, 0])
    assert table["support"].tolist() == [3, 1, 0]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=st.integers(1, 30), labels=st.integers(2, 6), seed=st.integers(0, 10**6), share=st.floats(0, 0.6))
def test_figures_are_scikit_learns(rows: int, labels: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    targets, chosen = (rng.random((rows, labels)) < share for _ in range(2))
    ints = targets.astype(int), chosen.astype(int)
    assert micro_f1(targets, chosen) == pytest.approx(f1_score(*ints, average="micro", zero_division=0.0))
    if (targets | chosen).any():  # scikit-learn's mean of no label is nan
        assert macro_f1(targets, chosen) == pytest.approx(f1_score(*ints, average="macro", zero_division=np.nan))
    assert sample_f1(targets, chosen) == pytest.approx(f1_score(*ints, average="samples", zero_division=1.0))
    peers = precision_recall_fscore_support(*ints, zero_division=0.0)
    for name, wanted in zip(("precision", "recall", "f1", "support"), peers, strict=True):
        np.testing.assert_allclose(label_table(targets, chosen)[name], wanted)
    for figure in (micro_f1, macro_f1, sample_f1, subset_accuracy):
        assert 0 <= figure(targets, chosen) <= 1


def test_intervals_from_counts_of_rows_are_those_of_whole_tables() -> None:
    rng = np.random.default_rng(3)
    targets, chosen = (rng.random((200, 6)) < 0.3).astype(float), rng.random((200, 6)) < 0.4
    found = intervals(targets, chosen)
    assert found["micro_f1"] == bootstrap_interval(micro_f1, targets, chosen, resamples=200)
    assert found["subset_accuracy"] == bootstrap_interval(subset_accuracy, targets, chosen, resamples=200)


def test_one_label_is_one_label_not_two_classes() -> None:
    targets, chosen = np.array([[1], [0], [0], [0]]), np.array([[True], [True], [False], [False]])
    assert micro_f1(targets, chosen) == macro_f1(targets, chosen) == pytest.approx(2 / 3)
    assert sample_f1(targets, chosen) == subset_accuracy(targets, chosen) == 3 / 4


def test_nothing_to_score() -> None:
    none = np.zeros((0, 3), dtype=int)
    silent = np.zeros((2, 3), dtype=int)
    assert micro_f1(none, none) == macro_f1(none, none) == micro_f1(silent, silent) == macro_f1(silent, silent) == 0.0
    assert all(math.isnan(figure(none, none)) for figure in (sample_f1, subset_accuracy, binary_cross_entropy))
    assert sample_f1(silent, silent) == subset_accuracy(silent, silent) == 1.0


def test_a_label_is_chosen_from_its_threshold_on() -> None:
    chosen = choose(np.array([[0.5, 0.5], [0.49, 0.9]]), np.array([0.5, 0.6]))
    assert chosen.tolist() == [[True, False], [False, True]]


def f1_at(threshold: float, values: np.ndarray, true: np.ndarray) -> float:
    return float(f1_score(true, values >= threshold, zero_division=0.0))


def test_the_tuned_threshold_by_hand() -> None:
    values = np.array([0.9, 0.8, 0.4, 0.3, 0.1])[:, None]
    targets = np.array([1, 1, 1, 0, 0])[:, None]
    assert tune_thresholds(values, targets, least_positives=1) == pytest.approx([0.35])
    assert tune_thresholds(values, targets, least_positives=3) == pytest.approx([0.35])
    assert tune_thresholds(values, targets, least_positives=4).tolist() == [0.5]
    assert tune_thresholds(values, targets).tolist() == [0.5]  # ten are asked for
    assert tune_thresholds(values, targets, least_positives=4, default=0.3).tolist() == [0.3]
    assert tune_thresholds(values, np.ones((5, 1)), least_positives=1) == pytest.approx([0.05])
    assert tune_thresholds(values / 2, np.zeros((5, 1)), least_positives=0).tolist() == [0.5]


def test_of_equal_thresholds_the_one_nearest_the_default() -> None:
    # F1 is 2/3 after the first row and after the fourth (2 * 2 / (4 + 2)); between 0.9 and 0.2 it is less.
    values, targets = np.array([[0.95], [0.9], [0.2], [0.15], [0.1]]), np.array([[1], [0], [0], [1], [0]])
    assert tune_thresholds(values, targets, least_positives=1) == pytest.approx([0.125])
    assert tune_thresholds(values, targets, least_positives=1, default=0.6) == pytest.approx([0.925])


def test_the_default_is_kept_where_nothing_is_better() -> None:
    values, targets = np.array([[0.9], [0.1]]), np.array([[1], [0]])
    assert tune_thresholds(values, targets, least_positives=1).tolist() == [0.5]
    assert tune_thresholds(values, targets, least_positives=1, default=0.2).tolist() == [0.2]


def test_a_threshold_between_neighbouring_floats_keeps_them_apart() -> None:
    low = 0.3
    for _ in range(2):  # the sum of the two is rounded once down, once up
        high = float(np.nextafter(low, 1))
        threshold = tune_thresholds(np.array([[high], [low]]), np.array([[1], [0]]), least_positives=1)
        assert choose(np.array([[high], [low]]), threshold).tolist() == [[True], [False]]
        low = high


labelled = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=25
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows=labelled, default=st.sampled_from([0.5, 0.3]))
@example(rows=[(0.0, True)], default=0.5)
def test_no_threshold_is_better_on_the_same_rows(rows: list[tuple[float, bool]], default: float) -> None:
    values, true = np.array([row[0] for row in rows], dtype=np.float32), np.array([row[1] for row in rows])
    threshold = float(tune_thresholds(values[:, None], true[:, None], default=default, least_positives=1)[0])
    assert 0 <= threshold <= 1
    tuned = f1_at(threshold, values, true)
    assert tuned >= f1_at(default, values, true)
    assert tuned == pytest.approx(max(f1_at(t, values, true) for t in [*values.tolist(), default]))


def fresh_losses(positives: int, separation: float) -> float:
    """F1 lost on fresh rows, against 0.5, in the worst tenth of runs; scores of calibrated normal classes."""
    rng = np.random.default_rng(0)
    prior = positives / 2000

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
        true = np.arange(rows) < round(prior * rows)
        logits = separation * (rng.normal(size=rows) + separation * true) - separation**2 / 2 + math.log(prior / (1 - prior))
        return 1 / (1 + np.exp(-logits)), true

    losses = []
    for _ in range(100):
        (threshold,) = tune_thresholds(*(column[:, None] for column in draw(2000)), least_positives=1)
        values, true = draw(20_000)
        f1 = [2 * (chosen & true).sum() / (chosen.sum() + true.sum()) for chosen in (values >= 0.5, values >= threshold)]
        losses.append(f1[0] - f1[1])
    return float(np.quantile(losses, 0.9))


def test_few_positives_overfit_as_the_docstring_says() -> None:
    three, ten, twenty = (fresh_losses(positives, 3.0) for positives in (3, 10, 20))
    assert three > ten > twenty
    assert 0.05 < three < 0.15
    assert twenty < 0.04
    assert fresh_losses(3, 2.0) < 0.03  # a label 0.5 seldom reaches loses nothing


def test_the_curve_by_hand() -> None:
    curve = pr_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0]))
    assert curve == [(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, pytest.approx(2 / 3)), (1.0, 0.5)]
    assert pr_curve(np.array([0.9]), np.array([0])) == []


def test_the_curve_is_thinned_to_points_of_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((400, 3)) < 0.3
    values = np.clip(rng.normal(0.3 + 0.3 * targets, 0.2), 0, 1)
    curve = pr_curve(values, targets, points=20)
    precision, recall, _ = peers_curve(targets.ravel(), values.ravel())
    assert 15 <= len(curve) <= 20
    assert set(curve) <= set(zip(recall, precision, strict=True))
    assert [point[0] for point in curve] == sorted(point[0] for point in curve)
    assert (curve[0], curve[-1][0]) == ((0.0, 1.0), 1.0)


def test_average_precision_is_scikit_learns_micro_average() -> None:
    rng = np.random.default_rng(1)
    targets, values = (rng.random((50, 4)) < 0.3).astype(int), rng.random((50, 4))
    assert average_precision(values, targets) == pytest.approx(average_precision_score(targets, values, average="micro"))
    assert average_precision(values[:, 0], targets[:, 0]) == pytest.approx(average_precision_score(targets[:, 0], values[:, 0]))
    assert math.isnan(average_precision(values, np.zeros_like(targets)))


def test_binary_cross_entropy_by_hand_and_as_scikit_learns_log_loss() -> None:
    logits = np.log([[3.0, 1.0], [1 / 3, 1.0]])  # probabilities 3/4, 1/2, 1/4, 1/2
    assert binary_cross_entropy(logits, np.array([[1, 0], [1, 1]])) == pytest.approx((math.log(16 / 3) + 2 * math.log(2)) / 4)
    rng = np.random.default_rng(2)
    logits, targets = rng.normal(size=(30, 4)), rng.random((30, 4)) < 0.5
    assert binary_cross_entropy(logits, targets) == pytest.approx(log_loss(targets.ravel(), 1 / (1 + np.exp(-logits.ravel()))))


def test_binary_cross_entropy_of_large_logits_is_a_number() -> None:
    logits = np.array([[3e38, -3e38, 1e4]], dtype=np.float32)
    assert binary_cross_entropy(logits, np.array([[1, 0, 1]])) == 0.0
    assert binary_cross_entropy(np.array([[1e4]]), np.array([[0]])) == 1e4
