"""Rows are scored with the roles they were learned with, by figures that have a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.data.columns import Columns
from kerasft.evaluation.retrieval import neighbour_accuracy
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.tasks import Learned, Task
from kerasft.word_counts import word_counts
from tests.tasks.models import data_of, model_of

POEMS = [{"text": f"the good the bad {i}", "author": "Anna" if i % 2 else "Bert"} for i in range(12)]


def test_a_column_left_aside_in_training_is_no_completion_later(presets: dict[str, str], tmp_path: Path) -> None:
    task = kft.CausalLM(evaluate_generation=0)
    data = data_of(POEMS)
    assert data.columns.label == "author"
    model = model_of(presets["gpt2"], task, task.suited(data))
    rows = tmp_path / "poems.csv"
    rows.write_text("text,author\n" + "".join(f"{row['text']},{row['author']}\n" for row in POEMS), encoding="utf-8")
    wanted = model.evaluate(task.suited(data)["validation"]).metrics
    assert model.evaluate(data["validation"]).metrics == wanted
    assert model.evaluate(str(rows)).metrics == wanted


def test_labels_in_columns_of_a_model_from_elsewhere(presets: dict[str, str]) -> None:
    rows = [{"text": f"film {i}", "good": str(i % 2), "bad": str((i + 1) % 2)} for i in range(8)]
    model = model_of(presets["bert"], kft.MultiLabelClassification(thresholds="half"), data_of(rows))
    wanted = model.evaluate(rows).metrics
    model.columns = Columns("text")  # as `import_huggingface` has it, which knows labels and no columns
    assert model.evaluate(rows).metrics == wanted
    with pytest.raises(kft.DataError, match="label"):
        model.evaluate([{"text": "film"}])


def test_rows_without_labels_are_not_scored(presets: dict[str, str]) -> None:
    data = data_of([{"text": f"film {i}", "label": "ab"[i % 2]} for i in range(8)])
    model = model_of(presets["bert"], kft.TextClassification(), data)
    with pytest.raises(kft.DataError, match="no label column"):
        model.evaluate(data.without("label")["validation"])


@pytest.mark.parametrize(
    ("task", "rows", "train", "told"),
    [
        (kft.TokenClassification(), [{"tokens": ["a", "film"], "tags": ["DET", "NOUN"]}] * 12, {"monitor": "f1"}, "auto, loss"),
        (kft.TextEmbedding(), [{"text": f"film {i}"} for i in range(12)], {"monitor": "mrr"}, "auto, loss"),
        (kft.TextClassification(), [{"text": f"{i}", "label": "ab"[i % 2]} for i in range(12)], {"accumulate": 9}, "no update"),
    ],
    ids=["tags without entities", "texts without partners", "more batches an update than there are"],
)
def test_what_would_come_to_nothing_is_refused(
    task: Task, rows: list[dict[str, Any]], train: dict[str, Any], told: str, presets: dict[str, str], tmp_path: Path
) -> None:
    config = RunConfig(preset=presets["bert"], task=task, train=kft.TrainConfig(epochs=1, **train))
    with pytest.raises(kft.ConfigError, match=told):
        start(config, tmp_path / "run", dataset=kft.load_data(rows), on_event=print)


def test_texts_without_a_label_are_no_class_of_neighbours() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 1, 8)).repeat(2, axis=1)
    gold = [("ab"[i % 2] if i < 20 else "", f"partner {i % 5}") for i in range(60)]
    scored = kft.TextEmbedding().score(vectors, gold, Learned((), {"pairs": False}))
    assert scored["neighbour_accuracy"] == neighbour_accuracy(vectors[:20, 0], [label for label, _ in gold[:20]])


def test_word_counts_are_scored_on_the_rows_of_a_run() -> None:
    rows = [{"text": f"film {i}", "labels": ["a", "a;b", ""][i % 3]} for i in range(24)]
    report, _ = word_counts(kft.MultiLabelClassification(), data_of(rows, label="labels"))
    assert report.examples == 24
