"""The process that answers: one row, a text as it grows, stopping it; a stand-in plays the model."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerasft.errors import RunError
from kerasft_app import children, worker
from kerasft_app.children import Child, run_command
from kerasft_app.worker import Predictor

STAND_IN = """
import json, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    row = json.loads(line)
    if "use" in row:
        print(json.dumps({"ready": True, "used": row["use"]}), flush=True)
        continue
    if row["text"] == "die":
        sys.exit("the memory is full")
    sys.stderr.buffer.write(bytes([255]) + b" a warning of TensorFlow" * 400 + bytes([10]))
    sys.stderr.flush()
    for i in range(row.get("tokens", 0)):
        time.sleep(0.02)
        print(json.dumps({"partial": "a" * i}), flush=True)
    print(json.dumps({"text": row["text"], "finish_reason": "end"}), flush=True)
"""


def play_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stand-in play every process that answers."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    real = worker.subprocess.Popen
    monkeypatch.setattr(worker.subprocess, "Popen", lambda command, **options: real([sys.executable, str(script)], **options))


@pytest.fixture
def predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Predictor]:
    play_models(tmp_path, monkeypatch)
    made = Predictor()
    yield made
    made.close()


def test_a_text_comes_as_it_grows(predictor: Predictor, tmp_path: Path) -> None:
    lines = list(predictor.stream(tmp_path, {"text": "x", "tokens": 5}))
    assert [line.get("partial") for line in lines] == ["", "a", "aa", "aaa", "aaaa", None]
    assert predictor.ask(tmp_path, {"text": "next"})["text"] == "next"


def test_a_stopped_text_leaves_the_model_ready(predictor: Predictor, tmp_path: Path) -> None:
    told = predictor.stream(tmp_path, {"text": "x", "tokens": 20})
    assert "partial" in next(told)
    process = predictor._process
    predictor.stop()
    assert len(list(told)) < 20
    assert predictor.ask(tmp_path, {"text": "next"})["text"] == "next"
    assert predictor._process is process


def test_a_long_text_that_is_stopped_or_left_ends_its_process(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PATIENCE", 0.1)
    told = predictor.stream(tmp_path, {"text": "x", "tokens": 1000})
    next(told)
    begun = time.monotonic()
    told.close()  # as when the page is closed
    assert time.monotonic() - begun < 5
    assert predictor.ask(tmp_path, {"text": "next"})["text"] == "next"


def test_a_model_that_dies_says_why_and_the_next_question_finds_another(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not answer") as failed:
        predictor.ask(tmp_path, {"text": "die"})
    assert "memory is full" in str(failed.value.where)
    assert predictor.ask(tmp_path, {"text": "next"})["text"] == "next"


def test_a_process_with_many_complaints_goes_on_answering(predictor: Predictor, tmp_path: Path) -> None:
    for i in range(30):  # 9 KB each time, and a pipe holds 64
        assert predictor.ask(tmp_path, {"text": str(i)})["text"] == str(i)


def test_a_child_s_error_is_told_without_what_came_before_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="did not work") as failed:
        run_command(["evaluate", str(tmp_path / "none"), "x.csv"], "It did not work.")
    assert str(failed.value.where).startswith("This folder holds no KerasFT run.")


CLEANS_UP = """
import pathlib, sys, time
half = pathlib.Path(sys.argv[1])
half.write_text("half")
try:
    print("Writing ...", file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    half.unlink()
    sys.exit(130)
"""


def test_a_command_that_is_stopped_removes_what_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, half = tmp_path / "command.py", tmp_path / "half"
    script.write_text(CLEANS_UP)
    real = children.subprocess.Popen
    monkeypatch.setattr(
        children.subprocess, "Popen", lambda command, **options: real([sys.executable, str(script), str(half)], **options)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run in the background, where it is ignored
    try:
        child = Child(["export"])
        assert next(child.lines()) == "Writing ...\n"
        assert half.exists()
        child.stop()
        child.stop()  # pressed twice
        assert list(child.lines()) == []
        with pytest.raises(RunError, match="It did not work"):
            child.ended("It did not work.")
        assert child.stopped
        assert not half.exists()
        child.close()
    finally:
        signal.signal(signal.SIGINT, before)


def run_over(root: Path, name: str, tuning: str, base: str | None) -> Path:
    folder = root / name
    folder.mkdir()
    model = {"base": {"preset": "p", "sha256": base}} if base else {}
    (folder / "run.json").write_text(json.dumps({"tuning": {"name": tuning}, "model": model}))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_runs_over_one_base_share_a_process_and_others_do_not(predictor: Predictor, tmp_path: Path) -> None:
    lora, adapters = run_over(tmp_path, "a", "lora", "one"), run_over(tmp_path, "b", "adapters", "one")
    elsewhere, biases = run_over(tmp_path, "c", "lora", "two"), run_over(tmp_path, "d", "bias_only", "one")
    predictor.ask(lora, {"text": "x"})
    process = predictor._process
    assert predictor.ask(adapters, {"text": "x"})["text"] == "x"
    assert predictor.ask(lora, {"text": "x"})["text"] == "x"
    assert predictor._process is process
    for other in (elsewhere, biases):
        predictor.ask(other, {"text": "x"})
        assert predictor._process is not process
        process = predictor._process


def test_a_run_trained_again_is_loaded_again(predictor: Predictor, tmp_path: Path) -> None:
    lora, adapters = run_over(tmp_path, "a", "lora", "one"), run_over(tmp_path, "b", "adapters", "one")
    for folder in (lora, adapters):
        predictor.ask(folder, {"text": "x"})
    process = predictor._process
    os.utime(lora / "model.safetensors", (1, 1))
    predictor.ask(lora, {"text": "x"})
    assert predictor._process is not process
