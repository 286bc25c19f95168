"""Signals in every phase of a run, and readers that go away: a run is stopped or finished, never half of each."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.events import Phase, Step, Validated, read_events
from kerasft.failures import telling_failure
from kerasft.output import Unbreakable
from kerasft.run import start
from kerasft.runs import STOP_FILE, run_state
from kerasft.training.stopping import StopRequest
from kerasft.training.trainer import _Loop
from tests.test_crash import ENVIRONMENT, assert_same
from tests.test_death import recipe, silent


def raising(number: int, when: Callable[[Any], bool]) -> Callable[[Any], None]:
    """A sink of events that sends this process a signal, once."""
    sent: list[Any] = []

    def sink(event: Any) -> None:
        if not sent and when(event):
            sent.append(event)
            os.kill(os.getpid(), number)

    return sink


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """The tests may run in the background or under `nohup`, where SIGINT and SIGHUP are ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def in_step(event: Any) -> bool:
    return isinstance(event, Step) and event.step == 1


def in_evaluation(event: Any) -> bool:
    return isinstance(event, Phase) and event.phase == "evaluate"


def in_data(event: Any) -> bool:
    return isinstance(event, Phase) and event.phase == "data"


@pytest.mark.parametrize(
    ("number", "raised", "code"),
    [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143), (signal.SIGHUP, SystemExit, 129)],
)
def test_a_signal_while_training_reaches_the_caller_after_the_checkpoint(
    number: int, raised: type[BaseException], code: int | None, presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    folder, config = tmp_path / "run", recipe(presets["bert"], reviews, "lora")
    with pytest.raises(raised) as caught:
        kft.finetune(config.preset, config.data.path, config.task, tuning=config.tuning, train=config.train, out=folder,
                     on_event=raising(number, in_step))  # fmt: skip
    assert getattr(caught.value, "code", None) == code
    assert run_state(folder) == "stopped"
    assert list((folder / "checkpoints").glob("step-*"))
    assert len(kft.load(folder).predict(["good film"])) == 1


def test_ctrl_c_while_it_is_evaluated_stops_and_resume_ends_with_the_same_bits(
    presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    config = recipe(presets["bert"], reviews, "lora")
    with pytest.raises(KeyboardInterrupt):
        start(config, tmp_path / "cut", on_event=raising(signal.SIGINT, in_evaluation))
    assert run_state(tmp_path / "cut") == "stopped"
    start(config, tmp_path / "whole", on_event=silent)
    kft.resume(tmp_path / "cut", on_event=silent)
    assert run_state(tmp_path / "cut") == "finished"
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("every", [None, 1])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_stop_during_validation_leaves_it_and_resume_does_it_first(
    every: int | None, nth: int, presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = recipe(presets["bert"], reviews, "lora")
    config = replace(config, train=replace(config.train, validate_every=every))
    start(config, tmp_path / "whole", on_event=silent)
    folder, looks, look = tmp_path / "cut", [], _Loop._look

    def touching(self: _Loop, share: float) -> None:
        looks.append(share)
        if len(looks) == nth:
            (folder / STOP_FILE).touch()
        look(self, share)

    monkeypatch.setattr(_Loop, "_look", touching)
    start(config, folder, on_event=silent)
    assert run_state(folder) == "stopped"
    assert len(looks) in (nth, nth + 1)  # after the last step of an epoch it is asked for twice
    assert sum(isinstance(event, Validated) for event in read_events(folder / "events.jsonl")) == nth - 1
    kft.resume(folder, on_event=silent)
    assert run_state(folder) == "finished"
    assert_same(tmp_path / "whole", folder)


def test_a_file_that_is_removed_under_a_run_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "checkpoints" / "best.safetensors"
    with (
        pytest.raises(kft.RunError, match="removed while it was at work") as caught,
        telling_failure(silent, tmp_path, StopRequest(None)),
    ):
        absent.read_bytes()
    assert caught.value.where == str(absent)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_before_training_ends_at_once(
    number: int, raised: type[BaseException], presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    with pytest.raises(raised):
        start(recipe(presets["bert"], reviews, "lora"), tmp_path / "run", on_event=raising(number, in_data))
    assert run_state(tmp_path / "run") == "stopped"


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopRequest(None)
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
        assert stop.reason is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_is_heard_in_the_background() -> None:
    """A shell lets a process that it starts in the background ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = StopRequest(None)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        assert stop.reason == "Ctrl-C"
        with pytest.raises(KeyboardInterrupt):  # a second time ends at once
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_handlers_of_before_are_there_again_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with StopRequest(None).listening(gentle=False):
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_run_whose_reader_goes_away_is_finished(closed: str, presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    config = recipe(presets["bert"], reviews, "lora")
    config.save(tmp_path / "run.json")
    command = [sys.executable, "-m", "kerasft", "train", str(tmp_path / "run.json"), "--out", str(tmp_path / "run")]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {closed: subprocess.PIPE}
    child = subprocess.Popen(command, env=ENVIRONMENT, **streams)  # type: ignore[call-overload]
    getattr(child, closed).close()  # as `| head` does
    assert child.wait(300) == 0
    assert run_state(tmp_path / "run") == "finished"


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_what_nobody_reads_is_dropped() -> None:
    stream = Unbreakable(Gone())
    assert stream.write("abc") == 3
    stream.flush()
    assert stream.write("more") == 4
    closed = io.StringIO()
    closed.close()
    assert Unbreakable(closed).write("abc") == 3
