"""Events: JSON in and out, and a log that survives crashes, damage and newer versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kerasft import events
from kerasft.events import EVENTS, Event, JsonLog, Phase, Stopped, fan_out, read_events

SAMPLES: dict[str, Event] = {
    "Started": events.Started(
        run="saved_models/a", total_steps=30, first_step=4, epochs=3, train_examples=80, validation_examples=8,
        trainable_parameters=10, parameters=100,
    ),
    "Phase": Phase(phase="download", detail="bert — „klein“"),
    "Step": events.Step(
        step=3, total_steps=30, epoch=0.3, loss=0.25, learning_rate=2e-5, examples_per_second=12.5, eta_seconds=9.0
    ),
    "Estimated": events.Estimated(seconds=61.5, peak_bytes=2**31, machine_bytes=None, advice="Try this."),
    "Validated": events.Validated(step=10, epoch=1.0, metrics={"accuracy": 0.5, "loss": 0.75}, best=True),
    "EpochEnd": events.EpochEnd(step=10, epoch=1, loss=0.5, seconds=2.5),
    "Checkpoint": events.Checkpoint(step=10, path="checkpoints/step-00000010"),
    "Warned": events.Warned(code="cut", message="3 rows are cut.", hint="Raise max_length."),
    "Stopped": Stopped(step=11, reason="a STOP file"),
    "Finished": events.Finished(step=30, seconds=8.5, metrics={"accuracy": 1.0}),
    "Failed": events.Failed(error="DataError", message="two\nlines", where="a.csv, row 3", hint="Fix it."),
}  # fmt: skip


def test_every_event_class_has_a_sample_here() -> None:
    assert set(SAMPLES) == set(EVENTS) == {cls.__name__ for cls in Event.__subclasses__()}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_event_comes_back_from_json_as_it_was(name: str) -> None:
    event = SAMPLES[name]
    line = json.dumps(event.to_dict())
    assert json.loads(line)["event"] == name
    back = events.from_dict(json.loads(line))
    assert type(back) is type(event)
    assert back == event  # the time included


def test_an_event_of_a_newer_version_is_none_and_its_new_fields_are_passed_over() -> None:
    assert events.from_dict({"event": "Paused", "step": 1}) is None
    assert events.from_dict({"step": 1}) is None
    newer = {**SAMPLES["Stopped"].to_dict(), "colour": "red"}
    assert events.from_dict(newer) == SAMPLES["Stopped"]


def test_the_log_appends_and_each_event_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "events.jsonl"
    log = JsonLog(path)
    log(SAMPLES["Phase"])
    assert list(read_events(path)) == [SAMPLES["Phase"]]  # before the file is closed
    log.close()
    again = JsonLog(path)
    again(SAMPLES["Failed"])
    again.close()
    assert list(read_events(path)) == [SAMPLES["Phase"], SAMPLES["Failed"]]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2  # the newline in the message is no line of its own


def test_after_a_crash_in_the_middle_of_a_line_the_next_event_has_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = json.dumps(SAMPLES["Phase"].to_dict())
    path.write_text(f"{whole}\n{whole[:20]}", encoding="utf-8")
    log = JsonLog(path)
    log(SAMPLES["Stopped"])
    log.close()
    assert list(read_events(path)) == [SAMPLES["Phase"], SAMPLES["Stopped"]]


@pytest.mark.parametrize(
    "line",
    [b"{\"event\": \"Sto", b"", b"   ", b"\x00\x00\x00", b"\xff\xfe\xfa", b"null", b"3", b"[1, 2]", b'"text"', b"{}",
     b'{"event": "Paused", "step": 1}', b'{"event": "Stopped"}', b'{"event": ["Stopped"], "step": 1, "reason": "x"}'],
)  # fmt: skip
def test_a_line_that_is_no_event_is_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "events.jsonl"
    good = json.dumps(SAMPLES["Stopped"].to_dict()).encode()
    path.write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    assert list(read_events(path)) == [SAMPLES["Stopped"]] * 2


def test_no_log_means_no_events(tmp_path: Path) -> None:
    assert list(read_events(tmp_path / "events.jsonl")) == []


def test_fan_out_tells_every_sink_in_order_and_skips_none() -> None:
    told: list[tuple[str, Event]] = []
    emit = fan_out(lambda event: told.append(("a", event)), None, lambda event: told.append(("b", event)))
    emit(SAMPLES["Phase"])
    assert told == [("a", SAMPLES["Phase"]), ("b", SAMPLES["Phase"])]
    fan_out(None)(SAMPLES["Phase"])
    assert len(told) == 2


def test_new_events_are_those_since_the_last_look(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def line(phase: str) -> str:
        return json.dumps(Phase(phase=phase).to_dict()) + "\n"

    path.write_text(line("old"))
    news = events.NewEvents(path)
    assert news() == []
    with path.open("a") as file:
        file.write(line("data") + line("model")[:10])
    assert [event.phase for event in news()] == ["data"]  # the second line is still being written
    with path.open("a") as file:
        file.write(line("model")[10:])
    assert [event.phase for event in news()] == ["model"]
    path.unlink()
    assert news() == []
    path.write_text(line("again") * 50)  # a new file, longer than what was read of the old one
    assert [event.phase for event in news()] == ["again"] * 50
    path.write_text(line("anew"))
    assert [event.phase for event in news()] == ["anew"]
