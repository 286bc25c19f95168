"""Numbers: against scikit-learn and SciPy, and what is not defined is nan without a warning (warnings are errors here)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from kerasft.errors import DataError
from kerasft.evaluation.regression import mae, mse, pearson, r2, spearman

ALL = (mse, mae, r2, pearson, spearman)
CORRELATIONS = (pearson, spearman)


def test_figures_by_hand() -> None:
    targets, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0])
    assert mse(targets, predicted) == pytest.approx(5 / 3)
    assert mae(targets, predicted) == pytest.approx(1)
    assert r2(targets, predicted) == pytest.approx(1 - 5 / 2)  # worse than the mean
    assert pearson(targets, predicted) == pytest.approx(1)
    assert spearman(targets, np.array([1.0, 9.0, 4.0])) == pytest.approx(0.5)  # 1 - 6 * (0 + 1 + 1) / (3 * 8)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(st.integers(-5, 5), st.integers(-50, 50)), min_size=3, max_size=40))
def test_figures_are_the_peers(rows: list[tuple[int, int]]) -> None:
    """Small whole numbers, so that many ranks are shared."""
    y, x = (np.array(column, dtype=np.float64) / 4 for column in zip(*rows, strict=True))
    assert mse(y, x) == pytest.approx(mean_squared_error(y, x))
    assert mae(y, x) == pytest.approx(mean_absolute_error(y, x))
    if len(set(y)) > 1:
        assert r2(y, x) == pytest.approx(r2_score(y, x))
    if len(set(y)) > 1 and len(set(x)) > 1:
        assert pearson(y, x) == pytest.approx(scipy.stats.pearsonr(y, x).statistic, abs=1e-12)
        assert spearman(y, x) == pytest.approx(scipy.stats.spearmanr(y, x).statistic, abs=1e-12)
        assert all(-1 <= figure(y, x) <= 1 for figure in CORRELATIONS)


@pytest.mark.parametrize("figure", CORRELATIONS)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
def test_a_constant_has_no_correlation(figure: object, constant: float) -> None:
    same, rising = np.full(3, constant), np.arange(3.0)  # the mean of three times 0.1 is not 0.1
    assert all(math.isnan(figure(*pair)) for pair in ((same, rising), (rising, same), (same, same)))


def test_equal_targets_leave_nothing_to_explain() -> None:
    assert math.isnan(r2(np.full(3, 0.1), np.full(3, 0.1)))
    assert r2(np.arange(3.0), np.full(3, 1.0)) == 0.0


@pytest.mark.parametrize("figure", ALL)
def test_no_rows_and_no_numbers_give_nan(figure: object) -> None:
    assert math.isnan(figure(np.zeros(0), np.zeros(0)))
    assert math.isnan(figure(np.arange(3.0), np.array([0.0, math.nan, 1.0])))


@pytest.mark.parametrize("figure", CORRELATIONS)
def test_one_row_has_no_correlation(figure: object) -> None:
    assert math.isnan(figure(np.ones(1), np.zeros(1)))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_correlation_does_not_depend_on_the_scale(scale: float) -> None:
    y = np.array([1.0, 2.0, 4.0, 3.0])
    assert pearson(y, np.array([2.0, 1.0, 3.0, 5.0]) * scale) == pytest.approx(pearson(y, np.array([2.0, 1.0, 3.0, 5.0])))


def test_float32_is_summed_in_float64() -> None:
    far = np.array([1e4, 1e4 + 1, 1e4 + 2], dtype=np.float32)
    assert r2(far, far + np.float32(0.5)) == pytest.approx(1 - 0.75 / 2)


@pytest.mark.parametrize("figure", ALL)
def test_a_column_against_a_row_is_refused(figure: object) -> None:
    with pytest.raises(DataError, match=r"got shapes \(3, 1\) and \(3,\)"):
        figure(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(DataError, match=r"got shapes \(3,\) and \(1,\)"):
        figure(np.zeros(3), np.zeros(1))
