"""One process at a time at work in a folder: a lock that ends with its process, whatever ends that."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kerasft.errors import RunError

_LOCK_FILE = ".lock"
_TRIES = 20  # with 0.05 s between them: whoever only looks whether a folder is in use holds the lock for a moment, too


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Keep other processes from working in a folder meanwhile.

    Args:
        folder: It is there.
        what: Is worked on, for the message: `run`.

    Raises:
        RunError: Another process is at work there.
    """
    path = folder / _LOCK_FILE
    for _ in range(_TRIES):
        if (file := _locked(path)) is not None:
            break
        time.sleep(0.05)
    else:
        hint = "Wait for it, stop it, or choose another folder."
        raise RunError(f"Another process is at work on this {what}.", where=str(folder), hint=hint)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path) -> IO[str] | None:
    """The file, locked; None where another holds it, or has removed it between opening and locking."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def is_in_use(folder: Path) -> bool:
    """Whether a process is at work in a folder (`alone`)."""
    try:
        with (folder / _LOCK_FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
