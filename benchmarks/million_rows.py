"""Time and memory of reading and tokenising a million rows.

    python benchmarks/million_rows.py

Writes a CSV of `--rows` rows of 200 characters to a temporary folder, then loads and tokenises it in this process.
"Peak above base" is the highest resident memory during a step, less what the process held just before it.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from workers.common import machine, table, versions

import kerasft as kft
from kerasft.presets import DEFAULT_PRESET, fetch, find_preset

CHARACTERS = 200


@dataclass
class Measured:
    """One step: its seconds, and megabytes of resident memory before, at the peak and after."""

    name: str
    seconds: float = 0.0
    before: float = 0.0
    peak: float = 0.0
    after: float = 0.0


def main() -> None:
    given = arguments()
    info = machine()
    steps: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        path = Path(folder) / "rows.csv"
        write_csv(path, given.rows, given.seed)
        size = path.stat().st_size / 1e6
        steps += load_and_tokenise(path, given.preset)
    print(f"{given.rows:,} rows of {CHARACTERS} characters, a CSV of {size:,.0f} MB; tokenizer of {given.preset}\n\n{info}\n")
    lines = [
        [
            s.name,
            f"{s.seconds:.1f}",
            f"{given.rows / s.seconds:,.0f}",
            *(f"{mb:,.0f}" for mb in (s.before, s.peak - s.before, s.after)),
        ]
        for s in steps
    ]
    print(table(["", "seconds", "rows/s", "base RSS, MB", "peak above base, MB", "RSS after, MB"], lines))
    packages = versions("kerasft", "tensorflow", "pyarrow", "numpy")
    print("\n" + ", ".join(f"{package} {number}" for package, number in packages.items()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--preset", default=DEFAULT_PRESET, help="whose tokenizer is used")
    parser.add_argument("--seed", type=int, default=1, help="of the texts")
    return parser.parse_args()


def write_csv(path: Path, rows: int, seed: int, characters: int = CHARACTERS) -> None:
    """Rows cut from a long stream of words whose frequencies fall as in a language (Zipf), so that tokens repeat."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    lengths = rng.integers(2, 10, size=20_000)
    words = ["".join(letters[np.minimum(rng.geometric(0.12, size=n) - 1, 25)]) for n in lengths]
    ranks = np.minimum(rng.zipf(1.2, size=400_000), len(words)) - 1
    stream = " ".join(words[rank] for rank in ranks)
    starts = rng.integers(0, len(stream) - characters, size=rows)
    labels = rng.choice(["negative", "positive"], size=rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("text,label\n")
        file.writelines(f"{stream[start : start + characters]},{label}\n" for start, label in zip(starts, labels, strict=True))


def load_and_tokenise(path: Path, preset: str) -> list[Measured]:
    # Imported, and the tokenizer's graph traced, before anything is measured: neither depends on the rows.
    from kerasft.backbones.loading import load_framer
    from kerasft.preprocessing.encoding import encode

    framer = load_framer(fetch(find_preset(preset)), 256)
    framer.frame([b"warm up"], None)
    loading, tokenising = Measured("load_data"), Measured("tokenise")
    with measuring(loading):
        data = kft.load_data(path)
    with measuring(tokenising):
        rows = ((texts, pairs) for split in data.splits.values() for texts, pairs, _ in split.batches())
        encoded = encode(framer, rows, paired=False)
    tokens = len(encoded.ids) / max(1, len(encoded))
    print(f"{len(encoded):,} rows encoded, {tokens:.0f} tokens a row", file=sys.stderr)
    return [loading, tokenising]


@contextmanager
def measuring(step: Measured) -> Iterator[None]:
    """Fill in a step. Linux only: elsewhere the memory stays 0."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")  # sets the kernel's high-water mark back to the present
    step.before = memory("VmRSS")
    begun = time.perf_counter()
    yield
    step.seconds = time.perf_counter() - begun
    step.peak, step.after = memory("VmHWM"), memory("VmRSS")


def memory(key: str) -> float:
    """Megabytes, from the kernel's account of this process."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:")), 0.0)


if __name__ == "__main__":
    main()
