"""The board of runs: names, queue, stop, follow; no browser, no TensorFlow (a stand-in plays the training process)."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import kerasft as kft
from kerasft import events
from kerasft.alone import alone
from kerasft.errors import ConfigError, RunExistsError
from kerasft.runs import QUEUED_FILE, STOP_FILE
from kerasft_app import runs
from kerasft_app.run_progress import progress_in
from kerasft_app.runs import RunBoard

STAND_IN = """
import pathlib, sys, time
sys.path.insert(0, {root!r})
from kerasft import events
folder = pathlib.Path(sys.argv[-1])
log = events.JsonLog(folder / "events.jsonl")
sizes = dict(epochs=1, train_examples=1, validation_examples=0, trainable_parameters=1, parameters=1)
log(events.Started(run="r", total_steps=50, **sizes))
for step in range(1, 51):
    time.sleep(0.05)
    pace = dict(learning_rate=0.1, examples_per_second=1, eta_seconds=1)
    log(events.Step(step=step, total_steps=50, epoch=step / 50, loss=1 / step, **pace))
    if (folder / "STOP").exists():
        log(events.Stopped(step=step, reason="the Stop button")); sys.exit(3)
log(events.Finished(step=50, seconds=1, metrics={{}}))
"""
RECIPE = {
    "preset": "p",
    "data": {"path": "d.csv"},
    "task": {"name": "text_classification"},
    "tuning": {"name": "full"},
    "train": {},
}


def test_a_warning_of_one_validation_is_taken_back_by_the_next(tmp_path: Path) -> None:
    log = events.JsonLog(tmp_path / "events.jsonl")
    log(events.Warned(code="cut", message="3 rows are cut."))
    for step, collapsed in ((1, True), (2, True), (3, False)):
        log(events.Validated(step=step, epoch=1.0, metrics={"loss": 1.0}, best=True))
        if collapsed:
            log(events.Warned(code=events.ONE_CLASS, message="The model predicts the same label for every validation row."))
        expected = ["cut", events.ONE_CLASS] if collapsed else ["cut"]
        assert [warned.code for warned in progress_in(tmp_path).warnings] == expected
    log.close()


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunBoard]:
    """A board whose training process is a stand-in of two and a half seconds."""
    script = tmp_path / "kerasft_stand_in.py"
    script.write_text(STAND_IN.format(root=str(Path(__file__).parents[2])))
    real = runs.subprocess.Popen

    def popen(command: list[str], **options: object) -> object:
        return real([sys.executable, str(script), command[-1]], **options)

    monkeypatch.setattr(runs.subprocess, "Popen", popen)
    made = RunBoard(tmp_path / "runs")
    yield made
    for child, _ in made._children:
        child.kill()
        child.wait()


def wait(board: RunBoard, name: str, *states: str) -> str:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        board.pump()
        state = board.progress(name).state
        if state in states:
            return state
        time.sleep(0.05)
    raise AssertionError(f"{name} is {state}, not {states}")


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "..", ".hidden", "", " ", "a" * 81, "café", "a\\b", "con:1"])
def test_names_cannot_leave_the_folder(board: RunBoard, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a run"):
        board.folder(name)


def test_a_run_made_elsewhere_may_have_any_name(board: RunBoard) -> None:
    (board.root / "příklady (1)").mkdir()
    (board.root / "příklady (1)" / "run.json").write_text("{}", encoding="utf-8")
    assert board.progress("příklady (1)").state == "prepared"


def test_a_run_at_work_without_the_app_is_stopped_by_it(board: RunBoard) -> None:
    folder = board.root / "mine"
    folder.mkdir()
    with alone(folder, "run"):
        assert board.progress("mine").state == "running"
        assert "Stopping after" in board.stop("mine")
    assert (folder / STOP_FILE).exists()


def test_the_queue_outlives_what_goes_wrong_in_it(board: RunBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    pumped = threading.Event()

    def fail_once() -> None:
        if not failed:
            failed.append(True)
            raise OSError("no room")
        pumped.set()
        threading.Event().wait()  # the thread is of no more use

    failed: list[bool] = []
    monkeypatch.setattr(board, "pump", fail_once)
    board.keep_pumping(0.01)
    assert pumped.wait(10)


def test_a_link_that_leads_out_is_refused(board: RunBoard, tmp_path: Path) -> None:
    (board.root / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError):
        board.folder("link")


def test_a_second_run_queues_and_starts_when_the_first_ends(board: RunBoard) -> None:
    board.enqueue("one", RECIPE)
    board.enqueue("two", RECIPE)
    assert wait(board, "one", "running") == "running"
    assert board.progress("two").state == "queued"
    wait(board, "one", "finished")
    wait(board, "two", "running", "finished")
    assert {run.name for run in board.runs()} == {"one", "two"}


def test_a_button_pressed_twice_starts_one_run(board: RunBoard) -> None:
    board.enqueue("one", {**RECIPE, "made": "12:00:00"}, again=False)
    with pytest.raises(ConfigError, match="just been started"):
        board.enqueue("one-2", {**RECIPE, "made": "12:00:01"}, again=False)
    board.enqueue("other", {**RECIPE, "preset": "another"}, again=False)
    board.enqueue("named", {**RECIPE, "preset": "another"}, again=True)
    assert {run.name for run in board.runs()} == {"one", "other", "named"}


def test_stop_ends_a_running_run_and_takes_a_waiting_one_out(board: RunBoard) -> None:
    board.enqueue("one", RECIPE)
    board.enqueue("two", RECIPE)
    wait(board, "one", "running")
    assert "queue" in board.stop("two")
    assert board.progress("two").state == "stopped"
    assert "after the current step" in board.stop("one")
    wait(board, "one", "stopped")
    assert board.stop("one") == "The run is not running."
    board.enqueue("three", RECIPE)
    with pytest.raises(ConfigError, match="only a stopped"):
        board.enqueue_resume("three")


def test_a_removed_run_is_moved_aside_with_all_it_holds_and_only_when_it_is_not_at_work(board: RunBoard) -> None:
    board.enqueue("one", RECIPE)
    board.enqueue("two", RECIPE)
    wait(board, "one", "running")
    with pytest.raises(ConfigError, match="is running"):
        board.remove("one")
    gone = board.remove("two")
    assert gone == board.root / ".removed" / "two"
    assert json.loads((gone / "run.json").read_text())["preset"] == RECIPE["preset"]
    assert not (gone / QUEUED_FILE).exists()  # it would begin to train when it is moved back
    wait(board, "one", "finished")
    (board.folder("one") / "model.safetensors").write_text("weights")
    board.remove("one")
    assert board.runs() == []
    board.enqueue("one", RECIPE)
    wait(board, "one", "finished")
    assert board.remove("one").name == "one-2"  # the first one is still there
    assert (board.root / ".removed" / "one" / "model.safetensors").read_text() == "weights"
    with pytest.raises(ConfigError, match="no run named"):
        board.remove("one")


def test_another_app_finds_the_run_still_running(board: RunBoard) -> None:
    board.enqueue("one", RECIPE)
    wait(board, "one", "running")
    other = RunBoard(board.root)
    other.enqueue("two", RECIPE)
    assert other.progress("one").state == "running"
    assert other.progress("two").state == "queued"


def test_a_killed_process_is_seen_as_interrupted(board: RunBoard) -> None:
    board.enqueue("one", RECIPE)
    wait(board, "one", "running")
    board._children[0][0].kill()
    assert wait(board, "one", "interrupted") == "interrupted"


def test_a_name_is_used_once_and_free_names_are_found(board: RunBoard) -> None:
    board.enqueue("one", RECIPE)
    with pytest.raises(RunExistsError):
        board.enqueue("one", RECIPE)
    assert board.free_name("one") == "one-2"
    assert board.free_name("Ünï code / name!") == "Uni-code-name"
    assert board.free_name("…") == "run"


def test_a_title_that_was_typed_becomes_a_name_and_stays(board: RunBoard) -> None:
    assert board.name_for("SMS mini") == "sms-mini"
    assert board.name_for("Run_2") == "Run_2"  # which can be a name
    assert board.name_for("../../etc/passwd") == "etc-passwd"
    assert board.name_for("评论") == "run"
    folder = board.enqueue(board.name_for("SMS mini"), RECIPE, title="SMS mini")
    assert folder.name == "sms-mini"
    assert board.title("sms-mini") == "SMS mini"
    assert board.title("nowhere") == "nowhere"
    assert board.title("../x") == "../x"
    assert board.name_for("SMS, mini") == "sms-mini-2"
    with pytest.raises(RunExistsError) as caught:
        board.enqueue("sms-mini", RECIPE, title="SMS mini")
    assert "sms-mini-2" in caught.value.hint
    with pytest.raises(ConfigError, match="A title has at most"):
        board.enqueue("long", RECIPE, title="x" * 300)
    assert not board.folder("long").exists()


def test_what_is_at_work_and_what_waits_is_counted_studies_too(board: RunBoard) -> None:
    assert board.at_work() == (0, 0)
    board.enqueue_study("study", RECIPE, ["search"])
    wait(board, "study", "running")
    board.enqueue("one", RECIPE)
    assert board.at_work() == (1, 1)


def test_what_was_removed_comes_back_or_is_deleted_for_good(board: RunBoard) -> None:
    for content in ("first", "second"):
        (board.root / "one").mkdir()
        (board.root / "one" / "run.json").write_text(json.dumps({"preset": content}))
        board.remove("one")
    assert sorted(board.removed_names()) == ["one", "one-2"]
    (board.root / "one").mkdir()  # another one has the name by now
    assert board.bring_back("one") == "one-2"
    assert json.loads((board.root / "one-2" / "run.json").read_text())["preset"] == "first"
    for name in ("nowhere", "", "..", "../one", "one-2/.."):
        with pytest.raises(ConfigError, match="was removed"):
            board.delete(name)
        with pytest.raises(ConfigError, match="was removed"):
            board.bring_back(name)
    board.delete("one-2")
    assert board.removed_names() == []
    assert (board.root / "one-2").exists()  # the one that came back


def test_steps_done_again_after_a_resume_are_shown_once(board: RunBoard) -> None:
    folder = board.root / "one"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(RECIPE))
    log = events.JsonLog(folder / "events.jsonl")
    common = {
        "total_steps": 9,
        "epochs": 1,
        "train_examples": 1,
        "validation_examples": 0,
        "trainable_parameters": 1,
        "parameters": 1,
    }

    def steps(first: int, last: int) -> None:
        log(events.Started(run="r", first_step=first, **common))
        for step in range(first + 1, last + 1):
            log(events.Step(step=step, total_steps=9, epoch=0, loss=0, learning_rate=0, examples_per_second=0, eta_seconds=0))

    steps(0, 5)
    steps(3, 9)
    log.close()
    assert [step.step for step in board.progress("one").steps] == list(range(1, 10))


def test_uploads_are_kept_under_harmless_names(board: RunBoard, tmp_path: Path) -> None:
    source = tmp_path / ".. ;rm -rf $HOME.csv"
    source.write_text("text,label\na,b\n")
    kept = Path(board.keep_uploads([source]))
    assert kept.read_text() == source.read_text()
    assert board.root in kept.parents
    assert ";" not in kept.name
    assert board.keep_uploads([source]) == str(kept)
    assert board.runs() == []


def test_several_uploads_are_read_together_or_as_splits(board: RunBoard, tmp_path: Path) -> None:
    paths = []
    for folder, name in (("a", "notes.txt"), ("b", "notes.txt"), ("a", "more.txt")):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths.append(tmp_path / folder / name)
        paths[-1].write_text(f"one line of {folder} {name}\n")
    assert len(kft.load_data(board.keep_uploads(paths), validation=0)["train"]) == 3
    for path in paths:  # the same contents under other names are another upload
        path.rename(path.with_name(f"other-{path.name}"))
    others = [path.with_name(f"other-{path.name}") for path in paths]
    assert len(kft.load_data(board.keep_uploads(others), validation=0)["train"]) == 3
    for name in ("train.csv", "validation.csv"):
        (tmp_path / name).write_text("text,label\n" + "".join(f"{name} {i},{i % 2}\n" for i in range(6)))
    data = kft.load_data(board.keep_uploads([tmp_path / "train.csv", tmp_path / "validation.csv"]))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 6, "validation": 6}


def test_a_page_that_is_loaded_again_finds_its_files_and_no_others(board: RunBoard, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "train.csv", "validation.csv")]
    for i, path in enumerate(paths):
        path.write_text(f"text,label\nfilm {i},x\n")
    for chosen in (paths[:1], paths[:2], paths[2:]):
        source = board.keep_uploads(chosen)
        assert board.kept_upload(runs.upload_key(source)) == source
    secret = board.root / "secret"
    secret.write_text("mine")
    assert runs.upload_key(str(secret)) == runs.upload_key(None) == ""
    for told in (None, "", "0" * 12, "../secret", str(secret), "../../../../etc", 5, ["a"]):  # a browser can send anything
        assert board.kept_upload(told) is None
