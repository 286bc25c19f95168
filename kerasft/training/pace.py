"""How long a run will still take, told from what its steps have cost so far."""

from __future__ import annotations

import time

_SLEPT, _NAP = 10.0, 5.0  # a step that takes so many times as long as usual, and so many seconds, may have been suspended


class Pace:
    """The time a run's steps take for each position (a token or padding) of their batches.

    Batches differ in size, so the number of steps left says little about the time left. The first step of a process builds
    the graph; it does not count once there is another. What happens between steps (validation, checkpoints) counts neither, nor
    does a step during which the process slept (Ctrl-Z, a laptop that was closed): one that took over ten times as long as usual,
    while the one before did not.

    Args:
        positions: Positions of all batches that are still to come.
    """

    def __init__(self, positions: int) -> None:
        self.left = positions
        self.steps = 0
        self._seconds, self._counted = 0.0, 0
        self._slept = False  # the step before, as it seems
        self._begun = time.monotonic()

    def begin(self) -> None:
        """A step begins now."""
        self._begun = time.monotonic()

    def end(self, positions: int) -> None:
        """A step on so many positions is over."""
        seconds = time.monotonic() - self._begun
        self.steps += 1
        self.left = max(0, self.left - positions)
        usual = positions * self._seconds / max(1, self._counted)
        slept = self.steps > 2 and seconds > max(_NAP, _SLEPT * usual)
        if self.steps <= 2:
            self._seconds, self._counted = seconds, positions
        elif not slept or self._slept:  # twice in a row: it has become slow
            self._seconds, self._counted = self._seconds + seconds, self._counted + positions
        self._slept = slept

    @property
    def seconds_left(self) -> float:
        """Seconds of training that are left; infinite before the first step."""
        return self.left * self._seconds / self._counted if self._counted else float("inf")
