"""Bake-offs and searches in the app: folders beside the runs, each worked on by a process that outlives the page.

No Gradio and no TensorFlow here. A study waits in the same queue as the runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kerasft.bake_off_report import BakeOff
from kerasft.errors import ConfigError, RunExistsError
from kerasft.files import whole_folder
from kerasft.runs import PROCESS_FILE, run_state
from kerasft.search_report import Search
from kerasft.tasks import TASKS
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS
from kerasft_app.run_progress import Progress, progress_in
from kerasft_app.runs import STUDY_FILE, RunBoard

BAKE_OFF, SEARCH = "bake-off", "search"


@dataclass(frozen=True)
class Study:
    """A bake-off or a search as far as it is.

    Attributes:
        name: Of its folder.
        kind: `bake-off` or `search`.
        state: `queued`, `running`, `finished`, `stopped`, `interrupted` (its process died), or `failed`.
        found: What it has found; None before it has begun.
        part: Name of the run that is being done, or empty.
        progress: Of that run.
        said: The end of what a process that failed has said.
    """

    name: str
    kind: str
    state: str
    found: BakeOff | Search | None
    part: str = ""
    progress: Progress | None = None
    said: str = ""


def begin_bake_off(board: RunBoard, name: str, recipe: dict[str, Any], contenders: Sequence[str], words: str) -> None:
    """Queue a bake-off.

    Raises:
        ConfigError: No contender is chosen, or the name is not usable.
    """
    if not contenders:
        raise ConfigError("No contender is chosen.")
    asked = ["--words", words.strip()] if words.strip() else []
    board.enqueue_study(name, recipe, [BAKE_OFF, "--contenders", ",".join(contenders), *asked])


def begin_search(board: RunBoard, name: str, recipe: dict[str, Any], ranges: str, trials: int, pruner: str) -> None:
    """Queue a search; `ranges` holds an OPTION=RANGE a line, none for those that suit the method.

    Raises:
        ConfigError: A line is no range or names no option, or the name is not usable.
    """
    lines = [line.strip() for line in ranges.splitlines() if line.strip()]
    parts = _parts(recipe["task"]["name"], recipe["tuning"]["name"])
    known = [f"{part}.{spec.name}" for part, cls in parts for spec in cls.specs()]
    for line in lines:
        option, equals, given = line.partition("=")
        if not (option.strip() and equals and given.strip()):
            hint = "One a line, such as train.learning_rate=1e-5..1e-3:log or tuning.rank=4,8,16."
            raise ConfigError(f"This is no range: {line!r}.", hint=hint)
        if option.strip() not in known:
            near = get_close_matches(option.strip(), known, 3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Options are written as task.max_length or train.batch_size."
            raise ConfigError(f"{option.strip()!r} is no option of this task and tuning method.", hint=hint)
    space = [word for line in lines for word in ("--space", line)]
    board.enqueue_study(name, recipe, [SEARCH, *space, "--trials", str(trials), "--pruner", pruner])


def usual_ranges(task: str, tuning: str) -> str:
    """The ranges a search takes when none are given, one a line."""
    ranges = ((part, spec) for part, cls in _parts(task, tuning) for spec in cls.specs() if spec.search)
    return "\n".join(f"{part}.{spec.name}={spec.search}" for part, spec in ranges)


def _parts(task: str, tuning: str) -> list[tuple[str, Any]]:
    """The parts of a recipe whose options can be searched."""
    return [("task", TASKS.get(task)), ("tuning", TUNINGS.get(tuning)), ("train", TrainConfig)]


def names(board: RunBoard) -> list[str]:
    """All studies, newest first."""
    found = sorted(board.root.glob(f"*/{STUDY_FILE}"), key=lambda path: -path.stat().st_mtime)
    return [path.parent.name for path in found]


def look(board: RunBoard, name: str) -> Study:
    """How far a study is."""
    folder = board.folder(name)
    command = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))["command"]
    kind = str(command[0])
    found = _found(folder, kind)
    part = _at_work(found)
    state = run_state(folder)
    if state not in ("queued", "running"):
        begun = (folder / PROCESS_FILE).exists()  # one that was taken out of the queue never was
        state = _ended(found, part) if found is not None else "failed" if begun else "stopped"
    running = progress_in(folder / part) if part and state == "running" else None
    return Study(name, kind, state, found, part, running, board.output_tail(name) if state in ("failed", "interrupted") else "")


def _found(folder: Path, kind: str) -> BakeOff | Search | None:
    try:
        return BakeOff.read(folder) if kind == BAKE_OFF else Search.read(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _at_work(found: BakeOff | Search | None) -> str:
    """Name of the run's folder that is being done."""
    if isinstance(found, BakeOff):
        return next((result.name for result in found.results if result.state == "running"), "")
    return next((trial.folder for trial in found.trials if trial.state == "running"), "") if found else ""


def _ended(found: BakeOff | Search, part: str) -> str:
    if found.stopped:
        return "stopped"
    waiting = isinstance(found, BakeOff) and any(result.state == "waiting" for result in found.results)
    short = isinstance(found, Search) and len(found.trials) < found.wanted
    return "interrupted" if part or waiting or short else "finished"


def go_on(board: RunBoard, name: str) -> None:
    """Put a study that has stopped back into the queue.

    Raises:
        ConfigError: It is at work, or has come to its end.
    """
    state = look(board, name).state
    if state not in ("stopped", "interrupted", "failed"):
        raise ConfigError(f"{name!r} is {state}; only what has stopped goes on.")
    board.enqueue_again(board.folder(name))


def models(study: Study) -> list[str]:
    """The runs of a study whose model is there, best first."""
    if isinstance(study.found, BakeOff):
        parts = [result.name for result in study.found.ranked]
    elif study.found and study.found.best:
        parts = [study.found.best.folder]
    else:
        return []
    assert study.found is not None
    return [part for part in parts if (study.found.folder / part / "model.safetensors").exists()]


def keep(board: RunBoard, study: str, part: str) -> str:
    """Copy one run of a study to where the runs are; returns its name there.

    Raises:
        ConfigError: There is no such model.
        RunExistsError: It has been kept already.
    """
    source = board.folder(study) / part
    if part not in models(look(board, study)):
        raise ConfigError("There is no model to keep yet.", hint="Wait until a run of it has finished.")
    name = f"{study}-{part}"
    target = board.folder(name)
    if target.exists():
        raise RunExistsError(f"There is already a run named {name!r}.")
    with whole_folder(target) as temporary:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("checkpoints", "process.json"), dirs_exist_ok=True)
    return name
