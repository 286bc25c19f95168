"""How fast KerasFT trains and answers beside stock KerasHub and Hugging Face's Trainer, on the same rows and weights.

    python benchmarks/throughput.py --peer-python peers/bin/python --rows 2000 --rounds 3

Every worker is a process of its own. They take turns within one call, and each round begins with another one, so that
a machine that slows down slows down all of them; ratios are formed within a round. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workers.common import DEFAULT_DATA, machine, run_worker, table, write_subset

from kerasft.presets import DEFAULT_PRESET, fetch, find_preset

WORKERS = Path(__file__).parent / "workers"
SCRIPTS = {
    "KerasFT": "kerasft_finetune.py",
    "KerasHub": "kerashub_fit.py",
    "Hugging Face": "huggingface_trainer.py",
}


def main() -> None:
    given = arguments()
    chosen = [name for name in given.sides if name != "Hugging Face" or given.peer_python]
    info = machine()
    model = fetch(find_preset(given.preset))
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        data = Path(folder) / "data"
        write_subset(given.data, data, given.rows, given.seed, ("train", "validation"))
        for number in range(given.rounds):
            turn = number % len(chosen)
            for name in [*chosen[turn:], *chosen[:turn]]:
                print(f"round {number + 1} of {given.rounds}: {name}", file=sys.stderr, flush=True)
                results[name].append(work(name, given, model, data, Path(folder)))
        rows = sum(1 for _ in (data / "train.jsonl").open(encoding="utf-8"))
    report(results, given, rows, info)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with train and validation JSONL files")
    parser.add_argument("--preset", default=DEFAULT_PRESET, help="a preset in Hugging Face's layout, which all three can read")
    parser.add_argument("--peer-python", help="Python that has torch and transformers; without it Hugging Face is left out")
    parser.add_argument(
        "--sides", nargs="+", choices=list(SCRIPTS), default=list(SCRIPTS), help="which take part; all by default"
    )
    parser.add_argument("--rows", type=int, help="train on the first so many shuffled rows; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, help="for all three; each one's own default when not given")
    parser.add_argument("--seed", type=int, default=1, help="of the rows chosen and of training")
    return parser.parse_args()


def work(name: str, given: argparse.Namespace, model: Path, data: Path, folder: Path) -> dict[str, Any]:
    """Run one worker and return what it measured, with the seconds of its whole process."""
    python = given.peer_python if name == "Hugging Face" else sys.executable
    command = [python, str(WORKERS / SCRIPTS[name]), "--data", str(data), "--model", str(model)]
    command += ["--epochs", str(given.epochs), "--batch-size", str(given.batch_size), "--seed", str(given.seed)]
    if given.learning_rate is not None:
        command += ["--learning-rate", str(given.learning_rate)]
    begun = time.perf_counter()
    told = run_worker(name, command, {**os.environ, "TMPDIR": str(folder)})
    return {**told, "process_seconds": time.perf_counter() - begun}


MEASURES = {  # title: key, format, whether more is better
    "training rows/s": ("train_rows_per_second", "{:.1f}", True),
    "prediction rows/s": ("predict_rows_per_second", "{:.0f}", True),
    "whole process, s": ("process_seconds", "{:.0f}", False),
    "peak RSS, MB": ("peak_rss_mb", "{:.0f}", False),
}


def report(results: dict[str, list[dict[str, Any]]], given: argparse.Namespace, rows: int, info: str) -> None:
    print(f"Throughput: {given.preset}, {rows:,} rows, {given.epochs} epochs, batches of {given.batch_size}; ", end="")
    print(f"median (lowest to highest) of {given.rounds} rounds\n\n{info}\n")
    lines = []
    for name, found in results.items():
        cells = [spread([result[key] for result in found], form) for key, form, _ in MEASURES.values()]
        lines.append([name, *cells, spread([result["accuracy"] for result in found], "{:.3f}")])
    print(table(["", *MEASURES, "accuracy"], lines))
    others = [name for name in results if name != "KerasFT"]
    ratios = []
    for name in others:
        cells = []
        for key, _, more_is_better in MEASURES.values():
            pairs = zip(results["KerasFT"], results[name], strict=True)
            quotients = [ours[key] / theirs[key] if more_is_better else theirs[key] / ours[key] for ours, theirs in pairs]
            cells.append(spread(quotients, "{:.2f}"))
        ratios.append([f"KerasFT over {name}", *cells])
    print("\nHow many times better KerasFT is, round by round (above 1: KerasFT is faster or smaller):\n")
    print(table(["", *MEASURES], ratios))
    print()
    for name, found in results.items():
        packages = ", ".join(f"{package} {number}" for package, number in found[0]["versions"].items())
        print(f"- {name}: {found[0]['note']}; {packages}")
    print("\nAccuracy is on the validation rows, with each one's own learning rate unless --learning-rate was given.")


def spread(values: list[float], form: str) -> str:
    middle = form.format(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


if __name__ == "__main__":
    main()
