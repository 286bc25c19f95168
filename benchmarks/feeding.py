"""How long a training step waits for its batch: the share of an epoch that goes into making batches.

    python benchmarks/feeding.py

Sentence polarity, MiniLM, batches of 32: one pass over the batches alone, and the same pass with the training step on each, in
turns. While a step is computed the next batch is made beside it, so the first figure by the second is the most that waiting can
take.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import keras
from workers.common import DEFAULT_DATA, machine, table, versions

import kerasft as kft
from kerasft import keras_level
from kerasft.layers.losses import SmoothedCrossentropy
from kerasft.presets import DEFAULT_PRESET


def main() -> None:
    given = arguments()
    info = machine()
    data, task = kft.load_data(given.data), kft.TextClassification()
    learned = task.learn(data["train"])
    begun = time.perf_counter()
    feed = keras_level.batches(data["train"], DEFAULT_PRESET, task, learned=learned).take(given.batches)
    tokenised = time.perf_counter() - begun
    model = keras_level.build(DEFAULT_PRESET, task, learned=learned)
    model.compile(optimizer=keras.optimizers.AdamW(1e-5), loss=SmoothedCrossentropy())
    model.fit(feed, verbose=0)  # every width is met once
    alone, trained = [], []
    for _ in range(given.rounds):
        begun = time.perf_counter()
        for _ in feed:
            pass
        alone.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        model.fit(feed, verbose=0)
        trained.append(time.perf_counter() - begun)
    rows = f"{given.batches} batches of {given.data.name}; {len(data['train']):,} rows tokenised once in {tokenised:.1f} s"
    print(f"{rows}; {info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    one, other = statistics.median(alone), statistics.median(trained)
    print(
        table(("batches alone, s", "with training, s", "at most waiting"), [(f"{one:.2f}", f"{other:.2f}", f"{one / other:.1%}")])
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
