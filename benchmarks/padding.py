"""How much of the batches is padding, on each set with real data: as runs begin by default, and without grouping by length.

    python benchmarks/padding.py

A run tells the share of its first epoch before the first step; here it is left at that moment. Batches of 32, at most as many
tokens as each task takes by default.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tasks import SETS, Set, prepare
from workers.common import table, versions

import kerasft as kft
from kerasft.events import Event, Started
from kerasft.presets import DEFAULT_PRESET
from kerasft.tasks import get_task

MORE = {"long reviews": Set("movie_reviews_long", "text_classification", ("accuracy",), (5e-5, 3, 32))}


class _SaidError(Exception):
    def __init__(self, padding: float, rows: int) -> None:
        super().__init__()
        self.padding, self.rows = padding, rows


def main() -> None:
    lines = []
    for name, chosen in {**SETS, **MORE}.items():
        with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
            data = kft.load_data(str(prepare(chosen, Path(folder) / "data")))
            grouped, mixed = (share(data, chosen, group, Path(folder) / f"run-{group}") for group in (True, False))
        lines.append((name, f"{grouped.rows:,}", f"{grouped.padding:.1%}", f"{mixed.padding:.1%}"))
        print(lines[-1], flush=True)
    print(f"\n{DEFAULT_PRESET}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    print(table(("set", "training rows", "padding", "padding without grouping"), lines))


def share(data: kft.Dataset, chosen: Set, group: bool, out: Path) -> _SaidError:
    """What a run tells before its first step."""

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            raise _SaidError(event.padding, event.train_examples)

    try:
        train = kft.TrainConfig(group_by_length=group, tensorboard=False)
        kft.finetune(DEFAULT_PRESET, data, get_task(chosen.task), train=train, out=out, on_event=listen)
    except _SaidError as told:
        return told
    raise AssertionError("The run has not said that it starts.")


if __name__ == "__main__":
    main()
