"""The page learns that a run has changed, once for each change, and whether one is in progress."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from kerasft.alone import alone
from kerasft.runs import QUEUED_FILE, STOP_FILE, note_process
from kerasft_app.pulse import PATH, Pulse, look


def make_run(root: Path, name: str) -> Path:
    (root / name).mkdir()
    (root / name / "run.json").write_text("{}")
    return root / name


def test_every_change_of_a_run_is_another_version_and_nothing_else_is(tmp_path: Path) -> None:
    versions = [look(tmp_path).version]

    def changed() -> bool:
        versions.append(look(tmp_path).version)
        return versions[-1] != versions[-2]

    run = make_run(tmp_path, "one")
    assert changed()
    assert not changed()
    for name in ("events.jsonl", "report.json", "about.json", STOP_FILE, "model.safetensors"):
        (run / name).write_text("x")
        assert changed(), name
    (run / STOP_FILE).unlink()
    assert changed()
    (run / "logs").mkdir()
    (tmp_path / ".uploads").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert not changed()
    run.rename(tmp_path / "two")
    assert changed()


def test_a_waiting_run_and_a_running_one_make_the_page_busy(tmp_path: Path) -> None:
    run = make_run(tmp_path, "one")
    assert not look(tmp_path).busy
    (run / QUEUED_FILE).touch()
    assert look(tmp_path).busy
    (run / QUEUED_FILE).unlink()
    before = look(tmp_path)
    note_process(run, os.getpid(), 0.0)
    assert look(tmp_path).busy
    (run / "process.json").write_text('{"pid": 4194304, "started": 0}')  # a process that has died without a word
    assert look(tmp_path) != before
    assert not look(tmp_path).busy


def test_a_run_started_elsewhere_counts_while_it_holds_its_lock(tmp_path: Path) -> None:
    run = make_run(tmp_path, "one")
    before = look(tmp_path)
    with alone(run, "run"):
        inside = look(tmp_path)
    assert inside.busy
    assert inside.version != look(tmp_path).version  # the page hears of the end even where nothing is written any more
    assert not look(tmp_path).busy
    assert not before.busy


def test_steps_of_a_run_change_no_states(tmp_path: Path) -> None:
    run = make_run(tmp_path, "one")
    before = look(tmp_path)
    (run / "events.jsonl").write_text("x")
    after = look(tmp_path)
    assert after.version != before.version
    assert after.states == before.states
    (run / "report.json").write_text("x")
    assert look(tmp_path).states != after.states


def test_a_study_at_work_changes_with_the_run_that_it_does(tmp_path: Path) -> None:
    study = make_run(tmp_path, "study")
    (study / "study.json").write_text("{}")
    note_process(study, os.getpid(), 0.0)
    (study / "trial-000").mkdir()
    before = look(tmp_path).version
    (study / "trial-000" / "events.jsonl").write_text("x")
    assert look(tmp_path).version != before


def test_only_its_own_path_is_answered(tmp_path: Path) -> None:
    passed: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["path"])

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    pulse = Pulse(app, root=tmp_path)
    asyncio.run(pulse({"type": "http", "path": "/config"}, None, send))
    asyncio.run(pulse({"type": "http", "path": f"/other{PATH}"}, None, send))
    assert passed == ["/config", f"/other{PATH}"]
    asyncio.run(pulse({"type": "http", "path": PATH}, None, send))
    assert set(json.loads(sent[1]["body"])) == {"version", "states", "busy"}
    assert len(passed) == 2
    asyncio.run(pulse({"type": "http", "root_path": "/proxy", "path": f"/proxy{PATH}"}, None, send))
    assert len(passed) == 2


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert look(tmp_path / "gone") == look(tmp_path / "gone")
