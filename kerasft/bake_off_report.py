"""What a bake-off has found, as a table, as JSON, and as advice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasft.evaluation.direction import LOWER_IS_BETTER

RESULT_FILE = "bake-off.json"
MAJORITY, WORDS, ZERO_SHOT, LAST = "majority", "word_counts", "zero_shot", "last_layers"
CONTENDERS = (WORDS, ZERO_SHOT, "frozen", LAST, "lora", "adapters", "prompt_tuning", "full")  # the usual ones


@dataclass(frozen=True)
class Result:
    """One contender.

    Attributes:
        name: `word_counts`, `zero_shot`, `last_layers` or a tuning method.
        state: `done`, `running`, `waiting`, `stopped`, `failed`, or `left out` where it does not fit task or model.
        value: The figure on the validation rows.
        interval: Its 95 % bootstrap interval.
        trainable: Weights that learned.
        parameters: Weights in all.
        seconds: Of its process, from start to end; of a stopped one all its processes.
        peak_bytes: Most memory its process held.
        artifact_bytes: Of the weights it saved.
        note: Why it was left out or failed, or what it warned of.
    """

    name: str
    state: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    trainable: int | None = None
    parameters: int | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    artifact_bytes: int | None = None
    note: str = ""


@dataclass(frozen=True)
class BakeOff:
    """What a bake-off has found.

    Attributes:
        folder: Holds a run for each contender, named after it, and `bake-off.json`.
        metric: The figure on the validation rows that decides; empty before the first contender is done.
        results: One for each contender, in the order they run.
        stopped: Whether it was asked to stop before its end; begun again it goes on.
    """

    folder: Path
    metric: str
    results: tuple[Result, ...]
    stopped: bool = False

    @property
    def ranked(self) -> list[Result]:
        """Those that are done, best first; of equals the quicker one."""
        sign = 1 if self.metric in LOWER_IS_BETTER else -1
        done = [result for result in self.results if result.state == "done" and result.value is not None]
        return sorted(done, key=lambda result: (sign * (result.value or 0.0), result.seconds))

    @property
    def recommended(self) -> Result | None:
        """The quickest of those whose figure lies within the best one's interval; None where the answer without a model wins."""
        ranked = self.ranked
        if not ranked or ranked[0].name == MAJORITY:
            return None
        if (limits := ranked[0].interval) is None:
            return ranked[0]
        equal = [r for r in ranked if r.name != MAJORITY and limits[0] <= (r.value or 0.0) <= limits[1]]
        return min(equal, key=lambda result: result.seconds, default=ranked[0])

    @property
    def advice(self) -> str:
        """The recommendation in words."""
        chosen = self.recommended
        if chosen is None:
            lost = "No contender beats the answer that needs no model: look at the labels (kerasft check), or train longer."
            return lost if self.ranked else ""
        best = self.ranked[0]
        early = any(result.state in ("running", "waiting", "stopped") for result in self.results)
        take = "So far: take" if early else "Take"
        if chosen is best:
            text = f"{take} {best.name}: it has the best figure"
            text += "." if best.interval is None else ", and none that is quicker comes within its interval."
        else:
            text = (
                f"{take} {chosen.name}: {best.name} has the best figure, but on these rows the two cannot be told apart, and "
                f"{chosen.name} was trained in {chosen.seconds / max(best.seconds, 1e-9):.0%} of its time."
            )
        if chosen.name == WORDS:
            text += " Single words tell what there is to tell here: see whether you need a Transformer at all."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "metric": self.metric,
            "results": [asdict(result) for result in self.results],
            "recommended": self.recommended.name if self.recommended else None,
            "advice": self.advice,
            "stopped": self.stopped,
        }

    @classmethod
    def read(cls, folder: Path) -> BakeOff:
        """What the folder of a bake-off tells so far."""
        told = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        results = [Result(**{**r, "interval": tuple(r["interval"]) if r["interval"] else None}) for r in told["results"]]
        return cls(folder, told["metric"], tuple(results), told["stopped"])

    def __str__(self) -> str:
        ranked = self.ranked
        lines = [
            f"| | {self.metric} | 95 % interval | weights that learn | seconds | peak MB | artifact MB |",
            "|---|---:|---|---:|---:|---:|---:|",
            *(_row(result) for result in [*ranked, *(r for r in self.results if r not in ranked)]),
        ]
        notes = [f"- {result.name}: {result.note}" for result in self.results if result.note]
        parts = ["\n".join(lines), "\n".join(notes), self.advice]
        if self.stopped:
            parts.append(f"Stopped before its end; begun again with the same folder it goes on: {self.folder}.")
        return "\n\n".join(part for part in parts if part)


def _row(result: Result) -> str:
    if result.state != "done":
        return f"| {result.name} ({result.state}) | | | | | | |"
    interval = f"{result.interval[0]:.3f} to {result.interval[1]:.3f}" if result.interval else ""
    learning = ""
    if result.trainable is not None:
        learning = f"{result.trainable:,}"
        learning += f" ({result.trainable / result.parameters:.2%})" if result.parameters else ""
    size = "" if result.artifact_bytes is None else f"{result.artifact_bytes / 1e6:.2f}"
    peak = f"{result.peak_bytes / 1e6:,.0f}" if result.peak_bytes else ""
    return f"| {result.name} | {result.value:.4f} | {interval} | {learning} | {result.seconds:.0f} | {peak} | {size} |"
