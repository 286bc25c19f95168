"""Metrics of rows that may carry several labels or none, and the threshold from which each label is chosen.

Shapes: N rows, C labels. `targets` are 0/1, `chosen` booleans, `probabilities` 0 to 1, each (N, C).
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from kerasft.evaluation.metrics import bootstrap_interval, mean_interval

LEAST_POSITIVES = 10


def choose(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(N, C) booleans: the labels whose probability reaches their threshold, (C,). A row may have none."""
    return np.asarray(probabilities >= np.asarray(thresholds))


def micro_f1(targets: np.ndarray, chosen: np.ndarray) -> float:
    """F1 of all cells of the table together, so that frequent labels weigh most; 0 if nothing is true and nothing chosen."""
    right, picked, true = (counts.sum() for counts in _counts(targets, chosen, axis=0))
    return float(2 * right / (picked + true)) if picked + true else 0.0


def macro_f1(targets: np.ndarray, chosen: np.ndarray) -> float:
    """Mean of the labels' F1, each label counting the same; over the labels that are true or chosen anywhere.

    A label nobody has and nobody was given has no F1; counted as 0 it would punish silence that is right. 0 if there is no other.
    """
    right, picked, true = _counts(targets, chosen, axis=0)
    seen = picked + true > 0
    return float((2 * right[seen] / (picked + true)[seen]).mean()) if seen.any() else 0.0


def sample_f1(targets: np.ndarray, chosen: np.ndarray) -> float:
    """Mean of the rows' F1; a row without labels that is given none counts 1. nan if there are no rows."""
    right, picked, true = _counts(targets, chosen, axis=1)
    either = picked + true
    return float(np.where(either > 0, 2 * right / np.maximum(either, 1), 1.0).mean()) if len(either) else float("nan")


def subset_accuracy(targets: np.ndarray, chosen: np.ndarray) -> float:
    """Share of rows of which every label is right; nan if there are no rows."""
    same = (np.asarray(targets, dtype=bool) == np.asarray(chosen, dtype=bool)).all(axis=1)
    return float(same.mean()) if len(same) else float("nan")


def intervals(targets: np.ndarray, chosen: np.ndarray, *, resamples: int = 200) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals of `micro_f1` and `subset_accuracy`: rows are drawn with replacement.

    Both follow from counts of each row, so that thousands of labels cost no more than one.
    """
    right, picked, true = _counts(targets, chosen, axis=1)
    same = ((right == picked) & (right == true)).astype(float)

    def f1_of(right: np.ndarray, either: np.ndarray) -> float:
        return float(2 * right.sum() / either.sum()) if either.sum() else 0.0

    f1 = bootstrap_interval(f1_of, right, picked + true, resamples=resamples)
    return {"micro_f1": f1, "subset_accuracy": mean_interval(same, resamples=resamples)}


def label_table(targets: np.ndarray, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """`precision`, `recall`, `f1` and `support` (rows that have the label), (C,) each; 0 where a denominator is 0."""
    right, picked, true = _counts(targets, chosen, axis=0)
    return {
        "precision": right / np.maximum(picked, 1),
        "recall": right / np.maximum(true, 1),
        "f1": 2 * right / np.maximum(picked + true, 1),
        "support": true,
    }


def tune_thresholds(
    probabilities: np.ndarray, targets: np.ndarray, *, default: float = 0.5, least_positives: int = LEAST_POSITIVES
) -> np.ndarray:
    """The threshold of each label that maximises its F1 on these rows, which must not be the rows figures are reported on.

    One sort a label: O(C N log N). Of a calibrated model the threshold with the best F1 is half that F1, so below 0.5 for labels
    that are hard; chosen on few positives it is chosen by noise (Lipton, Elkan & Narayanaswamy 2014).

    That is overfitting, so a label with fewer than `least_positives` true rows (10) keeps the default. In a simulation (see the
    test; 2,000 rows, calibrated, labels that 0.5 serves well) one run in ten lost 9 to 10 points of F1 on fresh rows when tuned
    on 3 positives, 6 to 7 on 10, 2 to 4 on 20. Hard labels, which 0.5 seldom reaches, gained even from 3: pass a lower number
    where recall is 0.

    Args:
        probabilities: (N, C), of validation rows.
        targets: (N, C).
        default: Threshold of labels that have too few positives, or that no other threshold serves better.
        least_positives: True rows a label must have to be given a threshold of its own.

    Returns:
        (C,) float64. A threshold lies midway between two neighbouring probabilities (below the lowest: midway to 0); of
        thresholds with equal F1 it is the one nearest the default, or the default itself.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    true = np.asarray(targets, dtype=bool)
    thresholds = np.full(values.shape[1], default, dtype=np.float64)
    for label in np.flatnonzero(true.sum(axis=0) >= max(least_positives, 1)):
        thresholds[label] = _best_threshold(values[:, label], true[:, label], default)
    return thresholds


def pr_curve(probabilities: np.ndarray, targets: np.ndarray, points: int = 50) -> list[tuple[float, float]]:
    """Precision at each recall, for a drawing.

    Args:
        probabilities: Of one label, (N,), or of several, all cells of which are then taken together (micro).
        targets: Of the same shape.
        points: Most points returned; of more, those nearest to evenly spaced recalls.

    Returns:
        (recall, precision), recall rising from 0, where precision is 1 by convention; empty if nothing is true.
    """
    values, true = np.ravel(probabilities), np.ravel(targets).astype(bool)
    if not true.any():
        return []
    precision, recall, _ = precision_recall_curve(true, values)
    precision, recall = precision[::-1], recall[::-1]
    if len(recall) > points:
        kept = np.unique(np.searchsorted(recall, np.linspace(0.0, 1.0, points)))
        precision, recall = precision[kept], recall[kept]
    return [(float(r), float(p)) for r, p in zip(recall, precision, strict=True)]


def average_precision(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Area under the precision-recall curve as the sum of its steps, without interpolation; needs no threshold.

    Args:
        probabilities: Of one label, (N,), or of several, all cells of which are then taken together (micro).
        targets: Of the same shape.

    Returns:
        0 to 1; nan if nothing is true.
    """
    values, true = np.ravel(probabilities), np.ravel(targets).astype(bool)
    return float(average_precision_score(true, values)) if true.any() else float("nan")


def binary_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean negative log-likelihood of all cells in nats, finite for any finite logits; nan if there are no cells."""
    x, t = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if not x.size:
        return float("nan")
    # -t log s(x) - (1 - t) log(1 - s(x)), with neither exp of a large number nor log of 0.
    return float((np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))).mean())


def _counts(targets: np.ndarray, chosen: np.ndarray, *, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of right, chosen and true cells. Counted here, as scikit-learn takes a single column for two classes."""
    true, picked = np.asarray(targets, dtype=bool), np.asarray(chosen, dtype=bool)
    return (true & picked).sum(axis=axis), picked.sum(axis=axis), true.sum(axis=axis)


def _best_threshold(values: np.ndarray, true: np.ndarray, default: float) -> float:
    order = np.argsort(-values, kind="stable")
    falling = values[order]
    taken = np.arange(1, len(values) + 1)
    f1 = 2 * np.cumsum(true[order]) / (taken + true.sum())
    # A cut lies after the last of equal probabilities; equal fractions are equal floats, so ties are exact.
    cuts = np.append(np.flatnonzero(np.diff(falling)), len(values) - 1)
    above, below = falling[cuts], np.append(falling, 0.0)[cuts + 1]
    middle = (above + below) / 2
    candidates = np.where(middle > below, middle, above)  # no number fits between them: the upper one itself
    best = f1[cuts].max()
    reached = int((values >= default).sum())
    if reached and f1[reached - 1] == best:
        return default
    equals = candidates[f1[cuts] == best]
    return float(equals[np.abs(equals - default).argmin()])
