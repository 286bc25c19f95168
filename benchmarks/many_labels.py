"""Time, memory and size of a report of many labels.

    python benchmarks/many_labels.py
    python benchmarks/many_labels.py --rows 20000 --labels 5000

Fills outputs of `--rows` rows and `--labels` labels as a model would (right in 60 % of them), scores them, and writes the report.
Peak memory is the process's highest resident memory; outputs of more than 256 MiB lie in a temporary file.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from workers.common import machine, table, versions

import kerasft as kft
from kerasft.evaluation.report import save_reports
from kerasft.large_arrays import make_room, release
from kerasft.tasks import Learned, get_task


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=20_000)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    labels = tuple(f"label {number:05d}" for number in range(given.labels))
    gold = rng.integers(0, given.labels, given.rows).astype(np.int32)
    rows = pd.DataFrame({"text": [f"text number {i}" for i in range(given.rows)], "label": [labels[number] for number in gold]})
    split = kft.load_data(rows, validation=0)["train"]
    found = make_room((given.rows, given.labels))
    for begins in range(0, given.rows, 500):
        block = rng.normal(size=(min(500, given.rows - begins), given.labels)).astype(np.float32)
        right = np.flatnonzero(rng.random(len(block)) < 0.6)
        block[right, gold[begins : begins + 500][right]] += 9
        found[begins : begins + 500] = block
        release(found)
    task, learned, seconds = get_task("text_classification"), Learned(labels, {"majority": 0}), {}
    begun = time.perf_counter()
    task.score(found, gold, learned)
    seconds["figures of one validation"] = time.perf_counter() - begun
    begun = time.perf_counter()
    report = task.report(found, gold, learned, split, [])
    seconds["report"] = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as name:
        save_reports({"validation": report}, Path(name))
        sizes = {kind: (Path(name) / kind).stat().st_size / 1e6 for kind in ("report.json", "report.md")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{given.rows:,} rows, {given.labels:,} labels; {machine()}\n")
    figures = [[what, f"{value:.1f} s"] for what, value in seconds.items()]
    figures += [[kind, f"{size:.2f} MB"] for kind, size in sizes.items()]
    print(table(["what", "figure"], [*figures, ["peak memory", f"{peak:,.0f} MB"]]))
    packages = versions("kerasft", "numpy", "scikit-learn")
    print("\n" + ", ".join(f"{name} {version}" for name, version in packages.items()))


if __name__ == "__main__":
    main()
