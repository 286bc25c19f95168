"""What the app says of a run whose process was killed, and of one that was asked to stop."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerasft.events import JsonLog, Started, Step
from kerasft.runs import STOP_FILE, ending_signal, note_end, note_process
from kerasft_app.charts import status_card
from kerasft_app.runs import RunBoard

STARTED = Started(
    run="r", total_steps=10, first_step=0, epochs=1, train_examples=8, validation_examples=0, trainable_parameters=1,
    parameters=2, optimizer_bytes=8, padding=0.0, devices=1,
)  # fmt: skip
STEP = Step(step=3, total_steps=10, epoch=0.3, loss=0.5, learning_rate=0.1, examples_per_second=9.0, eta_seconds=5.0)


def board_with_child(root: Path, *, steps: bool) -> tuple[RunBoard, subprocess.Popen[bytes]]:
    """A board and a process that it takes for that of the run `r`."""
    board = RunBoard(root)
    folder = board.root / "r"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    log = JsonLog(folder / "events.jsonl")
    for event in (STARTED, *([STEP] if steps else [])):
        log(event)
    log.close()
    begun = time.time()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    board._children.append((child, folder))
    note_process(folder, child.pid, begun)
    return board, child


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_killed_run_says_so_and_offers_to_go_on_only_from_a_checkpoint(checkpoint: bool, tmp_path: Path) -> None:
    board, child = board_with_child(tmp_path, steps=True)
    if checkpoint:
        step = board.root / "r" / "checkpoints" / "step-00000002"
        step.mkdir(parents=True)
        (step / "state.json").write_text("{}")
    assert "killed" not in status_card("r", board.progress("r"))
    child.kill()
    child.wait()
    board.pump()
    told = board.progress("r")
    assert (told.state, told.ended_by, told.can_go_on) == ("interrupted", 9, checkpoint)
    card = status_card("r", told)
    assert "The process was killed (signal 9), often for lack of memory." in card
    assert ("Go on from the last checkpoint" in card) is checkpoint
    assert ("There is no checkpoint yet" in card) is not checkpoint


def test_another_signal_and_an_unknown_end_are_told(tmp_path: Path) -> None:
    board, child = board_with_child(tmp_path, steps=True)
    child.terminate()
    child.wait()
    assert "ended without a word" in status_card("r", board.progress("r"))  # nobody has looked yet
    board.pump()
    assert "ended by signal 15" in status_card("r", board.progress("r"))


def test_a_stop_that_was_heard_is_told_at_once(tmp_path: Path) -> None:
    board, child = board_with_child(tmp_path, steps=True)
    try:
        assert "Stop was heard" not in status_card("r", board.progress("r"))
        board.stop("r")
        assert (board.root / "r" / STOP_FILE).exists()
        assert "Stop was heard" in status_card("r", board.progress("r"))
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"status": "x"}', '{"status": 0}'])
def test_a_damaged_note_of_the_process_is_no_error(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "process.json").write_text(content)
    assert ending_signal(tmp_path) is None
    note_end(tmp_path, -9)
