"""What a search has found, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasft.evaluation.direction import LOWER_IS_BETTER

RESULT_FILE = "search.json"


@dataclass(frozen=True)
class Trial:
    """One run of a search.

    Attributes:
        number: From 0.
        state: `complete`, `pruned`, `failed` or `running`.
        value: The figure on the validation rows; of a pruned trial the last one; None of a failed one.
        options: What was tried, by dotted name.
        folder: Name of the run's folder.
        seconds: How long it took.
        error: Why it failed.
    """

    number: int
    state: str
    value: float | None
    options: dict[str, Any]
    folder: str
    seconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Search:
    """What a search has found.

    Attributes:
        folder: Holds a run for each trial, `search.json` and, where no storage was named, `search.db`.
        metric: The figure on the validation rows that decides.
        trials: All so far.
        baseline: What the recipe as it is has; None where its own values lie outside the ranges, or it is not done.
        importances: Share of the differences between trials that each option explains; empty with too few trials.
        stopped: Whether it was asked to stop before its end; begun again it goes on.
        wanted: How many trials it was asked for.
    """

    folder: Path
    metric: str
    trials: tuple[Trial, ...]
    baseline: float | None = None
    importances: dict[str, float] = field(default_factory=dict)
    stopped: bool = False
    wanted: int = 0

    @property
    def best(self) -> Trial | None:
        """The complete trial with the best figure; of equals the first."""
        done = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        sign = 1 if self.metric in LOWER_IS_BETTER else -1
        return min(done, key=lambda trial: (sign * float(trial.value or 0), trial.number), default=None)

    @property
    def complete(self) -> bool:
        """Whether as many trials are over as were asked for."""
        return sum(trial.state != "running" for trial in self.trials) >= self.wanted

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "metric": self.metric,
            "best": self.best.folder if self.best else None,
            "baseline": self.baseline,
            "trials": [asdict(trial) for trial in self.trials],
            "importances": self.importances,
            "stopped": self.stopped,
            "wanted": self.wanted,
        }

    @classmethod
    def read(cls, folder: Path) -> Search:
        """What the folder of a search tells so far."""
        told = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        trials = tuple(Trial(**trial) for trial in told["trials"])
        return cls(folder, told["metric"], trials, told["baseline"], told["importances"], told["stopped"], told.get("wanted", 0))

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.options))
        lines = [f"| trial | {' | '.join(names)} | {self.metric} | state |", f"|---|{'---:|' * len(names)}---:|---|"]
        for trial in self.trials:
            values = " | ".join(_written(trial.options.get(name)) for name in names)
            lines.append(f"| {trial.folder} | {values} | {_written(trial.value)} | {trial.state} |")
        failures = dict.fromkeys(trial.error for trial in self.trials if trial.state == "failed" and trial.error)
        lines += [f"\nFailed: {error}" for error in failures]
        if self.importances:
            told = ", ".join(f"{name} {share:.0%}" for name, share in self.importances.items())
            lines.append(f"\nOf the differences between trials explain: {told}.")
        if self.best:
            gain = "; the recipe as it is has no figure: its values lie outside the ranges, or it was not done"
            gain = gain if self.baseline is None else f"; the recipe as it is has {_written(self.baseline)}"
            lines.append(f"\nBest: {self.folder / self.best.folder}, {self.metric} {_written(self.best.value)}{gain}.")
        if self.stopped:
            lines.append("\nStopped before its end; begun again with the same folder it goes on.")
        return "\n".join(lines)


def _written(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
