"""Reports: the right counts, the right rows, and Markdown and JSON that hold whatever texts and labels hold."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from kerasft.data.columns import Columns
from kerasft.data.given_rows import as_split
from kerasft.data.split import Split
from kerasft.evaluation.classification import classification_report
from kerasft.evaluation.metrics import softmax
from kerasft.evaluation.report import Report, load_reports, samples, save_reports
from kerasft.evaluation.tagging import tagging_report

LABELS = ("bad", "good", "so so")


def split_of(labels: list[str], texts: list[str] | None = None, pairs: list[str] | None = None) -> Split:
    texts = texts or [f"text number {i} of these" for i in range(len(labels))]
    rows: list[dict[str, Any]] = [{"text": t, "label": lab} for t, lab in zip(texts, labels, strict=True)]
    for row, pair in zip(rows, pairs or [], strict=False):
        row["text_pair"] = pair
    return as_split(rows, None, need_label=True)


def logits_for(predicted: list[int], sure: list[float], classes: int = 3) -> np.ndarray:
    """Logits whose softmax gives class `predicted` the probability `sure` and the others the rest, evenly."""
    probabilities = np.full((len(predicted), classes), np.nan)
    for i, (best, share) in enumerate(zip(predicted, sure, strict=True)):
        probabilities[i] = (1 - share) / (classes - 1)
        probabilities[i, best] = share
    return np.log(probabilities)


TARGETS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = [0, 0, 1, 1, 0, 2]
SURE = [0.9, 0.8, 0.5, 0.7, 0.95, 0.6]


@pytest.fixture(scope="module")
def report() -> Report:
    split = split_of([LABELS[i] for i in TARGETS])
    return classification_report(logits_for(PREDICTED, SURE), TARGETS, LABELS, split=split, majority=0, notes=["A note."])


def test_figures_by_hand(report: Report) -> None:
    assert report.examples == 6
    assert report.metrics["accuracy"] == pytest.approx(4 / 6)
    assert report.metrics["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    right = [0.9, 0.8, 0.25, 0.7, 0.025, 0.6]  # what the true labels got; (1 - 0.5) / 2 and (1 - 0.95) / 2 where wrong
    assert report.metrics["loss"] == pytest.approx(-np.log(right).mean())
    low, high = report.intervals["accuracy"]
    assert low < 4 / 6 < high
    assert set(report.intervals) == {"accuracy", "macro_f1", "weighted_f1"}


def test_per_label_and_confusion_by_hand(report: Report) -> None:
    assert report.confusion == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]  # rows are true labels
    assert report.per_label["bad"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3})
    assert report.per_label["good"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2})
    assert report.per_label["so so"] == pytest.approx({"precision": 1, "recall": 1, "f1": 1, "support": 1})


def test_the_baseline_always_answers_the_most_frequent_training_label(report: Report) -> None:
    assert report.baseline["accuracy"] == pytest.approx(3 / 6)
    assert report.baseline["macro_f1"] == pytest.approx((2 * 3 / 9 + 0 + 0) / 3)
    assert "loss" not in report.baseline


def test_a_label_without_rows_is_shown_with_zeros() -> None:
    targets = np.array([0, 1])
    report = classification_report(logits_for([0, 1], [0.9, 0.9]), targets, LABELS, split=split_of(["bad", "good"]), majority=1)
    assert report.per_label["so so"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert report.confusion == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert report.metrics["macro_f1"] == 1  # over the labels that occur


def test_the_worst_mistakes_come_surest_first_with_their_own_rows_and_texts() -> None:
    rows = 60
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, rows)
    logits = rng.normal(size=(rows, 3))
    split = split_of([LABELS[i] for i in targets])
    chosen = rng.permutation(rows)  # rows of the file in another order than in the file
    report = classification_report(logits[chosen], targets[chosen], LABELS, split=split.take(chosen), majority=0)
    probabilities = softmax(logits)
    wrong = sorted(
        (i for i in range(rows) if probabilities[i].argmax() != targets[i]), key=lambda i: -probabilities[i].max()
    )  # fmt: skip
    assert len(wrong) > 25
    assert [m.row for m in report.worst] == [i + 1 for i in wrong[:25]]  # a list's rows are counted from 1
    for mistake, i in zip(report.worst, wrong, strict=False):
        assert mistake.text == f"text number {i} of these"
        assert mistake.label == LABELS[targets[i]]
        assert mistake.predicted == LABELS[probabilities[i].argmax()]
        assert mistake.score == pytest.approx(probabilities[i].max())
        assert mistake.text_pair is None


def test_an_unknown_label_counts_as_a_mistake_and_is_shown_as_it_was_written() -> None:
    targets = np.array([0, 1, -1])
    split = split_of(["bad", "good", " gud "])
    report = classification_report(logits_for([0, 1, 1], [0.9, 0.9, 0.8]), targets, LABELS, split=split, majority=1)
    assert report.metrics["accuracy"] == pytest.approx(2 / 3)
    assert report.metrics["loss"] == pytest.approx(-np.log(0.9))  # no label, no likelihood
    assert report.confusion == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert report.per_label["good"]["precision"] == pytest.approx(1 / 2)
    assert [(m.row, m.label, m.predicted) for m in report.worst] == [(3, "gud", "good")]


def test_when_every_label_is_unknown_there_is_still_a_report() -> None:
    report = classification_report(logits_for([0], [0.9]), np.array([-1]), LABELS, split=split_of(["x"]), majority=1)
    assert report.metrics["accuracy"] == 0
    assert "x" in report.to_markdown()


def test_pairs_show_both_texts() -> None:
    split = split_of(["bad"], ["A dog barks."], ["A cat sings."])
    report = classification_report(logits_for([1], [0.9]), np.array([0]), LABELS, split=split, majority=0)
    assert report.worst[0].text_pair == "A cat sings."
    assert "A dog barks. / A cat sings." in report.to_markdown()


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table: divided at pipes that no backslash stands before."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(markdown: str) -> list[list[list[str]]]:
    blocks = re.findall(r"(?:^\|.*\n)+", markdown, flags=re.MULTILINE)
    return [[cells(line) for line in block.splitlines()] for block in blocks]


def test_markdown_has_whole_tables_whatever_texts_and_labels_hold() -> None:
    labels = ("a|b", "c\nd", "e")
    split = split_of(["a|b", "c\nd"], ["one | two\n\n| three |\r\n# four", "x" * 500])
    targets = np.array([0, 1])
    report = classification_report(logits_for([1, 2], [0.9, 0.8]), targets, labels, split=split, majority=0)
    found = tables(report.to_markdown())
    assert [len(table[0]) for table in found] == [4, 5, 4, 5]  # figures, labels, confusion, mistakes
    for table in found:
        assert {len(row) for row in table} == {len(table[0])}
    assert [row[0] for row in found[1][2:]] == [r"a\|b", "c d", "e"]
    assert found[3][2][4] == r"one \| two \| three \| # four"
    assert len(found[3][3][4]) == 160
    assert found[3][3][4].endswith("…")


def test_words_of_others_are_shown_as_they_are_in_markdown() -> None:
    hostile = [
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "![p](http://evil.example/p.png)",
        "`code` **bold** ~~gone~~",
    ]
    labels = (*hostile, "AT&T &lt;b&gt; a|b")
    split = split_of(list(labels), [*hostile, "plain"])
    report = classification_report(np.roll(np.eye(5), 1, axis=1), np.arange(5), labels, split=split, majority=0)
    shown = MarkdownIt("gfm-like", {"linkify": False}).render(report.to_markdown())
    assert not re.findall(r"<(?!/?(?:h2|p|table|thead|tbody|tr|th|td|strong|ul|li)\b)[^>]*>", shown)
    assert "<strong>bold" not in shown
    for label in labels:
        assert html.escape(label, quote=False) in shown


def test_markdown_shows_the_figures(report: Report) -> None:
    markdown = report.to_markdown()
    assert str(report) == markdown
    figures, labels, confusion, mistakes = tables(markdown)
    low, high = report.intervals["accuracy"]
    assert figures[2] == ["accuracy", "0.667", f"{low:.3f} to {high:.3f}", "0.500"]
    assert labels[2] == ["bad", "0.667", "0.667", "0.667", "3"]
    assert confusion[2] == ["**bad**", "2", "1", "0"]
    assert mistakes[2] == ["5", "good", "bad", "0.95", "text number 4 of these"]
    assert "- A note." in markdown.splitlines()


def test_a_confusion_matrix_too_wide_to_read_is_left_out() -> None:
    labels = tuple(f"label {i:02d}" for i in range(31))
    targets = np.array([0, 1])
    split = split_of(["label 00", "label 01"])
    report = classification_report(logits_for([0, 1], [0.9, 0.9], 31), targets, labels, split=split, majority=0)
    assert len(report.confusion) == 31  # it stays in the JSON
    assert "columns predictions" not in report.to_markdown()


def test_a_report_comes_back_from_json_as_it_was(report: Report) -> None:
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_figures_without_a_value_are_left_out(report: Report) -> None:
    empty = replace(report, intervals={"accuracy": (math.nan, math.nan)}, baseline={"accuracy": math.nan})
    assert (empty.to_dict()["intervals"], empty.to_dict()["baseline"]) == ({}, {})
    assert "nan" not in empty.to_markdown()


def test_saved_reports_are_loaded_again(report: Report, tmp_path: Path) -> None:
    assert load_reports(tmp_path) == {}
    save_reports({"validation": report, "test": report}, tmp_path)
    assert load_reports(tmp_path) == {"validation": report, "test": report}
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# Report\n")
    assert text.count(report.to_markdown()) == 2


def word_report(texts: list[list[str]], gold: list[list[str]], found: list[list[str]]) -> Report:
    """The report of tagged words; every tag has been chosen with the same certainty, so that rows come in their order."""
    labels = ("O", "B-PER", "I-PER", "B-LOC")
    numbers = [[np.asarray([labels.index(tag) for tag in row]) for row in rows] for rows in (gold, found)]
    logits = [np.eye(len(labels))[row] * 5 for row in numbers[1]]
    ends = [np.cumsum([len(word) + 1 for word in row]) - 1 for row in texts]
    offsets = [(end - [len(word) for word in row], end) for end, row in zip(ends, texts, strict=True)]
    rows = [{"tokens": json.dumps(row)} for row in texts]
    split = as_split(rows, Columns("tokens"), need_label=False)
    how = {"split": split, "notes": [], "offsets": offsets, "plain": lambda cell: " ".join(json.loads(cell))}
    return tagging_report(logits, numbers[1], numbers[0], labels, "O", **how)


def test_a_wrong_entity_is_named_by_its_words_and_found_in_the_text() -> None:
    report = word_report(
        [["Ada", "Lovelace", "was", "in", "Paris"]],
        [["B-PER", "I-PER", "O", "O", "B-LOC"]],
        [["B-PER", "O", "O", "O", "B-LOC"]],
    )
    [mistake] = report.worst
    assert (mistake.text, mistake.label, mistake.predicted) == ("Ada Lovelace was in Paris", "PER: Ada Lovelace", "O: Lovelace")
    assert (mistake.label_span, mistake.predicted_span) == ((0, 12), (4, 12))
    again = Report.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again.worst == report.worst


def test_of_a_long_text_the_part_with_the_mistake_is_kept() -> None:
    words = [f"word{i}" for i in range(2_000)]
    gold = ["O"] * 1_999 + ["B-LOC"]
    [mistake] = word_report([words], [gold], [["O"] * 2_000]).worst
    assert mistake.label == "LOC: word1999"
    assert mistake.label_span is not None
    assert mistake.text[slice(*mistake.label_span)] == "word1999"
    assert len(mistake.text) < 2_001


def test_samples_are_spaced_evenly_and_never_cut() -> None:
    texts = [f"text {i}" for i in range(50)] + ["long " * 2_000, ""]
    split = as_split([{"text": text} for text in texts], Columns("text"), need_label=False)
    chosen = samples(split)
    assert len(chosen) == 6
    assert chosen == list(dict.fromkeys(chosen))
    assert chosen[0] == ("text 0", None)
    assert all((text, None) in [(own, None) for own in texts] and len(text) < 100 for text, _ in chosen)
    assert samples(split.take(np.asarray([50]))) == []  # too long to be shown whole
    assert samples(split.take(np.asarray([51]))) == []
