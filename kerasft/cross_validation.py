"""Figures for few rows: the model is trained again without one part of them after another, and answers that part."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.data.dataset import groups_and_strata
from kerasft.data.split import Split
from kerasft.data.splitting import stratified_folds
from kerasft.evaluation.report import Report
from kerasft.events import Emit, Phase, Warned, ignore
from kerasft.graphs import release
from kerasft.preprocessing.encoding import Encoded
from kerasft.progress import clock
from kerasft.solved_head import HeadProblem
from kerasft.tasks.base import pick
from kerasft.training.checkpoint import Checkpoints, TrainingState, running_variables
from kerasft.training.options import TrainConfig
from kerasft.training.stopping import StopRequest
from kerasft.training.trainer import Job, train
from kerasft.weights import as_array

# The folds learn from the same rows, so their answers are not independent. Intervals as of rows held out once covered the
# accuracy on other rows in 81 to 93 of 100 samples of 16 to 184 rows; widened so much, in 91 to 98 (benchmarks/RESULTS.md).
_WIDER = 1.4


class StepFolds:
    """Learns parts of the rows as a run learns all of them: the same beginning, the same number of updates.

    Args:
        job: Compiled, with the weights a run begins with: they are noted here, before it is trained.
        options: Of the run, with nothing left open.
        encoded: Its rows.
        problem: Of a head that begins solved; else None.
        stop: Asked after every step.
    """

    def __init__(self, job: Job, options: TrainConfig, encoded: Encoded, problem: HeadProblem | None, stop: StopRequest) -> None:
        self._job, self._options, self._encoded, self._problem, self._stop = job, options, encoded, problem, stop
        moments = [variable for variable in job.model.optimizer.variables if len(variable.shape)]
        counted = {id(variable) for variable in moments}
        self._variables = [*job.weights.values(), *(v for v in running_variables(job.model) if id(v) not in counted)]
        self._moments = moments  # of the optimizer: nothing as it begins, and of no use in the end
        self._beginning = self._values()

    def _values(self) -> list[np.ndarray]:
        return [np.array(as_array(variable)) for variable in self._variables]

    def _set(self, values: Iterable[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def begin(self, rows: np.ndarray) -> bool:
        """Set the weights that training on some rows begins with; True where their head is solved, so that they can answer."""
        self._set(self._beginning)
        for moment in self._moments:
            moment.assign(np.zeros(moment.shape))
        if self._problem is None:
            return False
        self._problem.apply(self._problem.solve(self._problem.places_of(rows)))
        return True

    def learn(self, rows: np.ndarray) -> bool:
        """Train on some rows from where `begin` has set the weights; False when a stop was asked for."""
        windows = np.flatnonzero(np.isin(self._encoded.owners, rows))
        steps, share = len(self._job.plan(0)) * self._job.epochs, max(1, len(self._job.plan(0, windows)))
        # As many updates; up to an epoch more where the rate has then fallen to nothing.
        epochs = max(1, round(steps / share)) if self._options.schedule == "constant" else math.ceil(steps / share)
        part = replace(
            self._job,
            plan=lambda epoch: self._job.plan(epoch, windows),
            epochs=epochs,
            validate=None,
        )
        nowhere = Checkpoints(Path(), writes=False)
        outcome = train(part, self._options, checkpoints=nowhere, state=TrainingState(), stop=self._stop, emit=ignore, once=False)
        return outcome.stopped is None

    def keep_beginning(self) -> None:
        """Give the model the weights that its training began with, their head solved on all rows."""
        self._set(self._beginning)

    def __enter__(self) -> StepFolds:
        self._end = self._values()
        return self

    def __exit__(self, *_: object) -> None:
        self._set(self._end)
        release(self._job.model)


class SolvedFolds:
    """Solves the head on parts of the rows.

    Args:
        model: Whose head is solved.
        problem: Of all rows.
        stop: Asked before each part.
    """

    def __init__(self, model: Any, problem: HeadProblem, stop: StopRequest) -> None:
        self._problem, self._stop = problem, stop
        dense = model.keras_model.get_layer("head").dense
        self._variables = [dense.kernel, dense.bias]

    def begin(self, rows: np.ndarray) -> bool:
        """Nothing: there is no other candidate."""
        return False

    def keep_beginning(self) -> None:
        """Nothing, likewise."""

    def learn(self, rows: np.ndarray) -> bool:
        """Solve on some rows; False when a stop was asked for."""
        self._problem.apply(self._problem.solve(self._problem.places_of(rows)))
        return self._stop.reason is None

    def __enter__(self) -> SolvedFolds:
        self._end = [np.array(as_array(variable)) for variable in self._variables]
        return self

    def __exit__(self, *_: object) -> None:
        for variable, value in zip(self._variables, self._end, strict=True):
            variable.assign(value)


def cross_validate(
    model: Any, learner: StepFolds | SolvedFolds, split: Split, gold: Any, *, count: int, seed: int, emit: Emit
) -> tuple[Any, str] | None:
    """Answers by models that have not seen the row they answer, and a sentence on the candidates; None when it was stopped.

    Where training began with a solved head, that beginning is a candidate too, on the same folds: where training has not helped,
    the model is given the weights it began with.

    Args:
        model: A `FineTunedModel` that has been trained.
        learner: How parts of the rows are learned.
        split: All rows that were learned from.
        gold: What their labels say.
        count: Number of folds.
        seed: Of the folds.
        emit: Where events go.
    """
    folds = stratified_folds(*groups_and_strata(split), count, seed)
    trained: list[Any] = [None] * len(split)
    begun: list[Any] = [None] * len(split)
    whole, since = int(folds.max()) + 1, time.monotonic()
    with learner:
        for number in range(whole):
            left = (time.monotonic() - since) / number * (whole - number) if number else 0.0
            emit(Phase(phase="fold", detail=f"{number + 1} of {whole}" + (f", about {clock(left)} left" if number else "")))
            held_out, others = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
            encoded = model.task.targets(model.encode(split.take(held_out)), pick(gold, held_out), model.learned)
            if learner.begin(others):
                _put(begun, held_out, model.found(encoded))
            if not learner.learn(others):
                return None
            _put(trained, held_out, model.found(encoded))
    found = _together(trained)
    if begun[0] is None:
        return found, ""
    helps, sentence = _compare(model, _together(begun), found, gold)
    if helps:
        return found, sentence
    learner.keep_beginning()
    emit(Warned(code="kept_beginning", message=sentence))
    return _together(begun), sentence


def _put(found: list[Any], rows: np.ndarray, answers: Any) -> None:
    for row, answer in zip(rows, answers, strict=True):
        found[row] = answer


def _together(found: list[Any]) -> Any:
    return np.stack(found) if isinstance(found[0], np.ndarray) else found


def _compare(model: Any, begun: Any, trained: Any, gold: Any) -> tuple[bool, str]:
    """Whether trained models answer at least as well as those they began as, and a sentence on both."""
    metric = model.task.main_metric(model.learned)
    before, after = (float(model.task.score(found, gold, model.learned)[metric]) for found in (begun, trained))
    worse = after > before if metric == "loss" else after < before
    kept = "the former is the model, since training further did not help" if worse else "the latter is the model"
    name = metric.removeprefix("tuned_")
    sentence = (
        f"Two candidates were compared by cross-validation: the head solved on frozen features ({name} {before:.3f}), and "
        f"training from there ({name} {after:.3f}); {kept}."
    )
    return not worse, sentence


def as_estimate(report: Report, count: int, compared: str) -> Report:
    """A report on cross-validated answers, named as what it is and with the wider intervals it needs.

    Args:
        report: Of these answers.
        count: Number of folds.
        compared: A sentence on the candidates, if there were any.
    """
    intervals = {name: _widened(report.metrics.get(name, sum(ends) / 2), ends) for name, ends in report.intervals.items()}
    note = (
        f"Cross-validation: each row was answered by a model trained without it ({count} folds); the model itself has learned "
        f"from all rows. The intervals are {_WIDER} times as wide as for rows held out once."
    )
    return replace(
        report, split="cross-validation", intervals=intervals, notes=[note, *([compared] if compared else []), *report.notes]
    )


def _widened(value: float, limits: tuple[float, float]) -> tuple[float, float]:
    """An interval widened about its value; a share stays a share."""
    low, high = (value + _WIDER * (limit - value) for limit in limits)
    return (max(0.0, low) if limits[0] >= 0 else low), (min(1.0, high) if limits[0] >= 0 and limits[1] <= 1 else high)
