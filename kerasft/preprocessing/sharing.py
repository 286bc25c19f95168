"""One batch shared among replicas so that the mean of their losses is the loss of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Units = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Shares:
    """How a batch is shared.

    Every replica gets as many rows as the others, the last one's filled up with rows of weight 0. A loss divides by what it
    counts on its own replica (rows, or tokens that have a target), which differs from replica to replica; the weights make up for
    it: with `c_r` units on replica `r`, `C` in the whole batch and `R` replicas, a row of replica `r` weighs `c_r * R / C`.

    Attributes:
        count: Replicas in all, R.
        mine: Those of this process.
        units: What a loss counts in its targets, by output where there are several; see `layers.losses.units_of`.
    """

    count: int
    mine: range
    units: Units | Mapping[str, Units]

    def of(self, inputs: dict[str, np.ndarray], targets: Any, weights: np.ndarray | None) -> list[tuple[Any, Any, Any]]:
        """The shares of this process's replicas: inputs, targets and weights (rows, 1) or, of tokens, (rows, L).

        Args:
            inputs: Of the whole batch, (B, ...) each.
            targets: (B, ...), or such arrays by output.
            weights: (B,) or (B, L) weights besides, or None.
        """
        rows = len(next(iter(inputs.values())))
        each = -(-rows // self.count)
        outputs = targets if isinstance(targets, dict) else {"": targets}
        weighed = {name: self._weights(name, values, weights, each) for name, values in outputs.items()}
        shares = []
        for replica in self.mine:
            part = slice(replica * each, (replica + 1) * each)
            given = {name: _filled(values, each * self.count)[part] for name, values in inputs.items()}
            told = {name: _filled(values, each * self.count)[part] for name, values in outputs.items()}
            own = {name: values[part] for name, values in weighed.items()}
            shares.append((given, told, own) if isinstance(targets, dict) else (given, told[""], own[""]))
        return shares

    def _weights(self, name: str, targets: np.ndarray, weights: np.ndarray | None, each: int) -> np.ndarray:
        units = self.units[name] if isinstance(self.units, Mapping) else self.units
        rows, whole = len(targets), max(units(targets), 1e-9)
        plain = np.ones((rows, 1), np.float32) if weights is None else weights.reshape(rows, -1).astype(np.float32)
        filled = np.concatenate([plain, np.zeros((each * self.count - rows, plain.shape[1]), np.float32)])
        parts = _filled(targets, each * self.count).reshape(self.count, each, *targets.shape[1:])
        factors = np.array([units(part) for part in parts], np.float32) * self.count / whole
        return filled * np.repeat(factors, each)[:, None].astype(np.float32)


def _filled(values: np.ndarray, rows: int) -> np.ndarray:
    """The array with its last row repeated until there are so many."""
    spare = rows - len(values)
    return np.concatenate([values, np.repeat(values[-1:], spare, axis=0)]) if spare else values
