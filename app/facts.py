"""What a run's recipe tells of its model, without loading it: task, labels, what it reads and how its answers are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasft.data.columns import Columns
from kerasft.errors import KerasFTError
from kerasft.runs import is_paired, read_recipe
from kerasft.tasks import TASKS, get_task
from kerasft.tasks.classification import TextClassification

INPUTS = {
    "question_answering": ("Question", "Context"),
    "causal_lm": ("Prompt", ""),
    "masked_lm": ("Text with [MASK]", ""),
}
ROLES = {
    "question_answering": ("Question", "Context", "Answer"),
    "causal_lm": ("Text or prompt", "Second text", "Completion"),
    "text_embedding": ("Text", "Partner text", "Label (only to evaluate)"),
    "token_classification": ("Text or tokens", "Second text", "Tags or spans"),
    "multi_label_classification": ("Text", "Second text (for pairs)", "Labels"),
    "regression": ("Text", "Second text (for pairs)", "Number"),
}
_USUAL = ("Text", "Second text (for pairs)", "Label")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a run's model.

    Attributes:
        task: Name of the task.
        title: Its title for people.
        shows: How an answer is shown; see `Task.shows`.
        paired: Whether it reads two texts.
        inputs: What the two texts are called.
        labels: Label names; empty before the run has a model.
        learned: What the task took from the training rows: thresholds, mean, scheme.
        options: Options of the task.
    """

    task: str
    title: str
    shows: str
    paired: bool
    inputs: tuple[str, str]
    labels: tuple[str, ...] = ()
    learned: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def model_facts(folder: Path) -> ModelFacts:
    """The facts of the run in a folder; a damaged recipe counts as a text classifier's."""
    recipe = read_recipe(folder)
    model = recipe.get("model")
    model = model if isinstance(model, dict) else {}
    given = model.get("task") or recipe.get("task") or {}
    name = given.get("name", TextClassification.name) if isinstance(given, dict) else TextClassification.name
    try:
        cls: Any = TASKS.get(name)
        task = get_task(name, **{k: v for k, v in given.items() if k != "name"})
    except (KerasFTError, TypeError, AttributeError):
        cls = TextClassification
        task = TextClassification()
    return ModelFacts(
        task=cls.name,
        title=cls.title,
        shows=cls.shows,
        paired=bool(task.paired(Columns("text", "pair" if is_paired(recipe) else None))),
        inputs=INPUTS.get(cls.name, ("Text", "Second text")),
        labels=tuple(model.get("labels") or ()),
        learned=dict(model.get("facts") or {}),
        options=task.to_dict(),
    )


def role_names(task: str) -> tuple[str, str, str]:
    """What the columns text, text_pair and label are called for a task."""
    return ROLES.get(task, _USUAL)
