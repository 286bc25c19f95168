"""How near the estimates before a run come: seconds and memory of whole runs beside `kerasft.workload.estimate`.

    python benchmarks/estimates.py
    python benchmarks/estimates.py --rows 400

Each line is one run of `kerasft train` in a process of its own on generated texts; its peak memory is the process's highest
resident memory. The ratio is measured / estimated.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from workers.common import machine, table, versions

import kerasft as kft
from kerasft.data.quality import check_data
from kerasft.presets import fetch, find_preset
from kerasft.token_counts import token_counter
from kerasft.workload import estimate, product_rate

RUNS = (
    ("kerasft_bert_mini_en", "text_classification", "full", 16, {}),
    ("kerasft_bert_mini_en", "text_classification", "full", 110, {}),
    ("all_minilm_l6_v2", "text_classification", "full", 16, {}),
    ("all_minilm_l6_v2", "text_classification", "full", 110, {}),
    ("all_minilm_l6_v2", "text_classification", "lora", 110, {}),
    ("all_minilm_l6_v2", "text_classification", "frozen", 110, {}),
    ("all_minilm_l6_v2", "masked_lm", "full", 110, {}),
    ("kerasft_gpt2_mini_en", "causal_lm", "full", 60, {}),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parsed = parser.parse_args()
    rows, ratios = [], []
    for preset, task, tuning, words, options in RUNS:
        expected, seconds, peak = one_run(preset, task, tuning, words, options, parsed.rows)
        ratios.append(seconds / expected.seconds)
        took = [f"{expected.seconds:.0f} s", f"{seconds:.0f} s", f"{ratios[-1]:.2f}"]
        held = [f"{expected.peak_bytes / 2**30:.2f}", f"{peak / 2**30:.2f} GiB", f"{peak / expected.peak_bytes:.2f}"]
        rows.append([f"{preset}, {task}, {tuning}, {words} words", *took, *held])
    print(machine(), versions("tensorflow", "keras"))
    print(f"{product_rate() / 1e9:.0f} GFLOP/s; median ratio of the time {np.median(ratios):.2f}")
    print(table(["run", "estimated", "measured", "ratio", "GiB estimated", "measured", "ratio"], rows))


def one_run(preset: str, task: str, tuning: str, words: int, options: dict[str, object], count: int) -> tuple[object, float, int]:
    """The estimate, and what the run took."""
    rng = np.random.default_rng(1)
    vocabulary = ["the", "of", "report", "water", "small", "house", "answer", "green", "ticket", "late", "order", "good"]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.csv"
        lines = [f"{' '.join(rng.choice(vocabulary, words))},{'ab'[i % 2]}" for i in range(count)]
        path.write_text("\n".join(["text,label", *lines]))
        label = None if task == "text_classification" else "none"
        data = kft.load_data(path, label=label)
        report = check_data(data, count_tokens=token_counter(fetch(find_preset(preset))))
        recipe = {"preset": preset, "task": {"name": task}, "tuning": {"name": tuning}, "train": options}
        expected = estimate(recipe, report.rows, report.lengths, rate=product_rate())
        assert expected is not None
        begun = time.perf_counter()
        command = [sys.executable, "-m", "kerasft", "train", "--preset", preset, "--data", str(path), "--task", task]
        command += ["--tuning", tuning, "--out", f"{name}/run", *(["--data.label", "none"] if label else [])]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - begun
        log = [json.loads(line) for line in (Path(name) / "run" / "events.jsonl").read_text().splitlines()]
    peaks = [event["peak_bytes"] for event in log if event.get("peak_bytes")]
    return expected, seconds, max(peaks, default=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
