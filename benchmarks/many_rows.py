"""What a whole run takes with ten thousand, a hundred thousand and a million rows: time, memory, and the time to the first step.

    python benchmarks/many_rows.py

One `kerasft train` a count, in a process of its own: rows of about 60 characters, two labels, one epoch in batches of 256, a BERT
of two blocks 64 wide with random weights, so that reading, tokenising and feeding are much of the work. Nothing is learned from
random labels; time and memory are what is asked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from million_rows import write_csv
from workers.common import machine, table, versions

import kerasft as kft
from kerasft import events

CHARACTERS = 60


def main() -> None:
    given = arguments()
    info = machine()
    lines = []
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        root = Path(folder)
        write_csv(root / "words.csv", 5_000, given.seed, CHARACTERS)
        preset = root / "preset"
        small = {"layers": 2, "width": 64, "heads": 2, "vocabulary_size": 4_000}
        kft.create_preset(root / "words.csv", preset, kft.Architecture(family="bert", **small), on_event=events.ignore)
        for rows in given.rows:
            path = root / f"{rows}.csv"
            write_csv(path, rows, given.seed, CHARACTERS)
            lines.append(one(path, rows, preset, root / f"run-{rows}"))
            print(lines[-1], file=sys.stderr, flush=True)
    print(f"{info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    head = ("rows", "file, MB", "to the first step, s", "training, s", "whole process, s", "rows/s of the whole", "peak RSS, MB")
    print(table(head, lines))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seed", type=int, default=1, help="of the texts")
    return parser.parse_args()


def one(data: Path, rows: int, preset: Path, out: Path) -> tuple[str, ...]:
    """One run, as a line of the table."""
    options = {"--data": data, "--task": "text_classification", "--preset": preset, "--data.validation": 0.02,
               "--train.epochs": 1, "--train.batch_size": 256, "--train.tensorboard": "false", "--out": out}  # fmt: skip
    command = [sys.executable, "-m", "kerasft", "train", *(str(word) for pair in options.items() for word in pair)]
    begun, clock = time.time(), time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"kerasft train failed with status {status}")
    whole = time.monotonic() - clock
    told = list(events.read_events(out / "events.jsonl"))
    first = next(event.time for event in told if isinstance(event, events.Step)) - begun
    training = sum(event.seconds for event in told if isinstance(event, events.EpochEnd))
    return (
        f"{rows:,}",
        f"{data.stat().st_size / 1e6:.0f}",
        f"{first:.1f}",
        f"{training:.1f}",
        f"{whole:.1f}",
        f"{rows / whole:,.0f}",
        f"{usage.ru_maxrss / 1024:,.0f}",
    )


if __name__ == "__main__":
    main()
