"""A run's folder may be a project's: what is not the run's own stays, and no two processes work in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.alone import alone, is_in_use
from kerasft.files import free_to_write
from kerasft.recipe import RunConfig
from kerasft.run import resume, start
from kerasft.runs import CARD_MARK, run_state
from tests.conftest import write_reviews

TRAIN = kft.TrainConfig(epochs=0, tensorboard=False)
HOLDER = """
import sys, time
from pathlib import Path
from kerasft.alone import alone
with alone(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_project_s_own_files_survive_a_run_and_its_replacement(presets: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    write_reviews(project / "data" / "train.csv")
    (project / "README.md").write_text("# My project\n", encoding="utf-8")
    before = (project / "data" / "train.csv").read_bytes()
    config = RunConfig(preset=presets["bert"], data=kft.DataConfig(path=str(project / "data")), train=TRAIN)
    for overwrite in (False, True):
        start(config, project, overwrite=overwrite, on_event=print)
        assert (project / "README.md").read_text(encoding="utf-8") == "# My project\n"
        assert CARD_MARK in (project / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert (project / "data" / "train.csv").read_bytes() == before


def test_what_a_run_reads_is_not_removed_to_make_room_for_it(presets: dict[str, str], tmp_path: Path) -> None:
    first = RunConfig(preset=presets["bert"], data=kft.DataConfig(path=str(write_reviews(tmp_path / "r.csv"))), train=TRAIN)
    run = tmp_path / "run"
    start(first, run, on_event=print)
    rows = write_reviews(run / "logs" / "rows.csv") if (run / "logs").mkdir(exist_ok=True) is None else None
    second = RunConfig(preset=presets["bert"], data=kft.DataConfig(path=str(rows)), train=TRAIN)
    with pytest.raises(kft.ConfigError, match="lies in what it would replace"):
        start(second, run, overwrite=True, on_event=print)
    assert run_state(run) == "finished"
    assert rows is not None
    assert rows.exists()


def test_rows_of_an_attempt_that_failed_are_not_taken_for_the_next_one_s(
    presets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = kft.load_data([{"text": f"old {i}", "label": "ab"[i % 2]} for i in range(20)])
    new = kft.load_data([{"text": f"new {i}", "label": "ab"[i % 2]} for i in range(20)])
    config = RunConfig(preset=presets["bert"], data=old.config, train=TRAIN)

    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("kerasft.execution.load_backbone", too_large)
        with pytest.raises(kft.RunError, match="ran out of memory"):
            start(config, tmp_path / "run", dataset=old, on_event=print)
    assert not (tmp_path / "run" / "data").exists()
    start(config, tmp_path / "run", dataset=new, on_event=print)
    kept = kft.load_data(str(tmp_path / "run" / "data" / "train.parquet"), validation=0)
    assert all((text or "").startswith("new") for text in kept["train"].cells("text"))


def test_rows_from_memory_need_a_place_that_is_free(presets: dict[str, str], tmp_path: Path) -> None:
    rows = kft.load_data([{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(20)])
    own = write_reviews(tmp_path / "data.csv")
    (tmp_path / "run" / "data").mkdir(parents=True)
    own.rename(tmp_path / "run" / "data" / "mine.csv")
    for _ in range(2):  # what the first attempt leaves behind must not make the second one take the folder for the run's
        with pytest.raises(kft.RunError, match="one that is not of this run"):
            kft.finetune(presets["bert"], rows, train=TRAIN, out=tmp_path / "run", on_event=print)
    assert (tmp_path / "run" / "data" / "mine.csv").exists()


def test_two_processes_never_work_on_one_run(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = RunConfig(preset=presets["bert"], data=kft.DataConfig(path=str(reviews)), train=TRAIN)
    start(config, run, on_event=print)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(run)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert run_state(run) == "running"  # though no app has noted its process
        with pytest.raises(kft.RunError, match="Another process is at work on this run"):
            start(config, run, overwrite=True, on_event=print)
        assert (run / "model.safetensors").exists()
        os.kill(holder.pid, signal.SIGKILL)
    assert not is_in_use(run)
    assert run_state(run) == "finished"
    assert resume(run).labels == ("bad", "good")
    start(config, run, overwrite=True, on_event=print)
    assert not (run / ".lock").exists()


def test_one_is_alone_in_a_folder_until_it_leaves(tmp_path: Path) -> None:
    with alone(tmp_path, "run"):
        assert is_in_use(tmp_path)
        with pytest.raises(kft.RunError, match="Another process"), alone(tmp_path, "run"):
            pass
    assert not is_in_use(tmp_path)
    assert not list(tmp_path.iterdir())
    with alone(tmp_path, "run"):
        pass


def test_only_an_earlier_one_of_its_kind_is_replaced(tmp_path: Path) -> None:
    def wanted(folder: Path, *, overwrite: bool) -> Path:
        return free_to_write(folder, overwrite=overwrite, what="an export", mark="saved_model.pb")

    export, photos, run = (tmp_path / name for name in ("export", "photos", "run"))
    for folder, names in ((export, ["saved_model.pb"]), (photos, ["me.png"]), (run, ["run.json", "saved_model.pb"])):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    assert wanted(tmp_path / "new", overwrite=False) == tmp_path / "new"
    assert wanted(export, overwrite=True) == export
    with pytest.raises(kft.RunExistsError, match=r"already holds an export[\s\S]*--overwrite"):
        wanted(export, overwrite=False)
    for folder in (photos, run, photos / "me.png"):
        with pytest.raises(kft.RunExistsError, match="something else") as refused:
            wanted(folder, overwrite=True)
        assert "--overwrite" not in str(refused.value)
