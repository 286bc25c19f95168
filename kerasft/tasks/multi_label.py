"""Multi-label classification: any number of labels for one text, none among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasft.config import option
from kerasft.data.label_spelling import label_key, one_spelling
from kerasft.data.labels import split_labels
from kerasft.errors import DataError, name_rows, name_values
from kerasft.evaluation import multilabel
from kerasft.evaluation.metrics import sigmoid
from kerasft.evaluation.report import WORST, Mistake, Report, mistakes
from kerasft.tasks.advice import bolder
from kerasft.tasks.asking import Answered
from kerasft.tasks.base import TASKS, Learned
from kerasft.tasks.classification import label_scalar, share_cells
from kerasft.tasks.pooling import PooledTask
from kerasft.tasks.telling import Told

_CHOSEN_HERE = "The thresholds were chosen on these rows, so their figures are somewhat too good."


@dataclass(frozen=True)
class LabelsPrediction:
    """The answer to one text: the labels above their thresholds, likeliest first, and every label's probability."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return "; ".join(f"{label} ({self.probabilities[label]:.2f})" for label in self.labels) or "(none)"


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class MultiLabelClassification(PooledTask):
    """Any number of labels for each text or pair: each label is a yes-or-no question of its own.

    The labels of a row stand in one column (`joy;anger`, `joy|anger`, `joy, anger` or a JSON list) or in one 0/1
    column each. The loss is binary cross-entropy; after training, the threshold of each label is chosen on the
    validation rows.
    """

    name = "multi_label_classification"
    title = "Multi-label classification"

    separator: str = option(
        "auto",
        "What stands between the labels of a row; found among ; | and , when auto. JSON lists need none.",
        choices=("auto", ";", "|", ",", "space"),
        advanced=True,
    )
    thresholds: str = option(
        "tuned",
        "From which probability on a label is given: tuned for each label on the validation rows, or half for all.",
        choices=("tuned", "half"),
    )
    drop_unknown: bool = option(False, "Leave out labels the training rows do not have.", advanced=True)

    shows = "labels"
    linear_head = "sigmoid"
    monitors = ("micro_f1", "macro_f1", "tuned_macro_f1")

    def learn_from(self, split: Any) -> Learned:
        given, separator = split_labels(split.cells("label"), None if self.separator == "auto" else self.separator)
        counts = Counter(label for row in given for label in set(row))
        where = f"{split.table.source}, column {split.columns.label!r}"
        if not counts:
            raise DataError("No row has a label.", where=where)
        if len(counts) > 1000:
            hint = "Is this the right label column? Free text is for causal_lm, numbers are for regression."
            raise DataError(f"The label column holds {len(counts):,} different labels.", where=where, hint=hint)
        names = one_spelling(counts)
        together: Counter[str] = Counter()
        for label, count in counts.items():
            together[names[label]] += count
        labels = tuple(sorted(together))
        # A constant answer that gives no label has an F1 of 0, which any model is better than.
        frequent = [label for label in labels if together[label] > len(split) / 2] or [together.most_common(1)[0][0]]
        return Learned(labels, {"separator": separator, "thresholds": [0.5] * len(labels), "frequent": frequent})

    def gold(self, split: Any, learned: Learned) -> np.ndarray:
        given, _ = split_labels(split.cells("label"), learned.facts["separator"])
        numbers = {label_key(label): i for i, label in enumerate(learned.labels)}
        targets = np.zeros((len(given), len(numbers)), dtype=np.float32)
        odd: dict[str, list[int]] = {}
        for i, row in enumerate(given):
            for label in row:
                if label_key(label) in numbers:
                    targets[i, numbers[label_key(label)]] = 1
                else:
                    odd.setdefault(label, []).append(int(split.table.rows[i]))
        if odd and not self.drop_unknown:
            rows = sorted({row for rows in odd.values() for row in rows})
            raise DataError(
                f"Column {split.columns.label!r} holds labels the model has never seen: {name_values(odd)}.",
                where=f"{split.table.source} ({split.name}), {name_rows(rows)}",
                hint="Fix the spelling, or set drop_unknown=True (--task.drop_unknown true) to pass over these labels.",
            )
        return targets

    def needs(self, columns: Any) -> bool:
        return False  # no label is an answer too

    def remarks(self, split: Any, learned: Learned) -> list[str]:
        empty = int((self.gold(split, learned).sum(axis=1) == 0).sum())
        return [f"{empty:,} rows of {split.name} have none of the labels and count as such."] if empty else []

    def recommended(self, advice: Any, backbone: Any, tuning: Any) -> Any:
        return bolder(advice, backbone, tuning)

    def targets(self, encoded: Any, gold: np.ndarray, learned: Learned) -> Any:
        return replace(encoded, targets=gold[encoded.owners])

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        chosen = [label for label, there in zip(learned.labels, targets, strict=True) if there]
        return Told(window=", ".join(chosen) or "no label")

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        return self.head(encoder, learned, len(learned.labels), seed=seed, name="multi_label_classifier")

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        import keras

        return keras.losses.BinaryCrossentropy(from_logits=True)

    def monitored(self, learned: Learned) -> tuple[str, ...]:
        return tuple(name for name in self.monitors if name != "tuned_macro_f1" or self.thresholds == "tuned")

    def main_metric(self, learned: Learned) -> str:
        return "micro_f1" if self.thresholds == "half" else "tuned_macro_f1"

    def score(self, found: np.ndarray, gold: np.ndarray, learned: Learned) -> dict[str, float]:
        probabilities = sigmoid(found)
        figures = {"loss": multilabel.binary_cross_entropy(found, gold)}
        chosen = multilabel.choose(probabilities, np.full(gold.shape[1], 0.5))
        figures |= {"micro_f1": multilabel.micro_f1(gold, chosen), "macro_f1": multilabel.macro_f1(gold, chosen)}
        if self.thresholds == "tuned":
            tuned = multilabel.choose(probabilities, multilabel.tune_thresholds(probabilities, gold))
            figures["tuned_macro_f1"] = multilabel.macro_f1(gold, tuned)
        return figures

    def calibrate(self, found: np.ndarray, gold: np.ndarray, learned: Learned) -> Learned:
        if self.thresholds == "half":
            return learned
        thresholds = multilabel.tune_thresholds(sigmoid(found), gold)
        return replace(learned, facts={**learned.facts, "thresholds": [float(value) for value in thresholds]})

    def decode(
        self, found: np.ndarray, learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]
    ) -> list[LabelsPrediction]:
        thresholds = np.asarray(learned.facts["thresholds"])
        answers = []
        for row in sigmoid(found):
            order = np.argsort(-row, kind="stable")
            chosen = tuple(learned.labels[i] for i in order if row[i] >= thresholds[i])
            answers.append(LabelsPrediction(chosen, dict(zip(learned.labels, map(float, row), strict=True))))
        return answers

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str]:
        return label_scalar(row, target)

    def report(self, found: np.ndarray, gold: np.ndarray, learned: Learned, split: Any, notes: list[str]) -> Report:
        probabilities = sigmoid(found)
        thresholds = np.asarray(learned.facts["thresholds"])
        chosen = multilabel.choose(probabilities, thresholds)
        main = {
            "micro_f1": multilabel.micro_f1,
            "macro_f1": multilabel.macro_f1,
            "sample_f1": multilabel.sample_f1,
            "subset_accuracy": multilabel.subset_accuracy,
        }
        always = np.tile([label in learned.facts["frequent"] for label in learned.labels], (len(gold), 1))
        table = multilabel.label_table(gold, chosen)
        per_label = {}
        curves = {}
        for i, label in enumerate(learned.labels):
            per_label[label] = {name: float(values[i]) for name, values in table.items()}
            per_label[label] |= {"threshold": float(thresholds[i])}
            if gold[:, i].any():
                curves[label] = multilabel.pr_curve(probabilities[:, i], gold[:, i])
                per_label[label]["average_precision"] = multilabel.average_precision(probabilities[:, i], gold[:, i])
            else:
                per_label[label]["average_precision"] = 0.0
        return Report(
            split=split.name,
            source=split.table.source,
            examples=len(gold),
            metrics={
                **{name: metric(gold, chosen) for name, metric in main.items()},
                "loss": multilabel.binary_cross_entropy(found, gold),
            },
            intervals=multilabel.intervals(gold, chosen),
            baseline={name: metric(gold, always) for name, metric in main.items()},
            baseline_is="always the most frequent labels",
            labels=list(learned.labels),
            per_label=per_label,
            curves=curves,
            worst=self._worst(probabilities, gold, chosen, learned, split),
            notes=[*notes, _CHOSEN_HERE] if split.name == "validation" and self.thresholds == "tuned" else notes,
        )

    def _worst(
        self, probabilities: np.ndarray, gold: np.ndarray, chosen: np.ndarray, learned: Learned, split: Any
    ) -> list[Mistake]:
        """The rows whose surest wrong yes or no is surest."""
        wrong = np.where(gold.astype(bool) != chosen, np.abs(gold - probabilities), 0.0)
        order = np.argsort(-wrong.max(axis=1), kind="stable")[:WORST]
        rows = [i for i in order if wrong[i].any()]

        def named(marks: np.ndarray) -> Iterator[str]:
            return ("; ".join(label for label, on in zip(learned.labels, marks[i], strict=True) if on) for i in rows)

        return mistakes(split, rows, named(gold), named(chosen), wrong[rows].max(axis=1) if rows else [])

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        import tensorflow as tf

        names = tf.constant(learned.labels)
        probabilities = tf.sigmoid(tf.cast(outputs, tf.float32))  # (N, C)
        order = tf.argsort(probabilities, axis=-1, direction="DESCENDING", stable=True)
        above = probabilities >= tf.constant(learned.facts["thresholds"], tf.float32)
        ordered = tf.gather(above, order, batch_dims=1)
        chosen = tf.ragged.boolean_mask(tf.gather(names, order), ordered).to_tensor("")
        count = tf.shape(outputs)[0]
        return {"chosen": chosen, "labels": tf.tile(names[None, :], [count, 1]), "probabilities": probabilities}

    def expect(self, answer: LabelsPrediction) -> dict[str, Any]:
        return {"chosen": list(answer.labels), "probabilities": list(answer.probabilities.values())}

    def cells(self, answer: LabelsPrediction, learned: Learned) -> dict[str, str]:
        return {"predicted_labels": ";".join(answer.labels), **share_cells(answer.probabilities)}
