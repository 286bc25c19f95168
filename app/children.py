"""`kerasft COMMAND` in a child process that ends with its work, its errors as errors of the library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

from kerasft.errors import RunError, explains_itself

_NICE = 10
_ERROR = re.compile(r"\w*Error: |Unexpected error: |The exported model does NOT")  # what comes before is TensorFlow's


def run_command(arguments: Sequence[str], failure: str) -> str:
    """What `kerasft ARGUMENTS` prints.

    Args:
        arguments: Command and options.
        failure: The sentence to say when it fails, before what it said itself.

    Raises:
        RunError: It failed; shows what it said.
    """
    command = [sys.executable, "-m", "kerasft", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    )
    yield_to_others(child.pid)
    printed, complained = child.communicate()
    if child.returncode:
        lines = complained.strip().splitlines()
        first = next((i for i, line in enumerate(lines) if _ERROR.match(line)), max(0, len(lines) - 5))
        kind, _, message = "\n".join(lines[first:]).partition(": ")
        said = message if explains_itself(kind) else "\n".join(lines[first:])
        raise RunError(failure, where=said[:1500] or None)
    return printed


def yield_to_others(pid: int) -> None:
    """Let a process work when others have nothing to do: a run takes every core, and the page has to answer meanwhile."""
    with suppress(psutil.Error, OSError):  # it may have ended already
        process = psutil.Process(pid)
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICE)
