"""Test accuracy of KerasFT on sentence polarity, next to TF-IDF with logistic regression.

    python benchmarks/polarity_accuracy.py --seeds 1 2 3

Each seed is one `kerasft train` in a process of its own. The test rows choose nothing: KerasFT keeps the epoch, and the
baseline its C, that is best on the validation rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from workers.common import DEFAULT_DATA, machine, table, texts_and_labels, versions, write_subset

from kerasft.presets import DEFAULT_PRESET

SPLITS = ("train", "validation", "test")
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def main() -> None:
    given = arguments()
    info = machine()
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        data = Path(folder) / "data"
        write_subset(given.data, data, given.rows, 0, SPLITS)
        sizes = {split: len(texts_and_labels(data / f"{split}.jsonl")[0]) for split in SPLITS}
        baseline = logistic_regression(data)
        runs = []
        for seed in given.seeds:
            print(f"seed {seed}", file=sys.stderr, flush=True)
            runs.append(kerasft_run(given, data, seed, Path(folder) / f"seed-{seed}"))
    report(given, runs, baseline, sizes, info)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with train, validation and test JSONL files")
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="the library's default when not given")
    parser.add_argument("--learning-rate", type=float, help="the library's default when not given")
    parser.add_argument("--rows", type=int, help="train on the first so many shuffled rows, for a quick look; all by default")
    return parser.parse_args()


def kerasft_run(given: argparse.Namespace, data: Path, seed: int, folder: Path) -> dict[str, Any]:
    """One run; its figures by split, and what the library chose."""
    command = [sys.executable, "-m", "kerasft", "train", "--data", str(data), "--preset", given.preset, "--out", str(folder)]
    command += ["--train.seed", str(seed)]
    if given.epochs is not None:
        command += ["--train.epochs", str(given.epochs)]
    if given.learning_rate is not None:
        command += ["--train.learning_rate", str(given.learning_rate)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"kerasft train failed with status {done.returncode}:\n{done.stderr[-3000:]}")
    reports = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    chosen = json.loads((folder / "run.json").read_text(encoding="utf-8"))["resolved"]["train"]
    return {
        "seed": seed,
        "minutes": (time.perf_counter() - begun) / 60,
        "settings": f"learning rate {chosen['learning_rate']:g}, {chosen['epochs']} epochs",
        **{split: reports[split]["metrics"] for split in ("validation", "test")},
    }


def logistic_regression(data: Path) -> dict[str, Any]:
    """TF-IDF of words and pairs of words with logistic regression; C is the best on the validation rows."""
    begun = time.perf_counter()
    rows = {split: texts_and_labels(data / f"{split}.jsonl") for split in SPLITS}
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = {"train": vectorizer.fit_transform(rows["train"][0])}
    features |= {split: vectorizer.transform(rows[split][0]) for split in ("validation", "test")}
    models = {c: LogisticRegression(C=c, max_iter=1000).fit(features["train"], rows["train"][1]) for c in STRENGTHS}
    best = max(models, key=lambda c: models[c].score(features["validation"], rows["validation"][1]))
    figures = {}
    for split in ("validation", "test"):
        predicted = models[best].predict(features[split])
        labels = rows[split][1]
        figures[split] = {"accuracy": accuracy_score(labels, predicted), "macro_f1": f1_score(labels, predicted, average="macro")}
    return {"settings": f"C {best:g}", "minutes": (time.perf_counter() - begun) / 60, **figures}


def report(
    given: argparse.Namespace, runs: list[dict[str, Any]], baseline: dict[str, Any], sizes: dict[str, int], info: str
) -> None:
    counts = ", ".join(f"{count:,} {split}" for split, count in sizes.items())
    print(f"Sentence polarity ({counts} rows), {given.preset}\n\n{info}\n")
    lines = [[f"KerasFT, seed {run['seed']}", *cells(run)] for run in runs]
    if len(runs) > 1:
        lines.append(["KerasFT, mean ± standard deviation", runs[0]["settings"], *summary(runs)])
    lines.append(["TF-IDF + logistic regression", *cells(baseline)])
    print(table(["", "settings", "validation accuracy", "test accuracy", "test macro F1", "minutes"], lines))
    packages = versions("kerasft", "tensorflow", "keras", "scikit-learn")
    print("\n" + ", ".join(f"{package} {number}" for package, number in packages.items()))


def cells(run: dict[str, Any]) -> list[str]:
    figures = (run["validation"]["accuracy"], run["test"]["accuracy"], run["test"]["macro_f1"])
    return [run["settings"], *(f"{100 * figure:.1f}" for figure in figures), f"{run['minutes']:.1f}"]


def summary(runs: list[dict[str, Any]]) -> list[str]:
    columns = [("validation", "accuracy"), ("test", "accuracy"), ("test", "macro_f1")]
    found = [[100 * run[split][metric] for run in runs] for split, metric in columns]
    figures = [f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}" for values in found]
    return [*figures, f"{statistics.mean(run['minutes'] for run in runs):.1f}"]


if __name__ == "__main__":
    main()
