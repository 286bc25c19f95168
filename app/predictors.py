"""The models that were asked last, each in a process of its own: people who try different runs do not wait for each other's."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasft_app.worker import Predictor, shared_base

_MOST = 2  # processes of about 0.9 GB and a model each


class Predictors:
    """Answer texts with the models of several runs.

    Args:
        most: Processes that are kept; for a further model the one that was not asked for longest is ended. Runs tuned from one
            base share a process.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._held: OrderedDict[str, Predictor] = OrderedDict()  # the one that was asked last comes last
        self._lock = threading.Lock()

    def ask(self, folder: Path, row: dict[str, Any]) -> dict[str, Any]:
        """As `Predictor.ask`."""
        answer: dict[str, Any] = self._of(folder).ask(folder, row)
        return answer

    def stream(self, folder: Path, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """As `Predictor.stream`."""
        yield from self._of(folder).stream(folder, row)

    def prepare(self, folder: Path) -> None:
        """Begin to load a run's model in the background, unless another model would have to make room for it."""
        with self._lock:
            free = len(self._held) < self._most or _key(folder) in self._held
        if free:
            self._of(folder).prepare(folder)

    def stop(self, folder: Path) -> None:
        """End the text that a run's model is writing."""
        with self._lock:
            predictor = self._held.get(_key(folder))
        if predictor:
            predictor.stop()

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            held = list(self._held.values())
            self._held.clear()
        for predictor in held:
            predictor.close()

    def _of(self, folder: Path) -> Predictor:
        key = _key(folder)
        with self._lock:
            if key not in self._held:
                # One that makes room goes on as another's: it ends its process itself, once it has answered.
                self._held[key] = Predictor() if len(self._held) < self._most else self._held.popitem(last=False)[1]
            self._held.move_to_end(key)
            return self._held[key]


def _key(folder: Path) -> str:
    return shared_base(folder) or str(folder)
