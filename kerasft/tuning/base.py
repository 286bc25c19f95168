"""What a tuning method is: options, and a function from a backbone's parts to parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kerasft.config import Options, Registry
from kerasft.errors import ConfigError

TUNINGS: Registry[Tuning] = Registry("tuning method", "kerasft.tuning")

# Backbones below the first are tiny and mini models, from the second on base and large ones, in weights.
_SMALL, _BASE = 8e6, 60e6


@dataclass(frozen=True)
class Recommended:
    """Training options that work at the first click for a method and a model size."""

    learning_rate: float
    epochs: int


@dataclass(frozen=True)
class Pace:
    """Which weights learn slower, and which later, than the rest.

    Attributes:
        scales: Beginning of a weight's path -> factor on its learning rate.
        starts: Beginning of a weight's path -> share of all updates, 0 to 1, before which it stays as it is.
    """

    scales: dict[str, float] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tuning(Options):
    """Base of all tuning methods."""

    tunes_backbone: ClassVar[bool] = True  # False where only the task's head learns
    sparse: ClassVar[bool] = False  # a saved model holds only what learned, and needs its base to be loaded
    shares_base: ClassVar[bool] = False  # the backbone's own weights stay as they are, so that several models can share them

    @property
    def solves_head(self) -> bool:
        """Whether the head is the solution of a convex problem on outputs of the backbone, instead of trained in steps."""
        return False

    def settle(self, linear_head: str, train: Any) -> Tuning:
        """The method with nothing left open that depends on the task and on how a run trains.

        Args:
            linear_head: Of the task, see `Task.linear_head`.
            train: `training.options.TrainConfig`.
        """
        return self

    def faults(self, linear_head: str, train: Any) -> Iterator[str]:
        """Sentences on what does not fit the task or the options of training; arguments as of `settle`."""
        yield from ()

    @property
    def caches_features(self) -> bool:
        """Whether the head is trained by itself, on outputs of the backbone that are computed once."""
        return False

    def passes(self, blocks: int) -> float:
        """What a training step costs, in forward passes through a backbone of that many blocks.

        A whole backward pass costs two: one for the gradients of activations, one for those of the weights, which backbones that
        are shared do not need.
        """
        return 2.0 if self.shares_base else 3.0

    @abstractmethod
    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        """Freeze or replace parts (`backbones.base.Parts`) before they are wired into a graph.

        Args:
            parts: Of the backbone; changed or replaced.
            backbone: `backbones.base.Backbone`, for its tokenizer and sizes.
            seed: Of new weights.

        Raises:
            ConfigError: An option does not fit the backbone.
        """

    @abstractmethod
    def recommended(self, parameters: int) -> Recommended:
        """Learning rate and epochs for a backbone of that many parameters."""

    def merge(self, tuned: Any, plain: Any) -> None:
        """Put what was learned beside the backbone's weights into them.

        Args:
            tuned: Parts this method was applied to.
            plain: Parts of a copy of the backbone, which is changed.

        Raises:
            ConfigError: What was learned has no place in the plain model.
        """

    def pace(self, parts: Any) -> Pace:
        """Rates and beginnings of single weights."""
        return Pace()


def by_size(parameters: int, *, tiny: float, small: float, base: float) -> float:
    """The rate for a backbone of that many parameters: tiny and mini, small, or base and large."""
    return base if parameters >= _BASE else small if parameters >= _SMALL else tiny


def freeze(parts: Any) -> None:
    """Make every pre-trained weight of the parts keep its value."""
    for layer in (*parts.layers(), *([parts.lm_head] if parts.lm_head is not None else [])):
        layer.trainable = False


def cannot_merge(name: str) -> ConfigError:
    """The error of methods that add layers a plain backbone does not have."""
    return ConfigError(
        f"What '{name}' learned cannot be merged: it is no change of the backbone's weights but something added to it.",
        hint="Save, load and export the model as it is. LoRA can be merged.",
    )


def get_tuning(name: str, **options: Any) -> Tuning:
    """A tuning method by name.

    Raises:
        ConfigError: No method has that name, or an option is impossible.
    """
    return TUNINGS.get(name).from_dict(options)
