"""Test figures of KerasFT on every task with real data, next to Hugging Face's Trainer on the same weights and rows.

    python benchmarks/tasks.py wnut17 ewt --seeds 1 2 3
    python benchmarks/tasks.py wnut17 ewt --seeds 1 2 3 --peer-python /path/with/torch/bin/python

KerasFT runs with its defaults (one `kerasft train` in a process of its own); test rows choose nothing, the epoch is chosen on
the validation rows. The peer runs with the ordinary settings named in `SETS`. Figures are in percent.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workers.common import DEFAULT_DATA, machine, read_rows, run_worker, table, versions

from kerasft.presets import DEFAULT_PRESET, fetch, find_preset

SHARED = DEFAULT_DATA.parent
PEER = Path(__file__).parent / "workers" / "huggingface_tasks.py"


@dataclass(frozen=True)
class Set:
    """One data set: its folder, our task, the figures to report, and the peer's learning rate, epochs and batch."""

    folder: str
    task: str
    figures: tuple[str, ...]
    peer: tuple[float, int, int]
    rows: int | None = None


SETS = {
    "polarity": Set("mr_sentence_polarity", "text_classification", ("accuracy",), (5e-5, 3, 32)),
    "subjectivity": Set("subjectivity", "text_classification", ("accuracy",), (5e-5, 3, 32)),
    "goemotions": Set("goemotions", "multi_label_classification", ("micro_f1", "macro_f1"), (1e-4, 3, 32), 10_000),
    "wnut17": Set("ner_wnut17", "token_classification", ("f1",), (1e-4, 4, 32)),
    "wikigold": Set("ner_wikigold", "token_classification", ("f1",), (1e-4, 4, 32)),
    "ewt": Set("pos_ud_english_ewt", "token_classification", ("accuracy",), (1e-4, 2, 32)),
    "squad": Set("squad_v1_subset", "question_answering", ("exact_match", "f1"), (1e-4, 3, 16)),
}


def main() -> None:
    given = arguments()
    info = machine()
    lines = []
    for name in given.sets:
        chosen = SETS[name]
        with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
            data = prepare(chosen, Path(folder) / "data")
            sides: dict[str, list[dict[str, float]]] = {}
            for seed in given.seeds:  # the sides take turns, so that a busy hour of the machine falls on both
                for side, run in runners(given):
                    sides.setdefault(side, []).append(run(chosen, data, seed))
                    print(name, side, seed, sides[side][-1], file=sys.stderr, flush=True)
        lines += [row(name, side, figure, runs) for figure in chosen.figures for side, runs in sides.items()]
    seeds = ", ".join(map(str, given.seeds))
    print(f"Weights {DEFAULT_PRESET}; seeds {seeds}; {info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    print(table(("set", "system", "figure", "mean", "spread (sd)", "each seed", "seconds a run"), lines))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--peer-python", type=Path, help="Python with torch, transformers, datasets, accelerate, seqeval")
    parser.add_argument("--only-peer", action="store_true", help="leave KerasFT out")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="further options of `kerasft train`, last")
    return parser.parse_args()


def runners(given: argparse.Namespace) -> list[tuple[str, Callable[[Set, Path, int], dict[str, float]]]]:
    """The sides asked for: a name, and what trains once and answers the test figures."""
    sides: list[tuple[str, Callable[[Set, Path, int], dict[str, float]]]] = []
    if not given.only_peer:
        sides.append(("KerasFT", lambda chosen, data, seed: ours(chosen, data, seed, given.options)))
    if given.peer_python:
        sides.append(("HF Trainer", lambda chosen, data, seed: peer(chosen, data, seed, given.peer_python)))
    return sides


def prepare(chosen: Set, target: Path) -> Path:
    """The splits as files both sides read; the training rows cut where the set says so."""
    target.mkdir()
    for path in sorted((SHARED / chosen.folder).iterdir()):
        split = path.name.split(".")[0]
        if path.name.endswith(".conll.gz"):
            (target / f"{split}.conll").write_bytes(gzip.decompress(path.read_bytes()))
        elif path.name.endswith(".jsonl.gz"):
            rows = read_rows(path)[: chosen.rows if split == "train" else None]
            (target / f"{split}.jsonl").write_text("".join(json.dumps(plain(row)) + "\n" for row in rows), encoding="utf-8")
    return target


def plain(row: dict[str, object]) -> dict[str, object]:
    """A row with the column names our readers know by themselves."""
    if "labels" in row:
        return {"text": row["text"], "labels": row["labels"]}
    return {**row, "label": str(row["label"])} if "label" in row else row


def ours(chosen: Set, data: Path, seed: int, options: list[str]) -> dict[str, float]:
    """One run with our defaults; its test figures."""
    with tempfile.TemporaryDirectory(prefix="kerasft-run-") as folder:
        command = [
            sys.executable,
            "-m",
            "kerasft",
            "train",
            "--data",
            str(data),
            "--task",
            chosen.task,
            "--preset",
            DEFAULT_PRESET,
        ]
        begun = time.monotonic()
        out = Path(folder) / "run"
        done = subprocess.run(
            [*command, "--train.seed", str(seed), "--out", str(out), *options], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"kerasft train failed:\n{done.stderr[-3000:]}")
        figures = json.loads((out / "report.json").read_text(encoding="utf-8"))["test"]["metrics"]
        return {**figures, "seconds": time.monotonic() - begun}


def peer(chosen: Set, data: Path, seed: int, python: Path) -> dict[str, float]:
    """One run of Hugging Face's Trainer; its test figures."""
    rate, epochs, batch = chosen.peer
    model = fetch(find_preset(DEFAULT_PRESET))
    command = [str(python), str(PEER), chosen.task, str(model), str(data), str(rate), str(epochs), str(batch), str(seed)]
    begun = time.monotonic()
    return {**run_worker("the peer", command), "seconds": time.monotonic() - begun}


def row(name: str, side: str, figure: str, runs: list[dict[str, float]]) -> tuple[str, ...]:
    """What `spread` says of a figure, and the seconds of a run."""
    return *spread(name, side, figure, [run[figure] for run in runs]), f"{statistics.median(run['seconds'] for run in runs):.0f}"


def spread(name: str, side: str, figure: str, shares: list[float]) -> tuple[str, ...]:
    """A line of a table: what it is of, and the mean, the standard deviation and each of some figures, in percent."""
    values = [100 * share for share in shares]
    deviation = f"{statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return name, side, figure, f"{statistics.mean(values):.1f}", deviation, ", ".join(f"{value:.1f}" for value in values)


if __name__ == "__main__":
    main()
