"""Two runs compared, a run reproduced, and options changed between a stop and going on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.cli import main
from kerasft.comparison import differing
from kerasft.events import Validated
from kerasft.run import start
from tests.conftest import write_reviews
from tests.tiny import make_bert


def config(presets: dict[str, str], data: Path, **train: object) -> kft.RunConfig:
    return kft.RunConfig(
        preset=presets["bert"],
        data=kft.DataConfig(path=str(data)),
        tuning=kft.LoRA(rank=2),
        train=kft.TrainConfig(**{"epochs": 2, "batch_size": 8, "tensorboard": False, **train}),
    )


@pytest.fixture(scope="module")
def finished(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compared")
    start(config(presets, write_reviews(root / "reviews.csv")), root / "run")
    return root / "run"


@pytest.fixture(scope="module")
def stopped(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after its second step."""
    root = tmp_path_factory.mktemp("stopped")

    def stop(event: object) -> None:
        if isinstance(event, Validated) and event.step == 2:
            (root / "run" / "STOP").touch()

    start(config(presets, write_reviews(root / "r.csv"), validate_every=1), root / "run", on_event=stop)
    return root / "run"


def test_values_that_differ_are_named_by_where_they_stand() -> None:
    one = {"a": 1, "b": {"c": [1], "d": float("nan")}, "only": 3}
    other = {"a": 1, "b": {"c": [2], "d": float("nan")}, "new": None}
    assert list(differing(one, other)) == [("b.c", [1], [2]), ("only", 3, None)]


def test_a_reproduced_run_does_not_differ(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = kft.reproduce(finished, finished.with_name("again"))
    assert comparison.differences == ()
    assert comparison.same_result
    assert main(["diff", str(finished), str(finished.with_name("again"))]) == 0
    assert "do not differ" in capsys.readouterr().out


def test_differences_of_options_data_versions_and_figures_are_shown(finished: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    recipe = json.loads((other / "run.json").read_text())
    recipe["train"]["learning_rate"] = 0.5
    recipe["data_sha256"] = "0" * 64
    recipe["versions"]["keras"] = "9.9"
    (other / "run.json").write_text(json.dumps(recipe))
    report = json.loads((other / "report.json").read_text())
    report["validation"]["metrics"]["accuracy"] = 0.125
    (other / "report.json").write_text(json.dumps(report))
    comparison = kft.compare_runs(finished, other)
    assert {(found.section, found.name) for found in comparison.differences} == {
        ("options", "train.learning_rate"),
        ("data", "sha256"),
        ("versions", "keras"),
        ("figures", "validation.accuracy"),
    }
    assert not comparison.same_result
    assert "0.125" in str(comparison)
    assert "9.9" in str(comparison)


def test_a_run_whose_data_changed_is_not_reproduced(presets: dict[str, str], tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "r.csv")
    start(config(presets, data, epochs=0), tmp_path / "run")
    data.write_text(data.read_text().replace("good", "fair"))
    with pytest.raises(kft.DataError, match="not those of the run"):
        kft.reproduce(tmp_path / "run")
    assert not (tmp_path / "run-again").exists()
    with pytest.raises(kft.ArtifactError, match="no KerasFT run"):
        kft.compare_runs(tmp_path / "run", tmp_path)


def test_changed_options_are_refused_with_the_difference_or_allowed(stopped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    with pytest.raises(kft.ConfigError, match=r"train\.epochs: 2 -> 3") as told:
        kft.resume(folder, changes={"train.epochs": 3})
    assert "allow_changes=True" in str(told.value)
    recipe = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**recipe, "train": {**recipe["train"], "weight_decay": 0.5}}))
    with pytest.raises(kft.ConfigError, match=r"train\.weight_decay: 0\.01 -> 0\.5"):
        kft.resume(folder)
    (folder / "run.json").write_text(json.dumps(recipe))
    warned: list[str] = []

    def note(event: object) -> None:
        if getattr(event, "code", "") == "changed_options":
            warned.append(event.message)  # type: ignore[attr-defined]

    model = kft.resume(folder, changes={"train.epochs": 3}, allow_changes=True, on_event=note)
    assert "train.epochs: 2 -> 3" in warned[0]
    assert model.recipe["train"]["epochs"] == 3
    assert model.recipe["history"][-1]["epoch"] == 3.0


def test_a_run_that_is_older_than_an_option_goes_on_with_the_options_default(stopped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    recipe = json.loads((folder / "run.json").read_text())
    del recipe["train"]["gradient_checkpointing"]
    (folder / "run.json").write_text(json.dumps(recipe))
    for path in (folder / "checkpoints").glob("step-*/state.json"):
        record = json.loads(path.read_text())
        del record["made_with"]["recipe"]["train"]["gradient_checkpointing"]
        path.write_text(json.dumps(record))
    assert kft.resume(folder).recipe["history"][-1]["epoch"] == 2.0


def test_the_command_line_refuses_and_allows_alike(stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    assert main(["resume", str(folder), "--train.epochs", "3"]) == 2
    assert "--allow-changes" in capsys.readouterr().err
    assert main(["resume", str(folder), "--tuning.length", "3"]) == 2
    assert "no option of the chosen tuning" in capsys.readouterr().err
    assert main(["resume", str(folder)]) == 0


def test_what_is_no_option_is_told(stopped: Path) -> None:
    with pytest.raises(kft.ConfigError, match="no option of a run"):
        kft.resume(stopped, changes={"epochs": 3})


def test_a_base_that_changed_meanwhile_is_told(tmp_path: Path) -> None:
    preset = make_bert(tmp_path / "base")

    def stop(event: object) -> None:
        if isinstance(event, Validated):
            (tmp_path / "run" / "STOP").touch()

    start(config({"bert": str(preset)}, write_reviews(tmp_path / "r.csv"), validate_every=1), tmp_path / "run", on_event=stop)
    make_bert(preset, seed=5)
    with pytest.raises(kft.ArtifactError, match="base's weights have changed"):
        kft.resume(tmp_path / "run")
