"""The weights of a Hugging Face folder: one safetensors file or several, with the adapter of PEFT that lies beside them, checked
before anything is built.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from kerasft.backbones.peft_adapter import Change, Update, has_adapter, read_changes
from kerasft.config import read_json
from kerasft.errors import ConfigError, PresetError, name_values

ONE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_HEADER = 100 << 20  # bytes, the limit of the format
# Names of before 2019, and of TensorFlow: gamma and beta of a layer norm.
_OLD_NAMES = ((re.compile(r"LayerNorm\.gamma$"), "LayerNorm.weight"), (re.compile(r"LayerNorm\.beta$"), "LayerNorm.bias"))
# Sizes in a config, and where the weights have them: key -> (end of a weight's name, axis).
_SIZES = {
    "bert": {
        "vocab_size": ("embeddings.word_embeddings.weight", 0),
        "hidden_size": ("embeddings.word_embeddings.weight", 1),
        "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
        "type_vocab_size": ("embeddings.token_type_embeddings.weight", 0),
        "intermediate_size": ("encoder.layer.0.intermediate.dense.weight", 0),
    },
    "gpt2": {
        "vocab_size": ("wte.weight", 0),
        "n_embd": ("wte.weight", 1),
        "n_positions": ("wpe.weight", 0),
    },
}
# What wrappers of PyTorch put before every name: DataParallel, torch.compile, Lightning.
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.|model\.)+")
_PREFIXES = {"bert": ("", "bert."), "gpt2": ("", "transformer.")}
_LAYERS = {
    "bert": ("num_hidden_layers", re.compile(r"(?:^|\.)encoder\.layer\.(\d+)\.")),
    "gpt2": ("n_layer", re.compile(r"(?:^|\.)h\.(\d+)\.")),
}


@dataclass(frozen=True)
class Checkpoint:
    """The arrays of a folder.

    Attributes:
        folder: Where they are.
        files: File of each array, by its name in the file.
        changes: What an adapter makes of them, by their names of today.
    """

    folder: Path
    files: Mapping[str, Path]
    changes: Mapping[str, Change] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Checkpoint | None:
        """Those of a folder; None for a folder without safetensors.

        Raises:
            PresetError: A file is absent or damaged.
        """
        path = folder / ONE_FILE
        if (folder / INDEX).exists():
            found = cls(folder, _indexed(folder))
        elif path.exists():
            found = cls(folder, dict.fromkeys(_names_in(path), path))
        else:
            return None
        return replace(found, changes=read_changes(folder, found.shapes)) if has_adapter(folder) else found

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of today of all arrays, with those that an adapter adds."""
        return frozenset(self._stored) | frozenset(self.changes)

    @cached_property
    def _stored(self) -> dict[str, str]:
        """Name in the file of each array, by its name of today."""
        return {today(name): name for name in self.files}

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is one file whose names are those of today, and nothing changes its arrays."""
        one_file = set(self.files.values()) == {self.folder / ONE_FILE}
        return one_file and not self.changes and all(today(name) == name for name in self.files)

    def array(self, name: str) -> np.ndarray:
        """An array by its name of today."""
        change = self.changes.get(name)
        if isinstance(change, np.ndarray):
            return change
        with safe_open(self.files[self._stored[name]], framework="numpy") as file:
            stored: np.ndarray = file.get_tensor(self._stored[name])
        return change.merged(stored) if isinstance(change, Update) else stored

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """All arrays, by their names of today."""
        for name in sorted(self.names):
            yield name, self.array(name)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array, by its name of today; nothing is read for it but the files' headers."""
        found = {}
        for path in dict.fromkeys(self.files.values()):
            with safe_open(path, framework="numpy") as file:
                for name, place in self.files.items():
                    if place == path:
                        found[today(name)] = tuple(file.get_slice(name).get_shape())
        return found

    def check(self, config: Mapping[str, Any], family: str) -> None:
        """Refuse sizes in a config that the weights do not have, before a model of them is built.

        Raises:
            PresetError: A size is no whole number, or differs; names it. Or the arrays belong to another model.
        """
        where = str(self.folder / "config.json")
        ending = next((ending for ending, _ in _SIZES.get(family, {}).values()), "")
        prefixes = {name.removesuffix(ending) for name in self.shapes if name.endswith(ending)}
        if ending and not prefixes & set(_PREFIXES[family]):
            what = f"they lie under {name_values(sorted(prefixes))}" if prefixes else f"there is no {ending}"
            raise PresetError(f"The weights are not named as transformers names those of {family}: {what}.", where=where)
        for key, (ending, axis) in _SIZES.get(family, {}).items():
            shape = next((shape for name, shape in self.shapes.items() if name.endswith(ending)), None)
            if key not in config or shape is None or len(shape) <= axis:
                continue
            if type(config[key]) is not int or config[key] != shape[axis]:
                raise PresetError(f"config.json has {key} {config[key]!r}, and the weights have {shape[axis]}.", where=where)
        key, pattern = _LAYERS.get(family, ("", re.compile("$^")))
        numbers = {int(match.group(1)) for name in self.files if (match := pattern.search(name))}
        if key in config and numbers and (type(config[key]) is not int or not 0 < config[key] <= max(numbers) + 1):
            raise PresetError(
                f"config.json has {key} {config[key]!r}, and the weights have {max(numbers) + 1} layers.", where=where
            )
        for key in ("num_attention_heads", "n_head"):
            if key in config and (type(config[key]) is not int or not 0 < config[key] <= 1024):
                raise PresetError(f"config.json has {key} {config[key]!r}; it is a whole number from 1 on.", where=where)


def today(name: str) -> str:
    """The name of an array as `transformers` writes it today, without what wrappers put before it."""
    name = _WRAPPERS.sub("", name)
    for pattern, new in _OLD_NAMES:
        name = pattern.sub(new, name)
    return name


def _names_in(path: Path) -> list[str]:
    """The names of the arrays in a safetensors file.

    Raises:
        PresetError: It is no regular file, a pointer of Git LFS, or damaged.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PresetError("The weights are no regular file.", where=str(path))
        with path.open("rb") as file:
            head = file.read(64)
        if head.startswith(b"version https://git-lfs"):
            raise PresetError("The weights are a pointer of Git LFS, not the file itself.", where=str(path), hint="git lfs pull")
        with safe_open(path, framework="numpy") as arrays:
            return list(arrays.keys())
    except (SafetensorError, OSError) as error:
        hint = "Is the download complete? Compare the file sizes with the source, or fetch the folder again."
        raise PresetError(f"The weights could not be read: {error}", where=str(path), hint=hint) from None


def _indexed(folder: Path) -> dict[str, Path]:
    try:
        index = read_json(folder / INDEX)
        held = {str(name): folder / Path(str(file)).name for name, file in index["weight_map"].items()}
    except (OSError, ConfigError, KeyError, TypeError, AttributeError) as error:
        raise PresetError(f"The index of the weights cannot be read: {error}.", where=str(folder / INDEX)) from None
    present: dict[Path, set[str]] = {}
    for path in dict.fromkeys(held.values()):
        if not path.exists():
            raise PresetError(f"A file of the weights is absent: {path.name}.", where=str(folder), hint="Fetch the folder again.")
        present[path] = set(_names_in(path))
    if absent := [name for name, path in held.items() if name not in present[path]]:
        raise PresetError(
            f"The files of the weights lack {name_values(absent)}.", where=str(folder), hint="Fetch the folder again."
        )
    return held
