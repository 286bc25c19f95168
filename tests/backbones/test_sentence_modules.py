"""Folders of sentence-transformers give the vectors of their modules, also after they were saved, tuned or exported."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import kerasft as kft
from kerasft.backbones.loading import load_backbone, load_framer
from tests.backbones.model_folders import LFS_POINTER, change_json, make_sentence_folder
from tests.tasks.models import model_of, task_data
from tests.tiny import make_bert

TEXTS = ["a good film", "it is dull and bad", "the"]
MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
MAX = {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}
DENSE_AND_MAX = ("Transformer", "Pooling", "Dense", "Normalize")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def embedder(folder: Path, **options: Any) -> kft.FineTunedModel:
    return model_of(str(folder), kft.TextEmbedding(**options), task_data("text_embedding"), own_backbone=True)


@cache
def token_ids() -> list[np.ndarray]:
    """The ids of each text; all folders of this module have the same vocabulary."""
    with tempfile.TemporaryDirectory() as name:
        framer = load_framer(make_bert(Path(name)), 64)
    ids, lengths, *_ = framer.frame([text.encode() for text in TEXTS], None)
    return np.split(ids, lengths.cumsum()[:-1])


def vectors(model: kft.FineTunedModel) -> np.ndarray:
    """What the graph gives for the texts in one padded batch."""
    lengths = np.asarray([len(ids) for ids in token_ids()])
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int32)
    ids = np.zeros_like(mask)
    ids[mask == 1] = np.concatenate(token_ids())
    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    return np.asarray(model.keras_model(inputs, training=False))


@cache
def hidden_states(folder: Path) -> list[np.ndarray]:
    """(L, H) of each text, without padding, as the backbone computes them."""
    import keras

    backbone = load_backbone(folder)
    encoder = backbone.family.wire(backbone.family.parts(backbone), backbone)
    model = keras.Model(encoder.inputs, encoder.sequence)
    rows = [ids[None] for ids in token_ids()]
    inputs = [{"token_ids": ids, "padding_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)} for ids in rows]
    return [np.asarray(model(row, training=False))[0] for row in inputs]


def pooled(states: np.ndarray, mode: str) -> np.ndarray:
    """As sentence-transformers pools."""
    if mode == "weightedmean":
        weights = np.arange(1, len(states) + 1)[:, None]
        return (states * weights).sum(axis=0) / weights.sum()
    return {"mean": states.mean(axis=0), "cls": states[0], "max": states.max(axis=0), "lasttoken": states[-1]}[mode]


def dense(folder: Path, vector: np.ndarray, activation: str) -> np.ndarray:
    arrays = load_file(folder / "model.safetensors")
    result = arrays["linear.weight"] @ vector + arrays.get("linear.bias", 0.0)
    return {
        "Tanh": np.tanh,
        "Identity": lambda x: x,
        "ReLU": lambda x: np.maximum(x, 0),
        "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    }[activation](result)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("named", ["keys", "name", "list"])
@pytest.mark.parametrize("key", list(MODES))
def test_a_pooling_is_read_however_it_is_written(key: str, named: str, tmp_path: Path) -> None:
    written = {
        "keys": dict.fromkeys(MODES, False) | {key: True},
        "name": {"pooling_mode": MODES[key]},
        "list": {"pooling_mode": [MODES[key]]},
    }
    names = {"mean": "mean", "cls": "first", "max": "max", "weightedmean": "weighted_mean", "lasttoken": "last"}
    folder = make_sentence_folder(tmp_path, ("Transformer", "Pooling"), pooling=written[named])
    assert load_backbone(folder).pooling == names[MODES[key]]


@pytest.mark.parametrize("key", list(MODES))
def test_vectors_are_those_of_pooling_dense_and_normalize(key: str, tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path, pooling=dict.fromkeys(MODES, False) | {key: True})
    expected = [unit(dense(folder / "2_Dense", pooled(states, MODES[key]), "Tanh")) for states in hidden_states(folder)]
    np.testing.assert_allclose(vectors(embedder(folder)), expected, atol=1e-5)


def test_two_dense_modules_one_without_bias(tmp_path: Path) -> None:
    folder = make_sentence_folder(
        tmp_path, ("Transformer", "Pooling", "Dense"), dense={"activation_function": "torch.nn.modules.activation.ReLU"}
    )
    second = folder / "3_Dense"
    second.mkdir()
    save_file({"linear.weight": np.random.default_rng(9).normal(size=(4, 8)).astype(np.float32)}, second / "model.safetensors")
    change_json(
        second / "config.json", in_features=8, out_features=4, bias=False, activation_function="torch.nn.modules.linear.Identity"
    )
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    means = [pooled(states, "mean") for states in hidden_states(folder)]
    expected = [dense(second, dense(folder / "2_Dense", mean, "ReLU"), "Identity") for mean in means]
    np.testing.assert_allclose(vectors(embedder(folder, normalise=False)), expected, atol=1e-5)


@pytest.mark.parametrize("tuning", [kft.FrozenFeatures(), kft.Full()], ids=["frozen", "full"])
def test_a_run_keeps_the_modules(tuning: Any, tmp_path: Path) -> None:
    """Dense and max pooling: saved and loaded, written for transformers and read again, exported as a SavedModel."""
    folder = make_sentence_folder(tmp_path / "base", DENSE_AND_MAX, pooling=MAX)
    expected = [unit(dense(folder / "2_Dense", pooled(states, "max"), "Tanh")) for states in hidden_states(folder)]
    pairs = [{"text": a, "text_pair": b} for a, b in zip(TEXTS * 4, TEXTS[::-1] * 4, strict=True)]
    train = kft.TrainConfig(epochs=1, batch_size=4, learning_rate=1e-2, tensorboard=False)
    data = kft.load_data({"train": pairs, "validation": pairs}, text="text", text_pair="text_pair", validation=0)
    model = kft.finetune(str(folder), data, kft.TextEmbedding(), tuning=tuning, train=train, out=tmp_path / "run")
    own = np.asarray([answer.vector for answer in model.predict(TEXTS)])
    np.testing.assert_allclose(vectors(model), own, atol=1e-5)
    assert own.shape == (3, 8)
    if isinstance(tuning, kft.FrozenFeatures):
        np.testing.assert_allclose(own, expected, atol=1e-5)
    else:
        assert np.abs(own - expected).max() > 1e-3
        dense_weights = load_file(folder / "2_Dense" / "model.safetensors")["linear.weight"]
        assert np.abs(model.encoder.parts.dense[0].kernel.numpy() - dense_weights.T).max() > 1e-4
    np.testing.assert_allclose(vectors(kft.load(tmp_path / "run")), own, atol=1e-6)
    written = model.export_huggingface(tmp_path / "written")
    np.testing.assert_allclose(vectors(embedder(written)), own, atol=1e-5)
    modules = [module["type"].rpartition(".")[2] for module in json.loads((written / "modules.json").read_text())]
    assert modules[:3] == ["Transformer", "Pooling", "Dense"]
    if isinstance(tuning, kft.Full):
        import tensorflow as tf

        served = tf.saved_model.load(str(model.export(tmp_path / "serving" / "1"))).signatures["serving_default"]
        np.testing.assert_allclose(served(text=tf.constant(TEXTS))["vector"], own, atol=1e-5)


def test_a_model_saved_by_hand_is_loaded_with_its_modules(tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path / "base", DENSE_AND_MAX, pooling=MAX)
    model = embedder(folder)
    model.save(tmp_path / "run")
    np.testing.assert_allclose(vectors(kft.load(tmp_path / "run")), vectors(model), atol=1e-6)


# --- Refused by name. ---


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        (("Transformer", "Normalize", "Pooling"), "order"),
        (("Transformer", "Dense", "Pooling"), "order"),
        (("Transformer", "Pooling", "Normalize", "Dense"), "order"),
        (("Transformer", "Pooling", "Pooling"), "order"),
        (("Transformer", "Pooling", "LayerNorm"), "LayerNorm"),
        (("Transformer", "Pooling", "WeightedLayerPooling"), "WeightedLayerPooling"),
        (("Transformer", "CNN", "Pooling"), "CNN"),
    ],
)
def test_other_modules_or_another_order_are_refused(kinds: tuple[str, ...], named: str, tmp_path: Path) -> None:
    with pytest.raises(kft.PresetError, match=named):
        load_backbone(make_sentence_folder(tmp_path, kinds))


@pytest.mark.parametrize(
    ("pooling", "named"),
    [
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
        ({"pooling_mode": "mean_sqrt_len"}, "mean_sqrt_len"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "cls_token"),
        ({"pooling_mode": ["cls", "mean"]}, "cls"),
        ({"pooling_mode_mean_tokens": False}, "none is named"),
    ],
)
def test_a_pooling_that_is_not_implemented_is_refused(pooling: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(kft.PresetError, match=named):
        load_backbone(make_sentence_folder(tmp_path, pooling=pooling))


def test_an_activation_that_is_not_implemented_is_refused(tmp_path: Path) -> None:
    with pytest.raises(kft.PresetError, match="GELU"):
        load_backbone(make_sentence_folder(tmp_path, dense={"activation_function": "torch.nn.modules.activation.GELU"}))


def test_pickled_dense_weights_are_never_opened(tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path)
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(kft.PresetError, match="dense module has no weights") as error:
        load_backbone(folder)
    assert "pickle" in str(error.value.hint)


def test_a_pointer_in_place_of_dense_weights_is_named(tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path)
    (folder / "2_Dense" / "model.safetensors").write_text(LFS_POINTER)
    with pytest.raises(kft.PresetError, match="LFS"):
        load_backbone(folder)


def test_dense_weights_of_other_sizes_than_their_config_are_refused(tmp_path: Path) -> None:
    with pytest.raises(kft.PresetError, match="12"):
        load_backbone(make_sentence_folder(tmp_path, dense={"in_features": 12}))


def test_a_prompt_before_every_text_is_refused_and_a_prompt_to_choose_is_not(tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path)
    prompts = {"query": "query: ", "document": ""}
    change_json(folder / "config_sentence_transformers.json", prompts=prompts, default_prompt_name="query")
    with pytest.raises(kft.PresetError, match="default_prompt_name"):
        load_backbone(folder)
    for name in (None, "document"):
        change_json(folder / "config_sentence_transformers.json", default_prompt_name=name)
        assert load_backbone(folder).pooling == "mean"


def test_lower_casing_before_a_cased_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path)
    change_json(folder / "sentence_bert_config.json", max_seq_length=64, do_lower_case=True)
    assert load_backbone(folder).pooling == "mean"
    change_json(folder / "tokenizer_config.json", do_lower_case=False)
    with pytest.raises(kft.PresetError, match="do_lower_case"):
        load_backbone(folder)
