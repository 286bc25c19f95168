"""Metrics of numbers. Targets and predictions are (N,); a figure that is not defined is nan, never a warning."""

from __future__ import annotations

import numpy as np

from kerasft.errors import DataError

_UNDEFINED = float("nan")


def mse(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error; nan if there are no rows."""
    y, x = _columns(targets, predicted)
    return float(np.square(y - x).mean()) if len(y) else _UNDEFINED


def mae(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error; nan if there are no rows."""
    y, x = _columns(targets, predicted)
    return float(np.abs(y - x).mean()) if len(y) else _UNDEFINED


def r2(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the targets' variance that is explained: 1 is perfect, 0 as good as their mean, below 0 worse.

    nan where all targets are equal, for there is nothing to explain (scikit-learn says 0, or 1 if all are met).
    """
    y, x = _columns(targets, predicted)
    if _is_constant(y):
        return _UNDEFINED
    return float(1 - np.square(y - x).sum() / np.square(y - y.mean()).sum())


def pearson(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Linear correlation, -1 to 1; nan if one side is constant: there is no correlation with what does not vary."""
    y, x = _columns(targets, predicted)
    if _is_constant(y) or _is_constant(x):
        return _UNDEFINED
    # Divided by the largest first: squares of very large or very small deviations would leave the floats.
    y, x = (side / np.abs(side).max() for side in (y - y.mean(), x - x.mean()))
    return float(np.clip(y @ x / np.sqrt((y @ y) * (x @ x)), -1.0, 1.0))


def spearman(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Correlation of the ranks, -1 to 1, equal values sharing their mean rank; nan if one side is constant or holds nan."""
    y, x = _columns(targets, predicted)
    if np.isnan(y).any() or np.isnan(x).any():
        return _UNDEFINED
    return pearson(_ranks(y), _ranks(x))


def _columns(targets: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64. A column (N, 1), as a head gives it, against (N,) would silently become a table (N, N)."""
    y, x = np.asarray(targets, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if y.shape != x.shape or y.ndim != 1:
        raise DataError(f"Targets and predictions must be arrays (N,) of the same length; got shapes {y.shape} and {x.shape}.")
    return y, x


def _is_constant(values: np.ndarray) -> bool:
    # Not by the variance: that of three times 0.1 is not quite 0.
    return len(values) < 2 or bool((values == values[0]).all())


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])
