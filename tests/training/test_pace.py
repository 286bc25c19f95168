"""The time a run still takes, and the memory it needs."""

from __future__ import annotations

import math

import pytest

from kerasft.memory import is_out_of_memory, machine_bytes, peak_bytes
from kerasft.training import pace
from kerasft.training.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def step(told: Pace, clock: list[float], seconds: float, positions: int) -> None:
    told.begin()
    clock[0] += seconds
    told.end(positions)


def test_time_left_goes_by_positions_and_leaves_the_first_step_and_pauses_out(clock: list[float]) -> None:
    told = Pace(1000)
    assert math.isinf(told.seconds_left)
    step(told, clock, 50.0, 100)  # builds the graph
    assert told.seconds_left == pytest.approx(900 * 0.5)
    step(told, clock, 4.0, 200)
    assert told.seconds_left == pytest.approx(700 * 4 / 200)
    clock[0] += 1000  # a validation
    step(told, clock, 1.0, 100)
    assert told.seconds_left == pytest.approx(600 * 5 / 300)
    step(told, clock, 1.0, 700)
    assert told.seconds_left == 0


def test_a_step_during_which_the_process_slept_does_not_count_but_slow_steps_do(clock: list[float]) -> None:
    told = Pace(10_000)
    for _ in range(10):
        step(told, clock, 1.0, 100)
    step(told, clock, 3_600.0, 100)  # Ctrl-Z over lunch
    assert told.seconds_left == pytest.approx(8_900 / 100)
    step(told, clock, 1.0, 100)
    assert told.seconds_left == pytest.approx(8_800 / 100)
    for _ in range(10):
        step(told, clock, 60.0, 100)
    assert told.seconds_left > 7_800 * 0.2


def test_memory_is_told_and_lies_within_the_machine() -> None:
    peak, machine = peak_bytes(), machine_bytes()
    assert peak is None or 10**7 < peak < 10**12
    assert machine is None or machine > 10**8


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes"), True),
        (ValueError("shapes do not match"), False),
    ],
)
def test_errors_that_say_that_memory_is_short(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
