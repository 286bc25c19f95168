"""What the benchmark scripts and their workers share. Standard library only: some workers run without KerasFT."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# The data this repository's figures are made on; any folder of train/validation/test files with text and label will do.
DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "mr_sentence_polarity"

PROMPTS = [
    "the film",
    "a story of two",
    "it is not that",
    "one of the best",
    "no one would",
    "there was once a",
    "in the end",
    "what",
]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file, plain or gzip."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def write_subset(source: Path, target: Path, rows: int | None, seed: int, splits: Sequence[str]) -> None:
    """Copy splits as plain JSONL; the training rows shuffled and, if asked for, only the first `rows` of them."""
    target.mkdir(parents=True, exist_ok=True)
    for split in splits:
        path = next((source / f"{split}{end}" for end in (".jsonl.gz", ".jsonl") if (source / f"{split}{end}").exists()), None)
        if path is None:
            sys.exit(f"{source} holds no {split}.jsonl or {split}.jsonl.gz.")
        found = read_rows(path)
        if split == "train":
            random.Random(seed).shuffle(found)
            found = found[:rows]
        lines = (json.dumps({"text": row["text"], "label": str(row["label"])}) for row in found)
        (target / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def worker_arguments() -> argparse.Namespace:
    """What every worker of `throughput.py` is given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder of the weights")
    parser.add_argument("--data", type=Path, required=True, help="folder with train.jsonl and validation.jsonl")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--learning-rate", type=float)
    return parser.parse_args()


def texts_and_labels(path: Path) -> tuple[list[str], list[str]]:
    rows = read_rows(path)
    return [row["text"] for row in rows], [row["label"] for row in rows]


def run_worker(name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a worker to its end and return what its last line says; ends this process where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{name} failed with status {done.returncode}:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def finish(
    *,
    trained_rows: int,
    train_seconds: float,
    predicted: Sequence[str],
    labels: Sequence[str],
    predict_seconds: float,
    **more: Any,
) -> None:
    """Print a worker's result, the last line it writes."""
    result = {
        "train_rows_per_second": trained_rows / train_seconds,
        "train_seconds": train_seconds,
        "predict_rows_per_second": len(labels) / predict_seconds,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "accuracy": sum(a == b for a, b in zip(predicted, labels, strict=True)) / len(labels),
        **more,
    }
    print(json.dumps(result), flush=True)


def time_steps(step: Callable[[], Any], *, operations: float | None = None, least: int = 8, seconds: float = 8.0) -> None:
    """Call a step until some have been timed, and print the median seconds and the peak memory as a worker's result, and how much
    of it libraries and weights took before the first step."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    before = pages * resource.getpagesize() / 2**20
    step()
    step()
    found: list[float] = []
    while len(found) < least or sum(found) < seconds:
        begun = time.perf_counter()
        step()
        found.append(time.perf_counter() - begun)
    median = statistics.median(found)
    rate = {} if operations is None else {"rate": operations / median}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": median, "peak_rss_mb": peak, "before_mb": before, **rate}), flush=True)


def tell_speed(name: str, count: int, work: Callable[[], Any], *, times: int = 3) -> None:
    """Print how many things a second some work does, the median of a few times."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    print(json.dumps({name: count / statistics.median(found)}), flush=True)


def tell_latency(texts: Sequence[str], answer: Callable[[str], Any], *, calls: int = 1000) -> None:
    """Print the milliseconds of a call with one text, the median and the hundredth slowest."""
    for text in texts[-200:]:
        answer(text)
    found = []
    for text in texts[:calls]:
        begun = time.perf_counter()
        answer(text)
        found.append(1000 * (time.perf_counter() - begun))
    cuts = statistics.quantiles(found, n=100)
    print(json.dumps({"p50": statistics.median(found), "p99": cuts[98]}), flush=True)


def versions(*packages: str) -> dict[str, str]:
    """Versions of those packages that are installed."""
    return dict(_versions(packages))


def _versions(packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    for package in packages:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def machine() -> str:
    """One line on this machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{model}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, load before the run {load:.1f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [f"| {' | '.join(header)} |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
