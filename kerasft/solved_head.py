"""Heads that are solved instead of trained step by step: features once, then a convex problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasft.errors import count_of
from kerasft.events import Emit, Phase, Validated, Warned
from kerasft.frozen_part import halves
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.features import Features
from kerasft.training.checkpoint import TrainingState
from kerasft.training.imbalance import weights_of_classes
from kerasft.training.linear_head import LinearHead, solve_head
from kerasft.training.options import TrainConfig
from kerasft.training.stopping import StopRequest
from kerasft.training.trainer import Outcome

_MOSTLY = 0.5  # share of the words that have one tag
_MEASURED = 50_000  # vectors whose length is measured
_MOST_BYTES = 2 * 2**30  # of vectors that are solved at once


class HeadProblem:
    """What the head of a `FineTunedModel` reads on encoded rows, and what it must say.

    Args:
        model: The model; its task has a `linear_head`.
        encoded: Rows with their targets.
        options: Of training; `class_weights` and `label_weights` have a meaning here.
        progress: Called with the share of the features that is done; may raise.

    Attributes:
        width: H, numbers of a vector.
        rows: (V,) the row each vector is of.
        known: Places of those that have a target.
        begun: When its features began to be computed, in seconds of the monotonic clock.
    """

    def __init__(
        self, model: Any, encoded: Encoded, options: TrainConfig, progress: Callable[[float], None] | None = None
    ) -> None:
        self.begun = time.monotonic()
        parts = halves(model.keras_model)
        self._features = Features(parts.features, encoded, with_mask=parts.with_mask, progress=progress).values
        targets = encoded.targets if encoded.token_targets is None else encoded.token_targets
        assert targets is not None
        self._layer, self._activation = model.keras_model.get_layer("head"), model.task.linear_head
        self._targets = targets
        self.rows = encoded.owners if encoded.token_targets is None else encoded.token_rows
        self.known = np.flatnonzero(targets >= 0) if targets.ndim == 1 else np.arange(len(targets))
        # Most words are no entities: those that are want another strength.
        per_token = encoded.token_targets is not None and len(self.known) > 0
        self._find_rare = per_token and bool(np.bincount(targets[self.known]).max() > _MOSTLY * len(self.known))
        self.width = int(self._features.shape[1])
        self._scale = 1.0
        if not self._layer.unit_length:  # 1 long on average, which the kernel takes over
            some = self._features[self.known[:: max(1, len(self.known) // _MEASURED)]]
            self._scale = max(float(np.linalg.norm(some, axis=1).mean()), 1e-12)
        single = self._activation == "softmax"
        self._class_weights = weights_of_classes(options, targets, model.labels) if single else None

    def vectors(self, places: np.ndarray) -> np.ndarray:
        """(places, H) the features as the solver wants them: 1 long, each or on average."""
        features = np.asarray(self._features[places])
        if self._layer.unit_length:
            return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12))
        return np.asarray(features / self._scale)

    def places_of(self, rows: np.ndarray) -> np.ndarray:
        """Those among `known` that are of some rows."""
        return np.asarray(self.known[np.isin(self.rows[self.known], rows)])

    def solve(self, places: np.ndarray, strength: float | None = None) -> LinearHead:
        """The head of `vectors` that fits best at some places.

        Args:
            places: Of `vectors`, all among `known`.
            strength: Of the regularisation; chosen by cross-validation when not given.
        """
        targets = self._targets[places]
        weights = None if self._class_weights is None else self._class_weights[targets]
        how: dict[str, Any] = {
            "row_weights": weights,
            "strength": strength,
            "find_rare": self._find_rare,
            "groups": self.rows[places],
        }
        return solve_head(self.vectors(places), targets, self._activation, self._layer.classes, **how)

    def apply(self, head: LinearHead) -> None:
        """Give the model that head."""
        self._layer.dense.kernel.assign(head.kernel / self._scale)
        self._layer.dense.bias.assign(head.bias)


def head_problem(model: Any, encoded: Encoded, options: TrainConfig, *, stop: StopRequest, emit: Emit) -> HeadProblem:
    """The problem of a `FineTunedModel`'s head on all rows, by its features as they are now.

    Args:
        model: The model; its task has a `linear_head`.
        encoded: The training rows with their targets.
        options: Of training; `class_weights`, `label_weights` and `seed` have a meaning here.
        stop: Asked between batches while features are computed: there is nothing to keep then.
        emit: Where events go.

    Raises:
        KeyboardInterrupt: The run was asked to stop.
    """
    emit(Phase(phase="features", detail=count_of(len(encoded), "row")))
    problem = HeadProblem(model, encoded, options, _heed(stop))
    problem.known = _used(problem, options.seed, emit)
    return problem


def start_head(problem: HeadProblem, *, emit: Emit) -> None:
    """Give the head of a model that is about to be trained the weights that fit its features best as they are now.

    A step from there is a step from what logistic regression finds; a random head first pulls the pre-trained weights about
    (Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution").
    """
    emit(Phase(phase="head_start", detail=f"{count_of(len(problem.known), 'vector')} of {problem.width} numbers"))
    problem.apply(problem.solve(problem.known))


def solve(model: Any, problem: HeadProblem, held_out: tuple[Encoded, Any] | None, *, stop: StopRequest, emit: Emit) -> Outcome:
    """Give a `FineTunedModel` the head that fits its frozen features best.

    Args:
        model: The model; its task has a `linear_head`.
        problem: Of its head.
        held_out: Encoded validation rows and what their labels say, or None.
        stop: Asked between batches of validation rows.
        emit: Where events go.

    Raises:
        KeyboardInterrupt: The run was asked to stop.
    """
    emit(Phase(phase="solve", detail=f"{count_of(len(problem.known), 'vector')} of {problem.width} numbers"))
    head = problem.solve(problem.known)
    problem.apply(head)
    if not head.converged:
        emit(Warned(code="not_converged", message="The solver of the head stopped before it had converged."))
    state = TrainingState(epoch=1, step=1, seconds=time.monotonic() - problem.begun)
    found = None
    if held_out is not None:
        found = model.found(held_out[0], progress=_heed(stop))
        figures = model.task.score(found, held_out[1], model.learned)
        figures.pop("predicted_classes", None)
        state.history.append({"step": 1, "epoch": 1.0, **figures})
        emit(Validated(step=1, epoch=1.0, metrics=figures, best=True))
    return Outcome(state, found=found, solved={"strength": head.strength, "converged": head.converged})


def _heed(stop: StopRequest) -> Callable[[float], None]:
    """What is called between batches, and ends the work there when a stop was asked for."""

    def look(_: float) -> None:
        if stop.reason:
            raise KeyboardInterrupt

    return look


def _used(problem: HeadProblem, seed: int, emit: Emit) -> np.ndarray:
    """Which vectors are learned from: all with a target, or as many of them as fit into memory."""
    known, most = problem.known, _MOST_BYTES // (4 * problem.width)
    if len(known) <= most:
        return known
    message = f"The head is solved on {most:,} of {len(known):,} vectors, drawn at random: more do not fit into memory."
    emit(Warned(code="part_of_vectors", message=message, hint="All are learned from with --tuning.solver steps."))
    return np.sort(np.random.default_rng(seed).choice(known, most, replace=False))
