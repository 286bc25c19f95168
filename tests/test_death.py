"""A run whose process dies at any file operation: its model answers, or `resume` ends with the bits of the whole run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.events import Validated, read_events
from kerasft.run import start
from kerasft.tuning import TUNINGS
from kerasft.verification import verify
from kerasft.weights import read_arrays
from tests.conftest import write_reviews
from tests.dying import dying
from tests.test_crash import assert_same

TEXTS = ["good film", "bad film", "a film"]


def silent(event: Any) -> None:
    """No progress is shown."""


def recipe(preset: str, data: Path, tuning: str, seed: int = 1) -> kft.RunConfig:
    """Four steps in two epochs, a checkpoint after each; few file operations."""
    train = kft.TrainConfig(
        epochs=2, batch_size=16, tensorboard=False, checkpoint_minutes=0.0, learning_rate=0.01, keep_checkpoints=1, seed=seed
    )
    given = kft.DataConfig(path=str(data), validation=0.1)
    return kft.RunConfig(preset=preset, data=given, tuning=TUNINGS.get(tuning)(), train=train)


def answers(folder: Path) -> list[float]:
    """What the model answers, from its files."""
    return [answer.score for answer in kft.load(folder).predict(TEXTS)]


def check_alive(folder: Path, whole: Path, expected: list[float]) -> str:
    """Either a model answers at once, as the whole run's does, or `resume` makes it; which of the two."""
    how = "the model"
    try:
        found = answers(folder)
    except kft.ArtifactError:
        how = "resume"
    else:
        assert found == expected
    kft.resume(folder, on_event=silent)
    assert_same(whole, folder)
    assert not any(one.faults for one in verify(folder))
    assert not (folder / "checkpoints").exists()
    return how


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that the dead process did not close
@pytest.mark.parametrize("best", ["last", "earlier"])
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_process_that_dies_at_any_file_operation(
    tuning: str, best: str, presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole"
    data = write_reviews(tmp_path / "r.csv")
    for seed in range(1, 20):  # until the best epoch is the wanted one
        config = recipe(presets["bert"], data, tuning, seed)
        with dying(whole, None) as operations:
            start(config, whole, on_event=silent)
        validated = [event for event in read_events(whole / "events.jsonl") if isinstance(event, Validated)]
        if [event.best for event in validated] == [True, best == "last"]:
            break
        shutil.rmtree(whole)
    else:
        pytest.fail(f"No seed has its best epoch {best}.")
    ways, expected = [], answers(whole)
    for at in range(1, len(operations) + 1):
        folder = tmp_path / "cut"
        with dying(folder, at):
            start(config, folder, on_event=silent)
        if (folder / "run.json").exists():  # before that nothing of the run is there: it is begun again
            ways.append(check_alive(folder, whole, expected))
        shutil.rmtree(folder, ignore_errors=True)
    with capsys.disabled():
        print(
            f"\n{tuning}, best epoch {best}: died at {len(operations)} operations, {ways.count('the model')} times with a model"
        )
    assert len(operations) > 50
    assert {"the model", "resume"} == set(ways)


def test_a_resumed_run_keeps_its_model_until_there_is_a_new_one(presets: dict[str, str], tmp_path: Path) -> None:
    """Stopped in its first epoch, then resumed; the process dies after steps of training."""
    config = recipe(presets["bert"], write_reviews(tmp_path / "r.csv"), "lora")
    folder = tmp_path / "run"

    def stop(event: Any) -> None:
        if type(event).__name__ == "Checkpoint" and event.step == 1:
            (folder / "STOP").touch()

    start(config, folder, on_event=stop)
    before = answers(folder)
    description = kft.load(folder).recipe["history"]
    with dying(folder, None) as operations, pytest.raises(RuntimeError, match="power"):
        kft.resume(folder, on_event=fail_at_step_3)
    assert len(operations) > 10
    assert answers(folder) == before
    assert kft.load(folder).recipe["history"] == description
    kft.resume(folder, on_event=silent)
    after = read_arrays(folder / "model.safetensors")
    start(config, tmp_path / "whole", on_event=silent)
    for name, array in read_arrays(tmp_path / "whole" / "model.safetensors").items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def fail_at_step_3(event: Any) -> None:
    if type(event).__name__ == "Checkpoint" and event.step == 3:
        raise RuntimeError("power")
