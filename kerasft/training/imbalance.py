"""Classes with unlike numbers of rows: their weights in the loss, and epochs in which each class comes as often."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from kerasft.errors import ConfigError, name_values
from kerasft.preprocessing.batching import class_weights
from kerasft.training.options import TrainConfig

_PAIR = re.compile(r"\s*(.+?)\s*=\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(?:,|$)")


def label_weights(given: str, labels: Sequence[str]) -> np.ndarray:
    """(labels,) weights as a person wrote them, `urgent=3,other=0.5`; a label that is not named weighs 1.

    Raises:
        ConfigError: It is not written like that, names no label of the data, or leaves nothing to learn.
    """
    weights = np.ones(len(labels), np.float32)
    end = 0
    for pair in _PAIR.finditer(given):
        label, weight = pair.groups()
        if pair.start() != end:
            break
        if label not in labels:
            raise ConfigError(
                f"'label_weights' names {label!r}, which is no label.", hint=f"There are: {name_values(labels, most=20)}."
            )
        weights[list(labels).index(label)] = float(weight)
        end = pair.end()
    if end != len(given) or not given.strip():
        rule = f"'label_weights' is written label=weight, with commas between. Received: {given!r}."
        raise ConfigError(rule, hint="For example: urgent=3,other=0.5")
    if not weights.any():
        raise ConfigError(f"With all weights 0 nothing is learned. Received: {given!r}.")
    return weights


def weights_of_classes(options: TrainConfig, targets: np.ndarray | None, labels: Sequence[str]) -> np.ndarray | None:
    """(labels,) what a row (or word) of each class counts in the loss, or None where all count the same.

    Args:
        options: `class_weights` and `label_weights`, which are multiplied.
        targets: Class numbers of any shape, -1 where there is none.
        labels: In the order of the classes.
    """
    if targets is None or (options.class_weights == "none" and not options.label_weights):
        return None
    own = label_weights(options.label_weights, labels) if options.label_weights else np.ones(len(labels), np.float32)
    return own * class_weights(targets, len(labels)) if options.class_weights == "balanced" else own


def balanced_draw(targets: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """(rows,) places of as many rows as there are, each class about as often: all of a class before one of them comes again.

    Args:
        targets: (rows,) class numbers.
        seed: Same seed and epoch, same rows.
        epoch: Number of the epoch, from 0.
    """
    rng = np.random.default_rng([seed, epoch, 1])
    classes = [rng.permutation(np.flatnonzero(targets == number)) for number in np.unique(targets)]
    shares = np.diff(np.linspace(0, len(targets), len(classes) + 1).astype(np.int64))
    drawn = []
    for places, share in zip(classes, shares, strict=True):
        rounds = [rng.permutation(places) for _ in range(share // len(places) + 1)]
        drawn.append(np.concatenate(rounds)[:share])
    return np.concatenate(drawn)
