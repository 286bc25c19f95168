"""The terminal's view of a run: a line for each phase, one line that grows while it trains, warnings in full."""

from __future__ import annotations

from typing import TextIO

from kerasft.events import Estimated, Event, Phase, Started, Step, Stopped, Validated, Warned
from kerasft.output import Unbreakable

_PHASES = {
    "workers": "Waiting for the other workers",
    "data": "Reading data",
    "download": "Downloading",
    "model": "Loading model",
    "tokenise": "Tokenising",
    "features": "Computing features",
    "solve": "Solving the head",
    "head_start": "Solving the head to begin with",
    "fold": "Cross-validation, part",
    "evaluate": "Evaluating",
    "stopping": "Stopping",
}


class TerminalProgress:
    """A sink that writes to a terminal, or plain lines to a file.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = Unbreakable(stream)
        self._live = stream.isatty()
        self._open_line = False
        self._last_percent = -10.0
        self.stopped = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Phase):
            self._line(f"{_PHASES.get(event.phase, event.phase)}: {event.detail}")
        elif isinstance(event, Started):
            share = event.trainable_parameters / max(1, event.parameters)
            self._line(
                f"Training: {event.train_examples:,} rows, {event.epochs} epochs, {event.total_steps:,} steps; "
                f"{event.trainable_parameters:,} of {event.parameters:,} weights learn ({share:.1%}), "
                f"{event.optimizer_bytes / 2**20:,.1f} MiB of optimizer state; {event.padding:.1%} of the batches is padding"
                + (f"; {event.devices} devices share each batch" if event.devices > 1 else "")
                + (f"; going on from step {event.first_step:,}" if event.first_step else "")
            )
        elif isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Estimated):
            self._line(f"About {clock(event.seconds)} of training; {memory(event)}".rstrip("; "))
            if event.advice:
                self._line(event.advice)
        elif isinstance(event, Validated):
            figures = ", ".join(f"{name} {value:.4f}" for name, value in event.metrics.items())
            self._line(f"Validation after epoch {event.epoch:.2f}: {figures}{'  (best)' if event.best else ''}")
        elif isinstance(event, Warned):
            self._line(f"Warning: {event.message}" + (f"\n  {event.hint}" if event.hint else ""))
        elif isinstance(event, Stopped):
            self.stopped = True
            self._line(f"Stopped by {event.reason} at step {event.step:,}.")

    def _step(self, event: Step) -> None:
        percent = 100 * event.step / max(1, event.total_steps)
        text = (
            f"{percent:5.1f} %  step {event.step:,}/{event.total_steps:,}  epoch {event.epoch:.2f}  "
            f"loss {event.loss:.4f}  {event.examples_per_second:,.0f} rows/s  {clock(event.eta_seconds)} left"
        )
        if self._live:
            filled = int(percent / 5)
            self._stream.write(f"\r[{'#' * filled}{'.' * (20 - filled)}] {text}\x1b[K")
            self._stream.flush()
            self._open_line = True
        elif percent - self._last_percent >= 10:
            self._last_percent = percent
            self._line(text)

    def _line(self, text: str) -> None:
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False
        self._stream.write(text + "\n")
        self._stream.flush()


def memory(event: Estimated) -> str:
    """Memory as `1.8 of 24.0 GiB of memory`; empty where it is not known."""
    if not event.peak_bytes:
        return ""
    whole = f" of {event.machine_bytes / 2**30:.1f}" if event.machine_bytes else ""
    return f"{event.peak_bytes / 2**30:.1f}{whole} GiB of memory"


def clock(seconds: float) -> str:
    """Seconds as `45 s`, `3:05` or `1:02:03`."""
    whole = int(max(0, seconds))
    if whole < 60:
        return f"{whole} s"
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
