"""`train`: runs the epochs of one job through Keras `fit`, with validation, checkpoints and exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasft.events import ONE_CLASS, Checkpoint, Emit, EpochEnd, Phase, Validated, Warned
from kerasft.graphs import release
from kerasft.training.callbacks import StepWatch
from kerasft.training.checkpoint import Checkpoints, TrainingState
from kerasft.training.options import TrainConfig
from kerasft.training.pace import Pace
from kerasft.training.stopping import StopRequest
from kerasft.weights import load_weights

_FEW_UPDATES = 100  # below, a classifier of MiniLM's size was often still at chance (16 rows of each label, three epochs)
_GO_ON, _STOP, _ENOUGH = 0, 1, 2


@dataclass
class Job:
    """What is trained, free of tasks and tuning methods.

    Attributes:
        model: Compiled `keras.Model`.
        weights: Those of its weights that are kept, by path: all that learn, and none that can be had elsewhere.
        plan: From an epoch's number to its batches' row numbers; given some of the rows besides, to batches of these.
        positions: From a plan to the tokens and padding of each of its batches.
        batches: From a plan and the number of its epoch to a `tf.data.Dataset`.
        validate: Figures on the validation split, or None when there is none. What it is called with is called now and then
            meanwhile, and may raise.
        monitor: The figure that decides which weights are best.
        epochs: How many.
        padding: Share of the positions in the first epoch's batches that hold padding.
        fitting: Makes the context in which Keras's `fit` runs.
        agreed: From a decision, 0 for going on, to that of the process which decides for all.
        halts: Whether a validation may be left when a stop is asked for: not where several processes do it together.
    """

    model: Any
    weights: Mapping[str, Any]
    plan: Callable[..., list[np.ndarray]]
    positions: Callable[[list[np.ndarray]], list[int]]
    batches: Callable[[list[np.ndarray], int], Any]
    validate: Callable[[Callable[[float], None]], dict[str, float]] | None
    monitor: str
    epochs: int
    padding: float = 0.0
    fitting: Callable[[], Any] = nullcontext
    agreed: Callable[[int], int] = int
    halts: bool = True


@dataclass(frozen=True)
class Outcome:
    """How training ended.

    Attributes:
        state: Where it stands.
        stopped: Who asked it to stop, or None when it came to its end.
        found: What the model finds on the validation rows, where that is known already.
        solved: Of a head that was solved: `strength` of its regularisation and whether the solver `converged`.
    """

    state: TrainingState
    stopped: str | None = field(default=None)
    found: Any = None
    solved: dict[str, Any] | None = None


def train(
    job: Job,
    config: TrainConfig,
    *,
    checkpoints: Checkpoints,
    state: TrainingState,
    stop: StopRequest,
    emit: Emit,
    once: bool = True,
) -> Outcome:
    """Train from `state` to the end, or until asked to stop.

    The order after each step is fixed, so that a stopped and resumed run does the same as one that was not:
    count, validate if due, save if due, look for a stop request. A validation that was left for a stop is done first
    when the run goes on.

    Args:
        job: What to train.
        config: How.
        checkpoints: Where checkpoints go.
        state: Where to start; a fresh `TrainingState` for a new run.
        stop: Asked after every step.
        emit: Where events go.
        once: Whether the graph of a step can go when this is done; whoever trains again calls `graphs.release` in the end.

    Raises:
        RunError: The loss is no longer a number.
    """
    loop = _Loop(job, config, checkpoints, state, stop, emit)
    try:
        stopped = loop.run()
    finally:
        if once:
            release(job.model)
    if config.restore_best and state.best is not None and state.best_step != state.step:
        load_weights(job.weights, checkpoints.best_weights(state))
    return Outcome(state, stopped)


class _HaltedError(Exception):
    """A validation is left, because the run was asked to stop."""


class _Loop:
    def __init__(
        self, job: Job, config: TrainConfig, checkpoints: Checkpoints, state: TrainingState, stop: StopRequest, emit: Emit
    ) -> None:
        self.job, self.config, self.checkpoints = job, config, checkpoints
        self.state, self.stop, self.emit = state, stop, emit
        whole = job.positions(job.plan(0))
        self.steps_per_epoch = len(whole)
        self.pace = Pace(sum(whole) * (job.epochs - state.epoch) - sum(whole[: state.step_in_epoch]))
        self.saved_at = time.monotonic()
        self.saved_step = state.step
        self.reason: str | None = None
        self.enough = self._impatient

    @property
    def _impatient(self) -> bool:
        return self.config.patience is not None and self.state.since_best >= self.config.patience

    def run(self) -> str | None:
        if self.state.step_in_epoch < self.steps_per_epoch:
            self._validate_if_due()
            self.enough = self._impatient
        while self.state.epoch < self.job.epochs and not self.enough:
            begun = time.monotonic()
            self._fit_epoch()
            self.state.seconds += time.monotonic() - begun
            if self.reason and self.state.step_in_epoch < self.steps_per_epoch:
                break
            if not self.enough:
                self._end_epoch(begun)
            if self.reason:
                break
        if self.state.step != self.saved_step:
            self._save()
        return self.reason

    def _fit_epoch(self) -> None:
        state = self.state
        plan = self.job.plan(state.epoch)[state.step_in_epoch :]
        if not plan:
            return  # stopped exactly at the end of the epoch
        watch = StepWatch(
            state,
            batch_rows=[len(rows) for rows in plan],
            batch_positions=self.job.positions(plan),
            pace=self.pace,
            precision=self.config.precision,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.job.epochs * self.steps_per_epoch,
            emit=self.emit,
            after_step=self._after_step,
        )
        data = self.job.batches(plan, state.epoch)
        # Said how many steps there are, Keras does not ask for one more: on several devices that would count as an update.
        epochs = {"initial_epoch": state.epoch, "epochs": state.epoch + 1, "steps_per_epoch": len(plan)}
        with self.job.fitting():
            self.job.model.fit(data, **epochs, shuffle=False, callbacks=[watch], verbose=0)

    def _after_step(self) -> bool:
        self._validate_if_due()
        if time.monotonic() - self.saved_at > 60 * self.config.checkpoint_minutes:
            self._save()
        return self._decide()

    def _validate_if_due(self) -> None:
        every = self.config.validate_every
        if every and self.state.step and self.state.step % every == 0:
            self._validate()

    def _decide(self) -> bool:
        """Whether training ends here, and why; of several processes one decides, by its own figures and its own stop request."""
        decision = self.job.agreed(_STOP if self.stop.reason else _ENOUGH if self._impatient else _GO_ON)
        self.reason = (self.stop.reason or "another process") if decision == _STOP else None
        if self.reason:
            self.emit(Phase(phase="stopping", detail="a checkpoint and the model are saved, then it is evaluated"))
        self.enough = decision == _ENOUGH
        return decision != _GO_ON

    def _end_epoch(self, begun: float) -> None:
        state = self.state
        seconds = time.monotonic() - begun
        loss = state.loss_sum / max(1, state.rows)
        ended = EpochEnd(step=state.step, epoch=state.epoch + 1, loss=loss, seconds=seconds)
        if not self._validate(ended):
            self._decide()
            return
        state.epoch, state.step_in_epoch, state.loss_sum, state.rows = state.epoch + 1, 0, 0.0, 0
        self._save()
        self.enough = self.job.agreed(_ENOUGH if self._impatient else _GO_ON) == _ENOUGH

    def _look(self, _: float) -> None:
        if self.job.halts and self.stop.reason:
            raise _HaltedError

    def _validate(self, ended: EpochEnd | None = None) -> bool:
        """Find the figures, unless they are known, and see whether they are the best; False when a stop was asked for meanwhile.

        Args:
            ended: Told before them.
        """
        state, figures = self.state, None
        if self.job.validate is not None and state.validated_step != state.step:
            try:
                figures = self.job.validate(self._look)
            except _HaltedError:
                return False
        if ended:
            self.emit(ended)
        if figures is not None:
            self._judge(figures)
        return True

    def _judge(self, figures: dict[str, float]) -> None:
        """Note validation figures, and keep the weights if they are the best so far."""
        state = self.state
        collapsed = figures.pop("predicted_classes", 2.0) == 1
        # Some figures have no value on some rows (a correlation of equal numbers); then the loss decides.
        figures = {name: figure for name, figure in figures.items() if name == "loss" or not math.isnan(figure)}
        monitor = self.job.monitor if self.job.monitor in figures else "loss"
        value = -figures["loss"] if monitor == "loss" else figures[monitor]
        # Small validation splits often tie; the lower loss then says which weights are better.
        ranked = (value, -figures["loss"])
        better = state.best is None or ranked > (state.best, -state.best_loss)
        # A figure that stands still is not better: a lower loss alone does not make patience begin anew.
        state.since_best = 0 if state.best is None or value > state.best else state.since_best + 1
        if better:
            state.best, state.best_loss, state.best_step = value, figures["loss"], state.step
            self.checkpoints.save_best(self.job.weights, state)
        state.validated_step = state.step
        epoch = state.epoch + state.step_in_epoch / self.steps_per_epoch
        state.history.append({"step": state.step, "epoch": epoch, **figures})
        self.emit(Validated(step=state.step, epoch=epoch, metrics=figures, best=better))
        if collapsed:
            self.emit(
                Warned(
                    code=ONE_CLASS,
                    message="The model predicts the same label everywhere in the validation rows.",
                    hint=self._one_class_hint(),
                )
            )

    def _one_class_hint(self) -> str:
        total = self.job.epochs * self.steps_per_epoch // self.config.accumulate
        if total < _FEW_UPDATES:
            return (
                f"The whole run makes {total:,} updates of the weights, which is few: train for more epochs or with smaller "
                "batches, or take frozen features, whose head is solved."
            )
        return (
            "Early on this can pass. If it stays: lower the learning rate, set class_weights to balanced, or check that the "
            "label column is the right one."
        )

    def _save(self) -> None:
        path = self.checkpoints.save(self.job.model, self.job.weights, self.state)
        self.saved_at, self.saved_step = time.monotonic(), self.state.step
        self.emit(Checkpoint(step=self.state.step, path=path.name))
