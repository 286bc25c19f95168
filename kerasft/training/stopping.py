"""Asking a run to stop: a file in its folder, Ctrl-C, SIGTERM. Looked at between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasft.runs import STOP_FILE


class StopRequest:
    """Whether, and why, a run was asked to stop.

    Args:
        folder: The run's folder; a file named `STOP` in it asks the run to stop, and may say why.
        shared: Whether other processes are asked by the same file, so that it stays.
    """

    def __init__(self, folder: Path | None, *, shared: bool = False) -> None:
        self._shared = shared
        self._file = folder / STOP_FILE if folder else None
        self._signal: str | None = None

    @property
    def reason(self) -> str | None:
        """`the Stop button`, what the file says, `Ctrl-C`, `SIGTERM`, or None as long as nobody asked."""
        if self._signal is None and self._file is not None and self._file.exists():
            try:
                said = self._file.read_text(encoding="utf-8", errors="replace").strip()
            except FileNotFoundError:
                return None  # taken back meanwhile
            if not self._shared:
                self._file.unlink(missing_ok=True)
            self._signal = said or "the Stop button"
        return self._signal

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn Ctrl-C and SIGTERM into a stop request; a second one ends the process at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may set handlers; the STOP file still works
            return
        names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
        before = {number: signal.getsignal(number) for number in names}

        def handle(number: int, _: Any) -> None:
            self._signal = names[signal.Signals(number)]
            signal.signal(number, before[signal.Signals(number)])

        for number in names:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
