"""Merge a LoRA of Hugging Face's PEFT (`adapter_config.json`, `adapter_model.safetensors`) into the arrays of a checkpoint.

As `merge_and_unload()` does: W + scale B A; for DoRA, each row is then rescaled to its learned length. Any other feature of PEFT
is refused by name, because ignoring it would change the outputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from kerasft.backbones.peft_checks import bare, check_array_name, check_complete, is_head
from kerasft.config import read_json
from kerasft.errors import ConfigError, PresetError, name_values

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PICKLE = "adapter_model.bin"
_MERGE = "If PEFT can merge it, do so and save the result: model.merge_and_unload().save_pretrained(folder)."
# Keys of LoraConfig that say where an adapter comes from or how it was trained, or that are read here.
_UNDERSTOOD = {
    *("task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode"),
    *("r", "lora_alpha", "lora_dropout", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "bias", "fan_in_fan_out"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save", "init_lora_weights"),
    *("megatron_core", "qalora_group_size", "eva_config", "ensure_weight_tying", "runtime_config"),
}
# Starts that leave the base as it is; the others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) take their part out of it first.
_HARMLESS_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
_EMBEDDINGS = ("embeddings.word_embeddings.weight", "wte.weight")
_DECODERS = ("lm_head.weight", "predictions.decoder.weight", "predictions.decoder.bias")  # the embeddings once more
_CONV1D = re.compile(r"\.(c_attn|c_proj|c_fc)$")  # GPT-2 of transformers keeps (in, out) there
_WITHOUT_DECODER = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")  # other tasks share the embeddings
_PART = re.compile(r"\.lora_(A\.weight|B\.weight|magnitude_vector(?:\.weight)?)$")


@dataclass(frozen=True)
class Update:
    """A low-rank update of one dense layer.

    Attributes:
        a: Shape (rank, in).
        b: Shape (out, rank).
        scale: What the product is multiplied by.
        lengths: For DoRA the length of each output's weights, shape (out,).
        turned: Whether the layer keeps (in, out).
    """

    a: np.ndarray
    b: np.ndarray
    scale: float
    lengths: np.ndarray | None
    turned: bool

    def merged(self, weight: np.ndarray) -> np.ndarray:
        """The layer's weights with the update in them."""
        w = weight.T if self.turned else weight
        w = w.astype(np.float64) + self.scale * (self.b.astype(np.float64) @ self.a.astype(np.float64))
        if self.lengths is not None:
            w *= (self.lengths.astype(np.float64) / np.linalg.norm(w, axis=1))[:, None]
        return np.ascontiguousarray(w.T if self.turned else w).astype(np.float32)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a layer of that shape can be updated by it."""
        expected = (len(self.b), self.a.shape[1])
        lengths = self.lengths is None or self.lengths.shape == expected[:1]
        return self.b.shape[1] == len(self.a) and lengths and shape == (expected[::-1] if self.turned else expected)


Change = Update | np.ndarray


def has_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter of PEFT."""
    return (folder / CONFIG).exists()


def adapter_config(folder: Path) -> dict[str, Any]:
    """Read and check the config of an adapter.

    Raises:
        PresetError: The adapter is not a LoRA, or uses a feature that is not supported; names it.
    """
    where = str(folder / CONFIG)
    try:
        config = read_json(folder / CONFIG)
    except ConfigError as error:
        raise PresetError(error.message, where=error.where or where, hint=error.hint) from None
    if not isinstance(config, dict):
        raise PresetError(f"{CONFIG} holds no JSON object.", where=where)
    if config.get("peft_type") != "LORA":
        raise PresetError(
            f"Only LORA adapters of PEFT are read. Received: {config.get('peft_type')!r}.", where=where, hint=_MERGE
        )
    for key in ("rank_pattern", "alpha_pattern"):
        if not isinstance(config.get(key) or {}, dict):
            raise PresetError(f"{key} is an object of patterns. Received: {config[key]!r}.", where=where)
    if config.get("bias", "none") != "none":
        what = f"It was trained with bias={config['bias']!r}: the biases of the base changed, too. Only 'none' is read."
        raise PresetError(what, where=where, hint=_MERGE)
    start = config.get("init_lora_weights", True)
    if start not in _HARMLESS_STARTS:
        raise PresetError(
            f"init_lora_weights={start!r} changes the weights of the base; it is not read.", where=where, hint=_MERGE
        )
    if others := [key for key, value in config.items() if key not in _UNDERSTOOD and value]:
        raise PresetError(
            f"The adapter's config has settings that are not supported: {name_values(others)}.", where=where, hint=_MERGE
        )
    return config


def read_changes(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Change]:
    """Read the changes that an adapter makes to the arrays of a checkpoint.

    Args:
        folder: The adapter's.
        shapes: Shape of each array of the base, by its name.

    Returns:
        For names of arrays an update, or the array that takes its place (a head that was saved whole).

    Raises:
        PresetError: The adapter is damaged, does not fit the base, or uses a feature that is not supported.
    """
    config, arrays, where = adapter_config(folder), adapter_arrays(folder), str(folder / WEIGHTS)
    names = {bare(name): name for name in shapes}
    prefix = "bert." if any(name.startswith("bert.") for name in shapes) else ""
    parts: dict[str, dict[str, np.ndarray]] = {}
    changes: dict[str, Change] = {}
    for key, array in arrays.items():
        name = key.removeprefix("base_model.model.").replace(".modules_to_save", "").replace(".default", "")
        if match := _PART.search(name):
            parts.setdefault(name[: match.start()], {})[match.group(1)[0]] = array
        elif ".lora_" in name or "base_layer" in name:
            raise PresetError(f"The adapter has an array that is not read: {key}.", where=where, hint=_MERGE)
        else:
            stored = names.get(bare(name))
            if is_head(name) or bare(name).startswith("pooler."):
                check_array_name(name, changes, where)
            _check_replacement(stored, name, array, shapes, config, where)
            changes[stored or (prefix + bare(name) if bare(name).startswith("pooler.") else name)] = array
    for module, matrices in parts.items():
        stored = names.get(bare(f"{module}.weight"))
        if stored is None:
            raise PresetError(f"The adapter updates {module}, which the weights of the base lack.", where=where, hint=_MERGE)
        if stored.endswith(_DECODERS):
            what = f"The adapter updates {module}, which is read as the embeddings once more."
            raise PresetError(what, where=where, hint=_MERGE)
        update = _update(module, matrices, config, where)
        if not update.fits(shapes[stored]):
            what = f"{len(update.b)} x {update.a.shape[1]}, and the base has {' x '.join(map(str, shapes[stored]))}"
            raise PresetError(f"The adapter's update of {module} is {what}: it belongs to another base.", where=where)
        changes[stored] = update
    if not parts:
        raise PresetError("The adapter holds no update (lora_A, lora_B).", where=where)
    check_complete(config, parts, [name for name, change in changes.items() if isinstance(change, np.ndarray)], shapes, where)
    return changes


def adapter_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of an adapter, by their names in its file.

    Raises:
        PresetError: They are absent, damaged, a pickle, or hold values that are no finite numbers.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        pickled = f"; {_PICKLE} is a pickle, which can run code and is never opened" if (folder / _PICKLE).exists() else ""
        raise PresetError(f"The adapter has no {WEIGHTS}{pickled}.", where=str(folder), hint=_MERGE)
    with path.open("rb") as file:
        if file.read(64).startswith(b"version https://git-lfs"):
            raise PresetError(
                "The adapter's weights are a pointer of Git LFS, not the file.", where=str(path), hint="git lfs pull"
            )
    try:
        arrays = dict(load_file(path))
    except Exception as error:  # safetensors raises its own class, and AttributeError at types that NumPy lacks (float8)
        hint = "Is the download complete? The arrays are float32, float16 or bfloat16."
        raise PresetError(f"The adapter's weights could not be read: {error}", where=str(path), hint=hint) from None
    for name, array in arrays.items():
        if array.dtype.kind in "iub":
            raise PresetError(f"The weights {name} are whole numbers ({array.dtype}), not float32.", where=str(path), hint=_MERGE)
        if not np.isfinite(np.asarray(array, dtype=np.float32)).all():
            raise PresetError(f"The weights {name} hold values that are no finite numbers (NaN or infinite).", where=str(path))
    return arrays


def _update(module: str, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], where: str) -> Update:
    needed = {"A", "B"} | ({"m"} if config.get("use_dora") else set())
    if set(arrays) != needed:
        names = {"A": "lora_A", "B": "lora_B", "m": "lora_magnitude_vector"}
        what = f"The adapter has {name_values(sorted(names[part] for part in arrays))} of {module}"
        raise PresetError(f"{what}, and needs {name_values(sorted(names[part] for part in needed))}.", where=where)
    a, b = arrays["A"], arrays["B"]
    if a.ndim != 2 or b.ndim != 2:
        raise PresetError(f"The adapter's arrays of {module} are no matrices.", where=where)
    rank = _by_pattern(config.get("rank_pattern"), module, config.get("r"))
    alpha = _by_pattern(config.get("alpha_pattern"), module, config.get("lora_alpha"))
    if not _is_number(rank) or not _is_number(alpha) or len(a) != rank:
        raise PresetError(
            f"The adapter's arrays of {module} have rank {len(a)}; its config says {rank!r}, alpha {alpha!r}.", where=where
        )
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    lengths = np.ravel(arrays["m"]) if "m" in arrays else None
    return Update(a, b, scale, lengths, turned=bool(_CONV1D.search(f".{module}")))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9


def _by_pattern(patterns: Any, module: str, otherwise: Any) -> Any:
    """The value of the first pattern that matches the module's whole name or its end after a dot, as in PEFT."""
    for pattern, value in (patterns or {}).items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        except re.error as error:
            raise PresetError(f"The pattern {pattern!r} of the adapter's config is no regular expression: {error}.") from None
    return otherwise


def _check_replacement(
    stored: str | None,
    name: str,
    array: np.ndarray,
    shapes: Mapping[str, tuple[int, ...]],
    config: Mapping[str, Any],
    where: str,
) -> None:
    """Refuse a fully saved array that the base does not have, or that the head of a language model shares."""
    if is_head(name) or (stored is None and bare(name).startswith("pooler.")):
        return
    if stored is None:
        raise PresetError(f"The adapter holds {name}, which the weights of the base lack.", where=where, hint=_MERGE)
    if array.shape != shapes[stored]:
        what = f"The adapter's {name} has shape {array.shape}, and the base {shapes[stored]}."
        raise PresetError(what, where=where, hint="Was the vocabulary enlarged? " + _MERGE)
    shared = name.endswith(_EMBEDDINGS) and config.get("task_type") not in _WITHOUT_DECODER
    if shared or name.endswith(_DECODERS):
        what = f"The adapter replaces {name}, and a language model's embeddings and head are read as one."
        raise PresetError(what, where=where, hint=_MERGE)


def merged_note(folder: Path) -> str | None:
    """Describe the adapter that was merged into the model of a folder; None for a folder without one."""
    if not has_adapter(folder):
        return None
    config = adapter_config(folder)
    kind = "DoRA" if config.get("use_dora") else "LoRA"
    unknown = "" if config.get("task_type") or config.get("auto_mapping") else " It names no task; config.json does."
    return f"The {kind} adapter of PEFT (rank {config.get('r')}) was merged into the weights of the model.{unknown}"
