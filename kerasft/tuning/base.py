"""What a tuning method is: options, and a function from a backbone's parts to parts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from kerasft.config import Options, Registry

TUNINGS: Registry[Tuning] = Registry("tuning method", "kerasft.tuning")


@dataclass(frozen=True)
class Recommended:
    """Training options that work at the first click for a method and a model size."""

    learning_rate: float
    epochs: int


@dataclass(frozen=True, kw_only=True)
class Tuning(Options):
    """Base of all tuning methods."""

    tunes_backbone: ClassVar[bool] = True  # False where only the task's head learns

    @abstractmethod
    def apply(self, parts: Any) -> Any:
        """Freeze or replace parts (`backbones.base.Parts`) before they are wired into a graph."""

    @abstractmethod
    def recommended(self, parameters: int) -> Recommended:
        """Learning rate and epochs for a backbone of that many parameters."""


def get_tuning(name: str, **options: Any) -> Tuning:
    """A tuning method by name.

    Raises:
        ConfigError: No method has that name, or an option is impossible.
    """
    return TUNINGS.get(name).from_dict(options)
