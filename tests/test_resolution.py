"""What a run has decided by the number of its rows is not decided again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.events import Event, Started, Step
from kerasft.runs import STOP_FILE
from kerasft.training import few_rows
from tests.conftest import write_reviews


def stopped(preset: str, folder: Path, data: Path) -> dict[str, Any]:
    """A run on few rows that was stopped at its fifth step; what it has decided."""

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.step >= 5:
            (folder / STOP_FILE).touch()

    kft.finetune(preset, str(data), kft.TextClassification(), train=kft.TrainConfig(tensorboard=False), out=folder, on_event=stop)
    decided: dict[str, Any] = json.loads((folder / "run.json").read_text())["resolved"]["train"]
    return decided


def steps_of(folder: Path) -> int:
    seen: list[Event] = []
    kft.resume(folder, on_event=seen.append)
    return next(event.total_steps for event in seen if isinstance(event, Started))


def test_resuming_does_not_decide_again(presets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    before = stopped(presets["bert"], folder, write_reviews(tmp_path / "reviews.csv"))
    assert before["head_start"] == "solved"
    assert before["epochs"] > 4
    monkeypatch.setattr(few_rows, "LEAST_UPDATES", 1)
    monkeypatch.setattr(few_rows, "SOLVED_BELOW", 1)
    steps_of(folder)
    assert json.loads((folder / "run.json").read_text())["resolved"]["train"] == before


def test_a_run_of_an_earlier_version_goes_on_with_its_epochs(presets: dict[str, str], tmp_path: Path) -> None:
    """Killed, so that run.json says nothing but the recipe, whose defaults were then batches of 32 and a share of 0.1."""
    folder = tmp_path / "run"
    data = kft.load_data(write_reviews(tmp_path / "reviews.csv"), validation=0.1)
    train = kft.TrainConfig(batch_size=32, head_start="random", epochs=4, restore_best=True, tensorboard=False)

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.step >= 2:
            (folder / STOP_FILE).touch()

    kft.finetune(presets["bert"], data, kft.TextClassification(), train=train, out=folder, on_event=stop)
    recipe = json.loads((folder / "run.json").read_text())
    rows, records = recipe["rows"]["train"], [*(folder / "checkpoints").glob("step-*/state.json")]
    kept = [json.loads(record.read_text()) for record in records]
    for one in (recipe, *(each["made_with"]["recipe"] for each in kept)):
        one["train"] = {name: value for name, value in one["train"].items() if name not in ("head_start", "folds")}
        one["train"]["epochs"] = None
    recipe.pop("resolved")
    (folder / "run.json").write_text(json.dumps(recipe))
    for record, each in zip(records, kept, strict=True):
        record.write_text(json.dumps(each))
    assert steps_of(folder) == 4 * -(-rows // 32)  # four epochs, as full fine-tuning of so small a model always had
