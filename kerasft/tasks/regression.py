"""Regression: a number for a text or for a pair of texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasft.errors import DataError, name_rows, name_values
from kerasft.evaluation import regression
from kerasft.evaluation.metrics import bootstrap_interval
from kerasft.evaluation.report import WORST, Report, mistakes
from kerasft.tasks.asking import Answered, check_untargeted
from kerasft.tasks.base import TASKS, Learned
from kerasft.tasks.pooling import PooledTask
from kerasft.tasks.telling import Told

_POINTS = 1_000  # of the scatter plot


@dataclass(frozen=True)
class NumberPrediction:
    """The answer to one text: a number in the unit of the labels."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:.6g}"


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Regression(PooledTask):
    """A number for each text or pair, such as a grade, a price or how similar two sentences are.

    The model learns the number less the mean of the training rows, divided by their standard deviation, with a
    squared loss; answers and figures are in the label's own unit.
    """

    name = "regression"
    title = "Regression (a number)"

    shows = "number"
    linear_head = "identity"
    monitors = ("r2", "pearson")

    def learn_from(self, split: Any) -> Learned:
        values = numbers(split)
        if len(np.unique(values)) < 2:
            where = f"{split.table.source}, column {split.columns.label!r}"
            raise DataError(f"All training rows have the same number, {values[0]:g}.", where=where)
        return Learned((), {"mean": float(values.mean()), "deviation": float(values.std())})

    def gold(self, split: Any, learned: Learned) -> np.ndarray:
        return numbers(split)

    def targets(self, encoded: Any, gold: np.ndarray, learned: Learned) -> Any:
        scaled = (gold - learned.facts["mean"]) / learned.facts["deviation"]
        return replace(encoded, targets=scaled[encoded.owners].astype(np.float32)[:, None])

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        value = float(targets[0]) * learned.facts["deviation"] + learned.facts["mean"]
        return Told(window=f"{value:.6g} ({float(targets[0]):+.3f} standard deviations)")

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        return self.head(encoder, learned, 1, seed=seed, name="regressor")

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        import keras

        return keras.losses.MeanSquaredError()

    def main_metric(self, learned: Learned) -> str:
        return "r2"

    def score(self, found: np.ndarray, gold: np.ndarray, learned: Learned) -> dict[str, float]:
        values = _in_units(found, learned)
        return {
            "loss": regression.mse(gold, values) / learned.facts["deviation"] ** 2,
            "r2": regression.r2(gold, values),
            "mae": regression.mae(gold, values),
            "pearson": regression.pearson(gold, values),
        }

    def decode(
        self, found: np.ndarray, learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]
    ) -> list[NumberPrediction]:
        return [NumberPrediction(float(value)) for value in _in_units(found, learned)]

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str]:
        check_untargeted(self.name, target)
        facts = row.learned.facts
        return 0, lambda found: found[:, 0] * facts["deviation"] + facts["mean"], "the number"

    def report(self, found: np.ndarray, gold: np.ndarray, learned: Learned, split: Any, notes: list[str]) -> Report:
        values = _in_units(found, learned)
        main = {name: getattr(regression, name) for name in ("r2", "pearson", "spearman", "mae", "mse")}
        figures = {name: metric(gold, values) for name, metric in main.items()} | {
            "loss": self.score(found, gold, learned)["loss"]
        }
        always = np.full_like(gold, learned.facts["mean"])
        shown = np.random.default_rng(0).permutation(len(gold))[:_POINTS]
        worst = np.argsort(-np.abs(gold - values), kind="stable")[:WORST]
        off = np.abs(gold - values)[worst]
        return Report(
            split=split.name,
            source=split.table.source,
            examples=len(gold),
            metrics=figures,
            intervals={name: bootstrap_interval(main[name], gold, values) for name in ("mae", "r2")},
            baseline={name: main[name](gold, always) for name in ("r2", "mae", "mse")},
            baseline_is="always the mean of the training rows",
            points=[(float(gold[i]), float(values[i])) for i in shown],
            worst=mistakes(split, worst, [f"{gold[i]:g}" for i in worst], [f"{values[i]:.4g}" for i in worst], off),
            notes=notes,
        )

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        import tensorflow as tf

        return {"value": tf.cast(outputs[:, 0], tf.float32) * learned.facts["deviation"] + learned.facts["mean"]}

    def expect(self, answer: NumberPrediction) -> dict[str, Any]:
        return {"value": answer.value}

    def cells(self, answer: NumberPrediction, learned: Learned) -> dict[str, str]:
        return {"predicted": f"{answer.value:.7g}"}


def _in_units(found: np.ndarray, learned: Learned) -> np.ndarray:
    """(N,) numbers in the label's unit from (N, 1) outputs."""
    return np.asarray(found[:, 0].astype(np.float64) * learned.facts["deviation"] + learned.facts["mean"])


def numbers(split: Any) -> np.ndarray:
    """(rows,) float64 numbers of the label column.

    Raises:
        DataError: A cell is no finite number; names the rows.
    """
    values, odd = [], []
    cells = split.cells("label")
    for i, cell in enumerate(cells):
        try:
            value = float((cell or "").strip())
        except ValueError:
            value = math.nan
        values.append(value)
        if not math.isfinite(value):
            odd.append(i)
    if odd:
        rows = name_rows([int(split.table.rows[i]) for i in odd])
        raise DataError(
            f"Column {split.columns.label!r} holds {len(odd):,} cells that are no numbers: "
            f"{name_values(dict.fromkeys(cells[i] for i in odd))}.",
            where=f"{split.table.source} ({split.name}), {rows}",
            hint="Write numbers as 3.5 or -2 (a point, no units), or take the task text_classification for names.",
        )
    return np.asarray(values, dtype=np.float64)
