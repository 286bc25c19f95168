"""Few and no examples: a sentence with a gap (cloze) against a new head, on sentence polarity.

    python benchmarks/few_shot.py kerasft_bert_mini_en --seeds 1 2 3

Both are tuned on the same rows, drawn by the seed, `--examples` of each label; 0 asks the language model as it is, and a new
head, which knows nothing then, is left out. Template and words were written down before any figure was seen. No validation
rows are looked at: with so few examples nobody has any. Test rows, percent.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tasks import SETS, ours, prepare, row
from workers.common import machine, table, versions

from kerasft.presets import DEFAULT_PRESET

TEMPLATE = "{text} It was [MASK]."
WORDS = "positive=great,good; negative=terrible,bad"
TASKS = {
    "cloze": ["--task", "cloze_classification", "--task.template", TEMPLATE, "--task.words", WORDS],
    "new head": ["--task", "text_classification"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default=DEFAULT_PRESET, help="with a masked-LM head")
    parser.add_argument("--examples", type=int, nargs="+", default=[0, 4, 16, 64])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    info = machine()
    lines = []
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        data = prepare(SETS["polarity"], Path(folder) / "data")
        (data / "validation.jsonl").unlink()
        for count in given.examples:
            for name, task in TASKS.items():
                if count or name == "cloze":
                    lines.append(row(f"{count} a label", name, "accuracy", runs(given, data, count, task)))
                    print(lines[-1], file=sys.stderr, flush=True)
    print(f"{given.preset}; seeds {', '.join(map(str, given.seeds))}; {info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    print(table(("examples", "side", "figure", "mean", "spread (sd)", "each seed", "seconds a run"), lines))


def runs(given: argparse.Namespace, data: Path, count: int, task: list[str]) -> list[dict[str, float]]:
    """Test figures of each seed; without examples there is nothing to draw, and one run says it all."""
    options = ["--preset", given.preset, *task, "--data.validation", "0"]
    if not count:
        return [ours(SETS["polarity"], data, 1, [*options, "--train.epochs", "0"])]
    few = ["--data.per_label", str(count), "--train.epochs", "10", "--train.batch_size", "8"]
    return [ours(SETS["polarity"], data, seed, [*options, *few, "--data.split_seed", str(seed)]) for seed in given.seeds]


if __name__ == "__main__":
    main()
