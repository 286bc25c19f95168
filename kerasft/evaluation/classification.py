"""The report of single-label rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerasft.evaluation import metrics
from kerasft.evaluation.report import WORST, Mistake, Report, mistakes

MOST_CLASSES = 100  # of which a report has the whole confusion matrix
MOST_CONFUSIONS = 200


def classification_report(
    logits: np.ndarray,
    targets: np.ndarray,
    labels: tuple[str, ...],
    *,
    split: Any,
    majority: int,
    notes: list[str] | None = None,
) -> Report:
    """Score a split of single-label rows.

    Args:
        logits: (N, C).
        targets: (N,) class numbers; -1 for a label the model has never seen, which counts as a mistake.
        labels: (C,) names.
        split: `data.dataset.Split` of the same N rows, for texts and row numbers.
        majority: Number of the most frequent label of the training rows.
        notes: Sentences on rows left out or cut.
    """
    predicted, shares = metrics.likeliest(logits)
    main = {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "weighted_f1": metrics.weighted_f1}
    figures = {name: metric(targets, predicted) for name, metric in main.items()}
    always = np.full_like(targets, majority)
    return Report(
        split=split.name,
        source=split.table.source,
        examples=len(targets),
        metrics={**figures, "loss": metrics.cross_entropy(logits, targets)},
        intervals=metrics.classification_intervals(targets, predicted),
        baseline={name: metric(targets, always) for name, metric in main.items()},
        labels=list(labels),
        per_label=label_figures(targets, predicted, labels),
        confusion=confusion(targets, predicted, len(labels)),
        confusions=largest_confusions(targets, predicted, labels),
        worst=_worst(shares, targets, predicted, labels, split),
        notes=notes or [],
    )


def label_figures(targets: np.ndarray, predicted: np.ndarray, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """`precision`, `recall`, `f1` and `support` of each label."""
    table = precision_recall_fscore_support(targets, predicted, labels=np.arange(len(labels)), zero_division=0.0)
    names = ("precision", "recall", "f1", "support")
    return {label: {name: float(table[j][i]) for j, name in enumerate(names)} for i, label in enumerate(labels)}


def confusion(targets: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """(C, C) counts, rows are true classes; rows of the data with an unknown class (-1) are not counted.

    Empty for more than `MOST_CLASSES` classes, where nearly all counts are 0: see `largest_confusions`.
    """
    if classes > MOST_CLASSES:
        return []
    known = targets >= 0
    if not known.any():  # scikit-learn refuses to count nothing
        return [[0] * classes for _ in range(classes)]
    counts: list[list[int]] = confusion_matrix(targets[known], predicted[known], labels=np.arange(classes)).tolist()
    return counts


def largest_confusions(targets: np.ndarray, predicted: np.ndarray, labels: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """True label, label it was taken for, and how often; the most frequent first, at most `MOST_CONFUSIONS`."""
    wrong = (targets >= 0) & (targets != predicted)
    if not wrong.any():
        return []
    pairs, counts = metrics.count_pairs(targets[wrong], predicted[wrong])
    largest = np.argsort(-counts, kind="stable")[:MOST_CONFUSIONS]
    return [(labels[pairs[0, i]], labels[pairs[1, i]], int(counts[i])) for i in largest]


def _worst(shares: np.ndarray, targets: np.ndarray, predicted: np.ndarray, labels: tuple[str, ...], split: Any) -> list[Mistake]:
    wrong = np.flatnonzero(targets != predicted)
    sure = shares[wrong]
    picked = wrong[np.argsort(-sure, kind="stable")][:WORST]
    given = [(label or "").strip() for label in split.take(picked).cells("label")]
    return mistakes(split, picked, given, [labels[i] for i in predicted[picked]], shares[picked])
