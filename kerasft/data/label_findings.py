"""What is unusual in labels: several spellings, words for nothing, rare, unbalanced, unknown, alike, of several annotators."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cell_kinds import is_missing
from kerasft.data.cells import first_cells, holds_answers, holds_lists, holds_spans, numbers, parse_json
from kerasft.data.columns import ANNOTATOR_NAME, few_values, plain_name
from kerasft.data.findings import Finding
from kerasft.data.label_spelling import clean_label, label_key, merged_spellings, one_spelling
from kerasft.data.labels import a_cell_of_several, split_labels
from kerasft.data.split import Split
from kerasft.data.splitting import measured
from kerasft.data.table import as_text
from kerasft.errors import name_values

_SAMPLE = 20_000  # cells that are looked into
_RARER = 0.5  # of the rarest other label: -1 is then no class but says that there is no label


def label_kind(split: Split) -> str:
    """What the label cells are: `none`, `classes`, `lists` of classes (JSON) or several `parted` by a sign, `tags` of
    tokens or spans, or `texts` (and numbers).
    """
    if split.columns.label is None:
        return "none"
    column = split.table.columns[split.columns.label]
    cells = first_cells(column)
    if holds_spans(cells) or split.has_tokens:
        return "tags"
    if holds_lists(cells) and not all(len(parse_json(cell, list) or ()) == 1 for cell in cells):
        return "lists"
    if a_cell_of_several(first_cells(column, _SAMPLE), split.columns.label):
        return "parted"
    different = pc.unique(column).drop_null().to_pylist()
    if holds_answers(cells) or (len(different) > 20 and len(different) > len(split) / 2):
        return "texts"
    return "texts" if len(different) > 20 and measured(numbers(different)) else "classes"


def label_counts(split: Split, kind: str) -> dict[str, int]:
    """How many rows each label has, the most frequent first; labels that mean the same are counted together."""
    counted = pc.value_counts(split.table.columns[split.columns.label]).to_pylist()
    totals: Counter[str] = Counter()
    if kind == "parted":
        for item, labels in zip(counted, split_labels([item["values"] for item in counted], None)[0], strict=True):
            totals.update(dict.fromkeys(labels, item["counts"]))
    else:
        for item in counted:
            cell = item["values"]
            parts = (parse_json(cell, list) or []) if kind in ("lists", "tags") else [cell]
            for part in parts:
                label = clean_label(as_text(part.get("label") if isinstance(part, dict) else part))
                if label is not None:
                    totals[label] += item["counts"]
    if kind == "tags":
        return dict(totals.most_common())
    names = one_spelling(totals)
    together: Counter[str] = Counter()
    for label, count in totals.items():
        together[names[label]] += count
    return dict(together.most_common())


def label_findings(counts: dict[str, int], train: dict[str, int], split: Split, kind: str) -> Iterator[Finding]:
    """What is unusual in the labels of one split.

    Args:
        counts: Rows of each of its labels.
        train: Rows of each label of the training split.
        split: Which.
        kind: Of `label_kind`.
    """
    name = split.name
    yield from _no_label_number(counts, train, split, kind)
    if name != "train":
        known = {label_key(label) for label in train}
        absent = [label for label in counts if train and label_key(label) not in known]
        if absent:
            message = f"{len(absent)} labels of {name} are not in train: {name_values(absent)}."
            yield Finding("unseen_label", "problem", message, name, (), "Fix the spelling, or set drop_unknown.")
        return
    if len(counts) < 2 and kind == "classes":
        message = f"All training rows have the label {next(iter(counts))!r}." if counts else "No training row has a label."
        yield Finding("one_label", "problem", message, name, (), "There is nothing to tell apart: is it the right column?")
        return
    if kind == "classes":
        yield from _spellings(split)
    if kind == "lists":
        yield from _votes_and_shares(split)
    once = [label for label, count in counts.items() if count == 1]
    if once:
        message = f"{len(once)} labels occur only once: {name_values(once)}."
        yield Finding("rare_label", "warning", message, name, (), "Add examples, or merge them with another label.")
    for first, second in _look_alikes(list(counts)) if kind != "tags" else ():
        message = f"Labels {first!r} ({counts[first]:,} rows) and {second!r} ({counts[second]:,}) look alike."
        yield Finding("similar_labels", "warning", message, name, (), "If they mean the same, spell them the same.")
    missing = [label for label in counts if is_missing(label)]
    if missing == ["-"] and set(counts) <= {"+", "-", "0", "="}:
        missing = []  # plus and minus
    if missing:
        message = f"Labels that look like a missing value or an error: {name_values(missing)}."
        hint = "They are learned as labels; empty the cells if they are none."
        yield Finding("missing_word", "warning", message, name, _rows(split, missing) if kind == "classes" else (), hint)
    largest, smallest = max(counts.values(), default=0), min(counts.values(), default=0)
    if largest >= 10 * smallest and kind == "classes":
        message = f"The most frequent label has {largest / smallest:.0f} times the rows of the rarest."
        yield Finding("imbalance", "warning", message, name, (), "Set class_weights to balanced and look at macro F1.")


def _spellings(split: Split) -> Iterator[Finding]:
    """Labels that are written in several ways and are one class."""
    cells = pc.unique(split.table.columns[split.columns.label]).to_pylist()
    labels = {label for cell in cells if (label := clean_label(cell))}
    for name, spellings in sorted(merged_spellings(labels).items()):
        message = f"Label {name!r} is written in {len(spellings)} ways, {name_values(spellings)}, which are read as one class."
        yield Finding("same_label", "note", message, split.name, _rows(split, set(spellings) - {name}))
    hidden: dict[str, set[str]] = {}
    for cell in cells:
        if cell and (label := clean_label(cell)) and cell.strip() != label and not cell.lstrip().startswith("["):
            hidden.setdefault(label, set()).add(cell.strip())
    for label, written in sorted(hidden.items()):
        rows = _rows(split, [label], exactly=written)
        message = f"Label {label!r} is also written with signs that look the same or do not show; read as one class."
        yield Finding("same_label", "note", message, split.name, rows)


def _votes_and_shares(split: Split) -> Iterator[Finding]:
    """Lists that hold no several labels of a row: what each of several annotators said, or a probability for each class."""
    name = split.columns.label
    lists = [parse_json(cell, list) or [] for cell in first_cells(split.table.columns[name])]
    floats = [items for items in lists if len(items) > 1 and all(type(item) in (int, float) for item in items)]
    if lists and len(floats) == len(lists) and len({len(items) for items in lists}) == 1:
        if all(abs(sum(items) - 1) < 0.02 and min(items) >= 0 for items in floats):
            message = f"Column {name!r} holds probabilities, one for each class, and they are read as labels."
            hint = "Write the class with the largest one into a column of its own, and name it as the label."
            yield Finding("soft_labels", "warning", message, split.name, (), hint)
        return
    repeated = sum(len({str(item) for item in items}) < len(items) for items in lists)
    if repeated >= 0.2 * len(lists) and len({len(items) for items in lists}) == 1:
        message = (
            f"Column {name!r} names a label more than once in a row, as the votes of several annotators do; each is read once."
        )
        hint = "Make one column of the labels that most of them gave, and name it as the label."
        yield Finding("votes", "warning", message, split.name, (), hint)


def _no_label_number(counts: dict[str, int], train: dict[str, int], split: Split, kind: str) -> Iterator[Finding]:
    """-1 beside class numbers from 0 on, where it is clearly rarer than they are, or in no training row."""
    marks = [label for label in counts if label_key(label) == "-1"]
    others = [label_key(label) for label in (*train, *counts) if label_key(label) != "-1"]
    if kind != "classes" or not marks or not others or not all(other.isdigit() for other in others):
        return
    count = sum(counts[mark] for mark in marks)
    rest = [number for label, number in counts.items() if label not in marks]
    elsewhere = split.name != "train" and bool(train) and not any(label_key(label) == "-1" for label in train)
    if elsewhere or (rest and count <= _RARER * min(rest)):
        message = (
            f"Label -1 stands beside class numbers in {count:,} rows of {split.name}; it usually means that there is no label."
        )
        hint = "It is learned as a class; empty the cells if it is none."
        yield Finding("no_label_number", "warning", message, split.name, _rows(split, marks), hint)


def _rows(split: Split, labels: Iterable[str], exactly: Iterable[str] | None = None) -> tuple[int, ...]:
    """The rows that have one of some labels, or are written exactly so."""
    wanted = set(labels)
    column = split.table.columns[split.columns.label]
    cells = pc.unique(column).drop_null().to_pylist()
    if exactly is None:
        fitting = [cell for cell in cells if clean_label(cell) in wanted]
    else:
        fitting = [cell for cell in cells if cell.strip() in set(exactly)]
    found = pc.is_in(column, value_set=pa.array(fitting, column.type)).to_numpy()
    return tuple(int(row) for row in split.table.rows[np.asarray(found, dtype=bool)])


def _look_alikes(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs that differ in case, spaces or punctuation, or by one slip in a word of five letters and more; no numbers."""
    if len(labels) > 300:
        return  # that many are codes, not words; comparing all pairs would only take time
    labels = [label for label in labels if numbers([label]) is None]
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


def annotator_columns(split: Split) -> list[str]:
    """Columns beside the label that hold the same few values as it does, or as each other: labels of several annotators."""
    columns = split.columns
    names = [name for name in split.table.names if name not in (columns.text, columns.text_pair, columns.label, columns.split)]
    starts = f"{columns.label}_" if columns.label else "label_"
    persons = {name for name in names if ANNOTATOR_NAME.fullmatch(name) or name.startswith(starts)}
    values = {name: _values(split, name, also_yes_no=name in persons) for name in names}
    own = _values(split, columns.label, also_yes_no=bool(persons)) if columns.label else frozenset()
    alike = [name for name in names if own and values[name] and _same(values[name], own)]
    if alike:
        return alike
    groups: dict[frozenset[str], list[str]] = {}
    for name in names:
        if values[name]:
            groups.setdefault(values[name], []).append(name)
    named = [names for names in groups.values() if len(names) > 1 and all(any(c.isdigit() for c in plain_name(n)) for n in names)]
    return max(named, key=len, default=[])


def _values(split: Split, name: str, *, also_yes_no: bool = False) -> frozenset[str]:
    column = split.table.columns[name]
    cells = first_cells(column)
    if holds_lists(cells):
        items = {as_text(item) or "" for cell in cells for item in parse_json(cell, list) or []}
        return frozenset(items) if 2 <= len(items) <= 20 else frozenset()
    if not 2 <= few_values(column) <= 20:
        return frozenset()
    values = {label_key(label) for cell in first_cells(column, 2000) if (label := clean_label(cell))}
    yes_no = values <= {"0", "1"} or values <= {"true", "false"}
    return frozenset() if yes_no and not also_yes_no else frozenset(values)


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= 2 and len(one & other) >= 0.6 * len(one | other)
