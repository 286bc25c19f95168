"""Asking a run to stop: a file in its folder, Ctrl-C, SIGTERM, a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kerasft.runs import STOP_FILE

CTRL_C, TERMINATED, HUNG_UP = "Ctrl-C", "SIGTERM", "SIGHUP"
_SIGNALS = {signal.SIGINT: CTRL_C, signal.SIGTERM: TERMINATED, signal.SIGHUP: HUNG_UP}
_HEARD = b"\nStopping after this step, with a checkpoint. A second time ends at once.\n"


def raise_for(reason: str | None, where: str = "") -> None:
    """Raise what a signal raises in a program that does not handle it; nothing for any other reason.

    Args:
        reason: Why a run was stopped, as `StopRequest.reason` says it.
        where: For the message: how to go on.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        SystemExit: SIGTERM or SIGHUP, with 128 and the number of the signal.
    """
    if reason == CTRL_C:
        raise KeyboardInterrupt(where)
    for number, name in _SIGNALS.items():
        if reason == name:
            raise SystemExit(128 + number)


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
        self._gentle = True

    @property
    def reason(self) -> str | None:
        """`the Stop button`, what the file says, `Ctrl-C`, `SIGTERM`, `SIGHUP`, or None as long as nobody asked."""
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
    def listening(self, *, gentle: bool = True) -> Iterator[None]:
        """Turn Ctrl-C, SIGTERM and SIGHUP into a stop request; a second one ends the process at once.

        SIGHUP that the process ignores (under `nohup`) stays ignored. Ctrl-C is heard also where a shell made it ignored for
        a process in the background.

        Args:
            gentle: Only note a signal. If False, only what is done within `gently` notes it; elsewhere it raises at once:
                there is nothing that would be lost.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may set handlers; the STOP file still works
            return
        self._gentle = gentle
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        if before[signal.SIGHUP] == signal.SIG_IGN:
            del before[signal.SIGHUP]
        ends_at_once = {signal.SIGINT: signal.default_int_handler}

        def handle(number: int, _: Any) -> None:
            self._signal = _SIGNALS[signal.Signals(number)]
            signal.signal(number, ends_at_once.get(signal.Signals(number), signal.SIG_DFL))
            if not self._gentle:
                raise_for(self._signal)
            with suppress(OSError):  # the terminal may be gone
                os.write(2, _HEARD)

        for number in before:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def gently(self) -> Iterator[None]:
        """While training: a signal waits for the end of the step, and a checkpoint is written."""
        before, self._gentle = self._gentle, True
        try:
            yield
        finally:
            self._gentle = before
