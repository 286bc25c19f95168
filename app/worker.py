"""The process that holds a loaded model and answers texts, so that the app itself never loads TensorFlow."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from kerasft.config import read_json
from kerasft.errors import KerasFTError, RunError
from kerasft.tuning import TUNINGS

_KEPT_LINES = 200  # of what the process complains about, to explain its end
_PATIENCE = 3.0  # seconds a stopped text may take to its end before the process is ended instead


class Predictor:
    """Answers texts with the model of one run at a time. Runs tuned from one base (LoRA, adapters, prompts) share a process
    and the base's weights in it; switching to any other run ends the old process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._key: tuple[Path, float] | None = None
        self._base: str | None = None
        self._complaints: list[str] = []
        self._reader: threading.Thread | None = None
        self._known: dict[Path, float] = {}

    def ask(self, folder: Path, row: dict[str, Any]) -> dict[str, Any]:
        """The answer to one row, or `error`; see `kerasft.lines` for what a row may hold.

        Args:
            folder: The run's folder.
            row: `text` and, for pairs, `text_pair`.

        Raises:
            RunError: The process ended; shows what it said.
        """
        with self._lock:
            return self._read(self._send(folder, row))

    def prepare(self, folder: Path) -> None:
        """Begin to load a run's model in the background; what goes wrong is said when something is asked."""

        def load() -> None:
            with suppress(RunError), self._lock:
                self._ready(folder)

        if self._process is None and self._lock.acquire(blocking=False):  # nobody else's model is ended for it
            self._lock.release()
            threading.Thread(target=load, daemon=True).start()

    def stream(self, folder: Path, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Lines `{"partial": ...}` as the text grows, then the answer or `error`; ends early after `stop`.

        Raises:
            RunError: The process ended; shows what it said.
        """
        lines: queue.Queue[dict[str, Any] | RunError | None] = queue.Queue()
        stop = self._stop = threading.Event()
        # A thread of its own reads, so that a page which is closed and never asks on cannot keep the model to itself.
        threading.Thread(target=self._follow, args=(folder, row, stop, lines.put), daemon=True).start()
        try:
            while (line := lines.get()) is not None:
                if isinstance(line, RunError):
                    raise line
                yield line
        finally:
            stop.set()

    def _follow(self, folder: Path, row: dict[str, Any], stop: threading.Event, tell: Callable[[Any], None]) -> None:
        with self._lock:
            try:
                process = self._send(folder, row)
                line: dict[str, Any] = {"partial": ""}
                while "partial" in line and not stop.is_set():
                    line = self._read(process)
                    tell(line)
                tell(None)
                deadline = time.monotonic() + _PATIENCE
                while "partial" in line and time.monotonic() < deadline:
                    line = self._read(process)
                if "partial" in line:
                    self.close()
            except RunError as error:
                tell(error)
            finally:
                tell(None)

    def stop(self) -> None:
        """End the text that is being written."""
        self._stop.set()

    def _send(self, folder: Path, row: dict[str, Any]) -> subprocess.Popen[str]:
        process = self._ready(folder)
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(row) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._failure(process) from None
        return process

    def _ready(self, folder: Path) -> subprocess.Popen[str]:
        weights = folder / "model.safetensors"
        key = (folder, weights.stat().st_mtime if weights.exists() else 0.0)  # a resumed run has new weights
        base = shared_base(folder)
        if self._process is not None and self._process.poll() is None:
            if self._key == key:
                return self._process
            if base is not None and base == self._base and self._known.get(folder, key[1]) == key[1]:
                return self._switch(self._process, key)
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kerasft", "predict", str(folder), "--jsonl"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",  # a byte that is not UTF-8 must not end the thread that reads
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"},
        )
        self._complaints = []
        # Read as it comes: a pipe that nobody reads is full after 64 KiB, and then the process waits for ever.
        self._reader = threading.Thread(target=_collect, args=(self._process.stderr, self._complaints), daemon=True)
        self._reader.start()
        self._key, self._base, self._known = key, base, {folder: key[1]}
        self._read(self._process)  # the first line says that the model is loaded
        return self._process

    def _switch(self, process: subprocess.Popen[str], key: tuple[Path, float]) -> subprocess.Popen[str]:
        """Another run's model over the base that is loaded."""
        assert process.stdin is not None
        process.stdin.write(json.dumps({"use": str(key[0])}) + "\n")
        process.stdin.flush()
        answer = self._read(process)
        if "error" in answer:
            raise RunError(answer["error"])
        self._key, self._known[key[0]] = key, key[1]
        return process

    def _read(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise self._failure(process)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self, process: subprocess.Popen[str]) -> RunError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)  # it has closed its output and is about to end
        self.close()
        tail = "".join(line for line in self._complaints if not line.startswith(("WARNING", "I0000", "E0000", "W0000")))
        return RunError("The model could not answer.", where=tail[-800:] or None)

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if self._reader is not None:
            self._reader.join(_PATIENCE)
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # what was not sent any more
                if pipe is not None:
                    pipe.close()


def _collect(pipe: Any, lines: list[str]) -> None:
    """Keep the last lines of a pipe until it is closed."""
    with suppress(ValueError):  # closed meanwhile
        for line in pipe:
            lines.append(line)
            del lines[:-_KEPT_LINES]


def shared_base(folder: Path) -> str | None:
    """The SHA-256 of the base weights a run's model leaves as they are; None where it has weights of its own."""
    try:
        recipe = read_json(folder / "run.json")
        model = recipe.get("model") or {}
        tuning = TUNINGS.get(recipe["tuning"]["name"])
        return model["base"]["sha256"] if tuning.shares_base else None
    except (KerasFTError, KeyError, TypeError, AttributeError):
        return None
