"""Few labels: KerasFT's default beside logistic regression on the same model's vectors, at 8 to 256 rows of each label.

    python benchmarks/few_labels.py run --sets subjectivity modern wikigold --sizes 16 64 --seeds 1 2 3
    python benchmarks/few_labels.py table --sets subjectivity modern wikigold
    python benchmarks/few_labels.py cover --sets polarity pairs goemotions

`run` adds to the results' file what is not in it yet, so it can be stopped and begun again. The systems:

- `default`: `kft.finetune` without an option, and `frozen`: with `FrozenFeatures()`.
- `full_before`: full fine-tuning as it was before it looked at the number of rows: three epochs, batches of 32, a random head.
- `logistic`: scikit-learn's logistic regression, C = 1, on the vectors divided by their length; for tags the solved head.
- `words`: TF-IDF of words and pairs of words with logistic regression.

Figures are of up to 1,000 test rows, which choose nothing: accuracy, and F1 of entities for tags.

`cover` draws small samples and counts how often the interval of a cross-validated accuracy holds the accuracy on the test rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from workers.common import machine, table
from workers.few_label_sets import CHOSEN_ON, REPORTED, draw, read_set

SYSTEMS = ("default", "frozen", "logistic", "words")
SIZES = (8, 16, 32, 64, 256)
PRESET = "all_minilm_l6_v2"


def main() -> None:
    given = arguments()
    {"run": run, "table": show, "cover": cover}[given.action](given)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "table", "cover"))
    parser.add_argument("--sets", nargs="+", default=[*CHOSEN_ON, *REPORTED])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--results", type=Path, default=Path("few_labels.jsonl"))
    return parser.parse_args()


def run(given: argparse.Namespace) -> None:
    keys = ("set", "system", "size", "seed")
    known = {tuple(row[key] for key in keys) for row in results(given.results)}
    for name in given.sets:
        train, test = read_set(name)
        for seed in given.seeds:
            for size in given.sizes:
                rows = draw(train, size, seed)
                for system in given.systems:
                    if (name, system, size, seed) in known or (name == "wikigold" and system == "words"):
                        continue
                    begun = time.monotonic()
                    figure = FIGURES[system](rows, test, seed)
                    line = {"set": name, "system": system, "size": size, "seed": seed, "rows": len(rows), "figure": figure}
                    with given.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({**line, "seconds": round(time.monotonic() - begun, 1)}) + "\n")
                    print(line, file=sys.stderr)


def finetuned(rows: list, test: list, seed: int, tuning: Any = None, **options: Any) -> float:
    import kerasft as kft

    train = kft.TrainConfig(seed=seed, folds=0, tensorboard=False, **options)
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        data = kft.load_data(rows, validation=0)
        model = kft.finetune(PRESET, data, tuning=tuning, train=train, out=Path(folder) / "run", on_event=lambda event: None)
        metrics = model.evaluate(test).metrics
    return metrics["f1" if rows[0]["label"].startswith("[") else "accuracy"]


def default(rows: list, test: list, seed: int) -> float:
    return finetuned(rows, test, seed)


def frozen(rows: list, test: list, seed: int) -> float:
    import kerasft as kft

    return finetuned(rows, test, seed, kft.FrozenFeatures())


def full_before(rows: list, test: list, seed: int) -> float:
    return finetuned(rows, test, seed, epochs=3, batch_size=32, head_start="random")


def vectors(rows: list) -> np.ndarray:
    """(rows, H) mean vectors of the model as it is, each of length 1."""
    import kerasft as kft
    from kerasft.frozen_part import halves
    from kerasft.preprocessing.batching import predict_rows

    task = kft.TextClassification()
    split = kft.load_data(rows, validation=0)["train"]
    model = _bare(task, split)
    found = predict_rows(halves(model.keras_model).features, model.encode(split), 64)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _bare(task: Any, split: Any) -> Any:
    from kerasft.assembly import assemble
    from kerasft.backbones.loading import load_backbone
    from kerasft.model import FineTunedModel
    from kerasft.presets import fetch, find_preset
    from kerasft.tuning.frozen import FrozenFeatures

    learned, tuning = task.learn(split), FrozenFeatures(solver="exact")
    backbone = load_backbone(fetch(find_preset(PRESET)), origin=PRESET)
    keras_model, encoder = assemble(backbone, task, tuning, learned, seed=1)
    return FineTunedModel(task, tuning, learned, split.columns, backbone, keras_model, encoder)


_VECTORS: dict[str, np.ndarray] = {}


def logistic(rows: list, test: list, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression

    if rows[0]["label"].startswith("["):
        return frozen(rows, test, seed)
    wanted = [row for row in [*rows, *test] if _key(row) not in _VECTORS]
    if wanted:
        _VECTORS.update(zip(map(_key, wanted), vectors(wanted), strict=True))
    features, labels = np.stack([_VECTORS[_key(row)] for row in rows]), [row["label"] for row in rows]
    fitted = LogisticRegression(C=1.0, max_iter=5000).fit(features, labels)
    return float(fitted.score(np.stack([_VECTORS[_key(row)] for row in test]), [row["label"] for row in test]))


def _key(row: dict) -> str:
    return row["text"] + "\x1f" + row.get("text_pair", "")


def words(rows: list, test: list, seed: int) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    fitted = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10.0, max_iter=5000))
    fitted.fit([_key(row) for row in rows], [row["label"] for row in rows])
    return float(fitted.score([_key(row) for row in test], [row["label"] for row in test]))


FIGURES = {"default": default, "frozen": frozen, "full_before": full_before, "logistic": logistic, "words": words}


def results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def show(given: argparse.Namespace) -> None:
    """Means by set and size, and the default against logistic regression on the same rows, pooled over sets and seeds."""
    found: dict[tuple, dict[int, float]] = defaultdict(dict)
    for row in results(given.results):
        found[row["set"], row["size"], row["system"]][row["seed"]] = 100 * row["figure"]
    lines, pooled = [], defaultdict(list)
    for name in given.sets:
        for size in given.sizes:
            cells = []
            for system in given.systems:
                figures = list(found[name, size, system].values())
                spread = f" ± {statistics.stdev(figures):.1f}" if len(figures) > 1 else ""
                cells.append(f"{statistics.mean(figures):.1f}{spread} ({len(figures)})" if figures else "")
            if any(cells):
                lines.append([name, size, *cells])
            with_kerasft, with_sklearn = found[name, size, "default"], found[name, size, "logistic"]
            pooled[size] += [with_kerasft[seed] - with_sklearn[seed] for seed in with_kerasft.keys() & with_sklearn.keys()]
    print(f"{machine()}\n")
    print(table(["set", "rows a label", *given.systems], lines))
    for size, gains in pooled.items():
        if len(gains) > 1:
            mean, error = statistics.mean(gains), statistics.stdev(gains) / len(gains) ** 0.5
            low, high = mean - 2 * error, mean + 2 * error
            print(
                f"- {size} rows a label: default less logistic {mean:+.1f} points ({low:+.1f} to {high:+.1f}; {len(gains)} pairs)"
            )


def cover(given: argparse.Namespace) -> None:
    """How often intervals of cross-validated accuracy hold the accuracy on other rows, by how much they are widened."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from kerasft.evaluation.metrics import wilson_interval

    factors, lines = (1.0, 1.2, 1.4, 1.5), []
    for name in given.sets:
        train, test = read_set(name)
        pool = draw(train, 300, 0)
        features, others = vectors(pool), vectors(test)
        labels, right = np.array([row["label"] for row in pool]), np.array([row["label"] for row in test])
        share = {label: 1 / np.sum(right == label) for label in set(right)}  # samples have as many rows of each label
        weights = np.array([share[label] for label in right])
        for size in (8, 16, 32, 64):
            if size * len(set(labels)) > 400:
                continue
            held = dict.fromkeys(factors, 0)
            for seed in range(100):
                rng = np.random.default_rng(seed)
                rows = np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:size] for label in sorted(set(labels))])
                model = LogisticRegression(C=1.0, max_iter=2000)
                true = model.fit(features[rows], labels[rows]).score(others, right, sample_weight=weights)
                folds = StratifiedKFold(5, shuffle=True, random_state=seed)
                hits = cross_val_predict(model, features[rows], labels[rows], cv=folds) == labels[rows]
                low, high = wilson_interval(int(hits.sum()), len(rows))
                for factor in factors:
                    middle = hits.mean()
                    held[factor] += middle + factor * (low - middle) <= true <= middle + factor * (high - middle)
            lines.append([name, size, size * len(set(labels)), *held.values()])
    print(table(["set", "rows a label", "rows", *(f"x{factor}" for factor in factors)], lines))


if __name__ == "__main__":
    main()
