"""Searches, bake-offs and adaptations that die at a file operation: begun again, they find what they would have found."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import kerasft as kft
from kerasft.bake_off_report import BakeOff
from kerasft.config import read_json
from kerasft.hyper_search import search
from kerasft.recipe import RunConfig
from tests.conftest import write_reviews
from tests.dying import dying

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # files that the dead did not close
]
TRAIN = kft.TrainConfig(epochs=1, batch_size=16, tensorboard=False, checkpoint_minutes=0.0)
_OF_A_RUN = re.compile(r"(trial-\d+|pretraining|adapted-\d|plain-\d)/")
_EVERY = 9  # of the operations inside a run: `test_death.py` tries each


def recipe(preset: str, data: Path) -> RunConfig:
    config = kft.DataConfig(path=str(data), validation=0.3)
    return RunConfig(preset=preset, data=config, tuning=kft.LoRA(), train=TRAIN)


def deaths(operations: list[str]) -> list[int]:
    """Which operations to die at: all of the study's own, and some of its runs'."""
    return [at for at, name in enumerate(operations, 1) if not _OF_A_RUN.search(name) or at % _EVERY == 0]


def every_death(folder: Path, act: Callable[[], Any], check: Callable[[str], None]) -> tuple[int, int]:
    """Let a study die at its file operations and begin it again; how many points were tried, of how many."""
    with dying(folder, None) as operations:
        act()
    points = deaths(operations)
    for at in points:
        shutil.rmtree(folder, ignore_errors=True)
        with dying(folder, at):
            act()
        act()
        check(operations[at - 1])
    return len(points), len(operations)


def test_a_search(presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, folder = recipe(presets["bert"], write_reviews(tmp_path / "r.csv")), tmp_path / "out"

    def act() -> kft.Search:
        return search(config, {"train.learning_rate": "1e-4..1e-2:log"}, out=folder, trials=2, pruner="none")

    def found() -> list[tuple[Any, ...]]:
        trials = read_json(folder / "search.json")["trials"]
        return [(trial["number"], trial["state"], trial["value"], trial["options"]) for trial in trials]

    act()
    whole = found()
    shutil.rmtree(folder)

    def check(operation: str) -> None:
        assert found() == whole, operation
        assert len(list(folder.glob("trial-*/model.safetensors"))) == 1, operation

    points = every_death(folder, act, check)
    with capsys.disabled():
        print(f"\nsearch: died at {points[0]} of {points[1]} operations")


def test_an_adaptation(presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, rows = write_reviews(tmp_path / "t.csv"), write_reviews(tmp_path / "r.csv", repeat=1)
    folder = tmp_path / "out"
    figures: list[Any] = []

    def act() -> None:
        first = kft.MaskedLM(max_length=16)
        done = kft.adapt(
            presets["bert"], str(texts), str(rows), kft.TextClassification(), out=folder, pretraining=first,
            pretraining_train=TRAIN, train=TRAIN, on_event=lambda event: None,
        )  # fmt: skip
        figures.append(done.figures)

    act()
    shutil.rmtree(folder)

    def check(operation: str) -> None:
        assert figures[-1] == figures[0], operation

    points = every_death(folder, act, check)
    with capsys.disabled():
        print(f"\nadaptation: died at {points[0]} of {points[1]} operations")


_DRIVER = """
import json, sys
from pathlib import Path
from kerasft.method_comparison import bake_off
from kerasft.recipe import RunConfig
from tests.dying import dying
recipe, folder, at, counted = sys.argv[1:]
with dying(Path(folder), int(at) or None, kill=True) as operations:
    bake_off(RunConfig.load(recipe), out=folder, contenders=("word_counts", "lora"))
Path(counted).write_text(json.dumps(operations))
"""


def test_a_bake_off(presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its contenders are processes of their own: they live on when its own is killed, and are then killed, too, or waited for."""
    config, folder, counted = tmp_path / "recipe.json", tmp_path / "out", tmp_path / "operations.json"
    recipe(presets["bert"], write_reviews(tmp_path / "r.csv")).save(config)

    def drive(at: int) -> int:
        command = [sys.executable, "-c", _DRIVER, str(config), str(folder), str(at), str(counted)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def found() -> dict[str, Any]:
        return {result.name: (result.state, result.value) for result in BakeOff.read(folder).results}

    assert drive(0) == 0
    whole = found()
    assert all(state == "done" for state, _ in whole.values())
    operations = json.loads(counted.read_text(encoding="utf-8"))
    # Its processes' cost is noted every five seconds: how often depends on the machine.
    for at in range(1, len(operations) + 1):
        shutil.rmtree(folder)
        if drive(at) == 0:
            continue
        left = [one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or ())]
        for process in left if at % 2 else ():
            process.kill()
        psutil.wait_procs(left)
        assert drive(0) == 0, operations[at - 1]
        assert found() == whole, operations[at - 1]
    with capsys.disabled():
        print(f"\nbake-off: killed at {len(operations)} operations")
    assert len(operations) > 10
