"""What single words tell: TF-IDF with a linear model, the baseline a fine-tuned model has to beat.

    python -m kerasft.word_counts run.json FOLDER

does it in a process of its own and writes `report.json` and `report.md` into the folder, as a run does.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.data.dataset import Dataset, load_data
from kerasft.data.split import Split
from kerasft.errors import ConfigError
from kerasft.evaluation.direction import LOWER_IS_BETTER
from kerasft.evaluation.report import Report, save_reports
from kerasft.recipe import RunConfig
from kerasft.tasks.base import Learned, Task, pick

STRENGTHS = (1.0, 10.0, 30.0)  # inverse of the regularisation; the best on the validation rows is taken, as epochs are
FITS = ("text_classification", "multi_label_classification", "regression")


def word_counts(task: Task, data: Dataset) -> tuple[Report, int]:
    """Score TF-IDF (words and pairs of words, sublinear) with a linear model of scikit-learn on the validation rows.

    Logistic regression for one label, one for each of several labels, ridge regression for numbers; of a pair both texts are
    counted together.

    Args:
        task: One of `FITS`.
        data: With the splits `train` and `validation`.

    Returns:
        The report, as a run of the same task has it, and how many coefficients were fitted.

    Raises:
        ConfigError: The task has no such baseline.
    """
    if task.name not in FITS:
        raise ConfigError(f"There is no baseline of word counts for task '{task.name}'. It is for: {', '.join(FITS)}.")
    from sklearn.feature_extraction.text import TfidfVectorizer

    data = task.suited(data)
    needed = task.needs(data["train"].columns)
    train, _ = data["train"].usable(need_label=needed)
    learned = task.learn(train)
    train, gold = _known(task, train, learned)
    held_out, told = _known(task, data["validation"].usable(need_label=needed)[0], learned)
    counter = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features, asked = counter.fit_transform(_texts(train)), counter.transform(_texts(held_out))
    metric = task.main_metric(learned)
    best: tuple[float, np.ndarray, Learned] | None = None
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a label that all rows have, or steps that came to an end: still a baseline
            found = _fitters(learned)[task.name](features, gold, strength)(asked)
        value = (-1 if metric in LOWER_IS_BETTER else 1) * task.score(found, told, learned)[metric]
        if best is None or value > best[0]:
            best = value, found, task.calibrate(found, told, learned)
    assert best is not None
    outputs = max(1, len(learned.labels))
    return task.report(best[1], told, best[2], held_out, []), outputs * (features.shape[1] + 1)


def _known(task: Task, split: Split, learned: Learned) -> tuple[Split, Any]:
    """The rows whose label is known, and what they say."""
    gold = task.gold(split, learned)
    keep = np.flatnonzero(~task.unknown(gold))
    return split.take(keep), pick(gold, keep)


def _texts(split: Split) -> list[str]:
    return [f"{text or ''} {pair or ''}" for texts, pairs, _ in split.batches() for text, pair in zip(texts, pairs, strict=True)]


def _fitters(learned: Learned) -> dict[str, Callable[..., Callable[[Any], np.ndarray]]]:
    """By task: from features, gold and strength to what answers other features as the task's model would."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier

    def one(features: Any, gold: np.ndarray, strength: float) -> Callable[[Any], np.ndarray]:
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(features, gold)

        def answer(asked: Any) -> np.ndarray:
            found = np.full((asked.shape[0], len(learned.labels)), -30.0, dtype=np.float32)  # a label without rows
            found[:, fitted.classes_] = fitted.predict_log_proba(asked)
            return found

        return answer

    def several(features: Any, gold: np.ndarray, strength: float) -> Callable[[Any], np.ndarray]:
        fitted = OneVsRestClassifier(LogisticRegression(C=strength, max_iter=1000)).fit(features, gold.astype(np.int32))
        return lambda asked: np.asarray(fitted.decision_function(asked), dtype=np.float32).reshape(asked.shape[0], -1)

    def number(features: Any, gold: np.ndarray, strength: float) -> Callable[[Any], np.ndarray]:
        scaled = (gold - learned.facts["mean"]) / learned.facts["deviation"]
        fitted = Ridge(alpha=1 / strength).fit(features, scaled)
        return lambda asked: np.asarray(fitted.predict(asked), dtype=np.float32)[:, None]

    return dict(zip(FITS, (one, several, number), strict=True))


def main(recipe: str, folder: str) -> None:
    """Write the reports of a recipe's data into a folder."""
    run = RunConfig.load(recipe)
    report, coefficients = word_counts(run.task, load_data(None, run.data).divided())
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    (out / "coefficients.txt").write_text(str(coefficients), encoding="utf-8")
    save_reports({"validation": report}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
