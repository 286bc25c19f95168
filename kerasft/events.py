"""What a run tells while it runs: small frozen records, one JSON line each.

Sinks are functions `Emit = Callable[[Event], None]`: the log file, the terminal's progress line, the person's
`on_event`. A run's folder keeps them in `events.jsonl`, which is all the app needs to follow a run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `time` is in seconds since 1970."""

    time: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values with the event's name under `event`."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """Training begins or goes on: steps in all, step it starts from, what learns, memory of the optimizer's state, and the
    share of all positions in batches that only fill them up, and devices that share each batch.
    """

    run: str
    total_steps: int
    first_step: int = 0
    epochs: int
    train_examples: int
    validation_examples: int
    trainable_parameters: int
    parameters: int
    optimizer_bytes: int = 0
    padding: float = 0.0
    devices: int = 1


@dataclass(frozen=True, kw_only=True)
class Phase(Event):
    """A stretch of work other than training steps: loading, tokenising, evaluating."""

    phase: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """Training steps done so far; `loss` is the mean since the last Step event."""

    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    examples_per_second: float
    eta_seconds: float


@dataclass(frozen=True, kw_only=True)
class Estimated(Event):
    """After the first two steps, which in a new run are on its largest batches: what the rest will take.

    Attributes:
        seconds: Of training, without validations.
        peak_bytes: The most memory held so far, on the GPU where there is one; None where the system does not say.
        machine_bytes: What there is of it; None where that is not known.
        advice: What would be faster here, in words; empty when there is nothing to say.
    """

    seconds: float
    peak_bytes: int | None = None
    machine_bytes: int | None = None
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Validated(Event):
    """Figures on the validation split; `best` when they are the best so far."""

    step: int
    epoch: float
    metrics: dict[str, float]
    best: bool


@dataclass(frozen=True, kw_only=True)
class EpochEnd(Event):
    """An epoch is over; `loss` is the mean of its training steps."""

    step: int
    epoch: int
    loss: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Event):
    """Everything needed to go on is on disk."""

    step: int
    path: str


ONE_CLASS = "one_class"  # a warning of the validation before it, which the next one may take back


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something a person should know; the run goes on."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """Ended early on request; a checkpoint and a usable model are on disk."""

    step: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """The run is complete and its model is saved."""

    step: int
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """The run ended with an error; `hint` says what to do next."""

    error: str
    message: str
    where: str = ""
    hint: str = ""


Emit = Callable[[Event], None]
EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (Started, Phase, Step, Estimated, Validated, EpochEnd, Checkpoint, Warned, Stopped, Finished, Failed)
}


def ignore(event: Event) -> None:
    """The sink that drops everything."""


def from_dict(values: Any) -> Event | None:
    """The event `to_dict` described, or None for one of a newer version and for what is no event."""
    cls = EVENTS.get(values.get("event", "")) if isinstance(values, dict) else None
    if cls is None:
        return None
    known = {item.name for item in fields(cls)}
    return cls(**{key: value for key, value in values.items() if key in known})


class JsonLog:
    """Appends events to a file, one JSON line each, flushed at once so that a reader sees them."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        if self._file.tell() and not _ends_with_newline(path):
            self._file.write("\n")  # a crash cut the last line; the next one must not join it

    def __call__(self, event: Event) -> None:
        self._file.write(json.dumps(event.to_dict()) + "\n")
        self._file.flush()
        if isinstance(event, Finished | Stopped | Failed):  # what is done after it must not reach the disk before it
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; further events are an error."""
        with suppress(OSError):  # every event was flushed: what is left is one whose writing has failed already
            self._file.close()


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read_events(path: Path) -> Iterator[Event]:
    """The events in a log, oldest first. A line cut short by a crash is passed over; no file means no events."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from _read(file)


def _read(lines: Iterable[str]) -> Iterator[Event]:
    for line in lines:
        try:
            event = from_dict(json.loads(line))
        except (ValueError, TypeError):
            continue
        if event is not None:
            yield event


class NewEvents:
    """What is added to a log from now on, perhaps by another process; each call gives the events since the last.

    Args:
        path: The log; it need not be there yet, and may be begun anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file, self._read = (path.stat().st_ino, path.stat().st_size) if path.exists() else (0, 0)

    def __call__(self) -> list[Event]:
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._file or found.st_size < self._read:
                    self._file, self._read = found.st_ino, 0
                file.seek(self._read)
                whole = file.read()
        except FileNotFoundError:
            self._read = 0  # the next file may be given the same number
            return []
        whole = whole[: whole.rfind(b"\n") + 1]  # the last line may still be written
        self._read += len(whole)
        return list(_read(whole.decode("utf-8", errors="replace").splitlines()))


def fan_out(*sinks: Emit | None) -> Emit:
    """One sink that passes each event to all the given ones; None is skipped."""
    wanted = [sink for sink in sinks if sink is not None]

    def emit(event: Event) -> None:
        for sink in wanted:
            sink(event)

    return emit
