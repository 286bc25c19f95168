"""The Keras level: what `finetune` does, in parts a Keras user puts together by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from kerasft.assembly import assemble
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.data.split import Split
from kerasft.preprocessing.batching import make_batches, plan_epoch
from kerasft.preprocessing.encoding import encode
from kerasft.presets import fetch, find_preset
from kerasft.tasks import Learned, Task
from kerasft.tasks.base import pick
from kerasft.training.strategy import prepare
from kerasft.tuning import Tuning
from kerasft.tuning.full import Full


def build(
    preset: str,
    task: Task,
    tuning: Tuning | None = None,
    *,
    learned: Learned,
    seed: int = 1,
    dropout: float | None = None,
    precision: str = "float32",
) -> Any:
    """The plain `keras.Model` that `finetune` would train: compile, fit and save it as any other.

    A `.keras` file keeps weights and answers, but not which weights were frozen: KerasHub's layers all learn once loaded.

    Args:
        preset: Name, folder, or `hf://owner/name`.
        task: What is learned.
        tuning: Which weights learn; all by default.
        learned: What the task takes from the rows: `task.learn(data["train"])`.
        seed: Of the head's weights and dropout.
        dropout: The backbone's dropout rate; the preset's own when not given.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
    """
    dtype = prepare(seed=seed, precision=precision)
    backbone = load_backbone(fetch(find_preset(preset)), dtype=dtype, dropout=dropout)
    return assemble(backbone, task, tuning or Full(), learned, seed=seed)[0]


def batches(
    split: Split,
    preset: str,
    task: Task,
    *,
    learned: Learned,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 1,
) -> Any:
    """A `tf.data.Dataset` of `(inputs, targets)` for a model of `build`.

    Rows without text or label are left out, and with `drop_unknown` those whose label was not learned. One pass is one epoch;
    each pass has an order of its own.

    Args:
        split: `data["train"]`.
        preset: Whose tokenizer is used.
        task: What is learned.
        learned: What the task takes from the rows: `task.learn(data["train"])`.
        batch_size: Rows a batch; of tasks that learn from every token the mean, since batches then hold about as many tokens.
        shuffle: False keeps the rows in order, at every pass.
        seed: Of the order.
    """
    usable, _ = split.usable(need_label=task.needs(split.columns))
    framer = load_framer(fetch(find_preset(preset)), task.max_length)  # type: ignore[attr-defined]
    gold = task.gold(usable, learned)
    unknown = task.unknown(gold)
    if unknown.any():  # with drop_unknown
        known = np.flatnonzero(~unknown)
        usable, gold = usable.take(known), pick(gold, known)
    rows, paired = task.reading(usable)
    encoded = encode(framer, rows, paired=paired, framing=task.framing(framer, learned))
    encoded = task.targets(encoded, gold, learned)
    how = {"shuffle": shuffle, "group": shuffle, "together": encoded.together, "even": encoded.token_targets is not None}

    def epoch_of(number: int) -> tuple[Any, list[np.ndarray]]:
        feed = task.feed(encoded, framer, seed=seed, epoch=number)
        return feed, plan_epoch(encoded.lengths, batch_size, seed=seed, epoch=number, **how)

    numbers = itertools.count()
    return make_batches(*epoch_of(0), passes=lambda: epoch_of(next(numbers)))
