"""The same recipe and seed give the same figures in the app, on the command line and in Python."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import kerasft as kft
from kerasft.evaluation.report import load_reports
from kerasft.recipe import RunConfig
from kerasft_app.runs import RunBoard
from tests.conftest import write_reviews


def figures(folder: Path) -> dict[str, float]:
    return load_reports(folder)["validation"].metrics


def test_app_command_line_and_python_agree(presets: dict[str, str], tmp_path: Path) -> None:
    data = str(write_reviews(tmp_path / "reviews.csv", repeat=4))
    train = kft.TrainConfig(epochs=2, seed=7, tensorboard=False)
    recipe = RunConfig(preset=presets["bert"], data=kft.DataConfig(path=data), train=train)

    board = RunBoard(tmp_path / "app")
    board.enqueue("run", recipe.to_dict())
    deadline = time.monotonic() + 120
    while board.progress("run").state not in ("finished", "failed", "interrupted") and time.monotonic() < deadline:
        time.sleep(0.3)
    assert board.progress("run").state == "finished", board.output_tail("run")
    board._children[0][0].wait()

    options = ["--train.epochs", "2", "--train.seed", "7", "--train.tensorboard", "no"]
    command = [
        sys.executable,
        "-m",
        "kerasft",
        "train",
        "--preset",
        presets["bert"],
        "--data",
        data,
        "--out",
        str(tmp_path / "cli"),
    ]
    subprocess.run([*command, *options], check=True, capture_output=True)

    kft.finetune(presets["bert"], kft.load_data(data), train=train, out=tmp_path / "python")

    one, two, three = (figures(path) for path in (tmp_path / "app" / "run", tmp_path / "cli", tmp_path / "python"))
    assert one == two == three
    weights = [
        (path / "model.safetensors").read_bytes() for path in (tmp_path / "app" / "run", tmp_path / "cli", tmp_path / "python")
    ]
    assert weights[0] == weights[1] == weights[2]
    recipes = [json.loads((tmp_path / name / "run.json").read_text())["train"] for name in ("app/run", "cli", "python")]
    assert recipes[0] == recipes[1] == recipes[2]
