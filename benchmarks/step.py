"""A training step of MiniLM without any padding: KerasFT, stock KerasHub and transformers, and what the machine could do.

    python benchmarks/step.py --peer-python peers/bin/python --rounds 3

Batches of 32 random rows of one length, two classes, dropout 0.1, AdamW, gradients clipped at 1. Every worker is a process of its
own; they take turns within one call. `products` multiplies matrices of the shapes of the model's dense layers, forward and
backward, and nothing else: the rate a step could have if all of it were dense products. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from workers.common import machine, run_worker, table, versions

from kerasft.config import read_json
from kerasft.presets import DEFAULT_PRESET, fetch, find_preset

WORKERS = Path(__file__).parent / "workers"
OURS = ("KerasFT", "KerasFT, XLA", "KerasFT, mixed_bfloat16", "KerasFT, gradient checkpointing", "KerasHub", "products")
BATCH = 32


def main() -> None:
    given = arguments()
    info, model = machine(), fetch(find_preset(given.preset))
    sides = [*OURS, *(["transformers"] if given.peer_python else [])]
    lines = []
    for length in given.lengths:
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for number in range(given.rounds):
            turn = number % len(sides)
            for side in [*sides[turn:], *sides[:turn]]:
                found[side].append(work(side, given, model, length))
                print(length, side, found[side][-1], file=sys.stderr, flush=True)
        lines += rows(found, length, arithmetic(read_json(model / "config.json"), length))
    print(f"A training step of {given.preset}, batch {BATCH}; medians of {given.rounds} rounds\n\n{info}; ", end="")
    print(f"{versions('kerasft', 'keras-hub', 'tensorflow', 'keras')}\n")
    print(
        table(
            (
                "length",
                "side",
                "s a step",
                "tokens/s",
                "GFLOP/s",
                "of the products' rate",
                "KerasFT is faster by",
                "peak MB",
                "before",
            ),
            lines,
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=DEFAULT_PRESET, help="a BERT in Hugging Face's layout")
    parser.add_argument("--peer-python", help="Python with torch and transformers")
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def work(side: str, given: argparse.Namespace, model: Path, length: int) -> dict[str, Any]:
    """Seconds of a step (the median of some) and peak memory of the process."""
    peer = side == "transformers"
    script = WORKERS / ("step_transformers.py" if peer else "step_tensorflow.py")
    command = [given.peer_python if peer else sys.executable, str(script), side, str(model), str(BATCH), str(length)]
    return run_worker(side, command)


def arithmetic(config: dict[str, Any], length: int) -> float:
    """Operations of a step: two for each weight and token, and attention's, forward once and backward twice."""
    width, blocks, inner = config["hidden_size"], config["num_hidden_layers"], config["intermediate_size"]
    per_token = 2 * blocks * (4 * width**2 + 2 * width * inner) + 4 * blocks * length * width
    return 3.0 * BATCH * length * per_token


def rows(found: dict[str, list[dict[str, Any]]], length: int, operations: float) -> list[tuple[str, ...]]:
    seconds = {side: statistics.median(result["seconds"] for result in results) for side, results in found.items()}
    best = statistics.median(result["rate"] for result in found["products"])
    lines = [(str(length), "products", "", "", f"{best / 1e9:.0f}", "", "", "", "")]
    for side in (side for side in found if side != "products"):
        rate = operations / seconds[side]
        # Within a round, so that a machine that slows down slows down both.
        pairs = zip(found[side], found["KerasFT"], strict=True)
        ratio = statistics.median(other["seconds"] / ours["seconds"] for other, ours in pairs)
        memory, before = (statistics.median(result[key] for result in found[side]) for key in ("peak_rss_mb", "before_mb"))
        figures = (f"{seconds[side]:.3f}", f"{BATCH * length / seconds[side]:,.0f}", f"{rate / 1e9:.0f}", f"{rate / best:.0%}")
        lines.append((str(length), side, *figures, f"{ratio:.2f}", f"{memory:,.0f}", f"{before:,.0f}"))
    return lines


if __name__ == "__main__":
    main()
