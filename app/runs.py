"""Start, queue, stop and follow runs: each in a process of its own that outlives the page and the app.

No Gradio here. State lives in the runs' folders, so that a reloaded page or a restarted app finds every run again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from kerasft import events
from kerasft.alone import is_in_use
from kerasft.data.folders import split_parts
from kerasft.errors import ConfigError, DataError, RunExistsError
from kerasft.files import write_text
from kerasft.run_about import About, clean, read_about, write_about
from kerasft.runs import (
    PROCESS_FILE,
    QUEUED_FILE,
    STOP_FILE,
    RunSummary,
    folder_name,
    free_path,
    is_alive,
    list_runs,
    note_end,
    note_process,
    run_state,
)
from kerasft_app.run_progress import Progress, progress_in

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

_KEY = re.compile(r"[0-9a-f]{12}")  # of uploaded files: their folder, named after what is in them
STUDY_FILE = "study.json"  # in the folder of a bake-off or a search: the command that does it
_GOING = ".deleted"  # in the folder of what was removed: what is being deleted for good
_NICE = 5
_TWICE = 10.0  # seconds in which the same recipe is taken for a second press of the button


class RunBoard:
    """All runs of one folder.

    Args:
        root: Folder of the runs; made if absent.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._children: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._begun: tuple[Any, ...] = (0.0, None)  # when, and with which recipe

    def folder(self, name: str) -> Path:
        """The folder of a run.

        Raises:
            ConfigError: The name could lead out of the runs' folder, or is not usable as a folder's name.
        """
        cleaned = name.strip() if isinstance(name, str) else ""  # a browser may send anything
        if not self._is_name(cleaned):
            hint = "Use up to 80 letters, digits, '-', '_' and '.', beginning with a letter or digit."
            raise ConfigError(f"{str(name)[:80]!r} cannot be the name of a run.", hint=hint)
        return self.root / cleaned

    def _is_name(self, name: str) -> bool:
        """Whether a run may have that name, or one made elsewhere has it."""
        try:
            known = _NAME.fullmatch(name) or (self.root / name / "run.json").exists()
            return bool(known) and (self.root / name).resolve().parent == self.root
        except (OSError, ValueError):  # longer than a name can be, a NUL, half of a letter
            return False

    def holds(self, name: str) -> bool:
        """Whether there is a run or study of that name."""
        return self._is_name(name) and (self.root / name).is_dir()

    def runs(self) -> list[RunSummary]:
        """All runs, newest first."""
        return list_runs(self.root)

    def free_name(self, wish: str) -> str:
        """A name not taken yet, made of a wish such as a file's name."""
        return free_path(self.root, folder_name(wish)[:60]).name

    def name_for(self, title: str) -> str:
        """The folder's name for a title that was typed: `SMS mini` gives `sms-mini`; what can be a name stays as it is."""
        if self._is_name(title):
            return title
        # Numbered where it is taken: two titles may differ in what a folder's name cannot hold, such as all Chinese letters.
        return free_path(self.root, folder_name(title)[:60].lower()).name

    def title(self, name: str) -> str:
        """What a run is called on screen: its title, or its name."""
        try:
            return read_about(self.folder(name)).title or name
        except ConfigError:
            return name

    def keep_uploads(self, paths: Sequence[Path]) -> str:
        """Copy uploaded files to where they outlive the browser's session, so that a run can be resumed.

        Returns:
            What `load_data` reads: the file; of several the folder, if one of them is named as a training split, else a
            pattern of all of them.
        """
        digest = hashlib.sha256()
        for path in paths:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest() + path.name.encode("utf-8", errors="replace"))
        folder = self.root / ".uploads" / digest.hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        names = [re.sub(r"[^\w.\- ]+", "_", path.name).lstrip(".") or "data.csv" for path in paths]
        names = [name if names.index(name) == i else f"{i + 1}-{name}" for i, name in enumerate(names)]
        for path, name in zip(paths, names, strict=True):
            target = folder / name
            if not target.exists():
                temporary = self.root / ".uploads" / f"{folder.name}-{name}.part"
                shutil.copyfile(path, temporary)
                os.replace(temporary, target)
        return _read_from(folder)

    def kept_upload(self, key: Any) -> str | None:
        """What `keep_uploads` has returned, by its key; None where there is none.

        A browser tells the key, so it may be anything: only what was uploaded can be had by it, no other file of the machine.
        """
        folder = self.root / ".uploads" / key if isinstance(key, str) and _KEY.fullmatch(key) else None
        return _read_from(folder) if folder and folder.is_dir() else None

    def enqueue(self, name: str, recipe: dict[str, Any], *, again: bool = True, title: str = "") -> Path:
        """Prepare a run and put it at the end of the queue.

        Args:
            name: Of the run's folder.
            recipe: As `RunConfig.to_dict`.
            again: Whether the same recipe as a moment ago is wanted once more, and is no button that was pressed twice.
            title: What the run is called on screen, where that is not its folder's name.

        Raises:
            ConfigError: The name or title is not usable, or the button was pressed twice.
            RunExistsError: A run of that name is there.
        """
        about = clean(About(title))
        folder = self._begin(name, recipe, again=again)
        if about.title not in ("", name):
            write_about(folder, about)
        write_text(folder / "run.json", json.dumps(recipe, indent=1, ensure_ascii=False))
        self.enqueue_again(folder)
        return folder

    def enqueue_study(self, name: str, recipe: dict[str, Any], command: Sequence[str]) -> Path:
        """Prepare a bake-off or a search and put it at the end of the queue; see `kerasft_app.studies`.

        Args:
            name: Of its folder.
            recipe: Of the run it is about, as `RunConfig.to_dict`.
            command: Of `kerasft`, without the recipe and `--out`.

        Raises:
            ConfigError: The name is not usable, or the button was pressed twice.
            RunExistsError: A run or study of that name is there.
        """
        folder = self._begin(name, {**recipe, "command": list(command)}, again=False)
        write_text(folder / "recipe.json", json.dumps(recipe, indent=1, ensure_ascii=False))
        whole = [command[0], str(folder / "recipe.json"), *command[1:], "--out", str(folder)]
        write_text(folder / STUDY_FILE, json.dumps({"command": whole}))
        self.enqueue_again(folder)
        return folder

    def _begin(self, name: str, wanted: dict[str, Any], *, again: bool) -> Path:
        """A new folder of that name, unless the same was wanted a moment ago."""
        folder = self.folder(name)
        asked = {**wanted, "made": None}  # but for the moment in which it was written down
        if not again and self._begun[1:] == (asked,) and time.monotonic() - self._begun[0] < _TWICE:
            hint = "Give the run a name to train the same once more, or press again in a few seconds."
            raise ConfigError("This has just been started.", hint=hint)
        if folder.exists():
            hint = f"Choose another name, for example {free_path(self.root, name).name!r}."
            raise RunExistsError(f"There is already a run named {name!r}.", hint=hint)
        folder.mkdir()
        self._begun = (time.monotonic(), asked)
        return folder

    def enqueue_again(self, folder: Path) -> None:
        """Put a folder that was prepared before at the end of the queue."""
        (folder / QUEUED_FILE).write_text(str(time.time()), encoding="utf-8")
        self.pump()

    def enqueue_resume(self, name: str) -> None:
        """Put a stopped, interrupted or failed run back into the queue.

        Raises:
            ConfigError: The run is not in a state to go on from.
        """
        folder = self.folder(name)
        state = run_state(folder)
        if state not in ("stopped", "interrupted", "failed"):
            raise ConfigError(f"The run {name!r} is {state}; only a stopped, interrupted or failed run can be resumed.")
        self.enqueue_again(folder)

    def stop(self, name: str) -> str:
        """Ask a run to stop after its current step, or take it out of the queue; says which."""
        folder = self.folder(name)
        with self._lock:  # not while the run is being started: it would be called taken out and train all the same
            queued = (folder / QUEUED_FILE).exists()
            (folder / QUEUED_FILE).unlink(missing_ok=True)
        if queued:
            if not (folder / "events.jsonl").exists() and not (folder / STUDY_FILE).exists():
                log = events.JsonLog(folder / "events.jsonl")
                log(events.Stopped(step=0, reason="taken out of the queue"))
                log.close()
            return "Taken out of the queue."
        if is_alive(folder) or is_in_use(folder):  # by a process of the app, or one started elsewhere
            (folder / STOP_FILE).touch()
            return "Stopping after the current step; a checkpoint and a usable model are saved."
        return "The run is not running."

    def remove(self, name: str) -> Path:
        """Move a run or a study into the folder `.removed`; returns where it is now.

        Raises:
            ConfigError: There is none of that name, or it is at work.
        """
        folder = self.folder(name)
        if not folder.is_dir():
            raise ConfigError(f"There is no run named {name!r}.")
        with self._lock:  # not while it is being started
            if is_alive(folder) or is_in_use(folder):
                raise ConfigError(f"{name!r} is running.", hint="Stop it first (tab Train, or Search).")
            target = free_path(self.removed, folder.name)
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
            (target / QUEUED_FILE).unlink(missing_ok=True)
        return target

    @property
    def removed(self) -> Path:
        """Folder of what was removed: runs and studies that can be brought back."""
        return self.root / ".removed"

    def removed_names(self) -> list[str]:
        """Folders in `removed`, the one removed last first."""
        if not self.removed.is_dir():
            return []
        found: list[tuple[float, str]] = []
        for path in self.removed.iterdir():
            with suppress(OSError):  # deleted meanwhile
                if path.is_dir() and not path.name.startswith("."):
                    found.append((-path.stat().st_ctime, path.name))
        return [name for _, name in sorted(found)]

    def bring_back(self, name: str) -> str:
        """Move a removed run or study back; returns its name, numbered where another one has it by now.

        Raises:
            ConfigError: Nothing of that name was removed.
        """
        source = self._removed_folder(name)
        with self._lock:
            (source / QUEUED_FILE).unlink(missing_ok=True)  # of a removal that was cut off: it must not begin by itself
            target = free_path(self.root, source.name)
            source.rename(target)
        return target.name

    def delete(self, name: str) -> None:
        """Delete what was removed before, for good.

        Raises:
            ConfigError: Nothing of that name was removed.
            OSError: A file cannot be deleted.
        """
        going = self.removed / _GOING
        shutil.rmtree(going, ignore_errors=True)  # of a deletion that was cut off
        self._removed_folder(name).rename(going)  # at once: one that is half there must not be brought back
        shutil.rmtree(going)

    def _removed_folder(self, name: str) -> Path:
        if name not in self.removed_names():
            raise ConfigError(f"Nothing named {str(name)[:80]!r} was removed.", hint="Choose one of the list.")
        return self.removed / name

    def pump(self) -> None:
        """Start the next queued run if none is running."""
        with self._lock:
            for child, folder in self._children:
                if (status := child.poll()) is not None and folder.exists():
                    note_end(folder, status)
            self._children = [(child, folder) for child, folder in self._children if child.returncode is None]
            waiting = sorted(self.root.glob(f"*/{QUEUED_FILE}"), key=lambda path: path.stat().st_mtime)
            if not waiting or any(is_alive(path.parent) for path in self.root.glob(f"*/{PROCESS_FILE}")):
                return
            self._start(waiting[0].parent)

    def _start(self, folder: Path) -> None:
        resuming = (folder / "checkpoints").exists() or (folder / "events.jsonl").exists()
        what = ["resume", str(folder)] if resuming else ["train", str(folder / "run.json"), "--out", str(folder)]
        if (folder / STUDY_FILE).exists():
            what = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))["command"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        (folder / STOP_FILE).unlink(missing_ok=True)
        started = time.time()
        with (folder / "output.txt").open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "kerasft", *what],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # closing the app must not end a run
            )
        self._children.append((child, folder))
        _yield_to_others(child.pid)
        note_process(folder, child.pid, started)
        (folder / QUEUED_FILE).unlink(missing_ok=True)

    def keep_pumping(self, seconds: float = 1.0) -> None:
        """Look after the queue in the background for as long as the app lives."""

        def loop() -> None:
            last = ""
            while True:
                try:
                    self.pump()
                except Exception as error:  # a folder removed by hand, a full disk: the queue outlives it and tries again
                    if str(error) != last:
                        logging.getLogger(__name__).error("The queue of runs: %s: %s", type(error).__name__, error)
                    last = str(error)
                time.sleep(seconds)

        threading.Thread(target=loop, daemon=True, name="run queue").start()

    def at_work(self) -> tuple[int, int]:
        """How many runs and studies are in progress, and how many wait for their turn."""
        alive = sum(is_alive(path.parent) for path in self.root.glob(f"*/{PROCESS_FILE}"))
        return alive, len(list(self.root.glob(f"*/{QUEUED_FILE}")))

    def progress(self, name: str) -> Progress:
        """What a run has told so far."""
        return progress_in(self.folder(name))

    def output_tail(self, name: str, lines: int = 15) -> str:
        """The end of what the run's process printed, for a run that died without a word."""
        path = self.folder(name) / "output.txt"
        if not path.exists():
            return ""
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _yield_to_others(pid: int) -> None:
    """Give a run's process a lower priority: it takes every core, and the page has to answer meanwhile."""
    with suppress(psutil.Error, OSError):  # it may have ended already
        process = psutil.Process(pid)
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICE)


def upload_key(source: str | None) -> str:
    """The key of what `keep_uploads` has returned; empty for other files."""
    parts = Path(source or "").parts
    return next((key for uploads, key in pairwise(parts) if uploads == ".uploads" and _KEY.fullmatch(key)), "")


def _read_from(folder: Path) -> str:
    """The file in a folder of uploads; of several the folder, if their names say what each is for, else a pattern of all."""
    names = sorted(path.name for path in folder.iterdir())
    if len(names) == 1:
        return str(folder / names[0])
    try:
        split_parts(folder)
    except DataError:
        return str(folder / "*")
    return str(folder)
