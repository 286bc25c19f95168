"""`Report`: what `evaluate` gives, as an object, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerasft.evaluation import metrics

_WORST = 25
_INTERVAL_ROWS = 200_000  # beyond that the interval is narrower than anybody reads, and the bootstrap slow


@dataclass(frozen=True)
class Mistake:
    """A row the model got wrong, with how sure it was."""

    row: int
    text: str
    label: str
    predicted: str
    score: float
    text_pair: str | None = None


@dataclass(frozen=True)
class Report:
    """Evaluation of one split.

    Attributes:
        split: Name of the split.
        source: File the rows came from.
        examples: Rows scored.
        metrics: Figures by name, 0 to 1 except `loss` (nats).
        intervals: 95 % bootstrap interval of the main figures.
        baseline: The same figures for always answering the most frequent label of the training rows.
        labels: Class names, in the order of the confusion matrix.
        per_label: `precision`, `recall`, `f1`, `support` of each label.
        confusion: (C, C) counts, rows are true labels, columns predictions.
        worst: The surest mistakes, surest first.
        notes: Rows left out or cut, with counts.
    """

    split: str
    source: str
    examples: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    baseline: dict[str, float]
    labels: list[str]
    per_label: dict[str, dict[str, float]]
    confusion: list[list[int]]
    worst: list[Mistake]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Report:
        """The report `to_dict` described."""
        worst = [Mistake(**mistake) for mistake in values["worst"]]
        intervals = {name: (low, high) for name, (low, high) in values["intervals"].items()}
        return cls(**{**values, "worst": worst, "intervals": intervals})

    def __str__(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """The report as Markdown tables."""
        lines = [f"## {self.split}: {self.examples:,} rows of {self.source}", ""]
        lines += ["| figure | model | 95 % interval | always the most frequent label |", "|---|---|---|---|"]
        for name, value in self.metrics.items():
            low_high = self.intervals.get(name)
            interval = f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else ""
            base = f"{self.baseline[name]:.3f}" if name in self.baseline else ""
            lines.append(f"| {name} | {value:.3f} | {interval} | {base} |")
        lines += ["", "| label | precision | recall | F1 | rows |", "|---|---|---|---|---|"]
        for label, figures in self.per_label.items():
            cells = " | ".join(f"{figures[name]:.3f}" for name in ("precision", "recall", "f1"))
            lines.append(f"| {_cell(label)} | {cells} | {int(figures['support']):,} |")
        if len(self.labels) <= 30:
            lines += ["", "Rows are true labels, columns predictions:", ""]
            lines.append("| | " + " | ".join(_cell(label) for label in self.labels) + " |")
            lines.append("|---" * (len(self.labels) + 1) + "|")
            for label, counts in zip(self.labels, self.confusion, strict=True):
                lines.append(f"| **{_cell(label)}** | " + " | ".join(f"{count:,}" for count in counts) + " |")
        if self.worst:
            lines += ["", "The surest mistakes (a wrong label in the data is often among them):", ""]
            lines += ["| row | label | predicted | score | text |", "|---|---|---|---|---|"]
            for m in self.worst[:10]:
                text = _cell(m.text if m.text_pair is None else f"{m.text} / {m.text_pair}", most=160)
                lines.append(f"| {m.row} | {_cell(m.label)} | {_cell(m.predicted)} | {m.score:.2f} | {text} |")
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"


def _cell(text: str, *, most: int = 60) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= most else flat[: most - 1] + "…"


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
    sampled = targets if len(targets) <= _INTERVAL_ROWS else targets[:0]
    intervals = {name: metrics.bootstrap_interval(main[name], targets, predicted) for name in main if len(sampled)}
    classes = np.arange(len(labels))
    table = precision_recall_fscore_support(targets, predicted, labels=classes, zero_division=0.0)
    names = ("precision", "recall", "f1", "support")
    return Report(
        split=split.name,
        source=split.table.source,
        examples=len(targets),
        metrics={**figures, "loss": metrics.cross_entropy(logits, targets)},
        intervals=intervals,
        baseline={name: metric(targets, always) for name, metric in main.items()},
        labels=list(labels),
        per_label={label: {n: float(table[j][i]) for j, n in enumerate(names)} for i, label in enumerate(labels)},
        confusion=_confusion(targets, predicted, len(labels)),
        worst=_worst(probabilities, targets, predicted, labels, split),
        notes=notes or [],
    )


def _confusion(targets: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
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
    picked = wrong[np.argsort(-sure, kind="stable")][:_WORST]
    part = split.take(picked)
    texts, pairs, given = part.cells("text"), part.cells("text_pair"), part.cells("label")
    return [
        Mistake(
            row=int(part.table.rows[i]),
            text=texts[i] or "",
            label=(given[i] or "").strip(),
            predicted=labels[predicted[row]],
            score=float(probabilities[row, predicted[row]]),
            text_pair=pairs[i],
        )
        for i, row in enumerate(picked)
    ]


def save_reports(reports: dict[str, Report], folder: Path) -> None:
    """Write `report.json` and `report.md` of all splits into a run's folder."""
    plain = {name: report.to_dict() for name, report in reports.items()}
    (folder / "report.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False), encoding="utf-8")
    text = "# Report\n\n" + "\n".join(report.to_markdown() for report in reports.values())
    (folder / "report.md").write_text(text, encoding="utf-8")


def load_reports(folder: Path) -> dict[str, Report]:
    """The reports of a run's folder by split; empty when there are none yet."""
    path = folder / "report.json"
    if not path.exists():
        return {}
    return {name: Report.from_dict(values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
