"""Runs' folders without loading TensorFlow: what there is, in which state, how good; finding and clearing one."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from kerasft import events
from kerasft.alone import is_in_use
from kerasft.files import write_text
from kerasft.keras_setup import PROCESS_BEGAN
from kerasft.run_about import ABOUT_FILE, About, read_about

PROCESS_FILE = "process.json"
QUEUED_FILE = "QUEUED"
STOP_FILE = "STOP"  # in a run's folder it asks the run to stop
KEPT_ROWS = "data"  # folder of rows that came from memory
CARD_MARK = "The figures hold for rows like those of the data above"  # a sentence that each run's card has
_SAME_MOMENT = 2.0  # seconds: the system counts a process's age in hundredths, and clocks are adjusted
_STARTING = 60.0  # seconds within which a process appears after it was asked for
_KEPT_FILES = frozenset({"train.parquet", "validation.parquet", "test.parquet"})
_CARDS = ("README.md", "MODEL_CARD.md")
CHECKPOINTS = "checkpoints"
_OLD_CHECKPOINTS = ".checkpoints-removed"
_FOLDERS = (CHECKPOINTS, _OLD_CHECKPOINTS, "logs", "tokenizer", "serving", "huggingface", "peft")
LEARNING_CURVE = "learning_curve.json"  # what more labels would bring, once it was measured
_PARTS = (
    *_FOLDERS,
    "run.json",
    "model.safetensors",
    "model.next.safetensors",
    "events.jsonl",
    "report.json",
    "report.md",
    ABOUT_FILE,
    STOP_FILE,
    LEARNING_CURVE,
)


@dataclass(frozen=True)
class RunSummary:
    """One run's folder at a glance.

    Attributes:
        name: Name of the folder.
        folder: Its path.
        state: `queued`, `running`, `finished`, `stopped`, `failed`, `interrupted` (its process died), `prepared`,
            or `saved` (a model that was written without a run: merged, imported).
        score: Main figure on validation, or empty.
        preset: Preset of the recipe.
        data: Data of the recipe.
        changed: When its log or recipe last changed, seconds since 1970.
        about: Title, notes and tags.
    """

    name: str
    folder: Path
    state: str
    score: str
    preset: str
    data: str
    changed: float
    about: About = field(default_factory=About)

    @property
    def title(self) -> str:
        """What it is called on screen."""
        return self.about.title or self.name


def list_runs(root: Path) -> list[RunSummary]:
    """The runs in a folder, newest first."""
    if not root.is_dir():
        return []
    found = []
    for path in root.iterdir():
        with suppress(FileNotFoundError):  # removed meanwhile
            if not path.name.startswith(".") and (path / "run.json").exists():  # hidden: still being copied, or removed
                found.append(summarise(path))
    return sorted(found, key=lambda run: -run.changed)


def summarise(folder: Path) -> RunSummary:
    """One run at a glance; a damaged recipe gives empty fields, never an error."""
    recipe = read_recipe(folder)
    log = folder / "events.jsonl"
    changed = (log if log.exists() else folder / "run.json").stat().st_mtime
    data = _part(recipe, "data")
    return RunSummary(
        name=folder.name,
        folder=folder,
        state=run_state(folder),
        score=_score(folder),
        preset=Path(str(recipe.get("preset", ""))).name,
        data=Path(str(data.get("path") or "rows in memory")).name,
        changed=changed,
        about=read_about(folder),
    )


def read_recipe(folder: Path) -> dict[str, Any]:
    """The run's `run.json`, or nothing when it cannot be read."""
    try:
        recipe = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def is_paired(recipe: dict[str, Any]) -> bool:
    """Whether a run reads two texts at a time, as far as its recipe tells."""
    from kerasft.data.columns import NO_COLUMN

    places = (_part(recipe, "model", "columns"), _part(recipe, "columns"), _part(recipe, "data"))
    known = next((place["text_pair"] for place in places if "text_pair" in place), None)
    return known not in (None, "", NO_COLUMN)


def _part(values: Any, *keys: str) -> dict[str, Any]:
    """An object inside JSON objects; empty where it is absent or is something else."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def run_state(folder: Path) -> str:
    """In which state a run is; see `RunSummary.state`."""
    if (folder / QUEUED_FILE).exists():
        return "queued"
    if is_alive(folder) or is_in_use(folder):
        return "running"
    last = last_event(folder)
    if isinstance(last, events.Finished):
        return "finished"
    if isinstance(last, events.Stopped):
        return "stopped"
    if isinstance(last, events.Failed):
        return "failed"
    if last is None and (folder / "model.safetensors").exists():
        return "saved"
    return "interrupted" if last is not None or (folder / PROCESS_FILE).exists() else "prepared"


def last_event(folder: Path) -> events.Event | None:
    """The newest event of a run's log; reads only the end of the file."""
    path = folder / "events.jsonl"
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 65_536))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            event = events.from_dict(json.loads(line))
        except (ValueError, TypeError):
            continue
        if event is not None:
            return event
    return None


def note_process(folder: Path, pid: int, started: float) -> None:
    """Write which process works in a folder: its number, and when it was started, by which a recycled number is recognised.

    Args:
        folder: The folder of the run or study.
        pid: Number of a process that this process has just started.
        started: Time before it was started, seconds since 1970 (`time.time`).
    """
    noted: dict[str, float] = {"pid": pid, "started": started}
    with suppress(psutil.Error):  # it may have ended already
        noted["created"] = psutil.Process(pid).create_time()
    write_text(folder / PROCESS_FILE, json.dumps(noted))


def note_end(folder: Path, status: int) -> None:
    """Write with which status the process that worked in a folder has ended; a signal is a negative number."""
    try:
        noted = json.loads((folder / PROCESS_FILE).read_text(encoding="utf-8"))
        write_text(folder / PROCESS_FILE, json.dumps({**noted, "status": status}))
    except (OSError, ValueError, TypeError):
        return  # the folder was removed meanwhile


def ending_signal(folder: Path) -> int | None:
    """The signal that ended the process that worked in a folder, as far as whoever started it has seen it."""
    try:
        status = json.loads((folder / PROCESS_FILE).read_text(encoding="utf-8")).get("status")
    except (OSError, ValueError, AttributeError):
        return None
    return -status if isinstance(status, int) and status < 0 else None


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    return any((folder / CHECKPOINTS).glob("step-*/state.json"))


def is_alive(folder: Path) -> bool:
    """True while the process that trains this run lives.

    A process number is given to another process once the first has ended, so the time of creation must agree, too.
    """
    try:
        noted = json.loads((folder / PROCESS_FILE).read_text(encoding="utf-8"))
        pid, started = int(noted["pid"]), float(noted["started"])
        created = float(noted["created"]) if "created" in noted else None
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        actual = process.create_time()
    except (OSError, ValueError, KeyError, TypeError, OverflowError, psutil.Error):
        return False
    if created is not None:
        # Where the clock was set meanwhile, all processes seem to have begun at another time; the lock does not depend on it.
        return bool(abs(actual - created) < _SAME_MOMENT) or is_in_use(folder)
    # Notes of earlier versions hold only the time just before the process was started.
    return bool(-_SAME_MOMENT < actual - started < _STARTING)


def _score(folder: Path) -> str:
    try:
        reports = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    figures = _part(reports, "validation", "metrics") or _part(reports, "test", "metrics")
    name, value = next(iter(figures.items()), ("", None))
    if not isinstance(value, int | float):
        return ""
    return f"{name} {value:.3f}" if abs(value) < 10 else f"{name} {value:,.1f}"  # a perplexity, an error in the label's unit


def holds_run(folder: Path) -> bool:
    """True when training has begun in this folder, or is being begun; a run that was only prepared, or that was refused for its
    options or data, holds nothing that could be lost.
    """
    if (folder / "model.safetensors").exists() or (folder / "checkpoints").exists():
        return True
    told = list(events.read_events(folder / "events.jsonl"))
    return any(isinstance(event, events.Started) for event in told) or bool(told and not isinstance(told[-1], events.Failed))


def parts_of_run(folder: Path) -> list[Path]:
    """The files and folders there that a run wrote. A `data` folder is one only if the run's rows came from memory, and a README
    only if it is a run's card: the folder may be a project's, with its own.
    """
    names = [*_PARTS, *([KEPT_ROWS] if has_kept_rows(folder) else [])]
    cards = [folder / name for name in _CARDS if is_card(folder / name)]
    return [folder / name for name in names if (folder / name).exists()] + cards


def remove(parts: Iterable[Path]) -> None:
    """Remove files and folders, such as `parts_of_run`."""
    for path in parts:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a finished run: three times the model's size, of no more use.

    They go at once, by a rename, and then file by file: a process that ends meanwhile leaves none that is half there.
    """
    gone = folder / _OLD_CHECKPOINTS
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(OSError):
        (folder / CHECKPOINTS).rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def has_kept_rows(folder: Path) -> bool:
    """Whether the rows of the run there came from memory and are kept in its folder."""
    recipe, kept = read_recipe(folder), folder / KEPT_ROWS
    ours = kept.is_dir() and {path.name for path in kept.iterdir()} <= _KEPT_FILES
    return ours and bool(recipe) and _part(recipe, "data").get("path") is None


def card_path(folder: Path) -> Path:
    """Where the run's card goes: `README.md`, unless one is there that is not a card."""
    readme, beside = (folder / name for name in _CARDS)
    return readme if is_card(readme) or not readme.exists() else beside


def is_card(path: Path) -> bool:
    """Whether a file is the card of a run."""
    try:
        return CARD_MARK in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def free_folder(root: Path, data: str | None, preset: str) -> Path:
    """A new folder's path, named after data and preset, numbered where the name is taken."""
    source = Path(data).name.split(".")[0] if data else "run"
    return free_path(root, folder_name(f"{source}-{Path(preset).name}".replace(" ", "_")))


def folder_name(wish: str) -> str:
    """A name of letters, digits, `-`, `_` and `.` that any shell and file system takes, made of a wish: `Věty 2` gives `Vety-2`.

    Letters that are not Latin have no place in it; a wish without others gives `run`.
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", wish) if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:80].rstrip("-._") or "run"


def free_path(root: Path, name: str) -> Path:
    """A path not taken yet: the name in the folder, numbered where it is."""
    numbers = (root / (name if i == 1 else f"{name}-{i}") for i in range(1, 10_000))
    return next(path for path in numbers if not path.exists())


def forget_old_stop(folder: Path) -> None:
    """Remove a stop request left over from before this process; a newer one is meant for it and stays.

    Python needs a moment before `PROCESS_BEGAN` is taken. Where the app started the process, it has noted the time before
    that moment, and lets nobody stop a run whose process is not noted yet.
    """
    path = folder / STOP_FILE
    try:
        noted = json.loads((folder / PROCESS_FILE).read_text(encoding="utf-8"))
        began = float(noted["started"]) if noted["pid"] == os.getpid() else PROCESS_BEGAN
    except (OSError, ValueError, KeyError, TypeError):
        began = PROCESS_BEGAN
    if path.exists() and path.stat().st_mtime < began:
        path.unlink(missing_ok=True)
