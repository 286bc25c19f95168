"""Metrics of classification, with a bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from sklearn.metrics import f1_score

from kerasft.large_arrays import row_blocks


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, C) logits -> (N, C) float64 probabilities; rows sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def most_likely(logits: np.ndarray) -> np.ndarray:
    """(N, C) logits -> (N,) numbers of the likeliest classes."""
    found = [block.argmax(axis=1) for block in row_blocks(logits)]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def likeliest(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) logits -> (N,) numbers of the likeliest classes, and (N,) float64 probabilities of these."""
    found = [(block.argmax(axis=1), softmax(block).max(axis=1)) for block in row_blocks(logits)]
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate([classes for classes, _ in found]), np.concatenate([shares for _, shares in found])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits -> float64 probabilities, each by itself; large logits of either sign do not overflow."""
    positive = np.exp(-np.abs(logits.astype(np.float64)))
    return np.where(logits >= 0, 1 / (1 + positive), positive / (1 + positive))


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean negative log-likelihood in nats; rows whose target is -1 (unknown) are not counted."""
    losses, begins = [], 0
    for block in row_blocks(logits):
        wanted = targets[begins : begins + len(block)]
        begins += len(block)
        known = np.flatnonzero(wanted >= 0)
        losses.append(-np.log(np.maximum(softmax(block[known])[np.arange(len(known)), wanted[known]], 1e-300)))
    every = np.concatenate(losses) if losses else np.zeros(0)
    return float(every.mean()) if len(every) else float("nan")


def accuracy(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Share of rows predicted rightly."""
    return float((targets == predicted).mean())


def macro_f1(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of the classes' F1, each class counting the same; over the classes that occur in either array."""
    return float(f1_score(targets, predicted, average="macro", zero_division=0.0))


def weighted_f1(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of the classes' F1, weighted by how many rows each class has."""
    return float(f1_score(targets, predicted, average="weighted", zero_division=0.0))


def count_pairs(targets: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2, P) pairs of true and predicted class that occur, in order, and (P,) how often."""
    least = int(min(targets.min(), predicted.min()))
    width = int(max(targets.max(), predicted.max())) - least + 1
    codes, counts = np.unique(
        (targets.astype(np.int64) - least) * width + (predicted.astype(np.int64) - least), return_counts=True
    )
    return np.stack([codes // width, codes % width]) + least, counts


def count_figures(targets: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """`accuracy`, `macro_f1` and `weighted_f1` of pairs of true and predicted classes that occur so often.

    Args:
        targets: (P,) class numbers, from 0.
        predicted: (P,) class numbers.
        counts: (P,) how often each pair occurs.
    """
    classes = 1 + int(max(targets.max(), predicted.max()))
    right = targets == predicted
    hits = np.bincount(targets[right], counts[right], classes)
    support, called = np.bincount(targets, counts, classes), np.bincount(predicted, counts, classes)
    occurs = support + called > 0
    f1 = 2 * hits[occurs] / (support + called)[occurs]
    rows = counts.sum()
    return {
        "accuracy": float(hits.sum() / rows),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float((f1 * support[occurs]).sum() / rows),
    }


def classification_intervals(
    targets: np.ndarray, predicted: np.ndarray, *, resamples: int = 500, confidence: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Intervals of the figures of `count_figures`; the time does not depend on the number of rows.

    Accuracy has Wilson's, the others the percentile bootstrap's: to draw rows with replacement is to draw how often each pair of
    true and predicted class occurs (a multinomial).

    Args:
        targets: (N,) class numbers; any negative one is a class of its own.
        predicted: (N,) class numbers.
        resamples: How often rows are drawn.
        confidence: Share of resampled figures inside the interval.
        seed: Same seed, same intervals.
    """
    pairs, counts = count_pairs(targets, predicted)
    numbers = np.unique(pairs, return_inverse=True)[1].reshape(2, -1)
    draws = np.random.default_rng(seed).multinomial(len(targets), counts / len(targets), resamples)
    figures = [count_figures(numbers[0], numbers[1], drawn) for drawn in draws]
    found = {name: _percentiles([figure[name] for figure in figures], confidence) for name in figures[0]}
    return found | {"accuracy": wilson_interval(int((targets == predicted).sum()), len(targets), confidence=confidence)}


def wilson_interval(right: int, rows: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927): it holds where few rows, or all of them, are right.

    Args:
        right: Rows that are right.
        rows: Of how many, at least one.
        confidence: In how many of a hundred samples the true share lies inside.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = right / rows, z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + (spread / 2) ** 2) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(
    metric: Callable[[np.ndarray, np.ndarray], float],
    targets: np.ndarray,
    predicted: np.ndarray,
    *,
    resamples: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron & Tibshirani 1993): rows are drawn with replacement.

    Args:
        metric: From targets and predictions to a figure.
        targets: (N,) class numbers.
        predicted: (N,) class numbers.
        resamples: How often rows are drawn.
        confidence: Share of resampled figures inside the interval.
        seed: Same seed, same interval.
    """
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(targets), len(targets)) for _ in range(resamples))
    figures = [metric(targets[rows], predicted[rows]) for rows in draws]
    return _percentiles(figures, confidence)


def mean_interval(values: np.ndarray, *, resamples: int = 500, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
    return _percentiles(means, 0.95)


def _percentiles(figures: list[float], confidence: float) -> tuple[float, float]:
    """The middle part of some figures that holds such a share of them; nan where most have no value, or where all are the same.

    Rows drawn with replacement may all be alike, of which a correlation, for one, has no value. And where every row is right
    every draw is, too: that says nothing of how far the figure can be trusted.
    """
    known = [figure for figure in figures if not np.isnan(figure)]
    if 2 * len(known) < len(figures) or min(known) == max(known):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
