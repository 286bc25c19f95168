"""`Report`: what `evaluate` gives, as an object, Markdown and JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.files import write_text

WORST = 25  # mistakes a report holds
SHOWN = 2000  # characters of a mistake's text
_LARGEST_MATRIX = 30  # labels of a confusion matrix in Markdown
_MARKS = re.compile(r"[\\`*\[<|&]|~(?=~)")  # what begins something in CommonMark and its tables
_MOST_LABELS = 100  # rows of the table of labels in Markdown


@dataclass(frozen=True)
class Mistake:
    """A row the model got wrong, with how sure it was.

    Attributes:
        row: Its number in the file.
        text: Its text, or the part of a long one in which the mistake is.
        label: What was right.
        predicted: What the model said.
        score: How sure it was, or how far off.
        text_pair: The second text.
        label_span: Characters of `text` that the right label is about, for tags of words: first, and one past the last.
        predicted_span: Characters of `text` that the model's tag is about.
    """

    row: int
    text: str
    label: str
    predicted: str
    score: float
    text_pair: str | None = None
    label_span: tuple[int, int] | None = None
    predicted_span: tuple[int, int] | None = None


def mistakes(
    split: Any, rows: Sequence[Any] | np.ndarray, labels: Iterable[str], predicted: Iterable[str], scores: Iterable[float]
) -> list[Mistake]:
    """Rows of a split as mistakes, in the order given; labels, answers and scores are those of these rows.

    Args:
        split: The `Split` that was evaluated.
        rows: Places in the split.
        labels: What was right.
        predicted: What the model said.
        scores: How sure it was, or how far off.
    """
    part = split.take(np.asarray(rows, dtype=np.int64))
    numbers, texts, pairs = part.table.rows, part.cells("text"), part.cells("text_pair")
    values = zip(numbers, texts, labels, predicted, scores, pairs, strict=True)
    return [
        Mistake(int(number), (text or "")[:SHOWN], right[:SHOWN], said[:SHOWN], float(score), pair and pair[:SHOWN])
        for number, text, right, said, score, pair in values
    ]


def _mistake(values: dict[str, Any]) -> Mistake:
    spans = {name: tuple(values[name]) for name in ("label_span", "predicted_span") if values.get(name)}
    return Mistake(**{**values, **spans})


def samples(split: Any, most: int = 6) -> list[tuple[str, str | None]]:
    """Texts and second texts of a few rows of a split, evenly spaced; rows too long to be shown whole are passed over."""
    places = np.unique(np.linspace(0, len(split) - 1, 4 * most).astype(np.int64))
    part = split.take(places)
    rows = [(text or "", pair) for text, pair in zip(part.cells("text"), part.cells("text_pair"), strict=True)]
    short = [row for row in dict.fromkeys(rows) if row[0].strip() and len(row[0]) + len(row[1] or "") <= SHOWN]
    return [short[i] for i in sorted({int(place) for place in np.linspace(0, len(short) - 1, most)})] if short else []


@dataclass(frozen=True, kw_only=True)
class Report:
    """Evaluation of one split.

    Attributes:
        split: Name of the split.
        source: File the rows came from.
        examples: Rows scored.
        metrics: Figures by name; see `docs/metrics.md` for what each means and its unit.
        intervals: 95 % bootstrap interval of the main figures.
        baseline: The same figures for an answer that needs no model, described by `baseline_is`.
        baseline_is: What that answer is, such as "always the most frequent label".
        labels: Class names, in the order of the confusion matrix.
        per_label: `precision`, `recall`, `f1`, `support` of each label, and `threshold` where there is one.
        confusion: (C, C) counts, rows are true labels, columns predictions; empty where a row has several labels, and for more
            than a hundred labels.
        confusions: The most frequent confusions: true label, label it was taken for, and how often.
        worst: The gravest mistakes, gravest first.
        points: Pairs of true and predicted number, at most a thousand, for a scatter plot.
        curves: Points (recall, precision) by label.
        samples: Texts (and second texts) of a few of the rows, evenly spaced, for a first try of the model.
        groups: Figures of each group of rows, and `rows`, when the rows were divided by a column.
        notes: Rows left out or cut, with counts.
    """

    split: str
    source: str
    examples: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    baseline_is: str = "always the most frequent label"
    labels: list[str] = field(default_factory=list)
    per_label: dict[str, dict[str, float]] = field(default_factory=dict)
    confusion: list[list[int]] = field(default_factory=list)
    confusions: list[tuple[str, str, int]] = field(default_factory=list)
    worst: list[Mistake] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    samples: list[tuple[str, str | None]] = field(default_factory=list)
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a figure that has no value (nan) is left out."""
        plain = asdict(self)
        plain["metrics"] = {name: value for name, value in self.metrics.items() if not math.isnan(value)}
        plain["intervals"] = {name: limits for name, limits in self.intervals.items() if not any(map(math.isnan, limits))}
        plain["baseline"] = {name: value for name, value in self.baseline.items() if not math.isnan(value)}
        plain["groups"] = {
            group: {name: value for name, value in figures.items() if not math.isnan(value)}
            for group, figures in self.groups.items()
        }
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Report:
        """The report `to_dict` described."""
        worst = [_mistake(mistake) for mistake in values["worst"]]
        samples = [(text, pair) for text, pair in values.get("samples", [])]
        intervals = {name: (low, high) for name, (low, high) in values["intervals"].items()}
        points = [(gold, found) for gold, found in values.get("points", [])]
        curves = {label: [(r, p) for r, p in curve] for label, curve in values.get("curves", {}).items()}
        confusions = [(label, taken_for, count) for label, taken_for, count in values.get("confusions", [])]
        read = {"worst": worst, "intervals": intervals, "points": points, "curves": curves, "confusions": confusions}
        return cls(**{**values, **read, "samples": samples})

    @property
    def frequent_labels(self) -> dict[str, dict[str, float]]:
        """`per_label` of the labels with most rows, as many as a person reads: a hundred, in their order."""
        if len(self.per_label) <= _MOST_LABELS:
            return self.per_label
        kept = set(sorted(self.per_label, key=lambda label: -self.per_label[label].get("support", 0.0))[:_MOST_LABELS])
        return {label: figures for label, figures in self.per_label.items() if label in kept}

    def __str__(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """The report as Markdown tables."""
        lines = [f"## {self.split}: {self.examples:,} rows of {as_text(self.source)}", ""]
        lines += [f"| figure | model | 95 % interval | {self.baseline_is} |", "|---|---|---|---|"]
        for name, value in self.metrics.items():
            if math.isnan(value):
                continue
            low_high = self.intervals.get(name, (math.nan, math.nan))
            interval = "" if math.isnan(low_high[0]) else f"{low_high[0]:.3f} to {low_high[1]:.3f}"
            known = not math.isnan(self.baseline.get(name, math.nan))
            base = f"{self.baseline[name]:.3f}" if known else ""
            lines.append(f"| {name} | {value:.3f} | {interval} | {base} |")
        lines += self._group_lines() + self._label_lines() + self._confusion_lines() + self._worst_lines()
        if self.notes:
            lines += ["", *(f"- {as_text(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def _group_lines(self) -> list[str]:
        if not self.groups:
            return []
        names = [name for name in next(iter(self.groups.values())) if name != "rows"]
        lines = ["", "| group | rows | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
        for group, figures in self.groups.items():
            cells = " | ".join(f"{figures[name]:.3f}" if name in figures else "" for name in names)
            lines.append(f"| {_cell(group)} | {int(figures['rows']):,} | {cells} |")
        return lines

    def _label_lines(self) -> list[str]:
        if not self.per_label:
            return []
        names = [name for name in next(iter(self.per_label.values())) if name != "support"]
        lines = ["", "| label | " + " | ".join(names) + " | rows |", "|---" * (len(names) + 2) + "|"]
        for label, figures in self.frequent_labels.items():
            cells = " | ".join(f"{figures[name]:.3f}" for name in names)
            lines.append(f"| {_cell(label)} | {cells} | {int(figures['support']):,} |")
        if len(self.frequent_labels) < len(self.per_label):
            lines += ["", f"These are the {_MOST_LABELS} labels with most rows; all {len(self.per_label):,} are in report.json."]
        return lines

    def _confusion_lines(self) -> list[str]:
        if len(self.labels) > _LARGEST_MATRIX and self.confusions:
            lines = ["", "The most frequent confusions:", "", "| label | taken for | rows |", "|---|---|---|"]
            return lines + [f"| {_cell(label)} | {_cell(said)} | {count:,} |" for label, said, count in self.confusions[:20]]
        if not self.confusion or len(self.labels) > _LARGEST_MATRIX:
            return []
        lines = ["", "Rows are true labels, columns predictions:", ""]
        lines.append("| | " + " | ".join(_cell(label) for label in self.labels) + " |")
        lines.append("|---" * (len(self.labels) + 1) + "|")
        for label, counts in zip(self.labels, self.confusion, strict=True):
            lines.append(f"| **{_cell(label)}** | " + " | ".join(f"{count:,}" for count in counts) + " |")
        return lines

    def _worst_lines(self) -> list[str]:
        if not self.worst:
            return []
        lines = ["", "The gravest mistakes (a wrong label in the data is often among them):", ""]
        lines += ["| row | label | predicted | score | text |", "|---|---|---|---|---|"]
        for m in self.worst[:10]:
            text = _cell(m.text if m.text_pair is None else f"{m.text} / {m.text_pair}", most=160)
            lines.append(f"| {m.row} | {_cell(m.label)} | {_cell(m.predicted)} | {m.score:.2f} | {text} |")
        return lines


def _cell(text: str, *, most: int = 60) -> str:
    flat = " ".join(text.split())
    return as_text(flat if len(flat) <= most else flat[: most - 1] + "…")


def as_text(text: object) -> str:
    """Words of others in Markdown, shown as they are: no link, picture, code, emphasis or HTML, and no end of a table's cell."""
    return _MARKS.sub(r"\\\g<0>", str(text))


def save_reports(reports: dict[str, Report], folder: Path) -> None:
    """Write `report.json` and `report.md` of all splits into a run's folder."""
    plain = {name: report.to_dict() for name, report in reports.items()}
    write_text(folder / "report.json", json.dumps(plain, indent=1, ensure_ascii=False))
    text = "# Report\n\n" + "\n".join(report.to_markdown() for report in reports.values())
    write_text(folder / "report.md", text)


def load_reports(folder: Path) -> dict[str, Report]:
    """The reports of a run's folder by split; empty when there are none yet."""
    path = folder / "report.json"
    if not path.exists():
        return {}
    return {name: Report.from_dict(values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
