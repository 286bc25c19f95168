"""Text classification: one label for one text or for a pair of texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasft.config import option
from kerasft.errors import DataError, name_rows, name_values
from kerasft.evaluation import metrics
from kerasft.evaluation.report import Report, classification_report
from kerasft.tasks.base import TASKS, Task


@dataclass(frozen=True)
class Prediction:
    """The answer to one text: the likeliest label, its probability, and the probability of every label."""

    label: str
    score: float
    probabilities: dict[str, float]


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class TextClassification(Task):
    """One label for each text, or for each pair of texts when the data have a second text column.

    BERT reads `[CLS] text [SEP] pair [SEP]`, GPT-2 `text <|endoftext|> pair <|endoftext|>`; the logits come from
    the pooled vector.
    """

    name = "text_classification"
    title = "Text classification"

    max_length: int = option(
        256, "Most tokens of a text (or pair) that are read; longer ones are cut and counted.", low=8, high=8192
    )
    pooling: str = option(
        "auto",
        "Which vector stands for the text: the pre-trained pooler, the first token, the last, or the mean of all.",
        choices=("auto", "pooled", "first", "last", "mean"),
        advanced=True,
    )
    head_dropout: float = option(0.1, "Dropout before the last layer, 0 to 1.", low=0, high=0.9, advanced=True)
    drop_unknown: bool = option(False, "Leave out rows whose label the training rows do not have.", advanced=True)

    def learn_labels(self, split: Any) -> tuple[str, ...]:
        from kerasft.data.dataset import label_names

        labels = label_names(split)
        if len(labels) < 2:
            where = f"{split.table.source}, column {split.columns.label!r}"
            hint = "Is this the right label column? Give another with label='...'."
            found = f"only {labels[0]!r}" if labels else "none"
            raise DataError(
                f"A classifier needs at least two different labels; the training rows have {found}.", where=where, hint=hint
            )
        if len(labels) > max(1000, len(split) // 2):
            where = f"{split.table.source}, column {split.columns.label!r}"
            hint = "Is this the right label column? Numbers to predict are regression, free text is generation."
            raise DataError(
                f"The label column holds {len(labels):,} different values in {len(split):,} rows.", where=where, hint=hint
            )
        return labels

    def targets(self, split: Any, labels: tuple[str, ...]) -> np.ndarray:
        from kerasft.data.dataset import clean_label

        numbers = {label: i for i, label in enumerate(labels)}
        cells = [clean_label(value) for value in split.cells("label")]
        found = np.fromiter((numbers.get(cell, -1) for cell in cells), dtype=np.int32, count=len(cells))  # type: ignore[arg-type]
        unknown = np.flatnonzero(found < 0)
        if len(unknown) and not self.drop_unknown:
            values = list(Counter(cells[i] for i in unknown))
            plural = "value" if len(values) == 1 else "values"
            raise DataError(
                f"Column {split.columns.label!r} holds {len(values)} {plural} the model has never seen: {name_values(values)}.",
                where=f"{split.table.source} ({split.name}), {name_rows([int(split.table.rows[i]) for i in unknown])}",
                hint="Fix the spelling, or set drop_unknown=True (--task.drop_unknown true) to leave these rows out.",
            )
        return found

    def build(self, encoder: Any, family: Any, labels: tuple[str, ...], *, seed: int) -> Any:
        import keras

        from kerasft.layers.heads import ClassificationHead, Pooling

        pooling = family.default_pooling if self.pooling == "auto" else self.pooling
        if pooling == "pooled" and encoder.pooled is None:
            pooling = "last"
        # === Layers ===
        head = ClassificationHead(len(labels), dropout=self.head_dropout, seed=seed, name="head")
        # === Functional Model ===
        if pooling == "pooled":
            pooled = encoder.pooled
        else:
            pooled = Pooling(pooling, name="pooling")(encoder.sequence, encoder.inputs["padding_mask"])
        return keras.Model(encoder.inputs, head(pooled), name="text_classifier")

    def loss(self, *, label_smoothing: float) -> Any:
        from kerasft.layers.losses import SmoothedCrossentropy

        return SmoothedCrossentropy(label_smoothing=label_smoothing)

    @property
    def main_metric(self) -> str:
        return "accuracy"

    def score(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        predicted = logits.argmax(axis=1)
        return {
            "loss": metrics.cross_entropy(logits, targets),
            "accuracy": metrics.accuracy(targets, predicted),
            "macro_f1": metrics.macro_f1(targets, predicted),
        }

    def decode(self, logits: np.ndarray, labels: tuple[str, ...]) -> list[Prediction]:
        answers = []
        for row in metrics.softmax(logits):
            best = int(row.argmax())
            answers.append(Prediction(labels[best], float(row[best]), dict(zip(labels, map(float, row), strict=True))))
        return answers

    def report(self, logits: np.ndarray, targets: np.ndarray, labels: tuple[str, ...], split: Any, **about: Any) -> Report:
        return classification_report(logits, targets, labels, split=split, **about)

    def serve(self, logits: Any, labels: tuple[str, ...]) -> dict[str, Any]:
        import tensorflow as tf

        names = tf.constant(labels)
        count = tf.shape(logits)[0]
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32), axis=-1)  # (N, C)
        best = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.gather(names, best),
            "score": tf.reduce_max(probabilities, axis=-1),
            "labels": tf.tile(names[None, :], [count, 1]),
            "probabilities": probabilities,
        }
