"""Score and report of tagged words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasft.evaluation import metrics
from kerasft.evaluation.classification import confusion, label_figures, largest_confusions
from kerasft.evaluation.report import SHOWN, WORST, Mistake, Report
from kerasft.evaluation.tag_spelling import is_bio, label_parts
from kerasft.evaluation.tags import entities, entity_counts, entity_scores, f1_from_counts

_BEFORE = 200  # characters of a long text that are shown before a mistake


def tagging_score(
    logits: Sequence[np.ndarray], tags: Sequence[np.ndarray], gold: Sequence[np.ndarray], labels: tuple[str, ...]
) -> dict[str, float]:
    """Loss (nats a word), accuracy of words and, where tags are BIO, strict precision, recall and F1 of entities.

    `predicted_classes` is the number of tags that were found anywhere, at least 2 where there is but one true tag.
    """
    flat, found = np.concatenate(gold), np.concatenate(tags)
    figures = {"loss": metrics.cross_entropy(np.concatenate(logits), flat), "accuracy": metrics.accuracy(flat, found)}
    figures["predicted_classes"] = float(len(np.unique(found))) if len(np.unique(flat)) > 1 else 2.0
    if not label_parts(labels).is_plain:
        scores = entity_scores(_names(gold, labels), _names(tags, labels))
        figures |= {"f1": scores.f1, "precision": scores.precision, "recall": scores.recall}
    return figures


def tagging_report(
    logits: Sequence[np.ndarray],
    tags: Sequence[np.ndarray],
    gold: Sequence[np.ndarray],
    labels: tuple[str, ...],
    majority: str,
    *,
    split: Any,
    notes: list[str],
    offsets: Sequence[tuple[np.ndarray, np.ndarray]],
    plain: Callable[[str], str],
) -> Report:
    """The full evaluation: entities by type where tags are BIO, else words by tag.

    Args:
        logits: (M, C) of each text.
        tags: (M,) numbers of the tags found.
        gold: (M,) numbers of the true tags.
        labels: (C,) names.
        majority: The tag of the baseline.
        split: The rows, for texts and row numbers.
        notes: Sentences on rows left out.
        offsets: (M,) first characters of each text's words in `plain` of its cell, and (M,) one past the last.
        plain: From a cell to the text it stands for.
    """
    figures = tagging_score(logits, tags, gold, labels)
    del figures["predicted_classes"]  # for the warning while a run trains
    flat, found = np.concatenate(gold), np.concatenate(tags)
    wanted, given = _names(gold, labels), _names(tags, labels)
    right = np.asarray([[(a == b).sum(), len(a)] for a, b in zip(gold, tags, strict=True)])
    intervals = {"accuracy": _interval(lambda rows: rows[:, 0].sum() / max(1, rows[:, 1].sum()), right)}
    if "f1" in figures:
        scores = entity_scores(wanted, given)
        per_label = scores.per_type
        figures = {"f1": figures["f1"], "macro_f1": scores.macro_f1, **figures}
        intervals["f1"] = _interval(f1_from_counts, entity_counts(wanted, given))
    else:
        per_label = label_figures(flat, found, labels)
        figures = {"accuracy": figures["accuracy"], "macro_f1": metrics.macro_f1(flat, found), **figures}
    common = labels.index(majority)
    return Report(
        split=split.name,
        source=split.table.source,
        examples=len(gold),
        metrics=figures,
        intervals=intervals,
        baseline={"accuracy": float((flat == common).mean()), **({"f1": 0.0} if "f1" in figures else {})},
        baseline_is=f"the tag {majority} for every word",
        labels=list(labels),
        per_label=per_label,
        confusion=confusion(flat, found, len(labels)),
        confusions=largest_confusions(flat, found, labels),
        worst=_worst(logits, wanted, given, split, offsets, plain),
        notes=[*notes, f"{len(flat):,} words."],
    )


def _names(tags: Sequence[np.ndarray], labels: tuple[str, ...]) -> list[list[str]]:
    """Tags by name, in BIO where they make entities in another scheme."""
    parts = label_parts(labels)
    if parts.is_plain or is_bio(labels):
        return [[labels[tag] for tag in row] for row in tags]
    return [parts.bio([int(tag) for tag in row]) for row in tags]


def _interval(metric: Any, rows: np.ndarray, resamples: int = 500) -> tuple[float, float]:
    """95 % bootstrap interval; whole texts are drawn, since the words of one text are not independent."""
    rng = np.random.default_rng(0)
    figures = [metric(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(resamples)]
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)


def _worst(
    logits: Sequence[np.ndarray],
    wanted: list[list[str]],
    given: list[list[str]],
    split: Any,
    offsets: Sequence[tuple[np.ndarray, np.ndarray]],
    plain: Callable[[str], str],
) -> list[Mistake]:
    """The texts with the surest wrong word, and where in them the entities around it are."""
    surest: list[tuple[float, int, int]] = []
    for i, (row, gold, found) in enumerate(zip(logits, wanted, given, strict=True)):
        wrong = [place for place, (a, b) in enumerate(zip(gold, found, strict=True)) if a != b]
        if wrong:
            sure = metrics.softmax(row[wrong]).max(axis=1)
            surest.append((float(sure.max()), i, wrong[int(sure.argmax())]))
    surest.sort(key=lambda item: -item[0])
    surest = surest[:WORST]
    part = split.take(np.asarray([i for _, i, _ in surest], dtype=np.int64))
    rows = zip(surest, part.table.rows, part.cells("text"), strict=True)
    return [
        _mistake(int(number), plain(cell or ""), score, word, (wanted[i], given[i]), offsets[i])
        for (score, i, word), number, cell in rows
    ]


def _mistake(
    number: int, text: str, score: float, word: int, tags: tuple[list[str], list[str]], offsets: tuple[np.ndarray, np.ndarray]
) -> Mistake:
    starts, ends = offsets
    around = [_around(row, word) for row in tags]
    spans = [(int(starts[first]), int(ends[last])) for _, first, last in around]
    begin = max(0, min(start for start, _ in spans) - _BEFORE) if len(text) > SHOWN else 0
    text = text[begin : begin + SHOWN]
    label_span, predicted_span = ((start - begin, min(end - begin, len(text))) for start, end in spans)
    label, predicted = (
        f"{kind}: {text[slice(*span)]}" for (kind, _, _), span in zip(around, (label_span, predicted_span), strict=True)
    )
    return Mistake(number, text, label, predicted, score, label_span=label_span, predicted_span=predicted_span)


def _around(tags: list[str], word: int) -> tuple[str, int, int]:
    """Type, first and last word of the entity around a word; its tag and the word itself where there is none."""
    for kind, first, last in entities(tags):
        if first <= word < last:
            return kind, first, last - 1
    return tags[word], word, word
