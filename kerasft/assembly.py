"""Backbone, tuning method and task put together."""

from __future__ import annotations

from typing import Any

from kerasft.backbones.base import Backbone, Encoder
from kerasft.backbones.tokenization import Framer
from kerasft.own_settings import own_settings
from kerasft.tasks import Learned, Task
from kerasft.tuning import Tuning


def make_framer(backbone: Backbone, task: Task) -> Framer:
    """The framer of a backbone, its rows as long as the task wants and the backbone allows."""
    return Framer(backbone.family, backbone.tokenizer, min(task.max_length, backbone.max_length))  # type: ignore[attr-defined]


@own_settings()
def assemble(backbone: Backbone, task: Task, tuning: Tuning, learned: Learned, *, seed: int = 1) -> tuple[Any, Encoder]:
    """The plain `keras.Model` and the encoder under its head: parts, tuned, wired, with the task's head."""
    family = backbone.family
    parts = tuning.apply(family.parts(backbone), backbone, seed=seed)
    encoder = family.wire(parts, backbone, separate=task.separates_documents)
    return task.build(encoder, make_framer(backbone, task), learned, seed=seed), encoder
