"""A LoRA in the layout of Hugging Face's PEFT: `adapter_config.json` and `adapter_model.safetensors`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.artifact import Artifact
from kerasft.errors import ConfigError
from kerasft.file_sums import write_sums
from kerasft.files import free_to_write, whole_folder, write_text
from kerasft.interchange.huggingface import check_same_head, head_of
from kerasft.tuning.lora import LoRA
from kerasft.weights import as_array, write_arrays

# Where transformers' BERT keeps each projection of a block.
_PLACES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "feed_forward_in": "intermediate.dense",
    "feed_forward_out": "output.dense",
}
_TASKS = {
    "text_classification": "SEQ_CLS",
    "multi_label_classification": "SEQ_CLS",
    "regression": "SEQ_CLS",
    "token_classification": "TOKEN_CLS",
    "question_answering": "QUESTION_ANS",
    "text_embedding": "FEATURE_EXTRACTION",
}


def export_peft(artifact: Artifact, folder: Path, *, overwrite: bool = False) -> Path:
    """Write a LoRA of a BERT, with its head, for `peft.PeftModel.from_pretrained` on the same base.

    Raises:
        ConfigError: It is no LoRA, or of a family whose layers do not map: GPT-2 of transformers has query, key and value in
            one layer, for which three updates are no one update of that rank; or its head is not transformers'.
        RunExistsError: The folder is there and `overwrite` is False.
    """
    tuning, task, family = artifact.tuning, artifact.task, artifact.backbone.family.name
    if not isinstance(tuning, LoRA) or family != "bert" or task.name not in _TASKS:
        raise ConfigError(
            f"PEFT's layout holds a LoRA of BERT. Received: {tuning.name} of {family}, task {task.name}.",
            hint="Merge it into a plain folder instead: model.export_huggingface(folder) (--format huggingface).",
        )
    check_same_head(artifact)
    folder = free_to_write(folder, overwrite=overwrite, what="a LoRA", mark="adapter_config.json")
    prefix = "base_model.model." + ("" if task.name == "text_embedding" else "bert.")
    arrays: dict[str, np.ndarray] = {}
    for i, block in enumerate(artifact.encoder.parts.blocks):
        for name, update in block.low_rank.items():
            place = f"{prefix}encoder.layer.{i}.{_PLACES[name]}"
            arrays[f"{place}.lora_A.weight"], arrays[f"{place}.lora_B.weight"] = as_array(update.a).T, as_array(update.b).T
            if update.m is not None:
                arrays[f"{place}.lora_magnitude_vector"] = as_array(update.m)
    head = head_of(artifact)
    if head is not None:
        name, kernel, bias = head
        arrays[f"base_model.model.{name}.weight"], arrays[f"base_model.model.{name}.bias"] = kernel.T, bias
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with whole_folder(folder) as temporary:
        write_arrays(temporary / "adapter_model.safetensors", contiguous, {"format": "pt"})
        write_text(temporary / "adapter_config.json", json.dumps(_config(artifact, tuning, head), indent=1))
        write_sums(temporary)
    return folder


def _config(artifact: Artifact, tuning: LoRA, head: tuple[str, Any, Any] | None) -> dict[str, Any]:
    places = "|".join(_PLACES[name].replace(".", r"\.") for name in tuning.projections)
    return {
        "peft_type": "LORA",
        "task_type": _TASKS[artifact.task.name],
        "base_model_name_or_path": artifact.backbone.origin,
        "r": tuning.rank,
        "lora_alpha": tuning.alpha,
        "lora_dropout": tuning.dropout,
        "use_rslora": tuning.rank_stabilized,
        "use_dora": tuning.decompose,
        "target_modules": rf".*layer\.\d+\.({places})",
        "modules_to_save": [head[0]] if head else None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
