"""The only translator from Keras' hooks to events: progress, divergence, stop request, validation, TensorBoard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerasft.errors import RunError
from kerasft.events import Emit, Estimated, Event, Step, Validated, Warned
from kerasft.memory import machine_bytes, peak_bytes
from kerasft.processor import advice
from kerasft.training.checkpoint import TrainingState
from kerasft.training.pace import Pace

_EVERY_SECONDS = 0.5
_TIGHT = 0.85  # share of the machine's memory above which a warning is due


class StepWatch(keras.callbacks.Callback):
    """Follows one `fit` call step by step.

    Args:
        state: Kept up to date; the position a checkpoint records.
        batch_rows: Rows of each batch of this call, in order.
        batch_positions: Tokens and padding of each of them.
        pace: Told of every step.
        precision: What is trained in, as in `TrainConfig`.
        steps_per_epoch: Steps of a whole epoch.
        total_steps: Steps of the whole run.
        emit: Where events go.
        after_step: Called after every step; returns True to stop.
    """

    def __init__(
        self,
        state: TrainingState,
        *,
        batch_rows: list[int],
        batch_positions: list[int],
        pace: Pace,
        precision: str,
        steps_per_epoch: int,
        total_steps: int,
        emit: Emit,
        after_step: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._state, self._emit, self._after_step = state, emit, after_step
        self._batch_rows, self._batch_positions, self._pace = batch_rows, batch_positions, pace
        self._precision, self._steps_per_epoch, self._total = precision, steps_per_epoch, total_steps
        self._last = time.monotonic()
        self._first_step = state.step
        self._recent: list[float] = []
        self._recent_rows = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras reports the running mean of the epoch; reset, it reports the loss of this batch alone.
        self.model.reset_metrics()
        self._pace.begin()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        state = self._state
        self._pace.end(self._batch_positions[state.step - self._first_step])
        rows = self._batch_rows[state.step - self._first_step]
        state.step += 1
        state.step_in_epoch += 1
        state.loss_sum += loss * rows
        state.rows += rows
        self._recent.append(loss)
        self._recent_rows += rows
        if not math.isfinite(loss):
            raise RunError(
                f"The loss became {loss} at step {state.step}; the weights are no longer usable.",
                where=f"step {state.step} of {self._total}",
                hint="Lower the learning rate (a tenth is a good try), keep clip_norm at 1.0, and prefer "
                "mixed_bfloat16 to mixed_float16. The last checkpoint is from before this step.",
            )
        if self._pace.steps == 2:
            self._estimate()
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS or state.step == self._total or state.step == 1:
            self._report(now)
        if self._after_step():
            self.model.stop_training = True

    def _estimate(self) -> None:
        peak, machine, seconds = peak_bytes(), machine_bytes(), self._pace.seconds_left
        faster = advice(self._precision, seconds)
        self._emit(Estimated(seconds=seconds, peak_bytes=peak, machine_bytes=machine, advice=faster))
        if peak and machine and peak > _TIGHT * machine:
            message = f"Training takes {peak / 2**30:.1f} of the machine's {machine / 2**30:.1f} GiB of memory."
            hint = "Where that is too close, halve batch_size and double accumulate: the result is of the same kind."
            self._emit(Warned(code="memory", message=message, hint=hint))

    def _report(self, now: float) -> None:
        state = self._state
        self._emit(
            Step(
                step=state.step,
                total_steps=self._total,
                epoch=state.epoch + state.step_in_epoch / self._steps_per_epoch,
                loss=sum(self._recent) / len(self._recent),
                learning_rate=float(self.model.optimizer.learning_rate),
                examples_per_second=self._recent_rows / max(now - self._last, 1e-9),
                eta_seconds=self._pace.seconds_left,
            )
        )
        self._last, self._recent, self._recent_rows = now, [], 0


class TensorBoardLog:
    """A sink that writes Step and Validated events as TensorBoard scalars.

    Args:
        folder: The run's `logs/`.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder))

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step):
            scalars = {"train/loss": event.loss, "train/learning_rate": event.learning_rate}
        elif isinstance(event, Validated):
            scalars = {f"validation/{name}": value for name, value in event.metrics.items()}
        else:
            return
        with self._writer.as_default(step=event.step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._writer.flush()
