"""How fast answers come: many texts, one text through the exported SavedModel, text written by a GPT-2; beside transformers.

    python benchmarks/answers.py --peer-python peers/bin/python --rounds 3

`many`: 10,000 sentences in, labels out, tokenisation included; transformers' pipeline gets them sorted by length in batches of
64, and their order is restored. `one`: a text at a time; ours through the exported SavedModel (tensorflow and tensorflow_text
only), theirs through the pipeline. `writing`: 8 prompts, greedy, 64 new tokens, a GPT-2 with random weights (6 blocks, 768 wide).
Both sides have the same weights. Every worker is a process of its own and answers before it is timed; they take turns within one
call. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from workers.common import DEFAULT_DATA, machine, read_rows, run_worker, table, versions

import kerasft as kft
from kerasft.presets import DEFAULT_PRESET

WORKERS = Path(__file__).parent / "workers"
SIDES = ("KerasFT", "transformers")
MEASURES = {  # work: what a worker says, how it is shown, whether more is better
    "many": [("rows_per_second", "{:,.0f} texts/s", True)],
    "one": [("p50", "{:.1f} ms, median", False), ("p99", "{:.1f} ms, 99 of 100", False)],
    "writing": [("tokens_per_second", "{:,.0f} tokens/s", True)],
}


def main() -> None:
    given = arguments()
    info = machine()
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    sides = SIDES if given.peer_python else SIDES[:1]
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as name:
        folder = Path(name)
        prepare(given, folder)
        for number in range(given.rounds):
            for what in given.works:
                for side in sides if number % 2 else sides[::-1]:
                    found.setdefault((what, side), []).append(work(what, side, given, folder))
                    print(what, side, found[what, side][-1], file=sys.stderr, flush=True)
    print(f"Medians of {given.rounds} rounds\n\n{info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    print(
        table(
            ("work", "figure", *sides, "KerasFT is faster by"),
            [line for what in given.works for line in rows(what, found, sides)],
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=DEFAULT_PRESET, help="a BERT")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder whose texts are answered")
    parser.add_argument("--peer-python", help="Python with torch and transformers")
    parser.add_argument("--works", nargs="+", choices=tuple(MEASURES), default=list(MEASURES))
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def prepare(given: argparse.Namespace, folder: Path) -> None:
    """The texts, a classifier whose head is random, and a GPT-2 with random weights, each as both sides read it."""
    rows = [row for split in ("train", "validation", "test") for row in read_rows(next(given.data.glob(f"{split}.jsonl*")))]
    texts = [row["text"] for row in rows][: given.texts]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    few = [{"text": row["text"], "label": str(row["label"])} for row in rows[:64]]
    untrained = kft.TrainConfig(epochs=0)
    task = kft.TextClassification(pooling="pooled")  # what transformers can load
    model = kft.finetune(given.preset, few, task, train=untrained, out=folder / "classifier")
    model.export(folder / "serving" / "1")
    model.export_huggingface(folder / "classifier_hf")
    corpus = folder / "corpus.txt"
    corpus.write_text("\n\n".join(texts[:2000]), encoding="utf-8")
    shape = {"vocabulary_size": 8000, "layers": 6, "width": 768, "heads": 12}
    kft.create_preset(str(corpus), folder / "writer_hf", family="gpt2", **shape)
    kft.finetune(str(folder / "writer_hf"), few, kft.CausalLM(evaluate_generation=0), train=untrained, out=folder / "writer")


def work(what: str, side: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    peer = side == "transformers"
    script = WORKERS / ("answers_transformers.py" if peer else "answers_kerasft.py")
    command = [given.peer_python if peer else sys.executable, str(script), what, str(folder)]
    return run_worker(side, command)


def rows(what: str, found: dict[tuple[str, str], list[dict[str, Any]]], sides: tuple[str, ...]) -> list[tuple[str, ...]]:
    lines = []
    for key, shown, more_is_better in MEASURES[what]:
        values = {side: [result[key] for result in found[what, side]] for side in sides}
        pairs = zip(*(values[side] for side in sides), strict=True) if len(sides) > 1 else []
        ratios = [ours / theirs if more_is_better else theirs / ours for ours, theirs in pairs]
        cells = [shown.format(statistics.median(values[side])) for side in sides]
        lines.append((what, key.replace("_", " "), *cells, f"{statistics.median(ratios):.2f}" if ratios else ""))
    return lines


if __name__ == "__main__":
    main()
