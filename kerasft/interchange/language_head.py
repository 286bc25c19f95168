"""BERT's pre-training heads as transformers names them: the masked-LM head and the next-sentence head."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasft.artifact import Artifact
from kerasft.backbones.checkpoint import Checkpoint
from kerasft.backbones.loading import check_numbers
from kerasft.errors import PresetError, name_values
from kerasft.weights import as_array, weights_by_path


def architecture(task: Any) -> str:
    """The end of the class name of transformers' model with this masked-LM task's heads."""
    return "ForPreTraining" if task.next_sentence else "ForMaskedLM"


def head_weights(artifact: Artifact) -> dict[str, np.ndarray]:
    """`cls.*` of a model of the task masked_lm. A head for span boundaries has no counterpart and is left out."""
    weights = weights_by_path(artifact.keras_model)
    names = {
        "transform.dense.weight": ("lm_head/dense/kernel", True),
        "transform.dense.bias": ("lm_head/dense/bias", False),
        "transform.LayerNorm.weight": ("lm_head/norm/gamma", False),
        "transform.LayerNorm.bias": ("lm_head/norm/beta", False),
        "bias": ("lm_bias/bias", False),
    }
    found = {f"cls.predictions.{name}": _turned(weights[path], turn) for name, (path, turn) in names.items()}
    if artifact.task.next_sentence:  # type: ignore[attr-defined]
        kernel, bias = (weights[f"head_next_sentence/logits/{name}"] for name in ("kernel", "bias"))
        found |= {"cls.seq_relationship.weight": _turned(kernel, True), "cls.seq_relationship.bias": _turned(bias, False)}
    return found


def read_next_sentence(model: Any, checkpoint: Checkpoint) -> None:
    """Set the next-sentence head of a model from a checkpoint's weights; the masked-LM head comes with the backbone.

    Raises:
        PresetError: The checkpoint has none.
    """
    names = ("cls.seq_relationship.weight", "cls.seq_relationship.bias")
    if absent := [name for name in names if name not in checkpoint.names]:
        raise PresetError(f"The weights lack {name_values(absent)}.", where=str(checkpoint.folder))
    weight, bias = (checkpoint.array(name) for name in names)
    check_numbers(dict(zip(names, (weight, bias), strict=True)), checkpoint.folder)
    model.get_layer("head_next_sentence").set_weights([weight.T, bias])


def _turned(variable: Any, turn: bool) -> np.ndarray:
    array = as_array(variable)
    return array.T if turn else array  # PyTorch keeps (out, in)
