"""`check_data`: what is odd in the rows, with row numbers, before any time is spent on training."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kerasft.data.cells import first_cells, holds_answers, holds_lists, holds_spans, numbers, parse_json
from kerasft.data.columns import PROMPTS
from kerasft.data.dataset import Dataset, clean_label
from kerasft.data.labels import a_cell_of_several, split_labels
from kerasft.data.split import Split
from kerasft.data.splitting import measured, normalise, text_key
from kerasft.data.table import as_text
from kerasft.errors import name_rows, name_values

_SAMPLE = 20_000  # texts whose tokens are counted, cells that are looked into
_MISSING_WORDS = frozenset({"nan", "none", "null", "n/a", "na", "unknown", "-", "?", "#n/a", "undefined"})


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        code: Short stable name: `duplicate_texts`.
        severity: `problem` (the result will be wrong), `warning` (look at it), `note`.
        message: One sentence with counts.
        split: Which split.
        rows: The rows concerned, as a spreadsheet numbers them.
        hint: What to do, or empty.
    """

    code: str
    severity: str
    message: str
    split: str = ""
    rows: tuple[int, ...] = ()
    hint: str = ""


@dataclass(frozen=True)
class QualityReport:
    """What `check_data` found.

    Attributes:
        rows: Number of rows of each split.
        columns: Column of each role.
        labels: Rows of each label, by split.
        lengths: Quantiles of the text lengths of the training rows: `unit`, `median`, `p95`, `longest`, `cut_share`.
        findings: Gravest first.
    """

    rows: dict[str, int]
    columns: dict[str, str | None]
    labels: dict[str, dict[str, int]]
    lengths: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when there is no problem (warnings and notes do not count)."""
        return not any(finding.severity == "problem" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """The report as Markdown."""
        roles = ", ".join(f"{role}: {name!r}" for role, name in self.columns.items() if name)
        lines = ["# Data", "", f"{', '.join(f'{count:,} {name}' for name, count in self.rows.items())} rows; {roles}.", ""]
        if self.labels:
            splits = list(self.labels)
            lines += ["| label | " + " | ".join(splits) + " |", "|---" * (len(splits) + 1) + "|"]
            names = list(dict.fromkeys(label for counts in self.labels.values() for label in counts))
            for label in names[:50]:
                lines.append(f"| {_in_table(label)} | " + " | ".join(f"{self.labels[s].get(label, 0):,}" for s in splits) + " |")
            lines += [f"| and {len(names) - 50:,} more | |"] if len(names) > 50 else []
            lines.append("")
        if self.lengths:
            cut = (
                f"; {self.lengths['cut_share']:.1%} are cut at {self.lengths['max_length']}"
                if "cut_share" in self.lengths
                else ""
            )
            counted = " (of a sample)" if self.lengths.get("sampled") else ""
            lines += [
                f"Length in {self.lengths['unit']}{counted}: median {self.lengths['median']:,.0f}, "
                f"95 % up to {self.lengths['p95']:,.0f}, longest {self.lengths['longest']:,.0f}{cut}.",
                "",
            ]
        for finding in self.findings:
            where = f" ({name_rows(finding.rows)})" if finding.rows else ""
            hint = f" *{finding.hint}*" if finding.hint else ""
            lines.append(f"- **{finding.severity}**: {finding.message}{where}{hint}")
        if not self.findings:
            lines.append("Nothing odd was found.")
        return "\n".join(lines) + "\n"


def _in_table(label: str) -> str:
    """A label as a cell of a Markdown table: on one line, its bars not taken for borders."""
    return " ".join(label.split()).replace("|", "\\|")


def check_data(
    data: Dataset,
    task: Any = None,
    *,
    max_length: int | None = None,
    count_tokens: Callable[[list[str]], list[int]] | None = None,
) -> QualityReport:
    """Look for what spoils a model: empty, missing, duplicate, contradictory, leaked, rare, look-alike, cut.

    Args:
        data: The splits.
        task: Task the data are for; gives `max_length` when that is not given.
        max_length: Length beyond which texts are cut, in tokens.
        count_tokens: Counts tokens of texts (`token_counts.token_counter`); without it lengths are in words.

    Returns:
        The report; nothing is changed or left out.
    """
    if not max_length and not hasattr(task, "overlap"):  # a task that reads in windows cuts nothing
        max_length = getattr(task, "max_length", None)
    findings = [Finding(note.code, "note", note.message, rows=note.rows) for note in data.notes]
    counts: dict[str, dict[str, int]] = {}
    seen: dict[str, _Seen] = {}
    kind = _label_kind(data.splits.get("train") or next(iter(data.splits.values())))
    for name, split in data.splits.items():
        findings += _left_out(split, need_label=task is None or task.needs(split.columns))
        seen[name] = _Seen(split)
        findings += seen[name].findings(kind)
        if kind not in ("none", "texts"):
            counts[name] = _label_counts(split, kind)
    for name, counted in counts.items():
        findings += _labels(counted, counts.get("train", {}), name, kind)
    findings += _leaks(seen)
    prompts = (data.columns.text.lower(), str(data.columns.label).lower()) in PROMPTS
    also = ("text_pair", "label") if prompts else ("text_pair",)  # a completion is read with its prompt
    lengths, cut = _lengths(data, also, max_length, count_tokens)
    findings += cut
    order = {"problem": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: order[finding.severity])
    rows = {name: len(split) for name, split in data.splits.items()}
    return QualityReport(rows, asdict(data.columns), counts, lengths, findings)


def _left_out(split: Split, *, need_label: bool) -> Iterator[Finding]:
    _, notes = split.usable(need_label=need_label)
    for note in notes:
        share = len(note.rows) / max(1, len(split))
        yield Finding(note.code, "problem" if share > 0.5 else "warning", note.message, split.name, note.rows)


class _Seen:
    """Texts of one split by key: where each first stood, its duplicates, and those with two labels."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self.first: dict[bytes, int] = {}
        labels: dict[bytes, tuple[int, str]] = {}
        self.again: list[int] = []
        self.contradictions: dict[bytes, set[int]] = defaultdict(set)
        position = 0
        for texts, pairs, values in split.batches():
            for text, pair, value in zip(texts, pairs, values, strict=True):
                if normalise(text or ""):
                    self._add(text_key(text or "", pair), int(split.table.rows[position]), clean_label(value), labels)
                position += 1

    def _add(self, key: bytes, row: int, label: str | None, labels: dict[bytes, tuple[int, str]]) -> None:
        before = None if label is None else labels.setdefault(key, (row, label))
        if before and before[1] != label:
            self.contradictions[key] |= {before[0], row}
        elif key in self.first:
            self.again.append(row)
        self.first.setdefault(key, row)

    def findings(self, kind: str) -> Iterator[Finding]:
        name = self.split.name
        if self.again:
            message = f"{len(self.again):,} rows of {name} repeat an earlier text."
            yield Finding("duplicate_texts", "warning", message, name, tuple(self.again), "Equal texts count several times.")
        if self.contradictions and kind != "texts":
            rows = tuple(sorted(row for under in self.contradictions.values() for row in under))
            message = f"{len(self.contradictions):,} texts of {name} stand under two labels."
            yield Finding("contradictory_labels", "warning", message, name, rows, "At most one of the labels is right.")


def _leaks(seen: dict[str, _Seen]) -> Iterator[Finding]:
    train = seen.get("train")
    for name, other in seen.items():
        if train is None or name == "train":
            continue
        rows = tuple(row for key, row in other.first.items() if key in train.first)
        if rows:
            severity = "problem" if len(rows) > 0.05 * len(other.first) else "warning"
            message = f"{len(rows):,} texts of {name} are also in train, so its figures are too good."
            yield Finding("leak", severity, message, name, rows, f"Remove them from {name}.")


def _label_kind(split: Split) -> str:
    """What the label cells are: `none`, `classes`, `lists` of classes (JSON) or several `parted` by a sign, `tags` of
    tokens or spans, or `texts` (and numbers).
    """
    if split.columns.label is None:
        return "none"
    column = split.table.columns[split.columns.label]
    cells = first_cells(column)
    if holds_spans(cells) or split.has_tokens:
        return "tags"
    if holds_lists(cells):
        return "lists"
    if a_cell_of_several(first_cells(column, _SAMPLE), split.columns.label):
        return "parted"
    different = pc.unique(column).drop_null().to_pylist()
    if holds_answers(cells) or (len(different) > 20 and len(different) > len(split) / 2):
        return "texts"
    return "texts" if len(different) > 20 and measured(numbers(different)) else "classes"


def _label_counts(split: Split, kind: str) -> dict[str, int]:
    counted = pc.value_counts(split.table.columns[split.columns.label]).to_pylist()
    totals: Counter[str] = Counter()
    if kind == "parted":
        for item, labels in zip(counted, split_labels([item["values"] for item in counted], None)[0], strict=True):
            totals.update(dict.fromkeys(labels, item["counts"]))
        return dict(totals.most_common())
    for item in counted:
        cell = item["values"]
        parts = (parse_json(cell, list) or []) if kind in ("lists", "tags") else [cell]
        for part in parts:
            label = clean_label(as_text(part.get("label") if isinstance(part, dict) else part))
            if label is not None:
                totals[label] += item["counts"]
    return dict(totals.most_common())


def _labels(counts: dict[str, int], train: dict[str, int], name: str, kind: str) -> Iterator[Finding]:
    if name != "train":
        absent = [label for label in counts if train and label not in train]
        if absent:
            message = f"{len(absent)} labels of {name} are not in train: {name_values(absent)}."
            yield Finding("unseen_label", "problem", message, name, (), "Fix the spelling, or set drop_unknown.")
        return
    if len(counts) < 2 and kind == "classes":
        message = f"All training rows have the label {next(iter(counts))!r}." if counts else "No training row has a label."
        yield Finding("one_label", "problem", message, name, (), "There is nothing to tell apart: is it the right column?")
        return
    once = [label for label, count in counts.items() if count == 1]
    if once:
        message = f"{len(once)} labels occur only once: {name_values(once)}."
        yield Finding("rare_label", "warning", message, name, (), "Add examples, or merge them with another label.")
    for first, second in _look_alikes(list(counts)) if kind != "tags" else ():
        message = f"Labels {first!r} ({counts[first]:,} rows) and {second!r} ({counts[second]:,}) look alike."
        yield Finding("similar_labels", "warning", message, name, (), "If they mean the same, spell them the same.")
    missing = [label for label in counts if label.lower() in _MISSING_WORDS]
    if missing:
        message = f"Labels that look like a missing value: {name_values(missing)}."
        yield Finding(
            "missing_word", "warning", message, name, (), "They are learned as labels; empty the cells if they are none."
        )
    largest, smallest = max(counts.values(), default=0), min(counts.values(), default=0)
    if largest >= 10 * smallest and kind == "classes":
        message = f"The most frequent label has {largest / smallest:.0f} times the rows of the rarest."
        yield Finding("imbalance", "warning", message, name, (), "Set class_weights to balanced and look at macro F1.")


def _look_alikes(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs that differ in case, spaces or punctuation, or by one slip in a word of five letters and more."""
    if len(labels) > 300:
        return  # that many are codes, not words; comparing all pairs would only take time
    folded = ["".join(c for c in label.lower() if c.isalnum()) for label in labels]
    for i, first in enumerate(folded):
        for j in range(i):
            second = folded[j]
            if first and first == second:
                yield labels[j], labels[i]
            elif min(len(first), len(second)) >= 5 and not any(c.isdigit() for c in first + second):
                same_start = first[0] == second[0]
                if same_start and difflib.SequenceMatcher(None, first, second).ratio() > 0.88:
                    yield labels[j], labels[i]


def _lengths(
    data: Dataset, also: tuple[str, ...], max_length: int | None, count_tokens: Callable[[list[str]], list[int]] | None
) -> tuple[dict[str, Any], list[Finding]]:
    split = data.splits.get("train") or next(iter(data.splits.values()))
    sampled = len(split) > _SAMPLE
    if sampled:
        split = split.take(np.sort(np.random.default_rng(0).choice(len(split), _SAMPLE, replace=False)))
    firsts = split.cells("text")
    if split.has_tokens:
        firsts = [" ".join(map(str, parse_json(cell, list) or [])) for cell in firsts]
    texts = [" ".join(filter(None, parts)) for parts in zip(firsts, *map(split.cells, also), strict=True)]
    filled = [i for i, text in enumerate(texts) if text.strip()]
    if not filled:
        return {}, []
    texts = [texts[i] for i in filled]
    if count_tokens:
        specials = 2 if data.columns.text_pair is None else 3
        lengths = np.asarray(count_tokens(texts)) + specials
    else:
        lengths = np.asarray([len(text.split()) for text in texts])
    quantiles: dict[str, Any] = {
        "unit": "tokens" if count_tokens else "words",
        "median": float(np.median(lengths)),
        "p95": float(np.quantile(lengths, 0.95)),
        "longest": int(lengths.max()),
        "sampled": sampled,
        "histogram": _histogram(lengths),
    }
    findings = []
    if count_tokens and max_length:
        over = np.flatnonzero(lengths > max_length)
        quantiles |= {"max_length": max_length, "cut_share": len(over) / len(lengths)}
        if len(over):
            rows = tuple(int(split.table.rows[filled[i]]) for i in over)
            share = f"{len(over) / len(lengths):.1%}"
            message = f"{share} of the training texts are longer than {max_length} tokens and will be cut."
            severity = "warning" if len(over) > 0.05 * len(lengths) else "note"
            findings.append(Finding("cut", severity, message, "train", rows, "Raise max_length if the model takes more."))
    return quantiles, findings


def _histogram(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Up to 20 pairs of upper bound and count, up to the 99th percentile; the last holds the rest."""
    top = max(20, int(np.quantile(lengths, 0.99)))
    edges = np.unique(np.linspace(0, top, 21).astype(int))
    counts, _ = np.histogram(np.minimum(lengths, top), bins=edges)
    return [(int(edge), int(count)) for edge, count in zip(edges[1:], counts, strict=True)]
