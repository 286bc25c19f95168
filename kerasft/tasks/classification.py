"""Text classification: one label for one text or for a pair of texts."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasft.config import option
from kerasft.errors import ConfigError, DataError, name_rows, name_values
from kerasft.evaluation import metrics
from kerasft.evaluation.classification import classification_report
from kerasft.evaluation.report import Report
from kerasft.tasks.asking import Answered
from kerasft.tasks.base import TASKS, Answering, Learned
from kerasft.tasks.pooling import PooledTask
from kerasft.tasks.telling import Told

MOST_COLUMNS = 100  # labels up to which a file of answers has a column for each
_LIKELIEST = 10


@dataclass(frozen=True)
class Prediction:
    """The answer to one text: the likeliest label, its probability, and the probability of every label."""

    label: str
    score: float
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return f"{self.label}\t{self.score:.4f}"


@dataclass(frozen=True, kw_only=True)
class SingleLabel(Answering):
    """What all tasks with one label a row have in common: gold, figures, answers, served graph."""

    drop_unknown: bool = option(False, "Leave out rows whose label the training rows do not have.", advanced=True)

    weighs_classes = True
    one_class = True
    monitors = ("accuracy", "macro_f1")

    def learn_from(self, split: Any) -> Learned:
        labels = single_labels(split)
        learned = Learned(labels)
        return Learned(labels, {"majority": int(np.bincount(self.gold(split, learned)).argmax())})

    def gold(self, split: Any, learned: Learned) -> np.ndarray:
        from kerasft.data.label_spelling import clean_label, label_key

        numbers = {label_key(label): i for i, label in enumerate(learned.labels)}
        cells = [clean_label(value) for value in split.cells("label")]
        keys = (label_key(cell) if cell else None for cell in cells)
        found = np.fromiter((numbers.get(key, -1) for key in keys), dtype=np.int32, count=len(cells))  # type: ignore[arg-type]
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

    def unknown(self, gold: np.ndarray) -> np.ndarray:
        return np.asarray(gold < 0)

    def targets(self, encoded: Any, gold: np.ndarray, learned: Learned) -> Any:
        from dataclasses import replace

        return replace(encoded, targets=gold[encoded.owners])

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        return Told(window=learned.labels[int(targets)])

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        from kerasft.layers.losses import SmoothedCrossentropy

        return SmoothedCrossentropy(label_smoothing=label_smoothing, focal=focal)

    def main_metric(self, learned: Learned) -> str:
        return "accuracy"

    def score(self, found: np.ndarray, gold: np.ndarray, learned: Learned) -> dict[str, float]:
        predicted = metrics.most_likely(found)
        return {
            "loss": metrics.cross_entropy(found, gold),
            "accuracy": metrics.accuracy(gold, predicted),
            "macro_f1": metrics.macro_f1(gold, predicted),
            "predicted_classes": float(len(np.unique(predicted))) if len(np.unique(gold)) > 1 else 2.0,
        }

    def decode(self, found: np.ndarray, learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]) -> list[Prediction]:
        answers = []
        for row in metrics.softmax(found):
            best = int(row.argmax())
            shares = dict(zip(learned.labels, map(float, row), strict=True))
            answers.append(Prediction(learned.labels[best], float(row[best]), shares))
        return answers

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str]:
        return label_scalar(row, target)

    def report(self, found: np.ndarray, gold: np.ndarray, learned: Learned, split: Any, notes: list[str]) -> Report:
        majority = learned.facts.get("majority", 0)
        return classification_report(found, gold, learned.labels, split=split, majority=majority, notes=notes)

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        import tensorflow as tf

        names = tf.constant(learned.labels)
        count = tf.shape(outputs)[0]
        probabilities = tf.nn.softmax(tf.cast(outputs, tf.float32), axis=-1)  # (N, C)
        best = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.gather(names, best),
            "score": tf.reduce_max(probabilities, axis=-1),
            "labels": tf.tile(names[None, :], [count, 1]),
            "probabilities": probabilities,
        }

    def expect(self, answer: Prediction) -> dict[str, Any]:
        return {"label": answer.label, "probabilities": list(answer.probabilities.values())}

    def cells(self, answer: Prediction, learned: Learned) -> dict[str, str]:
        return {"predicted_label": answer.label, "score": f"{answer.score:.6f}", **share_cells(answer.probabilities)}


def share_cells(probabilities: Mapping[str, float]) -> dict[str, str]:
    """Cells of a file of answers: a column for each label's probability, or one column with the likeliest where labels are many.

    Ten thousand rows of five thousand labels would be fifty million cells, which no spreadsheet opens.
    """
    if len(probabilities) <= MOST_COLUMNS:
        return {f"probability_{label}": f"{share:.6f}" for label, share in probabilities.items()}
    likeliest = heapq.nlargest(_LIKELIEST, probabilities.items(), key=lambda item: item[1])
    return {"likeliest_labels": json.dumps({label: round(share, 6) for label, share in likeliest}, ensure_ascii=False)}


def label_scalar(row: Answered, target: Any) -> tuple[int, Any, str]:
    """The logit of the named label, of the likeliest when none is named; see `Task.scalar`.

    Raises:
        ConfigError: There is no such label.
    """
    labels = row.learned.labels
    if target is not None and target not in labels:
        raise ConfigError(f"There is no label {target!r} to explain.", hint=f"There are: {', '.join(labels[:30])}.")
    number = int(row.outputs[0].argmax()) if target is None else labels.index(target)
    return 0, lambda found: found[:, number], f"logit of {labels[number]!r}"


def single_labels(split: Any) -> tuple[str, ...]:
    """The label names of a split, at least two and not as many as there are rows.

    Raises:
        DataError: The column is not one of labels.
    """
    from kerasft.data.cells import parse_json
    from kerasft.data.dataset import label_names
    from kerasft.data.label_spelling import clean_label

    labels = label_names(split)
    where = f"{split.table.source}, column {split.columns.label!r}"
    if lists := [label for label in labels if label.startswith("[") and len(parse_json(label, list) or ()) > 1]:
        rows = [int(row) for row, cell in zip(split.table.rows, split.cells("label"), strict=True) if clean_label(cell) in lists]
        raise DataError(
            f"{len(rows):,} rows hold several labels, such as {lists[0]}, and this task gives each text one.",
            where=f"{where}, {name_rows(rows)}",
            hint="Take the task multi_label_classification, or leave one label in each row.",
        )
    if len(labels) < 2:
        hint = "Is this the right label column? Name another: label='...' (--data.label, Label in the app)."
        found = f"only {labels[0]!r}" if labels else "none"
        raise DataError(
            f"A classifier needs at least two different labels; the training rows have {found}.", where=where, hint=hint
        )
    if len(labels) > max(1000, len(split) // 2):
        hint = "Is this the right label column? For numbers take the task regression, for free text causal_lm."
        raise DataError(
            f"The label column holds {len(labels):,} different values in {len(split):,} rows.", where=where, hint=hint
        )
    return labels


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class TextClassification(PooledTask, SingleLabel):
    """One label for each text, or for each pair of texts when the data have a second text column.

    BERT reads `[CLS] text [SEP] pair [SEP]`, GPT-2 `text <|endoftext|> pair <|endoftext|>`; the logits come from
    the pooled vector. GPT-2 reads from left to right, so only its last token has seen the whole text: at the same
    size it usually classifies worse than BERT.
    """

    name = "text_classification"
    title = "Text classification"

    linear_head = "softmax"

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        return self.head(encoder, learned, len(learned.labels), seed=seed, name="text_classifier")
