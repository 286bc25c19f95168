"""What a recipe leaves open, decided: learning rate, epochs, batches, how the head begins, which weights are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.config import read_json
from kerasft.data.dataset import Dataset, groups_and_strata
from kerasft.data.split import Split
from kerasft.events import Warned
from kerasft.recipe import RunConfig
from kerasft.runs import has_checkpoint
from kerasft.training.devices import Devices
from kerasft.training.few_rows import begins_solved, expects_estimate, folds_for, settled
from kerasft.training.imbalance import label_weights
from kerasft.training.options import TrainConfig
from kerasft.tuning.base import Recommended

_USUAL_BATCH = 64  # rows
_OPEN = ("learning_rate", "epochs", "batch_size", "head_start", "head_learning_rate", "restore_best", "folds")


def resolved(
    config: RunConfig, backbone: Any, *, rows: int, validation_rows: int, earlier: bool = False, unit_length: bool = False
) -> tuple[TrainConfig, str]:
    """Options of training with nothing left open, and a sentence on what is not as usual.

    Args:
        config: The recipe.
        backbone: What is tuned.
        rows: Rows to learn from; windows, where a row has several.
        validation_rows: Rows that are held out.
        earlier: Whether the run was begun by a version that did not look at how many rows there are; see `begun_earlier`.
        unit_length: Whether the head reads vectors of length 1.
    """
    advice: Recommended = config.task.recommended(config.tuning.recommended(backbone.parameters), backbone, config.tuning)
    how: dict[str, Any] = {"rows": rows, "few": config.task.learns_labels and not earlier, "solvable": _is_solvable(config)}
    how["unit_length"] = unit_length
    return settled(config.train, advice.learning_rate, advice.epochs, validation_rows=validation_rows, **how)


def for_rows(config: RunConfig, split: Split, *, held_out: bool, labels: Sequence[str]) -> RunConfig:
    """The recipe with what depends on the rows alone decided: how the head begins, by which the model is built, and folds.

    Args:
        config: The recipe.
        split: Rows to learn from.
        held_out: Whether there are validation rows.
        labels: Of the rows.

    Raises:
        ConfigError: A weight is given to what is no label.
    """
    if config.train.label_weights:
        label_weights(config.train.label_weights, labels)  # a slip is said now, not once the rows are tokenised
    solved = begins_solved(config.train, len(split), few=config.task.learns_labels, solvable=_is_solvable(config))
    folds = folds_for(len(split), config.train.folds, held_out=held_out, unasked=learns_from_all(config))
    if folds:  # rows with the same text, or questions on the same one, stay together
        folds = min(folds, len(np.unique(groups_and_strata(split)[0])))
        folds = folds if folds > 1 else 0
    return replace(config, train=replace(config.train, head_start="solved" if solved else "random", folds=folds))


def learns_from_all(config: RunConfig) -> bool:
    """Whether a run without validation rows of its own sets none aside: see `few_rows.expects_estimate`."""
    return expects_estimate(config.train, config.data.validation, few=config.task.learns_labels)


def rows_for(config: RunConfig, data: Dataset) -> Dataset:
    """The data as a run of the recipe takes them: with validation rows, unless it learns from all and is judged by folds."""
    given: Dataset = config.task.suited(data if learns_from_all(config) else data.divided())
    return given


def as_begun(config: RunConfig, folder: Path) -> RunConfig:
    """The recipe of a run that goes on: where it leaves something open, what was decided when the run began.

    Runs of an earlier version had no head that began solved.
    """
    noted = _noted(folder)
    if noted or has_checkpoint(folder):
        noted.setdefault("head_start", "random")
    before = {name: noted[name] for name in _OPEN if name in noted and getattr(config.train, name) in (None, "auto")}
    return replace(config, train=replace(config.train, **before))


def begun_earlier(folder: Path) -> bool:
    """Whether a folder holds a run with a checkpoint that has not noted what was decided: one of an earlier version."""
    return has_checkpoint(folder) and not _noted(folder)


def _noted(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    return dict(read_json(path).get("resolved", {}).get("train", {})) if path.exists() else {}


def cautions_at_start(
    config: RunConfig, devices: Devices, rows: int, validation_rows: int, *, steps: bool, folds: bool
) -> Iterator[Warned]:
    """What a person should know as training begins.

    Args:
        config: The recipe.
        devices: Those that share the work.
        rows: Rows to learn from.
        validation_rows: Rows that are held out.
        steps: Whether weights are trained in steps, and not solved for.
        folds: Whether figures come from cross-validation.
    """
    if devices.note:
        yield Warned(code="idle_devices", message=devices.note)
    if steps and (batch := config.train.batch_size or 0) > max(rows, _USUAL_BATCH):
        message = f"batch_size is {batch:,} and there are {rows:,} rows: an epoch is one step."
        hint = "Smaller batches learn more in an epoch; 16 to 64 rows are usual."
        yield Warned(code="large_batch", message=message, hint=hint)
    if not validation_rows and not folds:
        last = "so the last weights are kept, and " if steps else "so "
        message = f"There are no validation rows, {last}nothing says how good the model is."
        hint = "Set rows aside (--data.validation 0.1)"
        if config.task.learns_labels and config.train.epochs != 0:
            hint += ", or let the figures come from cross-validation (--train.folds 5)"
        hint += "."
        yield Warned(code="no_validation", message=message, hint=hint)


def _is_solvable(config: RunConfig) -> bool:
    return bool(config.task.linear_head) and not config.tuning.solves_head and config.tuning.tunes_backbone
