"""Whether training is the same as PyTorch's, step for step: one model, the same batches, head, rates and clipping on both sides.

    python benchmarks/same_steps.py --peer-python peers/bin/python

WikiGold, MiniLM, tags of tokens, nothing dropped: KerasFT's batches and its head's first weights are given to transformers'
model, which trains on them with `torch.optim.AdamW`. Prints the loss of each side before every step.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from tasks import SETS, prepare
from workers.common import machine, table, versions

import kerasft as kft
from kerasft import keras_level
from kerasft.layers.losses import TokenCrossentropy
from kerasft.presets import DEFAULT_PRESET, fetch, find_preset
from kerasft.training.optimizer import make_optimizer

PEER = Path(__file__).parent / "workers" / "same_steps_torch.py"
RATE, UPDATES, WARMUP, DECAY, CLIP = 1e-4, 152, 0.1, 0.01, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, required=True, help="Python with torch and transformers")
    parser.add_argument("--steps", type=int, default=38)
    given = parser.parse_args()
    info = machine()
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        prepare(SETS["wikigold"], Path(folder) / "data")
        shared = Path(folder) / "shared.npz"
        ours = trained(Path(folder) / "data", given.steps, shared)
        model = fetch(find_preset(DEFAULT_PRESET))
        command = [str(given.peer_python), str(PEER), str(model), str(shared), *map(str, (RATE, UPDATES, WARMUP, DECAY, CLIP))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        theirs = [float(line) for line in done.stdout.split()]
    print(f"{info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    lines = [(str(i), f"{a:.5f}", f"{b:.5f}", f"{a - b:+.1e}") for i, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    print(table(("step", "KerasFT", "PyTorch", "difference"), lines))


def trained(data: Path, steps: int, shared: Path) -> list[float]:
    """The losses of our steps; batches and the head as it began are left in a file."""
    rows, task = kft.load_data(data)["train"], kft.TokenClassification(head_dropout=0.0)
    learned = task.learn(rows)
    model = keras_level.build(DEFAULT_PRESET, task, learned=learned, dropout=0.0)
    batches = list(islice(keras_level.batches(rows, DEFAULT_PRESET, task, learned=learned).as_numpy_iterator(), steps))
    kept = {path.replace("/", "_"): np.asarray(value) for path, value in ((w.path, w) for w in model.weights) if "head" in path}
    for i, (inputs, targets) in enumerate(batches):
        kept |= {f"ids_{i}": inputs["token_ids"], f"mask_{i}": inputs["padding_mask"], f"targets_{i}": targets}
    np.savez(shared, **kept)
    optimizer = make_optimizer(
        learning_rate=RATE, total_updates=UPDATES, warmup=WARMUP, schedule="linear", weight_decay=DECAY, clip_norm=CLIP,
        accumulate=1, head_learning_rate=None,
    )  # fmt: skip
    model.compile(optimizer=optimizer, loss=TokenCrossentropy())
    return [float(model.train_on_batch(*batch)) for batch in batches]


if __name__ == "__main__":
    main()
