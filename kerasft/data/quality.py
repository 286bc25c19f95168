"""`check_data`: report what is unusual in the data, with row numbers, before any time is spent on training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kerasft.data.cells import parse_json
from kerasft.data.checked_columns import unread_texts
from kerasft.data.columns import PROMPTS
from kerasft.data.data_config import LEAST_FOR_FOLDS
from kerasft.data.dataset import Dataset
from kerasft.data.findings import Finding
from kerasft.data.label_findings import annotator_columns, label_counts, label_findings, label_kind
from kerasft.data.label_spelling import clean_label, label_key
from kerasft.data.split import Split
from kerasft.data.splitting import normalise, text_key
from kerasft.data.suspicious_cells import suspicious_cells
from kerasft.errors import are, count_of, name_rows, name_values

_FEW_HELD_OUT = 30  # rows; the 95 % interval of an accuracy is then 18 points to either side
_SAMPLE = 20_000  # texts whose tokens are counted


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
            lines.append("Nothing unusual was found.")
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
    kind = label_kind(data.splits.get("train") or next(iter(data.splits.values())))
    for name, split in data.splits.items():
        findings += _left_out(split, need_label=task is None or task.needs(split.columns))
        seen[name] = _Seen(split)
        findings += seen[name].findings(kind)
        findings += suspicious_cells(split, kind)
        if kind not in ("none", "texts"):
            counts[name] = label_counts(split, kind)
    for name, counted in counts.items():
        findings += label_findings(counted, counts.get("train", {}), data[name], kind)
    findings += _few_held_out(data)
    findings += _leaks(seen)
    first = data.splits.get("train") or next(iter(data.splits.values()))
    findings += _constant_text(first)
    findings += _unused_columns(first)
    prompts = (data.columns.text.lower(), str(data.columns.label).lower()) in PROMPTS
    also = ("text_pair", "label") if prompts else ("text_pair",)  # a completion is read with its prompt
    lengths, cut = _lengths(data, also, max_length, count_tokens)
    findings += cut
    order = {"problem": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: order[finding.severity])
    rows = {name: len(split) for name, split in data.splits.items()}
    return QualityReport(rows, asdict(data.columns), counts, lengths, findings)


def _few_held_out(data: Dataset) -> Iterator[Finding]:
    """Report a validation split on which hardly anything can be told apart."""
    rows = len(data.splits.get("validation", ()))
    open_split = data.columns.label is not None and data.config.validation is None
    if not rows and open_split and "train" in data and (known := data["train"].labelled) >= LEAST_FOR_FOLDS:
        message = (
            f"{count_of(known, 'row')} {are(known)} too few to set some aside: a run learns from all of them, and its figures "
            "come from cross-validation, which trains it five more times."
        )
        hint = "For one training only, set rows aside: validation=0.2 (--data.validation 0.2)."
        yield Finding("cross_validation", "note", message, "train", (), hint)
    if not 0 < rows < _FEW_HELD_OUT:
        return
    message = (
        f"There {are(rows)} {count_of(rows, 'validation row')}: each is {100 / rows:.0f} points of a figure, which then says "
        "little, and the epoch that is best on them may not be the best."
    )
    hint = "Set more rows aside: validation=0.3 (--data.validation 0.3), or give labelled rows of their own."
    yield Finding("few_validation_rows", "warning", message, "validation", (), hint)


def _constant_text(split: Split) -> Iterator[Finding]:
    """Report a text column that tells the rows apart in nothing, such as the number of a survey's question."""
    values = pc.unique(split.table.columns[split.columns.text].slice(0, _SAMPLE))
    if len(split) > 2 and len(values) == 1 and (values[0].as_py() or "").strip() and split.columns.text_pair is None:
        message = f"Column {split.columns.text!r} says {str(values[0])[:60]!r} in every row, so nothing can be learned from it."
        hint = "Name the column of the texts: text='...' (--data.text)."
        yield Finding("constant_text", "problem", message, split.name, (), hint)


def _unused_columns(split: Split) -> Iterator[Finding]:
    """Report columns that are not read but may belong to the example, and columns of several annotators."""
    if unread := unread_texts(split.table, split.columns):
        message = f"Columns that hold texts and are not read: {name_values(unread)}."
        hint = "If they belong to the text, join them into one column, or name one as the second text."
        yield Finding("unread_columns", "note", message, split.name, (), hint)
    if annotators := annotator_columns(split):
        read = f"only column {split.columns.label!r} is read" if split.columns.label else "none of them is read"
        message = f"Columns that look like labels of several annotators: {name_values(annotators)}; {read}."
        hint = "Add a column with the label that most annotators gave, or name another column as the label."
        yield Finding("annotator_columns", "warning", message, split.name, (), hint)


def _left_out(split: Split, *, need_label: bool) -> Iterator[Finding]:
    if need_label and split.is_unlabelled_test:
        yield Finding("no_test_labels", "note", "The test rows have no labels, so they are not scored.", split.name)
        need_label = False
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
                    label = clean_label(value)
                    key = label and label_key(label)
                    self._add(text_key(text or "", pair), int(split.table.rows[position]), key, labels)
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
            count = len(self.again)
            begins = f"1 row of {name} repeats" if count == 1 else f"{count:,} rows of {name} repeat"
            message = f"{begins} an earlier text."
            yield Finding(
                "duplicate_texts",
                "warning",
                message,
                name,
                tuple(self.again),
                "Repeated texts count more than once in training and in the figures.",
            )
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
