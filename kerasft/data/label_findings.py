"""Find what is unusual in labels: several spellings, words for missing values, rare, unbalanced, unknown or similar labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cell_kinds import is_missing
from kerasft.data.cells import first_cells, holds_answers, holds_lists, holds_spans, numbers, parse_json
from kerasft.data.columns import ANNOTATOR_NAME, few_values, plain_name
from kerasft.data.findings import Finding
from kerasft.data.label_spelling import clean_label, label_key, merged_spellings, one_spelling
from kerasft.data.labels import example_of_several_labels, split_labels
from kerasft.data.outside_tags import outside_question
from kerasft.data.similar_labels import similar_labels
from kerasft.data.split import Split
from kerasft.data.splitting import measured
from kerasft.data.table import as_text
from kerasft.errors import count_of, have, name_values

FEW = 8  # rows of a label
_SAMPLE = 20_000  # cells that are examined
_RARER = 0.5  # share of the rarest other label up to which -1 is taken to mean "no label"


def label_kind(split: Split) -> str:
    """The kind of the label cells: `none`, `classes`, `lists` of classes (JSON), several classes `separated` by a sign, `tags` of
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
    if example_of_several_labels(first_cells(column, _SAMPLE), split.columns.label):
        return "separated"
    different = pc.unique(column).drop_null().to_pylist()
    if holds_answers(cells) or (len(different) > 20 and len(different) > len(split) / 2):
        return "texts"
    return "texts" if len(different) > 20 and measured(numbers(different)) else "classes"


def label_counts(split: Split, kind: str) -> dict[str, int]:
    """How many rows each label has, the most frequent first; labels that mean the same are counted together."""
    value_counts = pc.value_counts(split.table.columns[split.columns.label]).to_pylist()
    totals: Counter[str] = Counter()
    if kind == "separated":
        for item, labels in zip(value_counts, split_labels([item["values"] for item in value_counts], None)[0], strict=True):
            totals.update(dict.fromkeys(labels, item["counts"]))
    else:
        for item in value_counts:
            cell = item["values"]
            parts = (parse_json(cell, list) or []) if kind in ("lists", "tags") else [cell]
            for part in parts:
                label = clean_label(as_text(part.get("label") if isinstance(part, dict) else part))
                if label is not None:
                    totals[label] += item["counts"]
    if kind == "tags":
        return dict(totals.most_common())
    names = one_spelling(totals)
    merged: Counter[str] = Counter()
    for label, count in totals.items():
        merged[names[label]] += count
    return dict(merged.most_common())


def label_findings(counts: dict[str, int], train: dict[str, int], split: Split, kind: str) -> Iterator[Finding]:
    """What is unusual in the labels of one split.

    Args:
        counts: Rows of each of its labels.
        train: Rows of each label of the training split.
        split: The split itself.
        kind: As `label_kind` returns it.
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
        hint = "A classifier needs at least two labels. Check that this is the right column."
        yield Finding("one_label", "problem", message, name, (), hint)
        return
    if kind == "classes":
        yield from _spellings(split)
    if kind == "tags" and split.has_tokens and (question := outside_question(counts)):
        yield Finding("outside_tag", "warning", question, name, (), "")
    if kind == "lists":
        yield from _votes_and_shares(split)
    once = [label for label, count in counts.items() if count == 1]
    if once:
        occur = "occurs" if len(once) == 1 else "occur"
        message = f"{count_of(len(once), 'label')} {occur} only once: {name_values(once)}."
        yield Finding("rare_label", "warning", message, name, (), "Add examples, or merge them with another label.")
    few = {label: count for label, count in counts.items() if 1 < count < FEW}
    if few and kind == "classes":
        message = f"{count_of(len(few), 'label')} {have(len(few))} fewer than {FEW} rows: {name_values(few)}."
        hint = "Answers for so few examples are little better than a guess; 16 to 200 rows of each label are a good beginning."
        yield Finding("few_rows", "warning", message, name, (), hint)
    for first, second in similar_labels(list(counts)) if kind != "tags" else ():
        message = f"Labels {first!r} ({counts[first]:,} rows) and {second!r} ({counts[second]:,}) look alike."
        yield Finding("similar_labels", "warning", message, name, (), "If they mean the same, spell them the same.")
    missing = [label for label in counts if is_missing(label)]
    if missing == ["-"] and set(counts) <= {"+", "-", "0", "="}:
        missing = []  # signs, not a missing value
    if missing:
        message = f"Labels that look like a missing value or an error: {name_values(missing)}."
        hint = "They are used as labels. If they mean that there is no label, empty the cells."
        yield Finding("missing_word", "warning", message, name, _rows(split, missing) if kind == "classes" else (), hint)
    largest, smallest = max(counts.values(), default=0), min(counts.values(), default=0)
    if largest >= 10 * smallest and kind == "classes":
        message = f"The most frequent label has {largest / smallest:.0f} times the rows of the rarest."
        yield Finding("imbalance", "warning", message, name, (), "Set class_weights to balanced and look at macro F1.")


def _spellings(split: Split) -> Iterator[Finding]:
    """Report classes whose label is written in several ways."""
    cells = pc.unique(split.table.columns[split.columns.label]).to_pylist()
    labels = {label for cell in cells if (label := clean_label(cell))}
    for name, spellings in sorted(merged_spellings(labels).items()):
        message = f"Label {name!r} is written in {len(spellings)} ways, {name_values(spellings)}, which are read as one class."
        yield Finding("same_label", "note", message, split.name, _rows(split, set(spellings) - {name}))
    variants: dict[str, set[str]] = {}
    for cell in cells:
        if cell and (label := clean_label(cell)) and cell.strip() != label and not cell.lstrip().startswith("["):
            variants.setdefault(label, set()).add(cell.strip())
    for label, written in sorted(variants.items()):
        rows = _rows(split, [label], exactly=written)
        message = f"Label {label!r} is also written with look-alike or invisible characters; all are read as one class."
        yield Finding("same_label", "note", message, split.name, rows)


def _votes_and_shares(split: Split) -> Iterator[Finding]:
    """Report lists that are not sets of labels: the votes of several annotators, or a probability for each class."""
    name = split.columns.label
    lists = [parse_json(cell, list) or [] for cell in first_cells(split.table.columns[name])]
    floats = [items for items in lists if len(items) > 1 and all(type(item) in (int, float) for item in items)]
    if lists and len(floats) == len(lists) and len({len(items) for items in lists}) == 1:
        if all(abs(sum(items) - 1) < 0.02 and min(items) >= 0 for items in floats):
            message = f"Column {name!r} holds a probability for each class, but the numbers are read as labels."
            hint = "Add a column with the most probable class, and name it as the label."
            yield Finding("soft_labels", "warning", message, split.name, (), hint)
        return
    repeated = sum(len({str(item) for item in items}) < len(items) for items in lists)
    if repeated >= 0.2 * len(lists) and len({len(items) for items in lists}) == 1:
        message = f"Column {name!r} repeats labels within a row, as the votes of several annotators do; each label is read once."
        hint = "Add a column with the label that most annotators gave, and name it as the label."
        yield Finding("votes", "warning", message, split.name, (), hint)


def _no_label_number(counts: dict[str, int], train: dict[str, int], split: Split, kind: str) -> Iterator[Finding]:
    """Report -1 beside class numbers from 0 on if it is clearly rarer than they are, or occurs in no training row."""
    minus_ones = [label for label in counts if label_key(label) == "-1"]
    others = [label_key(label) for label in (*train, *counts) if label_key(label) != "-1"]
    if kind != "classes" or not minus_ones or not others or not all(other.isdigit() for other in others):
        return
    count = sum(counts[label] for label in minus_ones)
    other_counts = [number for label, number in counts.items() if label not in minus_ones]
    is_new = split.name != "train" and bool(train) and not any(label_key(label) == "-1" for label in train)
    if is_new or (other_counts and count <= _RARER * min(other_counts)):
        message = (
            f"Label -1 occurs beside class numbers in {count:,} rows of {split.name}; it usually means that there is no label."
        )
        hint = "It is used as a class. If it means that there is no label, empty the cells."
        yield Finding("no_label_number", "warning", message, split.name, _rows(split, minus_ones), hint)


def _rows(split: Split, labels: Iterable[str], exactly: Iterable[str] | None = None) -> tuple[int, ...]:
    """Numbers of the rows with one of some labels, or with one of some exact cells."""
    wanted = set(labels)
    column = split.table.columns[split.columns.label]
    cells = pc.unique(column).drop_null().to_pylist()
    if exactly is None:
        matching_cells = [cell for cell in cells if clean_label(cell) in wanted]
    else:
        matching_cells = [cell for cell in cells if cell.strip() in set(exactly)]
    is_match = pc.is_in(column, value_set=pa.array(matching_cells, column.type)).to_numpy()
    return tuple(int(row) for row in split.table.rows[np.asarray(is_match, dtype=bool)])


def annotator_columns(split: Split) -> list[str]:
    """Columns beside the label that hold the same few values as it does, or as each other: labels of several annotators."""
    columns = split.columns
    names = [name for name in split.table.names if name not in (columns.text, columns.text_pair, columns.label, columns.split)]
    prefix = f"{columns.label}_" if columns.label else "label_"
    likely_annotators = {name for name in names if ANNOTATOR_NAME.fullmatch(name) or name.startswith(prefix)}
    values = {name: _values(split, name, allow_yes_no=name in likely_annotators) for name in names}
    label_values = _values(split, columns.label, allow_yes_no=bool(likely_annotators)) if columns.label else frozenset()
    same_values = [name for name in names if label_values and values[name] and _overlap(values[name], label_values)]
    if same_values:
        return same_values
    groups: dict[frozenset[str], list[str]] = {}
    for name in names:
        if values[name]:
            groups.setdefault(values[name], []).append(name)
    numbered = [
        names for names in groups.values() if len(names) > 1 and all(any(c.isdigit() for c in plain_name(n)) for n in names)
    ]
    return max(numbered, key=len, default=[])


def _values(split: Split, name: str, *, allow_yes_no: bool = False) -> frozenset[str]:
    column = split.table.columns[name]
    cells = first_cells(column)
    if holds_lists(cells):
        items = {as_text(item) or "" for cell in cells for item in parse_json(cell, list) or []}
        return frozenset(items) if 2 <= len(items) <= 20 else frozenset()
    if not 2 <= few_values(column) <= 20:
        return frozenset()
    values = {label_key(label) for cell in first_cells(column, 2000) if (label := clean_label(cell))}
    yes_no = values <= {"0", "1"} or values <= {"true", "false"}
    return frozenset() if yes_no and not allow_yes_no else frozenset(values)


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= 2 and len(one & other) >= 0.6 * len(one | other)
