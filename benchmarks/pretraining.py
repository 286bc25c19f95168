"""Pre-training: tokens a second beside transformers, and what pre-training is worth.

    python benchmarks/pretraining.py speed --texts corpus.txt --peer-python peers/bin/python --rounds 3
    python benchmarks/pretraining.py worth saved_models/mini --sets polarity subjectivity wikigold --seeds 1 2 3
    python benchmarks/pretraining.py domain --texts reviews.txt --set polarity --seeds 1 2 3

`speed`: the same new BERT (4 x 256) on the same text, windows of 128 tokens, batches of 32; both sides take turns; the first
steps, in which graphs are traced, do not count. `worth`: a preset against the same architecture with random weights. `domain`:
masked language modelling on texts of a domain before a task, against the task alone (`kerasft adapt`).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tasks import SETS, ours, prepare, row, spread
from workers.common import machine, run_worker, table, versions

import kerasft as kft
from kerasft.backbones.loading import load_backbone
from kerasft.events import Event, Step, read_events
from kerasft.interchange.huggingface import write_backbone
from kerasft.new_preset import widen_kernels
from kerasft.presets import DEFAULT_PRESET, fetch, find_preset
from kerasft.tasks import get_task

PEER = Path(__file__).parent / "workers" / "huggingface_mlm.py"
STEPS, SKIP, BATCH, LENGTH = 80, 30, 32, 128


def main() -> None:
    given = arguments()
    info = machine()
    lines, head = {"speed": speed, "worth": worth, "domain": domain}[given.what](given)
    print(f"{info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    print(table(head, lines))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "worth", "domain"))
    parser.add_argument("preset", nargs="?", default=DEFAULT_PRESET)
    parser.add_argument("--texts", type=Path, help="plain text, blank lines between documents")
    parser.add_argument("--peer-python", type=Path, help="Python with torch and transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=["polarity", "subjectivity", "wikigold"])
    parser.add_argument("--rows", type=int, help="of stage two, only so many training rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=1, help="of stage one in `domain`")
    return parser.parse_args()


def speed(given: argparse.Namespace) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Rows of the table and its head."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as name:
        folder = Path(name)
        kft.create_preset(str(given.texts), folder / "new", size="mini")
        sides = [("KerasFT", False), ("KerasFT, XLA", True), *([("transformers", None)] if given.peer_python else [])]
        for number in range(given.rounds):
            for side, xla in sides[number % len(sides) :] + sides[: number % len(sides)]:
                made = _theirs(given, folder) if xla is None else _ours(given, folder, xla)
                found.setdefault(side, []).append(made)
                print(side, f"{made:,.0f}", file=sys.stderr, flush=True)
    base = statistics.median(found.get("transformers", [float("nan")]))
    rows = []
    for side, values in found.items():
        median = statistics.median(values)
        rows.append((side, f"{median:,.0f}", ", ".join(f"{value:,.0f}" for value in values), f"{median / base:.2f}"))
    return rows, ("side", "tokens/s, median", "each round", "against transformers")


def _ours(given: argparse.Namespace, folder: Path, xla: bool) -> float:
    """Tokens a second of the steps after the first `SKIP`, in a process of its own."""
    train = {"train.epochs": 1, "train.batch_size": BATCH, "train.learning_rate": 1e-3, "train.jit_compile": str(xla).lower()}
    options = [f"--{name}={value}" for name, value in train.items()]
    out = folder / "run"
    command = [sys.executable, "-m", "kerasft", "train", "--preset", str(folder / "new"), "--data", str(given.texts),
               "--task", "masked_lm", "--out", str(out), "--overwrite", *options]  # fmt: skip
    shutil.rmtree(out, ignore_errors=True)  # else the last run's steps are counted
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    steps: list[Event] = []
    while process.poll() is None and not any(isinstance(e, Step) and e.step >= STEPS for e in steps):
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            log = out / "events.jsonl"
            steps = [e for e in read_events(log) if isinstance(e, Step)] if log.exists() else []
    process.kill()
    process.wait()
    counted = [event for event in steps if isinstance(event, Step) and event.step >= SKIP]
    first, last = counted[0], counted[-1]
    return float((last.step - first.step) * BATCH * LENGTH / (last.time - first.time))


def _theirs(given: argparse.Namespace, folder: Path) -> float:
    words = [str(folder / "new"), str(given.texts), *map(str, (STEPS, SKIP, BATCH, LENGTH, 0.15))]
    return float(run_worker("the peer", [str(given.peer_python), str(PEER), *words])["tokens_per_second"])


def worth(given: argparse.Namespace) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """A preset and the same architecture with random weights, fine-tuned on each set; test figures in percent."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as name:
        folder = Path(name)
        random = _random_weights(given.preset, folder / "random")
        for which in given.sets:
            data = prepare(SETS[which], folder / which)
            for side, preset in (("pre-trained", given.preset), ("random weights", str(random))):
                runs = [ours(SETS[which], data, seed, ["--preset", preset]) for seed in given.seeds]
                lines.append(row(which, side, SETS[which].figures[0], runs))
                print(lines[-1], file=sys.stderr, flush=True)
    return lines, ("set", "begins with", "figure", "mean", "spread (sd)", "each seed", "seconds a run")


def _random_weights(preset: str, folder: Path) -> Path:
    """The preset's architecture and vocabulary with weights as they are before any training."""
    backbone = load_backbone(fetch(find_preset(preset)))
    with tempfile.TemporaryDirectory() as name:
        backbone.family.save_tokenizer(backbone, Path(name))
        fresh = backbone.family.rebuild(backbone.config, Path(name), dtype="float32")
        widen_kernels(fresh.family.parts(fresh).blocks, fresh.config["hidden_dim"] ** -0.5)  # as `create_preset` does
    return write_backbone(fresh, folder)


def domain(given: argparse.Namespace) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """`kerasft.adapt` on the first of the sets; test figures in percent."""
    which = given.sets[0]
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as name:
        data = kft.load_data(str(prepare(SETS[which], Path(name) / "data")))
        if given.rows:
            train = data["train"].take(_first_rows(len(data["train"]), given.rows))
            data = replace(data, splits={**data.splits, "train": train})
        told = kft.adapt(
            given.preset, str(given.texts), data, get_task(SETS[which].task), out=Path(name) / "out", seeds=given.seeds,
            pretraining_train=kft.TrainConfig(epochs=given.epochs),
        )  # fmt: skip
        print(told, file=sys.stderr)
        figures = told.figures["test"]
    lines = [spread(which, side, SETS[which].figures[0], figures[side]) for side in ("adapted", "plain")]
    return lines, ("set", "stage one", "figure", "mean", "spread (sd)", "each seed")


def _first_rows(count: int, rows: int) -> Any:
    return np.sort(np.random.default_rng(0).permutation(count)[:rows])


if __name__ == "__main__":
    main()
