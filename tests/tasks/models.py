"""Models of tasks put together by hand, without a run: seconds less, and nothing written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import kerasft as kft
from kerasft.assembly import assemble
from kerasft.backbones.base import Backbone
from kerasft.backbones.loading import load_backbone
from kerasft.data.dataset import Dataset
from kerasft.model import FineTunedModel
from kerasft.preprocessing.batching import TokenFeed, make_batches, plan_epoch
from kerasft.tasks import Task
from kerasft.tuning import Tuning
from kerasft.tuning.full import Full
from tests.task_data import examples, options


def data_of(rows: list[dict[str, Any]], **roles: str) -> Dataset:
    """The same rows for training and validation."""
    return kft.load_data({"train": rows, "validation": rows}, validation=0, **roles)


def task_data(task: str) -> Dataset:
    given = examples(task)
    return data_of(given.pop("rows"), **given)


@cache
def backbone_of(preset: str) -> Backbone:
    """Loaded once; models that are not trained may share it."""
    return load_backbone(Path(preset), dropout=0.0)


def model_of(preset: str, task: Task, data: Dataset, *, own_backbone: bool = False) -> FineTunedModel:
    """The untrained model of a task."""
    backbone = load_backbone(Path(preset), dropout=0.0) if own_backbone else backbone_of(preset)
    learned = task.learn(data["train"])
    keras_model, encoder = assemble(backbone, task, Full(), learned)
    return FineTunedModel(task, Full(), learned, data.columns, backbone, keras_model, encoder)


def example_model(preset: str, task: str) -> FineTunedModel:
    """The untrained model of a task on its eight examples."""
    return model_of(preset, options(task, "gpt2" if "gpt2" in preset else "bert"), task_data(task))


def tuned_model(
    preset: str, task: str, tuning: Tuning, *, shake: float = 0.0, choices: dict[str, Any] | None = None
) -> FineTunedModel:
    """The model of a task with a backbone of its own and a tuning method; what learns is moved at random by `shake`."""
    data, chosen = task_data(task), options(task, "gpt2" if "gpt2" in preset else "bert")
    chosen = type(chosen).from_dict({**chosen.to_dict(), **(choices or {})})
    learned = chosen.learn(data["train"])
    backbone = load_backbone(Path(preset), dropout=0.0, origin=preset)
    _ = backbone.fingerprint
    keras_model, encoder = assemble(backbone, chosen, tuning, learned)
    rng = np.random.default_rng(0)
    for weight in keras_model.trainable_weights if shake else ():
        weight.assign(weight.numpy() + shake * rng.normal(size=weight.shape))
    return FineTunedModel(chosen, tuning, learned, data.columns, backbone, keras_model, encoder)


def fit(model: FineTunedModel, data: Dataset, *, epochs: int, learning_rate: float) -> FineTunedModel:
    """Train a model that has a backbone of its own."""
    import keras

    split = data["train"]
    encoded = model.task.targets(model.encode(split), model.task.gold(split, model.learned), model.learned)
    plan = plan_epoch(encoded.lengths, 8, seed=1, epoch=0)
    model.keras_model.compile(keras.optimizers.Adam(learning_rate), model.task.loss(label_smoothing=0.0))
    model.keras_model.fit(make_batches(TokenFeed(encoded), plan * epochs), verbose=0, shuffle=False)
    return model
