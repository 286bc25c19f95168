"""A run whose head is solved instead of trained step by step: features once, then a convex problem."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from kerasft.errors import count_of
from kerasft.events import Emit, Phase, Validated, Warned
from kerasft.frozen_part import halves
from kerasft.preprocessing.batching import class_weights
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.features import Features
from kerasft.training.checkpoint import TrainingState
from kerasft.training.linear_head import LinearHead, solve_head
from kerasft.training.options import TrainConfig
from kerasft.training.stopping import StopRequest
from kerasft.training.trainer import Outcome

_MOST_BYTES = 2 * 2**30  # of features that are solved at once


def solve(
    model: Any,
    options: TrainConfig,
    encoded: Encoded,
    held_out: tuple[Encoded, Any] | None,
    *,
    stop: StopRequest,
    emit: Emit,
) -> Outcome:
    """Give a `FineTunedModel` the head that fits its frozen features best.

    Args:
        model: The model; its task has a `linear_head`.
        options: Of training; only `class_weights` and `seed` have a meaning here.
        encoded: The training rows with their targets.
        held_out: Encoded validation rows and what their labels say, or None.
        stop: Asked between batches while features are computed: there is nothing to keep then.
        emit: Where events go.

    Raises:
        KeyboardInterrupt: The run was asked to stop.
    """
    begun = time.monotonic()
    emit(Phase(phase="features", detail=count_of(len(encoded), "row")))
    parts = halves(model.keras_model)

    def look(_: float) -> None:
        if stop.reason:
            raise KeyboardInterrupt

    features = Features(parts.features, encoded, with_mask=parts.with_mask, progress=look).values
    targets = encoded.targets if encoded.token_targets is None else encoded.token_targets
    assert targets is not None
    used = _used(features, targets, options.seed, emit)
    emit(Phase(phase="solve", detail=f"{count_of(len(used), 'vector')} of {features.shape[1]} numbers"))
    head = _solved(model, features[used], targets[used], options)
    layer = model.keras_model.get_layer("head").dense
    layer.kernel.assign(head.kernel)
    layer.bias.assign(head.bias)
    if not head.converged:
        emit(Warned(code="not_converged", message="The solver of the head stopped before it had converged."))
    state = TrainingState(epoch=1, step=1, seconds=time.monotonic() - begun)
    found = None
    if held_out is not None:
        found = model.found(held_out[0], progress=look)
        figures = model.task.score(found, held_out[1], model.learned)
        figures.pop("predicted_classes", None)
        state.history.append({"step": 1, "epoch": 1.0, **figures})
        emit(Validated(step=1, epoch=1.0, metrics=figures, best=True))
    return Outcome(state, found=found, solved={"strength": head.strength, "converged": head.converged})


def _used(features: np.ndarray, targets: np.ndarray, seed: int, emit: Emit) -> np.ndarray:
    """Which vectors are learned from: those with a target, and no more than fit into memory."""
    known = np.flatnonzero(targets >= 0) if targets.ndim == 1 else np.arange(len(targets))
    most = _MOST_BYTES // (4 * features.shape[1])
    if len(known) <= most:
        return known
    message = f"The head is solved on {most:,} of {len(known):,} vectors, drawn at random: more do not fit into memory."
    emit(Warned(code="part_of_vectors", message=message, hint="All are learned from with --tuning.solver steps."))
    return np.sort(np.random.default_rng(seed).choice(known, most, replace=False))


def _solved(model: Any, features: np.ndarray, targets: np.ndarray, options: TrainConfig) -> LinearHead:
    layer, activation = model.keras_model.get_layer("head"), model.task.linear_head
    weights = None
    if options.class_weights == "balanced" and activation == "softmax":
        weights = class_weights(targets, len(model.labels))[targets]
    if layer.unit_length:
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        scale = 1.0
    else:  # as long on average, which the kernel takes over
        lengths = scale = max(float(np.linalg.norm(features, axis=1).mean()), 1e-12)
    found = solve_head(features / np.maximum(lengths, 1e-12), targets, activation, layer.classes, row_weights=weights)
    return LinearHead(found.kernel / scale, found.bias, found.strength, found.converged)
