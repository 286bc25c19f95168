"""Runs of `test_devices` in a process of its own: `python -m tests.shared_work REPLICAS STRATEGY PRESET OUT CASE...`.

With REPLICAS above 1 the processor poses as so many devices. A case is a task, perhaps with `+` and options of the training as
JSON; nothing is dropped, so that devices that share a batch compute the same. Prints, by case, the loss of every step and a
figure of the weights at the end; a case that ends with an error prints the error's text.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def main(replicas: int, strategy: str, preset: str, out: str, cases: list[str]) -> None:
    if replicas > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * replicas)
    told = {case: run(case, strategy, preset, Path(out) / f"case-{i}") for i, case in enumerate(cases)}
    print(json.dumps(told), flush=True)


def run(case: str, strategy: str, preset: str, folder: Path) -> dict[str, Any]:
    import kerasft as kft
    from kerasft.training.callbacks import StepWatch
    from tests.task_data import examples, options

    name, _, given = case.partition("+")
    values = examples(name)
    data = kft.load_data(values.pop("rows"), validation=0, **values)
    task = options(name, "bert")
    if any(field.name == "head_dropout" for field in dataclasses.fields(task)):
        task = dataclasses.replace(task, head_dropout=0.0)  # type: ignore[call-arg]
    losses: list[float] = []
    end = StepWatch.on_train_batch_end

    def watched(self: Any, batch: int, logs: Any = None) -> None:
        losses.append(float(logs["loss"]))
        end(self, batch, logs)

    StepWatch.on_train_batch_end = watched  # type: ignore[method-assign]
    fixed = {"epochs": 2, "batch_size": 3, "learning_rate": 1e-3, "dropout": 0.0, "tensorboard": False, "strategy": strategy}
    train = kft.TrainConfig(**{**fixed, **json.loads(given or "{}")})
    try:
        model = kft.finetune(preset, data, task, train=train, out=folder, on_event=lambda event: None)
    except kft.KerasFTError as error:
        return {"error": str(error), "losses": losses}
    finally:
        StepWatch.on_train_batch_end = end  # type: ignore[method-assign]
    return {"losses": losses, "weights": [float(np.abs(weight).sum()) for weight in comparable(model.keras_model)]}


def comparable(model: Any) -> list[np.ndarray]:
    """The weights that training decides. The bias of attention's keys is none: it shifts all scores of a query alike, so its
    gradient is 0 but for rounding, which Adam blows up to whole steps.
    """
    weights = (weight for weight in model.weights if not weight.path.endswith(("key/bias", "seed_generator_state")))
    return [np.asarray(weight, dtype=np.float64) for weight in weights]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
