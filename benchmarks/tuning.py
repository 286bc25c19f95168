"""Tuning methods on one data set: score, what learns, time, memory, artifact; next to PEFT and `adapters` on the same weights.

    python benchmarks/tuning.py --seeds 1 2 3
    python benchmarks/tuning.py --methods lora prompt_tuning --seeds 1 2 3 --peer-python /path/with/peft/bin/python

Sentence polarity (or any folder of train, validation and test files with text and label); every method with its defaults, each
run in a process of its own; the epoch is chosen on the validation rows. The peer trains with the same rank or length, rate,
epochs and batch, and keeps its last epoch. Accuracy in percent.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workers.common import DEFAULT_DATA, machine, table, versions, write_subset

from kerasft.presets import DEFAULT_PRESET, fetch, find_preset
from kerasft.tuning import TUNINGS

PEER = Path(__file__).parent / "workers" / "peft_tuning.py"
PEERS = {"lora": "PEFT", "prompt_tuning": "PEFT", "prefix_tuning": "PEFT", "adapters": "adapters"}  # who has it, too


def main() -> None:
    given = arguments()
    info = machine()
    lines = []
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        data = Path(folder) / "data"
        write_subset(given.data, data, given.rows, 0, ("train", "validation", "test"))
        for method in given.methods:
            runs = [ours(method, data, seed, given.options) for seed in given.seeds]
            lines.append(row(method, "KerasFT", runs))
            print(lines[-1], file=sys.stderr, flush=True)
            if given.peer_python and method in PEERS:
                told = [peer(method, data, seed, given.peer_python, run) for seed, run in zip(given.seeds, runs, strict=True)]
                lines.append(row(method, PEERS[method], told))
                print(lines[-1], file=sys.stderr, flush=True)
    seeds = ", ".join(map(str, given.seeds))
    print(f"{given.rows or 'all'} training rows of {given.data.name}; weights {DEFAULT_PRESET}; seeds {seeds}; {info}; "
          f"{versions('kerasft', 'tensorflow', 'keras')}\n")  # fmt: skip
    head = ("method", "system", "validation", "test", "spread (sd)", "each seed", "learns", "seconds", "peak MB", "artifact MB")
    print(table(head, lines))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(TUNINGS.all()), default=list(TUNINGS.all()))
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--rows", type=int, help="only so many training rows, drawn once")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--peer-python", type=Path, help="Python with torch, transformers, peft, adapters")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="further options of `kerasft train`, last")
    return parser.parse_args()


def ours(method: str, data: Path, seed: int, options: list[str]) -> dict[str, Any]:
    """One run with the method's defaults."""
    with tempfile.TemporaryDirectory(prefix="kerasft-run-") as folder:
        out = Path(folder) / "run"
        fixed = {"--data": data, "--task": "text_classification", "--tuning": method, "--preset": DEFAULT_PRESET,
                 "--train.seed": seed, "--out": out}  # fmt: skip
        named = [str(word) for pair in fixed.items() for word in pair]
        command = [sys.executable, "-m", "kerasft", "train", *named, *options]
        seconds, peak = measured(command)
        reports = json.loads((out / "report.json").read_text(encoding="utf-8"))
        recipe = json.loads((out / "run.json").read_text(encoding="utf-8"))
        return {
            "validation": reports["validation"]["metrics"]["accuracy"],
            "test": reports["test"]["metrics"]["accuracy"],
            "learns": recipe["trainable_parameters"] / recipe["parameters"],
            "seconds": seconds,
            "peak": peak,
            "artifact": (out / "model.safetensors").stat().st_size,
            "train": recipe["resolved"]["train"],
            "tuning": recipe["tuning"],
        }


def peer(method: str, data: Path, seed: int, python: Path, run: dict[str, Any]) -> dict[str, Any]:
    """The peer with the same options as one of our runs."""
    settings = {"method": method, "seed": seed, "train": run["train"], "tuning": run["tuning"]}
    with tempfile.TemporaryDirectory(prefix="kerasft-peer-") as folder:
        model = str(fetch(find_preset(DEFAULT_PRESET)))
        out = Path(folder) / "out.json"
        seconds, peak = measured([str(python), str(PEER), model, str(data), json.dumps(settings), str(out)])
        return {**json.loads(out.read_text()), "seconds": seconds, "peak": peak}


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a process; the script ends when it fails."""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(command[:6])} failed:\n{said[-3000:]}")
    assert isinstance(usage, resource.struct_rusage)
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def row(method: str, side: str, runs: list[dict[str, Any]]) -> tuple[str, ...]:
    def mean(name: str) -> float:
        return statistics.mean(run[name] for run in runs)

    tests = [100 * run["test"] for run in runs]
    return (
        method,
        side,
        f"{100 * mean('validation'):.1f}",
        f"{statistics.mean(tests):.1f}",
        f"{statistics.stdev(tests):.1f}" if len(tests) > 1 else "",
        ", ".join(f"{value:.1f}" for value in tests),
        f"{100 * mean('learns'):.2f} %",
        f"{mean('seconds'):.0f}",
        f"{mean('peak'):,.0f}",
        f"{mean('artifact') / 1e6:.2f}",
    )


if __name__ == "__main__":
    main()
