"""Reports of thousands of labels: time, memory and size grow with rows and labels, not with pairs of labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, log_loss

import kerasft as kft
from kerasft import large_arrays
from kerasft.evaluation import metrics
from kerasft.evaluation.classification import MOST_CLASSES, MOST_CONFUSIONS, classification_report, largest_confusions
from kerasft.evaluation.report import Report
from kerasft.large_arrays import make_room, release, row_blocks
from kerasft_app.reports import report_html


def make(rows: int, classes: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], Any]:
    """Logits of a model that is often right and takes some labels for their neighbours, and what they are of."""
    rng = np.random.default_rng(1)
    gold = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    said = np.where(rng.random(rows) < 0.7, gold, (gold + 1) % classes)
    logits[np.arange(rows), said] += 8
    labels = tuple(f"label-{number:05d}" for number in range(classes))
    table = pd.DataFrame({"text": [f"text number {i}" for i in range(rows)], "label": [labels[number] for number in gold]})
    return logits, gold, labels, kft.load_data(table, validation=0)["train"]


def test_the_largest_confusions_are_those_of_the_matrix() -> None:
    logits, gold, labels, split = make(2000, 40)
    report = classification_report(logits, gold, labels, split=split, majority=0)
    matrix = confusion_matrix(gold, logits.argmax(axis=1), labels=range(40))
    assert report.confusion == matrix.tolist()
    np.fill_diagonal(matrix, 0)
    assert sum(count for _, _, count in report.confusions) == matrix.sum()
    assert all(matrix[labels.index(true), labels.index(said)] == count for true, said, count in report.confusions)
    counts = [count for _, _, count in report.confusions]
    assert counts == sorted(counts, reverse=True)


def test_unknown_labels_are_no_confusions() -> None:
    assert largest_confusions(np.asarray([-1, 0, 1]), np.asarray([0, 0, 0]), ("a", "b")) == [("b", "a", 1)]
    assert largest_confusions(np.asarray([0, 1]), np.asarray([0, 1]), ("a", "b")) == []


def test_a_report_of_many_labels_is_small_and_read_again() -> None:
    logits, gold, labels, split = make(6000, 3000)
    report = classification_report(logits, gold, labels, split=split, majority=0)
    assert report.confusion == []
    assert len(report.confusions) == MOST_CONFUSIONS
    assert len(report.per_label) == 3000
    text = json.dumps(report.to_dict())
    assert len(text) < 200 * 3000
    assert Report.from_dict(json.loads(text)) == report
    markdown = report.to_markdown()
    assert "The most frequent confusions" in markdown
    assert "all 3,000 are in report.json" in markdown
    assert len(markdown) < 30_000
    page = report_html(report, "text_classification")
    assert "Most frequent confusions" in page
    assert len(page) < 100_000


def test_up_to_a_hundred_labels_have_the_whole_matrix() -> None:
    for classes, whole in ((MOST_CLASSES, True), (MOST_CLASSES + 1, False)):
        logits, gold, labels, split = make(300, classes)
        assert bool(classification_report(logits, gold, labels, split=split, majority=0).confusion) is whole


@pytest.mark.parametrize("block", [1, 7, 1000, 1 << 22])
def test_blocks_change_no_figure(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, gold, _, _ = make(101, 7)
    monkeypatch.setattr(large_arrays, "_BLOCK", block)
    predicted, shares = metrics.likeliest(logits)
    np.testing.assert_array_equal(predicted, logits.argmax(axis=1))
    np.testing.assert_array_equal(predicted, metrics.most_likely(logits))
    np.testing.assert_array_equal(shares, metrics.softmax(logits).max(axis=1))
    assert metrics.cross_entropy(logits, gold) == pytest.approx(log_loss(gold, metrics.softmax(logits)), rel=1e-12)
    some = np.where(np.arange(101) % 3 == 0, -1, gold)
    assert metrics.cross_entropy(logits, some) == pytest.approx(
        metrics.cross_entropy(logits[some >= 0], some[some >= 0]), rel=1e-12
    )


def test_no_rows_have_no_figures() -> None:
    assert np.isnan(metrics.cross_entropy(np.zeros((0, 3), np.float32), np.zeros(0, int)))
    assert np.isnan(metrics.cross_entropy(np.zeros((2, 3), np.float32), np.asarray([-1, -1])))
    assert len(metrics.most_likely(np.zeros((0, 3), np.float32))) == 0


def test_pairs_are_counted_as_numpy_counts_them() -> None:
    rng = np.random.default_rng(0)
    targets, predicted = rng.integers(-1, 5, 200).astype(np.int32), rng.integers(0, 9, 200)
    pairs, counts = metrics.count_pairs(targets, predicted)
    expected, numbers = np.unique(np.stack([targets, predicted]), axis=1, return_counts=True)
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(counts, numbers)


def test_a_large_array_is_in_a_file_and_keeps_its_values_when_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "_LARGE", 1000)
    monkeypatch.setattr(large_arrays, "_BLOCK", 64)
    room, wanted = make_room((50, 30)), np.arange(1500, dtype=np.float32).reshape(50, 30)
    assert isinstance(room, np.memmap)
    assert not isinstance(make_room((5, 5)), np.memmap)
    room[:] = wanted
    release(room)
    release(room[3:])
    np.testing.assert_array_equal(np.concatenate(list(row_blocks(room))), wanted)
    np.testing.assert_array_equal(room, wanted)
