"""Reading a preset's folder, KerasHub's or Hugging Face's, with the numerics its config asks for."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras_hub.src.utils.keras_utils import gelu_approximate
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from kerasft.backbones.base import UNTRAINED, Backbone, family_of
from kerasft.backbones.tokenization import Framer
from kerasft.config import read_json
from kerasft.errors import PresetError
from kerasft.layers.activations import exact_gelu
from kerasft.token_counts import longest_input

# `gelu` in a Hugging Face config is the exact form with erf; `gelu_new` and its kin are the tanh approximation.
_ACTIVATIONS = {
    "gelu": exact_gelu,
    "gelu_new": gelu_approximate,
    "gelu_pytorch_tanh": gelu_approximate,
    "gelu_fast": gelu_approximate,
    "relu": keras.activations.relu,
    "silu": keras.activations.silu,
    "swish": keras.activations.silu,
}

# Where sentence-transformers says which vector a checkpoint was trained to give, and how it calls them.
_POOLING = Path("1_Pooling") / "config.json"
_POOLING_NAMES = {"mean": "pooling_mode_mean_tokens", "first": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}


def load_backbone(folder: Path, *, dtype: str = "float32", dropout: float | None = None, origin: str = "") -> Backbone:
    """Load the backbone and tokenizer in a folder.

    Args:
        folder: A KerasHub preset folder or a Hugging Face folder with safetensors.
        dtype: Keras dtype policy of all layers.
        dropout: Overrides the dropout rate of the preset.
        origin: The preset's name, to be found again by.

    Raises:
        PresetError: A file is absent or damaged, or the family or an activation is not supported.
    """
    family = family_of(read_json(folder / "config.json"), str(folder))
    backbone = family.load(folder, dtype=dtype, dropout=dropout)
    backbone.origin = origin or str(folder)
    return backbone


def load_weights(kerashub_class: Any, folder: Path, *, dtype: str, dropout: float | None) -> tuple[Any, dict[str, Any]]:
    """The KerasHub backbone in a folder and the config that rebuilds it.

    Raises:
        PresetError: The weights are absent, damaged or do not fit the config.
    """
    given = read_json(folder / "config.json")
    # KerasHub takes 0.1 whatever a Hugging Face config says.
    own = given.get("hidden_dropout_prob", given.get("resid_pdrop", given.get("config", {}).get("dropout")))
    rate = own if dropout is None else dropout
    overrides = {} if rate is None else {"dropout": rate}
    try:
        with _completed(folder, given) as complete:
            model = kerashub_class.from_preset(str(complete), dtype=dtype, **overrides)
    except Exception as error:  # safetensors, h5py and KerasHub raise their own unrelated classes
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        hint = "Is the download complete? Compare the file sizes with the source, or fetch the folder again."
        raise PresetError(f"The weights could not be read: {reason}", where=str(folder), hint=hint) from error
    numerics: dict[str, Any] = {}
    if "model_type" in given:
        numerics["activation"] = given.get("hidden_act", given.get("activation_function"))
        numerics["epsilon"] = given.get("layer_norm_eps", given.get("layer_norm_epsilon"))
        _check_same_architecture(given, folder)
    config = {**_plain(model.get_config()), "numerics": {k: v for k, v in numerics.items() if v is not None}}
    if own is not None:
        config["dropout"] = own  # what a run overrides is the run's: a preset saved after it has its own rate again
    if given.get(UNTRAINED):
        config[UNTRAINED] = True
    if (pooling := _sentence_pooling(folder)) is not None:
        config["pooling"] = pooling
    set_numerics(model, config["numerics"], str(folder))
    return model, config


def _sentence_pooling(folder: Path) -> str | None:
    """Which vector a sentence-transformers checkpoint was trained to give; None for any other folder.

    Such a checkpoint's BERT pooler was never trained: on GoEmotions MiniLM reaches a macro F1 of 0.35 by the mean of its tokens,
    0.16 by the pooler at the best rate tried (validation, 10,000 training rows).
    """
    path = folder / _POOLING
    given = read_json(path) if path.exists() else {}
    return next((pooling for pooling, name in _POOLING_NAMES.items() if given.get(name)), None)


def save_pooling(pooling: str, folder: Path) -> None:
    """Write which vector a checkpoint was trained to give, as sentence-transformers does."""
    (folder / _POOLING).parent.mkdir()
    (folder / _POOLING).write_text(json.dumps({_POOLING_NAMES[pooling]: True}), encoding="utf-8")


@contextmanager
def _completed(folder: Path, config: dict[str, Any]) -> Iterator[Path]:
    """The folder, or for the time of loading a copy with a new pooler: BertForMaskedLM saves none, and KerasHub wants one.

    The new pooler is drawn as BERT's weights are (a normal of deviation 0.02) and is the same each time, as transformers
    draws one too.
    """
    path = folder / "model.safetensors"
    if config.get("model_type") != "bert" or not path.exists():
        yield folder
        return
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
    prefix = "bert." if any(name.startswith("bert.") for name in names) else ""
    if f"{prefix}pooler.dense.weight" in names:
        yield folder
        return
    size = int(config["hidden_size"])
    weight = np.random.default_rng(0).normal(0, 0.02, (size, size)).astype(np.float32)
    arrays = {**load_file(path), f"{prefix}pooler.dense.weight": weight, f"{prefix}pooler.dense.bias": np.zeros(size, np.float32)}
    with tempfile.TemporaryDirectory(prefix="kerasft-preset-") as name:
        for other in folder.iterdir():
            if other.name != path.name and other.is_file():
                shutil.copy(other, name)
        save_file(arrays, Path(name) / path.name, metadata={"format": "pt"})
        yield Path(name)


def _check_same_architecture(given: dict[str, Any], folder: Path) -> None:
    """Refuse what KerasHub would read without a word and compute differently."""
    expected = {
        "position_embedding_type": "absolute",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "is_decoder": False,
        "add_cross_attention": False,
    }
    for key, value in expected.items():
        if given.get(key, value) != value:
            raise PresetError(
                f"The model's config has {key}={given[key]!r}, which is not supported.", where=f"{folder}/config.json"
            )
    inner = given.get("n_inner")
    if inner not in (None, 4 * given.get("n_embd", 0)):
        raise PresetError(f"The model's config has n_inner={inner!r}; only 4 times n_embd is supported.", where=str(folder))


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments only: sizes and rates, no dtype (chosen at load time) and no names."""
    return {key: value for key, value in config.items() if isinstance(value, int | float) and key != "trainable"}


def set_numerics(model: Any, numerics: dict[str, Any], where: str) -> None:
    """Give every block the activation and layer-norm epsilon the checkpoint was trained with.

    KerasHub uses tanh-GELU and fixed epsilons whatever the checkpoint says; the difference is small but real
    (3e-3 in the hidden states of MiniLM).

    Raises:
        PresetError: The activation is not known.
    """
    name, epsilon = numerics.get("activation"), numerics.get("epsilon")
    if name is not None and name not in _ACTIVATIONS:
        hint = f"Known activations: {', '.join(_ACTIVATIONS)}."
        raise PresetError(f"The activation {name!r} is not supported.", where=where, hint=hint)
    for block in model.transformer_layers:
        if name is not None:
            block.activation = _ACTIVATIONS[name]
            block._feedforward_intermediate_dense.activation = _ACTIVATIONS[name]
        if epsilon is not None:
            block.layer_norm_epsilon = epsilon
            block._self_attention_layer_norm.epsilon = epsilon
            block._feedforward_layer_norm.epsilon = epsilon
    outer = getattr(model, "embeddings_layer_norm", None) or getattr(model, "layer_norm", None)
    if epsilon is not None and outer is not None:
        outer.epsilon = epsilon


def rebuild_model(kerashub_class: Any, config: dict[str, Any], *, dtype: str) -> Any:
    """A backbone of the saved sizes and numerics, with random weights."""
    sizes = {key: value for key, value in config.items() if key not in ("numerics", "lm_head", "pooling", UNTRAINED)}
    model = kerashub_class(**sizes, dtype=dtype)
    set_numerics(model, config.get("numerics", {}), "run.json")
    return model


def masked_lm_head(folder: Path) -> dict[str, Any]:
    """A Hugging Face checkpoint's masked-LM head by short names (`transform.dense.weight`, ..., `bias`); empty without one."""
    path, prefix = folder / "model.safetensors", "cls.predictions."
    if not path.exists():
        return {}
    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  (it is no mapping)
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names if "decoder" not in name}


def load_framer(folder: Path, max_length: int) -> Framer:
    """Tokenizer and framing of a preset's folder, without its weights; `max_length` is held to what the model takes."""
    family = family_of(read_json(folder / "config.json"), str(folder))
    limit = longest_input(folder) or max_length
    return Framer(family, family.load_tokenizer(folder), min(max_length, limit))


def vocabulary_file(folder: Path, name: str) -> Path:
    """The path of a Hugging Face folder's vocabulary file.

    Raises:
        PresetError: It is absent.
    """
    if not (folder / name).exists():
        hint = f"Copy {name} from where the model came from; transformers 5 saves only tokenizer.json, which is not read."
        raise PresetError(f"The folder holds no {name}.", where=str(folder), hint=hint)
    return folder / name


def is_kerashub(folder: Path) -> bool:
    """True for a KerasHub preset folder, False for a Hugging Face folder."""
    return "model_type" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))
