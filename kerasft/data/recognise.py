"""`suggest_task`: what these data are for, judged by their columns and by a sample of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasft.data.cells import holds_answers, holds_lists, holds_spans, numbers, parse_json
from kerasft.data.columns import LABEL_TIERS, NO_LABEL_NAMES, PROMPTS, few_values, plain_name
from kerasft.data.dataset import Dataset
from kerasft.data.label_spelling import clean_label
from kerasft.data.labels import example_of_several_labels
from kerasft.data.split import Split
from kerasft.errors import ConfigError, DataError, name_values

_SAMPLE = 2_000
_EXAMPLES = 3
_MANY_NUMBERS = 6  # whole numbers from which on a scale is as likely as classes; five stars are classes
_CLASS_NAMES = LABEL_TIERS[0] | LABEL_TIERS[1]  # names that say "class"; `rating` and `score` do not
_IDS = frozenset({"id", "index", "idx", "row", "no", "nr", "number", "guid", "uid", "unnamed:_0", "column_1"})


@dataclass(frozen=True)
class Suggestion:
    """A task that fits the data.

    Attributes:
        task: Name of the task: `text_classification`, `multi_label_classification`, `regression`,
            `token_classification`, `question_answering`, `causal_lm` or `text_embedding`.
        why: One sentence for a person.
        unclear: Columns that may be the label, although none was chosen; the user should decide.
        examples: Three values of each of the unclear columns.
        other_task: The task that fits as well, if the label may be an amount as well as a class; the user should decide.
    """

    task: str
    why: str
    unclear: tuple[str, ...] = ()
    examples: tuple[tuple[str, ...], ...] = ()
    other_task: str = ""

    @property
    def question(self) -> str:
        """The unclear columns with their examples, a line each; empty when all is clear."""
        lines = (f"{name!r}: such as {name_values(values)}" for name, values in zip(self.unclear, self.examples, strict=True))
        return "\n".join(lines)


def label_question(suggestion: Suggestion, source: str) -> ConfigError:
    """The question which column is the label, as an error that names the candidates with examples."""
    hint = f"Name it: --data.label {suggestion.unclear[0]!r}; or, if none is one, say what is learned: --task {suggestion.task}."
    return ConfigError(f"Which column is the label? It could be:\n{suggestion.question}", where=source, hint=hint)


def task_question(suggestion: Suggestion, source: str) -> ConfigError:
    """The question which of two tasks is meant, as an error that names both."""
    hint = f"Say what is learned: --task {suggestion.task} for classes, --task {suggestion.other_task} for amounts."
    return ConfigError(suggestion.why, where=source, hint=hint)


def suggest_task(data: Dataset) -> Suggestion:
    """The task the data are most likely for.

    Args:
        data: Splits with roles; the training split is looked at, or the first if there is none.

    Returns:
        The name of a task, and what in the data speaks for it.

    Raises:
        DataError: There is no split.
    """
    if not data.splits:
        raise DataError("The data have no split, so there is nothing to judge by.")
    split = data.splits.get("train") or next(iter(data.splits.values()))
    if len(split) > _SAMPLE:
        split = split.take(np.sort(np.random.default_rng(0).choice(len(split), _SAMPLE, replace=False)))
    columns = split.columns
    labels = [cell.strip() for cell in split.cells("label") if cell and cell.strip()]
    if split.has_tokens and (not labels or holds_lists(labels)):
        tags = f", and column {columns.label!r} a tag for each" if labels else ""
        return Suggestion("token_classification", f"Column {columns.text!r} holds lists of tokens{tags}.")
    if columns.text_pair and holds_answers(labels):
        why = f"Column {columns.text!r} holds questions, {columns.text_pair!r} texts and {columns.label!r} answers from them."
        return Suggestion("question_answering", why)
    if not labels:
        return _without_label(split)
    return _by_label(split, labels)


def _without_label(split: Split) -> Suggestion:
    text, pair = split.columns.text, split.columns.text_pair
    if pair and {text.lower(), pair.lower()} == {"question", "context"}:
        return Suggestion("question_answering", f"Columns {text!r} and {pair!r} hold questions and texts to find the answers in.")
    if pair:
        return Suggestion("text_embedding", f"Columns {text!r} and {pair!r} hold pairs of texts, and no column is a label.")
    if unclear := label_candidates(split):
        why = f"Column {text!r} holds texts, and no column is taken for a label, though {name_values(unclear)} could be one."
        return Suggestion("causal_lm", why, unclear, tuple(_examples(split, name) for name in unclear))
    for_bert = "A BERT can go on with its pre-training on them (masked_lm), or embed them (text_embedding)."
    return Suggestion("causal_lm", f"Column {text!r} holds texts, and no column is a label. {for_bert}")


def label_candidates(split: Split) -> tuple[str, ...]:
    """The columns besides the text that may be the label: few recurring values, or numbers that measure something."""
    candidates = []
    for name in split.table.names:
        if name in (split.columns.text, split.columns.text_pair) or plain_name(name) in NO_LABEL_NAMES:
            continue
        cells = [cell for cell in split.table.columns[name].to_pylist() if cell]
        if cells and (few_values(split.table.columns[name]) > 1 or (plain_name(name) not in _IDS and _measures(cells))):
            candidates.append(name)
    return tuple(candidates)


def _measures(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers that are not ids: some are not whole, or they recur."""
    values = numbers(cells)
    if values is None or len(set(values)) < 3 or not np.isfinite(values).all():
        return False
    return not all(value.is_integer() for value in values) or len(set(values)) < 0.5 * len(values)


def _examples(split: Split, name: str) -> tuple[str, ...]:
    cells = (cell for cell in split.table.columns[name].to_pylist() if cell)
    return tuple(list(dict.fromkeys(cells))[:_EXAMPLES])


def _by_label(split: Split, labels: Sequence[str]) -> Suggestion:
    name = split.columns.label
    distinct = set(labels)
    if holds_spans(labels):
        return Suggestion("token_classification", f"Column {name!r} holds parts of the text, each with its label.")
    if holds_lists(labels):
        if all(len(parse_json(label, list) or ()) == 1 for label in labels):
            return Suggestion("text_classification", f"Column {name!r} holds a list of one label in each row.")
        return Suggestion("multi_label_classification", f"Column {name!r} holds a list of labels in each row.")
    values = numbers(distinct)
    if values is not None:
        whole = all(value.is_integer() for value in values)
        if not whole or len(distinct) > max(20, len(labels) / 3):
            what = "numbers of many different sizes" if whole else "numbers that are not whole"
            return Suggestion("regression", f"Column {name!r} holds {what}, such as {name_values(sorted(distinct)[:3])}.")
        count = len({clean_label(kind) for kind in distinct})
        if count >= _MANY_NUMBERS and plain_name(str(name)) not in _CLASS_NAMES:
            message = f"Column {name!r} holds {count} different whole numbers, which may be classes or amounts."
            return Suggestion("text_classification", message, other_task="regression")
        return Suggestion("text_classification", f"Column {name!r} holds {count} different whole numbers, read as classes.")
    if example := example_of_several_labels(labels, str(name)):
        return Suggestion("multi_label_classification", f"Cells of column {name!r} hold several labels, such as {example!r}.")
    words = float(np.mean([len(label.split()) for label in labels]))
    prompts = (split.columns.text.lower(), str(name).lower()) in PROMPTS
    if prompts or (len(distinct) > 0.5 * len(labels) and len(labels) > 1 and words > 3):
        return Suggestion("causal_lm", f"Column {name!r} holds a text of its own for each text in {split.columns.text!r}.")
    classes = "1 class" if len(distinct) == 1 else f"{len(distinct):,} classes"
    return Suggestion("text_classification", f"Column {name!r} holds {classes}: {name_values(sorted(distinct), most=4)}.")
