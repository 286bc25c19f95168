"""How long a run will take and how much memory it needs, estimated before it starts and without loading TensorFlow.

Time follows from the operations of the matrix products, as `docs/planning.md` counts them, and from the rate at which this
machine multiplies matrices. Memory follows from the weights that learn and from what a step keeps for its backward pass. Both
are estimates: a run measures its own first steps and reports what it found (`events.Estimated`).
"""

from __future__ import annotations

import json
import math
import operator
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.errors import KerasFTError
from kerasft.presets import Preset, find_preset, locate
from kerasft.tasks import get_task
from kerasft.training.few_rows import expects_estimate, folds_for, settled
from kerasft.training.options import TrainConfig
from kerasft.tuning import get_tuning

_EFFICIENCY = 0.55  # of the rate of numpy's products, over a whole step: measured by benchmarks/estimates.py
_STEP_SECONDS = 0.012  # of a step, however small the model is
_START_SECONDS = 14.0  # until the first step: loading TensorFlow and the model, and tracing
_PROCESS_BYTES = 900 * 2**20  # TensorFlow and its libraries
_ROOM = 0.85  # of a window for a text, beside a question of usual length
_FOLDS = "The model learns from all rows; figures come from cross-validation, {folds} more trainings, which the time includes."
_AGAIN, _TRIES_SECONDS = 60.0, 0.2  # between measurements, and of one
_KEYS = {
    "layers": ("num_layers", "num_hidden_layers", "n_layer"),
    "width": ("hidden_dim", "hidden_size", "n_embd"),
    "inner": ("intermediate_dim", "intermediate_size", "n_inner"),
    "heads": ("num_heads", "num_attention_heads", "n_head"),
    "vocabulary": ("vocabulary_size", "vocab_size"),
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a Transformer that decide what a token costs."""

    layers: int
    width: int
    inner: int
    heads: int
    vocabulary: int

    def forward(self, length: float) -> float:
        """Operations of one token's way through the blocks, in rows of that many tokens."""
        products = 2 * (4 * self.width**2 + 2 * self.width * self.inner)
        return self.layers * (products + 4 * length * self.width)

    def kept_bytes(self, length: float) -> float:
        """Bytes that a training step keeps for each token until its backward pass, in rows of that many tokens."""
        return 4 * self.layers * (14 * self.width + 3 * self.inner + 3 * self.heads * length)


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to need.

    Attributes:
        seconds: From its start to the saved model.
        peak_bytes: Most memory that its process holds at once.
        updates: Steps of the optimizer.
        reason: A sentence on what is not as usual, because rows are few; else empty.
    """

    seconds: float
    peak_bytes: int
    updates: int
    reason: str = ""


def estimate(
    recipe: Mapping[str, Any], rows: Mapping[str, int], lengths: Mapping[str, Any], *, rate: float, correction: float = 1.0
) -> Estimate | None:
    """What the run of a recipe will need on this machine's processor.

    Args:
        recipe: `preset`, `task`, `tuning` and `train`, as `RunConfig.to_dict`.
        rows: Number of rows of each split.
        lengths: Of the training texts in tokens, as `QualityReport.lengths`.
        rate: Operations a second of matrix products; see `product_rate`.
        correction: Factor on the time, from runs that were measured.

    Returns:
        The estimate, or None where the sizes of the model cannot be known before it is downloaded.
    """
    try:
        preset = find_preset(str(recipe["preset"]))
        shape = model_shape(preset)
    except KerasFTError:
        return None
    if shape is None:
        return None
    parts = {part: {key: value for key, value in recipe[part].items() if key != "name"} for part in ("task", "tuning")}
    task = get_task(recipe["task"]["name"], **parts["task"])
    tuning = get_tuning(recipe["tuning"]["name"], **parts["tuning"])
    train_as_given = TrainConfig.from_dict(dict(recipe["train"]))
    tuning = tuning.settle(task.linear_head, train_as_given)
    recommended = tuning.recommended(preset.parameters)

    longest = float(getattr(task, "max_length", 0) or 128)
    windowed = hasattr(task, "overlap") or hasattr(task, "pack")  # longer texts are read in several windows, not cut
    mean, top = _read_tokens(lengths, longest, windowed=windowed)
    train_rows, scored = rows.get("train", 0), rows.get("validation", 0)
    windows = max(1.0, mean / longest) if windowed else 1.0  # of a row
    if overlap := getattr(task, "overlap", 0):
        windows = _windows(lengths, longest, overlap)
    train, reason = settled(
        train_as_given,
        recommended.learning_rate,
        recommended.epochs,
        rows=math.ceil(train_rows * windows),
        validation_rows=scored,
        few=task.learns_labels,
        solvable=bool(task.linear_head) and not tuning.solves_head,
    )
    share = dict(recipe.get("data") or {}).get("validation")
    unasked = expects_estimate(train_as_given, share, few=task.learns_labels)
    folds = folds_for(train_rows, train_as_given.folds, held_out=scored > 0, unasked=unasked)
    epochs, batch = train.epochs or 0, train.batch_size or 1
    steps = math.ceil(train_rows * windows / batch)
    head = 2 * shape.width * shape.vocabulary * task.vocabulary_share
    forward = (shape.forward(min(mean, longest)) + head) * mean
    passes = tuning.passes(shape.layers) * (4 / 3 if train.gradient_checkpointing else 1)
    epochs = 1 if tuning.solves_head else epochs
    reason = "" if tuning.solves_head else reason
    passed_epochs = min(epochs, 1) if tuning.caches_features else epochs
    operations = forward * (train_rows * passes * passed_epochs + scored * (passed_epochs + 1) + rows.get("test", 0))
    seconds = operations / (rate * _EFFICIENCY) + _STEP_SECONDS * steps * epochs * passes / 3
    seconds *= 1 if tuning.solves_head or tuning.caches_features else 1 + folds

    learned = preset.parameters * (0.02 if tuning.shares_base or tuning.sparse else 1)
    kept = shape.kept_bytes(top) * (0.25 if train.gradient_checkpointing else 1) if passes > 1 else 0.3 * shape.kept_bytes(top)
    learned *= 5 / 3 if folds and not tuning.solves_head else 1  # the weights it begins and ends with
    logits = 8 * shape.vocabulary * task.vocabulary_share
    peak = _PROCESS_BYTES + 4 * preset.parameters + 12 * learned + batch * top * (kept + logits)
    updates = 1 if tuning.solves_head else steps * epochs // max(1, train.accumulate)
    if folds:
        reason = f"{reason} {_FOLDS.format(folds=folds)}".strip()
    return Estimate(_START_SECONDS + correction * seconds, int(peak), updates, reason)


def _windows(lengths: Mapping[str, Any], longest: float, overlap: int) -> float:
    """Windows of a row on average, where longer texts are read in several that overlap beside the second text of the row."""
    if lengths.get("unit") != "tokens":
        return 1.0
    histogram = lengths.get("histogram") or ((float(lengths["median"]), 1),)
    room = longest * _ROOM
    further = room - min(overlap, room / 2)  # tokens of the text that one more window brings
    edges = [0.0, *(size for size, _ in histogram)]
    windows = [1 + max(0, math.ceil(((low + high) / 2 - longest) / further)) for low, high in pairwise(edges)]
    counts = [count for _, count in histogram]
    return float(sum(map(operator.mul, windows, counts)) / max(1, sum(counts)))


def _read_tokens(lengths: Mapping[str, Any], longest: float, *, windowed: bool) -> tuple[float, float]:
    """Mean tokens of a row that are read, and the length of its longest row in a batch."""
    if lengths.get("unit") != "tokens":
        return min(longest, 64.0), longest
    top = min(longest, float(lengths["longest"]))
    histogram = lengths.get("histogram") or ()
    total = sum(count for _, count in histogram)
    if not total:
        return min(longest, float(lengths["median"])), top
    sizes = [(edge if windowed else min(longest, edge), count) for edge, count in histogram]
    return sum(size * count for size, count in sizes) / total, top


def model_shape(preset: Preset) -> Shape | None:
    """The sizes in a preset's `config.json`; None where it is not on this disk or does not name them."""
    if not preset.here:
        return None
    try:
        config = json.loads((locate(preset) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    config = config.get("config", config) if isinstance(config, dict) else {}
    sizes = {name: next((config[key] for key in keys if type(config.get(key)) is int), 0) for name, keys in _KEYS.items()}
    sizes["inner"] = sizes["inner"] or 4 * sizes["width"]
    return Shape(**sizes) if all(sizes.values()) else None


class _ProductRate:
    """Operations a second of this machine's matrix products in 32 bits, the best that was ever seen.

    Measured again at most once a minute: other work on the machine makes it smaller, never larger.
    """

    def __init__(self) -> None:
        self._best, self._measured = 0.0, -_AGAIN

    def __call__(self) -> float:
        if time.monotonic() - self._measured >= _AGAIN:
            self._best, self._measured = max(self._best, _measure()), time.monotonic()
        return self._best


product_rate = _ProductRate()


def _measure() -> float:
    left, right = (np.random.default_rng(0).standard_normal(shape, dtype=np.float32) for shape in ((1024, 384), (384, 1536)))
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < _TRIES_SECONDS:
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * 1024 * 384 * 1536 / best


def has_gpu() -> bool:
    """Whether a GPU of NVIDIA seems to be there; the time of a run on it is not estimated."""
    return Path("/proc/driver/nvidia/version").exists()
