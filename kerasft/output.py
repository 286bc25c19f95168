"""Printing that never ends what is being done: a reader that has gone (`| head`, a closed terminal) is no failure."""

from __future__ import annotations

import os
from typing import Any, TextIO


class Unbreakable:
    """A text stream whose writes never fail; what nobody can read any more is dropped.

    Args:
        stream: The stream; everything but writing is left to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            return len(text) if self._gone else self._stream.write(text)
        except (OSError, ValueError):  # EPIPE, EIO of a terminal that is gone, a closed file
            self._drop()
            return len(text)

    def flush(self) -> None:
        """Flush, or drop what is left."""
        try:
            if not self._gone:
                self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def _drop(self) -> None:
        self._gone = True
        try:  # Python flushes at its end once more, and ends with 120 if that fails
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass  # closed, or a stream in memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
