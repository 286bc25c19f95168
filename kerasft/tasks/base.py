"""What a task is: from rows to targets, a head and a loss, from outputs to answers, scores and a served graph."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasft.config import Options, Registry
from kerasft.evaluation.report import Report

TASKS: Registry[Task] = Registry("task", "kerasft.tasks")


@dataclass(frozen=True, kw_only=True)
class Task(Options):
    """Base of all tasks. Keras is imported inside the methods that build graphs, so that options can be listed
    (command line, app) without loading TensorFlow.
    """

    @abstractmethod
    def learn_labels(self, split: Any) -> tuple[str, ...]:
        """The label names, in their order, from the training rows.

        Raises:
            DataError: The rows do not suit the task.
        """

    @abstractmethod
    def targets(self, split: Any, labels: tuple[str, ...]) -> np.ndarray:
        """(rows,) int32 number of each row's label; -1 for one the model has never seen, if that is allowed."""

    @abstractmethod
    def build(self, encoder: Any, family: Any, labels: tuple[str, ...], *, seed: int) -> Any:
        """A plain `keras.Model`: the encoder with this task's head; outputs logits."""

    @abstractmethod
    def loss(self, *, label_smoothing: float) -> Any:
        """The Keras loss on logits and targets."""

    @abstractmethod
    def score(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Figures during training: `loss` and the task's metrics; the first metric after `loss` is the main one."""

    @abstractmethod
    def decode(self, logits: np.ndarray, labels: tuple[str, ...]) -> list[Any]:
        """One answer a row."""

    @abstractmethod
    def report(self, logits: np.ndarray, targets: np.ndarray, labels: tuple[str, ...], split: Any, **about: Any) -> Report:
        """The full evaluation of a split."""

    @abstractmethod
    def serve(self, logits: Any, labels: tuple[str, ...]) -> dict[str, Any]:
        """The served graph's answers: TensorFlow tensors by name."""

    @property
    @abstractmethod
    def main_metric(self) -> str:
        """The figure in `score` by which the best weights are chosen; higher is better unless it is `loss`."""


def get_task(name: str, **options: Any) -> Task:
    """A task by name.

    Raises:
        ConfigError: No task has that name, or an option is impossible.
    """
    return TASKS.get(name).from_dict(options)
