"""The report of single-label rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerasft.evaluation import metrics
from kerasft.evaluation.report import WORST, Mistake, Report, mistakes


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
    probabilities = metrics.softmax(logits)
    predicted = probabilities.argmax(axis=1)
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
        worst=_worst(probabilities, targets, predicted, labels, split),
        notes=notes or [],
    )


def label_figures(targets: np.ndarray, predicted: np.ndarray, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """`precision`, `recall`, `f1` and `support` of each label."""
    table = precision_recall_fscore_support(targets, predicted, labels=np.arange(len(labels)), zero_division=0.0)
    names = ("precision", "recall", "f1", "support")
    return {label: {name: float(table[j][i]) for j, name in enumerate(names)} for i, label in enumerate(labels)}


def confusion(targets: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """(C, C) counts, rows are true classes; rows of the data with an unknown class (-1) are not counted."""
    known = targets >= 0
    if not known.any():  # scikit-learn refuses to count nothing
        return [[0] * classes for _ in range(classes)]
    counts: list[list[int]] = confusion_matrix(targets[known], predicted[known], labels=np.arange(classes)).tolist()
    return counts


def _worst(
    probabilities: np.ndarray, targets: np.ndarray, predicted: np.ndarray, labels: tuple[str, ...], split: Any
) -> list[Mistake]:
    wrong = np.flatnonzero(targets != predicted)
    sure = probabilities[wrong, predicted[wrong]]
    picked = wrong[np.argsort(-sure, kind="stable")][:WORST]
    given = [(label or "").strip() for label in split.take(picked).cells("label")]
    return mistakes(split, picked, given, [labels[i] for i in predicted[picked]], probabilities[picked, predicted[picked]])
