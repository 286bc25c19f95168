"""Runs on Ray: two workers learn what one process learns; what goes wrong is told; a stopped run goes on."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft import cluster, events
from kerasft.cli import main
from kerasft.cluster import joined, shared_out, train_on_cluster
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.runs import STOP_FILE, run_state
from tests.conftest import write_reviews
from tests.shared_work import comparable

RAYS_OWN = pytest.mark.filterwarnings("ignore")  # Ray warns of its own options


def recipe(preset: str, data: Path, **train: Any) -> RunConfig:
    options = {"epochs": 2, "batch_size": 5, "dropout": 0.0, "tensorboard": False, **train}
    config = kft.DataConfig(path=str(data), validation=0.2)
    task = kft.TextClassification(head_dropout=0.0)
    return RunConfig(preset=preset, data=config, task=task, train=kft.TrainConfig(**options))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "r.csv", repeat=3)


@pytest.mark.slow
@RAYS_OWN
def test_two_workers_learn_what_one_process_learns(presets: dict[str, str], data: Path, tmp_path: Path) -> None:
    told: list[events.Event] = []
    run = recipe(presets["bert"], data)
    shared = train_on_cluster(run, tmp_path / "shared", address="local", workers=2, on_event=told.append)
    alone = start(run, tmp_path / "alone", on_event=lambda event: None)
    started = next(event for event in told if isinstance(event, events.Started))
    assert started.devices == 2
    assert isinstance(told[-1], events.Finished)
    for mine, theirs in zip(comparable(shared.keras_model), comparable(alone.keras_model), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    with pytest.raises(kft.RunExistsError):
        train_on_cluster(run, tmp_path / "shared", address="local", workers=2)


@pytest.mark.slow
@RAYS_OWN
def test_stopped_on_the_cluster_and_gone_on_with_alone(presets: dict[str, str], data: Path, tmp_path: Path) -> None:
    run = recipe(presets["bert"], data, epochs=300)
    folder = tmp_path / "run"

    def press() -> None:
        while not any(isinstance(event, events.Step) for event in events.read_events(folder / "events.jsonl")):
            time.sleep(0.05)
        (folder / STOP_FILE).touch()

    threading.Thread(target=press, daemon=True).start()
    train_on_cluster(run, folder, address="local", workers=2)
    assert run_state(folder) == "stopped"
    assert main(["resume", str(folder), "--train.epochs", "1", "--allow-changes"]) == 0
    assert run_state(folder) == "finished"


@pytest.mark.slow
@RAYS_OWN
def test_what_a_worker_finds_wrong_is_told(presets: dict[str, str], data: Path, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    run = recipe(presets["bert"], data)
    mine = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: {**mine, "keras": "3.99"})
    with pytest.raises(kft.ConfigError, match=rf"other versions than the driver: keras 3.99 at the driver, {mine['keras']} here"):
        train_on_cluster(run, tmp_path / "skewed", address="local", workers=2)
    monkeypatch.undo()
    gone = recipe(presets["bert"], tmp_path / "nowhere.csv")
    with pytest.raises(kft.KerasFTError, match=r"nowhere.csv"):
        train_on_cluster(gone, tmp_path / "gone", address="local", workers=2)
    with pytest.raises(kft.RunError, match="too few for 5000 workers"):
        train_on_cluster(run, tmp_path / "many", address="local", workers=5000)
    with pytest.raises(kft.RunError, match="The cluster cannot be reached"):
        train_on_cluster(run, tmp_path / "far", address="127.0.0.1:1", workers=2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train": kft.TrainConfig(strategy="mirrored")}, "train.strategy 'mirrored'"),
        ({"data": kft.DataConfig()}, "a file or folder that all machines see"),
    ],
    ids=["strategy", "rows in memory"],
)
def test_what_does_not_suit_a_cluster(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    run = RunConfig(**{"data": kft.DataConfig(path="r.csv"), **change})
    with pytest.raises(kft.ConfigError, match=told):
        train_on_cluster(run, tmp_path / "run")
    with pytest.raises(kft.ConfigError, match="at least 1"):
        train_on_cluster(RunConfig(data=kft.DataConfig(path="r.csv")), tmp_path / "run", workers=0)
    assert not (tmp_path / "run").exists()


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(kft.MissingPackageError, match="needs the package 'ray'"), joined("auto"):
        pass


@pytest.mark.parametrize(
    ("machines", "workers", "shared"),
    [
        ([{"CPU": 8}, {"CPU": 8}], None, (2, 0)),
        ([{"CPU": 8}], 4, (4, 0)),
        ([{"CPU": 0}, {"CPU": 8, "GPU": 4}, {"CPU": 8, "GPU": 4}], None, (2, 4)),  # a head that does not work
        ([{"CPU": 4}, {"CPU": 8, "GPU": 2}], None, (1, 2)),  # a head without a GPU
        ([{"CPU": 8, "GPU": 4}], 2, (2, 2)),
        ([{"CPU": 8, "GPU": 4}], 8, "4 GPUs a machine, too few for 8 workers on 1 machines"),
        ([{"CPU": 2}], 3, "2 processors on 1 machines, too few for 3 workers"),
        ([{"CPU": 0}], None, "0 processors on 0 machines"),
    ],
)
def test_how_a_cluster_isshared_out(machines: list[dict[str, float]], workers: int | None, shared: Any) -> None:
    if isinstance(shared, tuple):
        assert shared_out(machines, workers) == shared
    else:
        with pytest.raises(kft.RunError, match=shared):
            shared_out(machines, workers)
