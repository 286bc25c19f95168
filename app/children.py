"""`kerasft COMMAND` in a child process that ends with its work, its errors as errors of the library."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from kerasft.errors import RunError, explains_itself

_KEPT_LINES = 200
_PATIENCE = 10.0  # seconds that a command may take to end when it is asked to
_ERROR = re.compile(r"\w*Error: |Unexpected error: |The exported model does NOT")  # what comes before is TensorFlow's


class Child:
    """`kerasft ARGUMENTS` at work in another process; begins at once.

    Args:
        arguments: Command and options.

    Attributes:
        stopped: Whether `stop` has ended it.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        # Not a pipe, which is full after 64 KiB when nobody reads it; open until `close`.
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = _begun(arguments, self._output)
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self.stopped = False

    def lines(self) -> Iterator[str]:
        """What it says on standard error, until it ends."""
        assert self._process.stderr is not None
        for line in self._process.stderr:  # a carriage return, which renews a line, ends it here
            self._said.append(line)
            yield line

    def ended(self, failure: str) -> str:
        """Wait for its end, and give what it has printed.

        Args:
            failure: The sentence to say when it fails, before what it said itself.

        Raises:
            RunError: It failed; shows what it said.
        """
        if self._process.wait():
            raise _failed(failure, "".join(self._said))
        self._output.seek(0)
        return self._output.read()

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does, so that it removes what is half written and ends what it has started."""
        if self._process.poll() is None:
            self.stopped = True
            self._process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
            killer = threading.Timer(_PATIENCE, self._process.kill)  # where Ctrl-C is ignored, as under nohup
            killer.daemon = True
            killer.start()

    def close(self) -> None:
        """End it, and let go of what it has said."""
        self.stop()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._output.close()


def run_command(arguments: Sequence[str], failure: str) -> str:
    """What `kerasft ARGUMENTS` prints.

    Args:
        arguments: Command and options.
        failure: The sentence to say when it fails, before what it said itself.

    Raises:
        RunError: It failed; shows what it said.
    """
    child = _begun(arguments, subprocess.PIPE)
    printed, complained = child.communicate()
    if child.returncode:
        raise _failed(failure, complained)
    return printed


def _begun(arguments: Sequence[str], stdout: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kerasft", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def _failed(failure: str, complained: str) -> RunError:
    """A command's error as one of the library, without what TensorFlow said before it."""
    return RunError(failure, where="\n".join(_own_words(complained))[:1500] or None)


def error_of(complained: str) -> RunError:
    """The error in a command's output: message, where and hint."""
    parts: dict[str, list[str]] = {"message": [], "where": [], "hint": []}
    part = "message"
    for line in _own_words(complained):
        name, colon, rest = line.strip().partition(":")
        part = name if colon and line.startswith("  ") and name in ("where", "hint") else part
        parts[part].append(rest.strip() if part == name else line)
    message, where, hint = ("\n".join(lines)[:1500] for lines in parts.values())
    return RunError(message, where=where or None, hint=hint or None)


def _own_words(complained: str) -> list[str]:
    """The lines of a command's error; its kind only where the message does not explain itself."""
    lines = complained.strip().splitlines()
    first = next((i for i, line in enumerate(lines) if _ERROR.match(line)), max(0, len(lines) - 5))
    lines = lines[first:]
    kind, colon, message = lines[0].partition(": ") if lines else ("", "", "")
    return [message, *lines[1:]] if colon and explains_itself(kind) else lines
