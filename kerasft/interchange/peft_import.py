"""An adapter of PEFT in a folder of its own, put beside the model that it was trained on."""

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
from kerasft.errors import PresetError
from kerasft.presets import fetch, find_preset, locate

_ARCHITECTURES = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
    "CAUSAL_LM": "LMHeadModel",
}
_GIVE = "Give the folder of the base: --base FOLDER, base=... in Python, the field Base in the app."
_CLASS = {"bert": "Bert", "gpt2": "GPT2"}
_HEADS = ("classifier.weight", "score.weight")
_VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt")
_NORMALISING = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")


@contextmanager
def model_folder(name: str, base: str | None) -> Iterator[Path]:
    """For the time of reading, the folder of a model of transformers; an adapter alone is put beside its base.

    Args:
        name: Folder, preset or handle.
        base: For an adapter alone its base; None for the one that it names.

    Raises:
        PresetError: It cannot be had, or a base is given for what is no adapter.
    """
    local = Path(os.path.expanduser(name))
    folder = local if local.is_dir() else locate(find_preset(name))
    if has_adapter(folder) and not (folder / "config.json").exists():
        with _beside_its_base(folder, base) as joined:
            yield joined
        return
    if base:
        raise PresetError(
            "A base belongs to an adapter of PEFT alone; this is a whole model.", where=name, hint="Leave out base."
        )
    yield fetch(find_preset(name))


@contextmanager
def _beside_its_base(folder: Path, base: str | None) -> Iterator[Path]:
    """For the time of reading, a folder with an adapter and its base, whose config names what the adapter makes of it.

    Args:
        folder: The adapter's.
        base: Preset, folder or handle of the base; None for the one that the adapter names.

    Raises:
        PresetError: The base cannot be had, is no Hugging Face folder, or has other tokens than the adapter's folder.
    """
    given = adapter_config(folder)
    found = _base_of(folder, given, base)
    config = read_json(found / "config.json")
    if "model_type" not in config:
        hint = "Give the folder of transformers, with config.json and model.safetensors."
        raise PresetError("The base of an adapter of PEFT is a Hugging Face folder.", where=str(found), hint=hint)
    if has_adapter(found):
        raise PresetError("The base holds an adapter of its own.", where=str(found), hint="Give the base without an adapter.")
    _check_same_tokens(folder, found)
    with tempfile.TemporaryDirectory(prefix="kerasft-adapter-") as name:
        joined = Path(name)
        for other in found.iterdir():
            if other.name != "config.json":
                _link(other.resolve(), joined / other.name)
        for own in (CONFIG, WEIGHTS):
            if (folder / own).exists():
                shutil.copy(folder / own, joined)
        (joined / "config.json").write_text(json.dumps(_with_head(config, given, folder)), encoding="utf-8")
        try:
            yield joined
        except PresetError as error:  # a person has never seen that folder
            where = str(folder) if error.where is None or error.where.startswith(name) else error.where
            raise PresetError(error.message, where=where, hint=error.hint) from None


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:  # Windows allows links to few
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def _base_of(folder: Path, given: dict[str, Any], base: str | None) -> Path:
    named = given.get("base_model_name_or_path")
    wanted = base or named
    if not wanted:
        raise PresetError("The adapter does not say to which model it belongs.", where=str(folder), hint=_GIVE)
    try:
        preset = find_preset(str(wanted))
    except PresetError:
        if base:
            raise
        try:
            revision = f"@{given['revision']}" if given.get("revision") else ""
            preset = find_preset(f"hf://{wanted}{revision}")
        except PresetError:
            raise PresetError(f"The adapter belongs to {wanted!r}, which is not here.", where=str(folder), hint=_GIVE) from None
    try:
        return fetch(preset)
    except PresetError as error:
        if base:
            raise
        raise PresetError(
            f"The folder holds an adapter of PEFT, and its base {wanted!r} cannot be had: {error.message}",
            where=str(folder),
            hint=_GIVE,
        ) from None


def _with_head(config: dict[str, Any], given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The base's config, with the class that the adapter's task makes of it and as many labels as its head has."""
    kind = _ARCHITECTURES.get(str(given.get("task_type")))
    if kind is None:
        return config
    config = {**config, "architectures": [_CLASS.get(str(config["model_type"]), "") + kind]}
    shapes = {name: array.shape for name, array in adapter_arrays(folder).items()}
    heads = [shape for name, shape in shapes.items() if name.endswith(_HEADS) and len(shape) == 2]
    if heads and len(config.get("id2label") or {}) != heads[0][0]:
        labels = {str(i): f"LABEL_{i}" for i in range(heads[0][0])}
        config |= {"id2label": labels, "label2id": {label: int(i) for i, label in labels.items()}, "num_labels": len(labels)}
    return config


def _check_same_tokens(folder: Path, base: Path) -> None:
    """Refuse an adapter that was saved with another tokenizer than its base's."""
    for name in _VOCABULARIES:
        one, other = folder / name, base / name
        if one.is_file() and other.is_file() and one.read_bytes().split() != other.read_bytes().split():
            raise PresetError(f"The adapter's {name} is not that of the base.", where=str(folder), hint="Is it another base?")
    if _added(folder) and _added(folder) != _added(base):
        raise PresetError("The adapter's folder adds tokens that the base does not have.", where=str(folder))
    settings = [
        read_json(place / "tokenizer_config.json") if (place / "tokenizer_config.json").is_file() else {}
        for place in (folder, base)
    ]
    for key in _NORMALISING:
        own, of_base = (part.get(key) if isinstance(part, dict) else None for part in settings)
        if own is not None and of_base is not None and own != of_base:
            what = f"The adapter's tokenizer_config.json has {key} {own!r}, and the base's {of_base!r}."
            raise PresetError(what, where=str(folder))


def _added(folder: Path) -> dict[str, Any]:
    path = folder / "added_tokens.json"
    added = read_json(path) if path.is_file() else {}
    return added if isinstance(added, dict) else {}
