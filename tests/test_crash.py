"""A run whose process is killed at any moment and resumed ends with the bits of one that was never interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.run import start
from kerasft.tuning import TUNINGS
from kerasft.weights import read_arrays
from tests.conftest import write_reviews

TIMES = ("time", "seconds", "examples_per_second", "eta_seconds", "run", "path")
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def recipe(preset: str, data: Path, tuning: str) -> kft.RunConfig:
    """Twelve steps with dropout on, a checkpoint after each."""
    options: dict[str, Any] = {"freeze_layers": {"layers": 1}}.get(tuning, {})
    return kft.RunConfig(
        preset=preset,
        data=kft.DataConfig(path=str(data)),
        tuning=TUNINGS.get(tuning)(**options),
        train=kft.TrainConfig(epochs=4, batch_size=8, tensorboard=False, checkpoint_minutes=0.0, learning_rate=0.01),
    )


def kill(command: list[str], folder: Path, when: Callable[[], bool]) -> bool:
    """Run a command and kill -9 it as soon as `when` holds; whether it was killed before its end."""
    child = subprocess.Popen(
        [sys.executable, "-m", "kerasft", *command], env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    while child.poll() is None:
        if when():
            child.send_signal(signal.SIGKILL)
            child.communicate()
            return True
        time.sleep(0.005)
    _, err = child.communicate()
    assert child.returncode == 0, err.decode()[-2000:]
    return False


def steps(folder: Path) -> int:
    """Checkpoints told so far, one a step."""
    log = folder / "events.jsonl"
    return log.read_text().count('"Checkpoint"') if log.exists() else 0


def told(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What the log says of epochs and validations, of the last attempt at each, without times."""
    found = {}
    for line in (folder / "events.jsonl").read_text().splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that was being written when the process was killed
        if event.get("event") in ("Validated", "EpochEnd"):
            found[event["event"], event["step"]] = {k: v for k, v in event.items() if k not in TIMES}
    return found


def assert_same(one: Path, other: Path) -> None:
    theirs, ours = (read_arrays(folder / "model.safetensors") for folder in (one, other))
    assert set(theirs) == set(ours)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
    assert told(one)
    assert told(one) == told(other)
    figures = [json.loads((folder / "report.json").read_text())["validation"]["metrics"] for folder in (one, other)]
    assert figures[0] == figures[1]


def test_a_killed_run_goes_on_to_the_same_bits(presets: dict[str, str], tmp_path: Path) -> None:
    config = recipe(presets["bert"], write_reviews(tmp_path / "r.csv"), "lora")
    config.save(tmp_path / "run.json")
    start(config, tmp_path / "whole")
    cut = tmp_path / "cut"
    assert kill(["train", str(tmp_path / "run.json"), "--out", str(cut)], cut, lambda: steps(cut) >= 5)
    kft.resume(cut)
    assert_same(tmp_path / "whole", cut)


@pytest.mark.slow
@pytest.mark.parametrize("tuning", list(TUNINGS.all()))
def test_kills_at_random_moments_change_nothing(tuning: str, presets: dict[str, str], tmp_path: Path) -> None:
    """Two to three kills a method, more than twenty in all: while loading, training, or writing a checkpoint."""
    rng = random.Random(tuning)
    config = recipe(presets[rng.choice(["bert", "gpt2"])], write_reviews(tmp_path / "r.csv"), tuning)
    config.save(tmp_path / "run.json")
    start(config, tmp_path / "whole")
    cut = tmp_path / "cut"
    command = ["train", str(tmp_path / "run.json"), "--out", str(cut)]
    for _ in range(3):
        begun, seconds, after = steps(cut), rng.uniform(0, 0.2), rng.randint(0, 4)
        moment: list[float] = []

        def now(begun: int = begun, after: int = after, seconds: float = seconds, moment: list[float] = moment) -> bool:
            if steps(cut) >= begun + after and (cut / "run.json").exists():
                moment.append(time.monotonic())
            return bool(moment) and time.monotonic() - moment[0] > seconds

        killed = kill(command, cut, now)
        command = ["resume", str(cut)]
        if not killed:
            break
    kft.resume(cut)
    assert_same(tmp_path / "whole", cut)
