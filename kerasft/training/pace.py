"""How long a run will still take, told from what its steps have cost so far."""

from __future__ import annotations

import time


class Pace:
    """The time a run's steps take for each position (a token or padding) of their batches.

    Batches differ in size, so the number of steps left says little about the time left. The first step of a process builds
    the graph; it does not count once there is another. What happens between steps (validation, checkpoints) counts neither.

    Args:
        positions: Positions of all batches that are still to come.
    """

    def __init__(self, positions: int) -> None:
        self.left = positions
        self.steps = 0
        self._seconds, self._counted = 0.0, 0
        self._begun = time.monotonic()

    def begin(self) -> None:
        """A step begins now."""
        self._begun = time.monotonic()

    def end(self, positions: int) -> None:
        """A step on so many positions is over."""
        seconds = time.monotonic() - self._begun
        self.steps += 1
        self.left = max(0, self.left - positions)
        if self.steps <= 2:
            self._seconds, self._counted = seconds, positions
        else:
            self._seconds, self._counted = self._seconds + seconds, self._counted + positions

    @property
    def seconds_left(self) -> float:
        """Seconds of training that are left; infinite before the first step."""
        return self.left * self._seconds / self._counted if self._counted else float("inf")
