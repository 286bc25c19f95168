"""A process that ends at a chosen file operation, imitated: from there on nothing that is done reaches the disk."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod", "shutil.rmtree"}
)


class Died(BaseException):
    """The process is over; no handler of the program may do anything more."""


@dataclass
class _Watch:
    """Counts the operations that change files below a folder, and lets none happen from the chosen one on."""

    folder: str
    at: int | None
    kill: bool = False
    seen: list[str] = field(default_factory=list)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in _CHANGES and not (event == "open" and _writes(args)):
            return
        folders = [arg for arg in args if isinstance(arg, int) and arg > 2] if event in ("os.remove", "os.rmdir") else []
        base = os.readlink(f"/proc/self/fd/{folders[0]}") if folders else os.getcwd()
        paths = [os.path.normpath(os.path.join(base, os.fspath(arg))) for arg in args if isinstance(arg, str | Path)]
        below = [path for path in paths if path == self.folder or path.startswith(self.folder + os.sep)]
        if not below:
            return
        if self.at is None or len(self.seen) < self.at:
            self.seen.append(f"{event} {os.path.relpath(below[-1], self.folder)}")
        if self.at is not None and len(self.seen) >= self.at:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Died(self.seen[-1])


def _writes(args: tuple[Any, ...]) -> bool:
    _, mode, flags = args
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


_current: list[_Watch] = []
_installed: list[bool] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _current:
        _current[-1](event, args)


@contextmanager
def dying(folder: Path, at: int | None, *, kill: bool = False) -> Iterator[list[str]]:
    """Let the program die at the `at`-th operation that changes a file below a folder; None only counts.

    The operation itself does not happen. A file that is being written through Python keeps what was flushed before; the
    extension that writes safetensors is not seen, but it always writes under a name of its own, which is then renamed.
    With `kill` the process really ends, by SIGKILL.

    Yields:
        The operations so far.
    """
    if not _installed:
        sys.addaudithook(_hook)  # cannot be taken away again
        _installed.append(True)
    watch = _Watch(os.path.abspath(folder), at, kill)
    _current.append(watch)
    try:
        yield watch.seen
    except Died:
        pass
    finally:
        _current.pop()
