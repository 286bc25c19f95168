"""What run.json says of a finished run besides its recipe."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import numpy as np

from kerasft.data.dataset import Dataset
from kerasft.model import FineTunedModel
from kerasft.processor import uses_onednn
from kerasft.training.options import TrainConfig
from kerasft.training.trainer import Outcome

_PACKAGES = ("kerasft", "tensorflow", "tensorflow-text", "keras", "keras-hub", "numpy")


def run_record(data: Dataset, model: FineTunedModel, options: TrainConfig, outcome: Outcome) -> dict[str, Any]:
    """Rows, what was decided, sizes, validations, time and versions, as plain JSON values.

    Args:
        data: What was learned from.
        model: What has learned.
        options: How, with nothing left open.
        outcome: How training ended.
    """
    return {
        "rows": {name: len(split) for name, split in data.splits.items()},
        "resolved": {"train": options.to_dict(), **({"head": outcome.solved} if outcome.solved else {})},
        "parameters": int(sum(np.prod(v.shape) for v in model.keras_model.weights)),
        "trainable_parameters": int(sum(np.prod(v.shape) for v in model.keras_model.trainable_variables)),
        "history": outcome.state.history,
        "seconds": round(outcome.state.seconds, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
            "onednn": "on" if uses_onednn() else "off",
        },
    }
