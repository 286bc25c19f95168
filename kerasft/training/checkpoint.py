"""Checkpoints: everything needed to go on exactly, written so that a crash leaves the old one or the new one.

A checkpoint is a folder `step-00000120/` of `weights.safetensors`, `optimizer.safetensors` (with the states of all
random generators) and `state.json` (position, best figure, counters, and the SHA-256 of the other two). Beside them lie the
weights of the best validation that they know of, `best-00000100.safetensors`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasft.errors import ArtifactError
from kerasft.files import flush, sha256, write_text
from kerasft.weights import as_array, load_weights, read_arrays, save_weights, write_arrays


@dataclass
class TrainingState:
    """Where a run stands.

    Attributes:
        epoch: Epoch it is in, from 0.
        step_in_epoch: Steps done in that epoch.
        step: Steps done in all.
        loss_sum: Sum of the losses of this epoch's rows.
        rows: Rows seen in this epoch.
        best: Best figure of the monitored metric, or None before the first validation.
        best_loss: Loss at that validation; decides between equal figures.
        best_step: Step at which it was reached.
        since_best: Validations since then.
        validated_step: Step of the last validation.
        seconds: Time spent training so far.
        history: Every validation: `step`, `epoch` and the figures.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    rows: int = 0
    best: float | None = None
    best_loss: float = 0.0
    best_step: int = 0
    since_best: int = 0
    validated_step: int = -1
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def running_variables(model: Any) -> list[Any]:
    """What changes while training besides weights: the optimizer's variables and the random generators' states."""
    generators = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    return [*model.optimizer.variables, *generators]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they are kept.
        keep: How many of the newest stay.
        made_with: What else is kept with each checkpoint: the run's options, the hash of its base.
        writes: False only reads: another process writes the same.
    """

    def __init__(self, folder: Path, *, keep: int = 2, made_with: dict[str, Any] | None = None, writes: bool = True) -> None:
        self.folder, self._writes = folder, writes
        self._keep = keep
        self._made_with = made_with

    def best_weights(self, state: TrainingState) -> Path:
        """File of the weights of the best validation that a state knows of."""
        return self.folder / f"best-{state.best_step:08d}.safetensors"

    def save_best(self, weights: Mapping[str, Any], state: TrainingState) -> None:
        """Write the weights of the best validation; earlier ones stay until a checkpoint knows of these."""
        if self._writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_weights(weights, self.best_weights(state))

    def save(self, model: Any, weights: Mapping[str, Any], state: TrainingState) -> Path:
        """Write a checkpoint and remove the oldest beyond `keep`.

        Args:
            model: Compiled `keras.Model`, for its optimizer and random generators.
            weights: The weights to keep, by path.
            state: Where the run stands.
        """
        final = self.folder / f"step-{state.step:08d}"
        if not self._writes:
            return final
        self.folder.mkdir(parents=True, exist_ok=True)
        before = [path for path in self._all() if path.name.startswith(final.name)]
        if before:  # the same step again: the other one stays until this one is whole
            numbers = [int(path.name.removeprefix(final.name).lstrip("-") or 0) for path in before]
            final = self.folder / f"{final.name}-{max(numbers) + 1:02d}"
        temporary = self.folder / f".{final.name}.part"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_weights(weights, temporary / "weights.safetensors")
        running = {f"{i:05d}": as_array(variable) for i, variable in enumerate(running_variables(model))}
        write_arrays(temporary / "optimizer.safetensors", running)
        hashes = {name: sha256(temporary / name) for name in ("weights.safetensors", "optimizer.safetensors")}
        best = self.best_weights(state) if state.best is not None else None
        if best is not None:
            hashes[f"../{best.name}"] = sha256(best)
        record = {"state": asdict(state), "sha256": hashes, "made_with": self._made_with}
        write_text(temporary / "state.json", json.dumps(record))
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        flush(self.folder)
        older = [path for path in self._all() if path not in before and path != final]
        for old in (*before, *older[: max(0, len(older) + 1 - self._keep)]):
            shutil.rmtree(old, ignore_errors=True)
        self._remove_old_best()
        return final

    def _remove_old_best(self) -> None:
        """Remove the best weights that no checkpoint knows of."""
        known = {name for path in self._all() for name in _recorded(path).get("sha256", {})}
        for path in self.folder.glob("best-*.safetensors"):
            if f"../{path.name}" not in known:
                path.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("step-*") if path.is_dir())

    @property
    def made_with(self) -> dict[str, Any]:
        """What the newest readable checkpoint was made with; empty when there is none."""
        for path in reversed(self._all()):
            if record := _recorded(path):
                return record["made_with"] if isinstance(record.get("made_with"), dict) else {}
        return {}

    def faults(self) -> list[str]:
        """A sentence for each checkpoint that is damaged."""
        found = []
        for path in self._all():
            try:
                _check_files(path)
            except (ArtifactError, OSError, ValueError, KeyError, TypeError) as error:
                found.append(f"Checkpoint {path.name} is damaged: {error.message if isinstance(error, ArtifactError) else error}")
        return found

    def restore(self, model: Any, weights: Mapping[str, Any]) -> tuple[TrainingState | None, list[str]]:
        """Set model and optimizer to the newest checkpoint that is whole.

        Returns:
            The state, or None when there is no checkpoint; and a sentence for each damaged one passed over.

        Raises:
            ArtifactError: There are checkpoints and all are damaged.
        """
        damaged: list[str] = []
        for path in reversed(self._all()):
            try:
                return self._restore(model, weights, path), damaged
            except (ArtifactError, OSError, ValueError, KeyError, TypeError) as error:
                reason = error.message if isinstance(error, ArtifactError) else str(error)
                damaged.append(f"Checkpoint {path.name} is damaged and was passed over: {reason}")
        if damaged:
            hint = "Start the run anew with --overwrite, or in another folder."
            raise ArtifactError("No checkpoint is whole. " + " ".join(damaged), where=str(self.folder), hint=hint)
        return None, []

    def _restore(self, model: Any, weights: Mapping[str, Any], path: Path) -> TrainingState:
        record = _check_files(path)
        running = read_arrays(path / "optimizer.safetensors")
        variables = running_variables(model)
        shapes = [running[name].shape for name in sorted(running)]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise ArtifactError("The optimizer's state is not that of this run.", where=str(path))
        load_weights(weights, path / "weights.safetensors")
        for name, variable in zip(sorted(running), variables, strict=True):
            variable.assign(running[name])
        return TrainingState(**record["state"])


def _recorded(path: Path) -> dict[str, Any]:
    """What `state.json` of a checkpoint says; empty if it cannot be read."""
    try:
        found = json.loads((path / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_files(path: Path) -> dict[str, Any]:
    """The record of a checkpoint whose files are those that were written.

    Raises:
        ArtifactError: A file is missing or has changed.
    """
    record: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
    for name, expected in record["sha256"].items():
        if not (path / name).exists():
            raise ArtifactError(f"{name} is missing.", where=str(path))
        if sha256(path / name) != expected:
            raise ArtifactError(f"{name} does not have the recorded SHA-256.", where=str(path))
    return record
