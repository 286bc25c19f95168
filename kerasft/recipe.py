"""`RunConfig`: a whole run as data, JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasft.config import read_json
from kerasft.data.data_config import DataConfig
from kerasft.errors import ConfigError
from kerasft.files import write_text
from kerasft.presets import default_preset
from kerasft.tasks import Task, get_task
from kerasft.tasks.classification import TextClassification
from kerasft.training.options import TrainConfig
from kerasft.tuning import Tuning, get_tuning
from kerasft.tuning.full import Full


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run as data: what `kerasft train run.json` reads and a run's folder keeps.

    Attributes:
        preset: Name, path or handle of the pretrained model; when not given, `presets.default_preset` of the task's families.
        data: Where the rows are.
        task: What is learned.
        tuning: Which weights learn.
        train: How.
    """

    preset: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    task: Task = field(default_factory=TextClassification)
    tuning: Tuning = field(default_factory=Full)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        kinds = {"data": DataConfig, "task": Task, "tuning": Tuning, "train": TrainConfig}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                hint = "For example task=kft.TextClassification(), tuning=kft.Full(), train=kft.TrainConfig(epochs=3)."
                raise ConfigError(f"'{name}' must be a {kind.__name__}. Received: {getattr(self, name)!r}.", hint=hint)
        if not self.preset:
            object.__setattr__(self, "preset", default_preset(self.task.families))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        parts = {name: getattr(self, name).to_dict() for name in ("data", "task", "tuning", "train")}
        return {"preset": self.preset, **parts}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The run `to_dict` described; keys of a finished run's `run.json` beyond the recipe are passed over.

        Raises:
            ConfigError: A value breaks its rule.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"A run is a JSON object. Received: {type(values).__name__}.")
        data, task, tuning, train = (_part(values, name) for name in ("data", "task", "tuning", "train"))
        return cls(
            preset=str(values.get("preset") or ""),
            data=DataConfig.from_dict(data),
            task=get_task(task.pop("name", TextClassification.name), **task),
            tuning=get_tuning(tuning.pop("name", Full.name), **tuning),
            train=TrainConfig.from_dict(train),
        )

    def save(self, path: str | Path) -> None:
        """Write the run as JSON."""
        write_text(Path(path), json.dumps(self.to_dict(), indent=1, ensure_ascii=False))

    @classmethod
    def load(cls, path: str | Path) -> RunConfig:
        """Read a run from JSON, also from a finished run's `run.json`."""
        return cls.from_dict(read_json(Path(path)))


def _part(values: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of a recipe; the name of a task or method alone stands for it with its defaults.

    Raises:
        ConfigError: It is something else.
    """
    part = values.get(name, {})
    if isinstance(part, str) and name in ("task", "tuning"):
        return {"name": part}
    if not isinstance(part, dict):
        told = f"'{name}' of a recipe is a JSON object of its options. Received: {part!r}."
        raise ConfigError(told, hint=f'For example "{name}": {{}}, which is all defaults.')
    return dict(part)


def changed(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with some options replaced.

    Args:
        values: Of `RunConfig.to_dict`, or of a run's run.json.
        changes: New values by dotted name, such as `train.epochs`.

    Raises:
        ConfigError: A name is no option of a run.
    """
    made = {**values}
    for name, value in changes.items():
        part, _, option = name.partition(".")
        if part == "preset" and not option:
            made[part] = value
        elif part in ("data", "task", "tuning", "train") and option and option != "name":
            made[part] = {**made.get(part, {}), option: value}
        else:
            hint = "Write for example train.epochs, task.max_length, tuning.rank or data.label."
            raise ConfigError(f"{name!r} is no option of a run.", hint=hint)
    return made
