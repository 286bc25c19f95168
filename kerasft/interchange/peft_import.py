"""Join a PEFT adapter that is stored alone with the base model it was trained on."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasft.backbones.peft_adapter import CONFIG, WEIGHTS, adapter_arrays, adapter_config, has_adapter
from kerasft.config import read_json
from kerasft.errors import PresetError, name_values
from kerasft.presets import fetch, find_preset, is_adapter_alone, locate

_ARCHITECTURES = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
    "CAUSAL_LM": "LMHeadModel",
}
_GIVE = "Give the folder of the base: --base FOLDER, base=... in Python, the field Base in the app."
_CLASS = {"bert": "Bert", "gpt2": "GPT2"}
_HEADS = ("classifier.weight", "score.weight")
# How texts are normalised: the keys of tokenizer_config.json and those of tokenizer.json's normaliser.
_NORMALISING = {"do_lower_case": "lowercase", "strip_accents": "strip_accents", "tokenize_chinese_chars": "handle_chinese_chars"}


@contextmanager
def model_folder(name: str, base: str | None) -> Iterator[Path]:
    """Yield the folder of a model; an adapter that is stored alone is joined with its base in a temporary folder.

    Args:
        name: Folder, preset or handle.
        base: For an adapter alone its base; None for the one that it names.

    Raises:
        PresetError: The model or its base cannot be found, or a base is given for a whole model.
    """
    local = Path(os.path.expanduser(name))
    folder = local if local.is_dir() else locate(find_preset(name))
    if is_adapter_alone(folder):
        with _beside_its_base(folder, base) as joined:
            yield joined
        return
    if base:
        what = "this folder also holds a whole model" if has_adapter(folder) else "this folder holds no adapter_config.json"
        hint = "Leave out base, or give the folder that holds adapter_config.json."
        raise PresetError(f"A base belongs to an adapter of PEFT that is stored alone; {what}.", where=name, hint=hint)
    yield fetch(find_preset(name))


@contextmanager
def _beside_its_base(folder: Path, base: str | None) -> Iterator[Path]:
    """Yield a temporary folder with the base, the adapter, and a config that names the class of the adapted model.

    Args:
        folder: The adapter's.
        base: Preset, folder or handle of the base; None for the one that the adapter names.

    Raises:
        PresetError: The base cannot be found, is not a Hugging Face folder, or has other tokens than the adapter's folder.
    """
    settings = adapter_config(folder)
    if settings.get("task_type") == "FEATURE_EXTRACTION":
        hint = "Copy both files of the adapter into a copy of the base's folder, and use that folder as a preset."
        raise PresetError(
            "The adapter was trained without a head, so there is no fine-tuned model.", where=str(folder), hint=hint
        )
    base_folder = _find_base(folder, settings, base)
    config = read_json(base_folder / "config.json")
    if "model_type" not in config:
        hint = "Give the folder of transformers, with config.json and model.safetensors."
        raise PresetError("The base of an adapter of PEFT is a Hugging Face folder.", where=str(base_folder), hint=hint)
    if has_adapter(base_folder):
        raise PresetError(
            "The base holds an adapter of its own.", where=str(base_folder), hint="Give the base without an adapter."
        )
    _check_same_tokens(folder, base_folder)
    with tempfile.TemporaryDirectory(prefix="kerasft-adapter-") as name:
        joined = Path(name)
        for path in base_folder.iterdir():
            if path.name != "config.json":
                _link(path.resolve(), joined / path.name)
        for file_name in (CONFIG, WEIGHTS):
            if (folder / file_name).exists():
                shutil.copy(folder / file_name, joined)
        (joined / "config.json").write_text(json.dumps(_with_head(config, settings, folder)), encoding="utf-8")
        try:
            yield joined
        except PresetError as error:  # users have never seen the temporary folder
            where = str(folder) if error.where is None or error.where.startswith(name) else error.where
            raise PresetError(error.message, where=where, hint=error.hint) from None


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:  # Windows lets only some users create links
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def _find_base(folder: Path, settings: dict[str, Any], base: str | None) -> Path:
    name = base or settings.get("base_model_name_or_path")
    if not name:
        raise PresetError("The adapter does not name its base model.", where=str(folder), hint=_GIVE)
    try:
        preset = find_preset(str(name))
    except PresetError:
        if base:
            raise
        try:
            revision = f"@{settings['revision']}" if settings.get("revision") else ""
            preset = find_preset(f"hf://{name}{revision}")
        except PresetError:
            raise PresetError(
                f"The base model {name!r} of the adapter could not be found.", where=str(folder), hint=_GIVE
            ) from None
    try:
        return fetch(preset)
    except PresetError as error:
        if base:
            raise
        raise PresetError(
            f"The base model {name!r} of the PEFT adapter could not be found: {error.message}",
            where=str(folder),
            hint=_GIVE,
        ) from None


def _with_head(config: dict[str, Any], settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Set the class of the adapted model and the number of its labels in the config of the base."""
    kind = _ARCHITECTURES.get(str(settings.get("task_type")))
    mapping = settings.get("auto_mapping")  # without a task, PEFT writes the class there
    name = mapping.get("base_model_class") if isinstance(mapping, dict) else None
    if kind is not None:
        name = _CLASS.get(str(config["model_type"]), "") + kind
    if not isinstance(name, str):
        return config
    config = {**config, "architectures": [name]}
    shapes = {name: array.shape for name, array in adapter_arrays(folder).items()}
    heads = [shape for name, shape in shapes.items() if name.endswith(_HEADS) and len(shape) == 2]
    if heads and len(config.get("id2label") or {}) != heads[0][0]:
        labels = {str(i): f"LABEL_{i}" for i in range(heads[0][0])}
        config |= {"id2label": labels, "label2id": {label: int(i) for i, label in labels.items()}, "num_labels": len(labels)}
    return config


def _check_same_tokens(folder: Path, base: Path) -> None:
    """Refuse an adapter that was saved with another tokenizer than its base's."""
    merges = [place / "merges.txt" for place in (folder, base)]
    if all(path.is_file() for path in merges) and merges[0].read_bytes().split() != merges[1].read_bytes().split():
        raise PresetError("The adapter's merges.txt is not that of the base.", where=str(folder), hint="Is it another base?")
    own, of_base = _pieces(folder), _pieces(base)
    if own and of_base and own != of_base:
        differing = [piece for piece in own | of_base if own.get(piece) != of_base.get(piece)]
        message = f"The tokenizers of the adapter and of the base differ in {name_values(differing)}."
        raise PresetError(message, where=str(folder), hint="Is it another base?")
    for key in _NORMALISING:
        value, base_value = (_normalising(place, key) for place in (folder, base))
        if value is not None and base_value is not None and value != base_value:
            what = f"The adapter's tokenizer has {key} {value!r}, and the base's {base_value!r}."
            raise PresetError(what, where=str(folder), hint="Is it another base?")


def _normalising(folder: Path, key: str) -> Any:
    normaliser = _object(folder / "tokenizer.json").get("normalizer")
    other = normaliser.get(_NORMALISING[key]) if isinstance(normaliser, dict) else None
    return _object(folder / "tokenizer_config.json").get(key, other)


def _pieces(folder: Path) -> dict[str, int]:
    """The numbers of the pieces and of the added tokens; empty if the folder has no tokenizer."""
    added = _object(folder / "added_tokens.json")
    if (folder / "vocab.txt").is_file():
        lines = (folder / "vocab.txt").read_text(encoding="utf-8", errors="replace").split("\n")
        return {line.strip(): number for number, line in enumerate(lines) if line.strip()} | added
    if vocabulary := _object(folder / "vocab.json"):
        return vocabulary | added
    described = _object(folder / "tokenizer.json")
    model = described.get("model")
    held = model.get("vocab") if isinstance(model, dict) else None
    tokens = [token for token in described.get("added_tokens") or [] if isinstance(token, dict)]
    return (held if isinstance(held, dict) else {}) | {str(token.get("content")): token.get("id") for token in tokens}


def _object(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}
