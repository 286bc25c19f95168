"""Copies of the Hugging Face fixtures with one thing changed, for the tests of the loader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kerasft.backbones.loading import load_backbone
from tests.backbones.test_parity import differences, load_expected
from tests.tiny import make_bert

FIXTURES = Path(__file__).parents[1] / "fixtures"
REMOVED = object()  # as a value in `change_json`: the key goes
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 133466304\n"
_NOT_A_MODEL = ("expected.npz", "generation.json", "tokenization.json")
Arrays = dict[str, np.ndarray]


def copy_fixture(name: str, folder: Path) -> Path:
    """A fixture's model files without the expected values."""
    return Path(shutil.copytree(FIXTURES / name, folder, ignore=shutil.ignore_patterns(*_NOT_A_MODEL), dirs_exist_ok=True))


def change_json(path: Path, **values: Any) -> None:
    """Set keys of a JSON file, which is created if it is absent."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content = {key: value for key, value in {**content, **values}.items() if value is not REMOVED}
    path.write_text(json.dumps(content), encoding="utf-8")


def change_arrays(folder: Path, change: Callable[[Arrays], Arrays]) -> None:
    """Rewrite `model.safetensors`."""
    path = folder / "model.safetensors"
    arrays = {name: np.ascontiguousarray(array) for name, array in change(load_file(path)).items()}
    save_file(arrays, path, metadata={"format": "pt"})


def split_into_shards(folder: Path, count: int = 3) -> None:
    """Spread the weights over several files with an index, as transformers does with large models."""
    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, weight_map = sorted(arrays), {}
    for i in range(count):
        file = f"model-{i + 1:05}-of-{count:05}.safetensors"
        save_file({name: arrays[name] for name in names[i::count]}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names[i::count], file)
    change_json(folder / "model.safetensors.index.json", metadata={"total_size": 1}, weight_map=weight_map)


def with_old_names(arrays: Arrays) -> Arrays:
    """The names of layer norms before 2019."""
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    endings = {name: next((end for end in old if name.endswith(end)), None) for name in arrays}
    return {name.removesuffix(end) + old[end] if (end := endings[name]) else name: array for name, array in arrays.items()}


def difference_from_transformers(folder: Path, name: str) -> float:
    """Largest difference between a folder's outputs and what transformers computes with the fixture."""
    return max(differences(load_backbone(folder), load_expected(name)))


def forbid_building(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test as soon as a backbone is built."""
    import keras_hub

    def fail(self: Any, **_: Any) -> None:
        pytest.fail("a model is built")

    for cls in (keras_hub.models.BertBackbone, keras_hub.models.GPT2Backbone):
        monkeypatch.setattr(cls, "__init__", fail)


def make_sentence_folder(
    folder: Path,
    kinds: tuple[str, ...] = ("Transformer", "Pooling", "Dense", "Normalize"),
    *,
    pooling: dict[str, Any] | None = None,
    dense: dict[str, Any] | None = None,
    arrays: Callable[[Arrays], Arrays] = lambda arrays: arrays,
) -> Path:
    """A tiny BERT with sentence-transformers modules; a dense module has 16 inputs and 8 outputs."""
    make_bert(folder)
    places = ["" if kind == "Transformer" else f"{i}_{kind}" for i, kind in enumerate(kinds)]
    for i, (kind, place) in enumerate(zip(kinds, places, strict=True)):
        (folder / place).mkdir(exist_ok=True)
        if kind == "Pooling":
            change_json(
                folder / place / "config.json", word_embedding_dimension=16, **(pooling or {"pooling_mode_mean_tokens": True})
            )
        elif kind == "Dense":
            activation = "torch.nn.modules.activation.Tanh"
            given = {"in_features": 16, "out_features": 8, "bias": True, "activation_function": activation, **(dense or {})}
            change_json(folder / place / "config.json", **given)
            rng = np.random.default_rng(i)
            weights = {"linear.weight": rng.normal(size=(8, 16)), "linear.bias": rng.normal(size=8)}
            weights = arrays({name: array.astype(np.float32) for name, array in weights.items()})
            save_file(weights, folder / place / "model.safetensors", metadata={"format": "pt"})
    modules = [
        {"idx": i, "name": str(i), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, place) in enumerate(zip(kinds, places, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return folder
