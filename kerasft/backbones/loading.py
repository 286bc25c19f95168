"""Reading a preset's folder, KerasHub's or Hugging Face's, with the numerics its config asks for."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras_hub.src.utils.keras_utils import gelu_approximate
from safetensors.numpy import save_file

from kerasft.backbones.base import UNTRAINED, Backbone, family_of
from kerasft.backbones.checkpoint import INDEX, ONE_FILE, Checkpoint
from kerasft.backbones.hf_config import check_config, unknown_keys_note
from kerasft.backbones.peft_adapter import merged_note
from kerasft.backbones.tokenization import Framer
from kerasft.config import read_json
from kerasft.errors import KerasFTError, PresetError
from kerasft.layers.activations import exact_gelu
from kerasft.own_settings import own_settings
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


@own_settings()
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
    with reading(folder):
        family = family_of(read_json(folder / "config.json"), str(folder))
        backbone = family.load(folder, dtype=dtype, dropout=dropout)
        pieces = len(list(family.piece_lengths(backbone.tokenizer)))
        rows = int(backbone.model.vocabulary_size)
        if pieces > rows:
            raise PresetError(
                f"The vocabulary has {pieces:,} tokens, and the model an embedding for {rows:,}.", where=str(folder)
            )
    backbone.origin = origin or str(folder)
    return backbone


def folder_notes(folder: Path) -> list[str]:
    """What a person should know of how a folder is read: a merged adapter, keys of the config that are not read."""
    given = read_json(folder / "config.json")
    notes = [merged_note(folder), unknown_keys_note(given) if "model_type" in given else None]
    return [note for note in notes if note]


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """While a folder is read: whatever a library raises at a damaged file becomes a `PresetError`."""
    try:
        yield
    except (KerasFTError, MemoryError):  # too little memory is no damage
        raise
    except Exception as error:  # of KerasHub, TF-Text, safetensors, h5py; nothing else is done here
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        hint = "Is the download complete? Compare the file sizes with the source, or fetch the folder again."
        raise PresetError(f"The folder could not be read as a model: {reason}", where=str(folder), hint=hint) from error


def load_weights(kerashub_class: Any, folder: Path, *, dtype: str, dropout: float | None) -> tuple[Any, dict[str, Any]]:
    """The KerasHub backbone in a folder and the config that rebuilds it.

    Raises:
        PresetError: The weights are absent, damaged or do not fit the config.
    """
    given = read_json(folder / "config.json")
    checkpoint = Checkpoint.of(folder) if "model_type" in given else None
    if "model_type" in given:
        check_config(given, folder)
    if checkpoint is not None:
        checkpoint.check(given, str(given["model_type"]))
    # KerasHub takes 0.1 whatever a Hugging Face config says.
    own = given.get("hidden_dropout_prob", given.get("resid_pdrop", given.get("config", {}).get("dropout")))
    rate = own if dropout is None else dropout
    overrides = {} if rate is None else {"dropout": rate}
    try:
        with _completed(folder, given, checkpoint) as complete:
            model = kerashub_class.from_preset(str(complete), dtype=dtype, **overrides)
    except Exception as error:  # safetensors, h5py and KerasHub raise their own unrelated classes
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        hint = "Is the download complete? Compare the file sizes with the source, or fetch the folder again."
        raise PresetError(f"The weights could not be read: {reason}", where=str(folder), hint=hint) from error
    check_finite(model, folder)
    numerics: dict[str, Any] = {}
    if "model_type" in given:
        usual = {"bert": ("gelu", 1e-12), "gpt2": ("gelu_new", 1e-5)}.get(str(given["model_type"]), (None, None))
        numerics["activation"] = given.get("hidden_act", given.get("activation_function", usual[0]))
        numerics["epsilon"] = given.get("layer_norm_eps", given.get("layer_norm_epsilon", usual[1]))
    config = {**_plain(model.get_config()), "numerics": {k: v for k, v in numerics.items() if v is not None}}
    if own is not None:
        config["dropout"] = own  # what a run overrides is the run's: a preset saved after it has its own rate again
    if given.get(UNTRAINED):
        config[UNTRAINED] = True
    set_numerics(model, config["numerics"], str(folder))
    return model, config


def check_finite(model: Any, folder: Path) -> None:
    """Refuse weights that are no numbers.

    Raises:
        PresetError: One is not finite; names the first such array.
    """
    check_numbers({weight.path: weight.numpy() for weight in model.weights}, folder)


def check_numbers(arrays: Mapping[str, Any], folder: Path) -> None:
    """Refuse arrays with values that are no finite numbers.

    Raises:
        PresetError: One is not finite; names the first such array.
    """
    for name, array in arrays.items():
        if not np.isfinite(np.asarray(array, dtype=np.float32)).all():
            raise PresetError(f"The weights {name} hold values that are no finite numbers (NaN or infinite).", where=str(folder))


@contextmanager
def _completed(folder: Path, config: dict[str, Any], checkpoint: Checkpoint | None) -> Iterator[Path]:
    """The folder, or for the time of loading a copy as KerasHub wants it: one file, today's names, a pooler.

    BertForMaskedLM saves no pooler. The new one is drawn as BERT's weights are (a normal of deviation 0.02) and is the same each
    time, as transformers draws one too.
    """
    if checkpoint is None:
        yield folder
        return
    prefix = "bert." if any(name.startswith("bert.") for name in checkpoint.names) else ""
    absent = config.get("model_type") == "bert" and f"{prefix}pooler.dense.weight" not in checkpoint.names
    if checkpoint.is_plain and not absent:
        yield folder
        return
    arrays = dict(checkpoint.arrays())
    if absent:
        size = int(config["hidden_size"])
        weight = np.random.default_rng(0).normal(0, 0.02, (size, size)).astype(np.float32)
        arrays |= {f"{prefix}pooler.dense.weight": weight, f"{prefix}pooler.dense.bias": np.zeros(size, np.float32)}
    with tempfile.TemporaryDirectory(prefix="kerasft-preset-") as name:
        for other in folder.iterdir():
            if other.suffix in (".json", ".txt") and other.name != INDEX and other.is_file():
                shutil.copy(other, name)
        save_file(arrays, Path(name) / ONE_FILE, metadata={"format": "pt"})
        yield Path(name)


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
    if name is not None and (not isinstance(name, str) or name not in _ACTIVATIONS):
        hint = f"Known activations: {', '.join(_ACTIVATIONS)}."
        raise PresetError(f"The activation {name!r} is not supported.", where=where, hint=hint)
    if epsilon is not None and (isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 < epsilon < 1):
        raise PresetError(f"The epsilon of layer norms (layer_norm_eps) is no small number: {epsilon!r}.", where=where)
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
    sizes = {key: value for key, value in config.items() if key not in ("numerics", "lm_head", "pooling", "dense", UNTRAINED)}
    model = kerashub_class(**sizes, dtype=dtype)
    set_numerics(model, config.get("numerics", {}), "run.json")
    return model


def masked_lm_head(folder: Path) -> dict[str, Any]:
    """A Hugging Face checkpoint's masked-LM head by short names (`transform.dense.weight`, ..., `bias`); empty without one."""
    prefix = "cls.predictions."
    checkpoint = Checkpoint.of(folder)
    names = [name for name in checkpoint.names if name.startswith(prefix) and "decoder" not in name] if checkpoint else []
    if checkpoint is None:
        return {}
    found = {name.removeprefix(prefix): checkpoint.array(name) for name in names}
    check_numbers(found, folder)
    return found


@own_settings()
def load_framer(folder: Path, max_length: int) -> Framer:
    """Tokenizer and framing of a preset's folder, without its weights; `max_length` is held to what the model takes."""
    with reading(folder):
        family = family_of(read_json(folder / "config.json"), str(folder))
        limit = longest_input(folder)
        if limit is None:
            raise PresetError("config.json does not say how many tokens the model reads.", where=str(folder))
        return Framer(family, family.load_tokenizer(folder), min(max_length, limit))


def is_kerashub(folder: Path) -> bool:
    """True for a KerasHub preset folder, False for a Hugging Face folder."""
    return "model_type" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))
