"""Folders that are damaged, or that compute something else than is implemented: refused by name, and soon."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken

import kerasft as kft
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.errors import KerasFTError, PresetError
from kerasft.presets import fetch, find_preset
from tests.backbones.model_folders import (
    FIXTURES,
    LFS_POINTER,
    REMOVED,
    change_arrays,
    change_json,
    copy_fixture,
    difference_from_transformers,
    forbid_building,
    make_sentence_folder,
)
from tests.backbones.test_hf_tokenizers import check_ids, make_pair
from tests.backbones.test_hostile_folders import BERT, CLASSIFIER, GPT2, NESTED, seconds_until_refused
from tests.backbones.test_sentence_modules import embedder

PLAIN = "hf_bert_gelu"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


# --- Other exceptions than a KerasFTError leave the loader. ---


@pytest.mark.parametrize("damage", ["nested", "folder"])
def test_a_config_that_cannot_be_read_is_refused_by_find_preset(damage: str, tmp_path: Path) -> None:
    folder = copy_fixture(PLAIN, tmp_path)
    (folder / "config.json").unlink()
    if damage == "nested":
        (folder / "config.json").write_bytes(NESTED)
    else:
        (folder / "config.json").mkdir()
    with pytest.raises(KerasFTError):
        fetch(find_preset(str(folder)))


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        (PLAIN, "tokenizer_config.json", NESTED),
        (PLAIN, "added_tokens.json", NESTED),
        (PLAIN, "tokenizer.json", NESTED),
        (PLAIN, "tokenizer_config.json", b'{"a": ' + b"1" * 5000 + b"}"),
        (PLAIN, "tokenizer_config.json", b'{"tokenizer_class": []}'),
        (PLAIN, "tokenizer.json", b'{"model": {"type": "WordPiece"}, "normalizer": "x"}'),
        (PLAIN, "tokenizer.json", b'{"model": {"type": "WordPiece"}, "pre_tokenizer": [1]}'),
        (PLAIN, "config.json", b'{"model_type": "bert", "max_position_embeddings": "x"}'),
        (PLAIN, "config.json", b'{"model_type": "bert", "max_position_embeddings": [1]}'),
        (PLAIN, "vocab.txt", None),
        (GPT2, "merges.txt", None),
        (GPT2, "merges.txt", b"\xff\xfe\x00"),
        (GPT2, "merges.txt", b""),
        (GPT2, "merges.txt", b"one\n"),
    ],
    ids=range(14),
)
def test_load_framer_refuses_a_damaged_file(name: str, file: str, content: bytes | None, tmp_path: Path) -> None:
    """None stands for a folder in the file's place."""
    folder = copy_fixture(name, tmp_path)
    (folder / file).unlink(missing_ok=True)
    if content is None:
        (folder / file).mkdir()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(KerasFTError):
        load_framer(folder, 64)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architectures", -1),
        ("architectures", {"a": 1}),
        ("id2label", -1),
        ("id2label", "x"),
        ("id2label", {"a": 1}),
        ("num_labels", None),
        ("num_labels", "x"),
        ("sentence_transformers", True),
    ],
)
def test_a_damaged_key_of_a_classifier_is_refused_or_ignored(key: str, value: Any, tmp_path: Path) -> None:
    folder = copy_fixture(CLASSIFIER, tmp_path)
    change_json(folder / "config.json", **{key: value})
    with contextlib.suppress(KerasFTError):
        kft.import_huggingface(str(folder))


@pytest.mark.parametrize("damage", ["inputs", "bias shape", "missing bias", "NaN"])
def test_dense_weights_that_do_not_fit_are_refused(damage: str, tmp_path: Path) -> None:
    changes = {
        "inputs": {"linear.weight": np.ones((8, 12), np.float32)},
        "bias shape": {"linear.bias": np.ones(3, np.float32)},
        "NaN": {"linear.bias": np.full(8, np.nan, np.float32)},
        "missing bias": {},
    }[damage]
    dropped = "linear.bias" if damage == "missing bias" else ""
    dense = {"in_features": 12} if damage == "inputs" else None
    folder = make_sentence_folder(
        tmp_path, dense=dense, arrays=lambda arrays: {k: a for k, a in (arrays | changes).items() if k != dropped}
    )
    with pytest.raises(PresetError):
        embedder(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_dim", 10**9),
        ("num_layers", 10**7),
        ("vocabulary_size", 10**10),
        ("intermediate_dim", 10**9),
        ("max_sequence_length", 10**9),
        ("num_segments", 10**9),
        ("num_heads", 0),
    ],
)
def test_a_size_in_run_json_that_the_weights_do_not_have_is_refused_before_a_model_is_built(
    key: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kft.import_huggingface(str(FIXTURES / CLASSIFIER)).save(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    content["model"]["backbone"][key] = value
    (tmp_path / "run.json").write_text(json.dumps(content))
    forbid_building(monkeypatch)
    with pytest.raises(KerasFTError):
        kft.load(tmp_path)


@pytest.mark.parametrize("damage", ["nested", "dense"])
def test_a_damaged_run_json_is_refused(damage: str, tmp_path: Path) -> None:
    kft.import_huggingface(str(FIXTURES / CLASSIFIER)).save(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    content["model"]["backbone"]["dense"] = "x"
    (tmp_path / "run.json").write_bytes(NESTED if damage == "nested" else json.dumps(content).encode())
    with pytest.raises(KerasFTError):
        kft.load(tmp_path)


@pytest.mark.parametrize("file", ["config.json", "vocab.txt", "modules.json", "model.safetensors.index.json"])
def test_a_pipe_in_place_of_a_file_does_not_hang(file: str, tmp_path: Path) -> None:
    folder = copy_fixture(BERT, tmp_path)
    (folder / file).unlink(missing_ok=True)
    os.mkfifo(folder / file)
    assert seconds_until_refused(folder, folder / file) < 5


# --- Loaded without a word, and computed differently or not at all. ---


@pytest.mark.parametrize(
    ("name", "array"),
    [
        (BERT, "cls.predictions.bias"),
        (BERT, "cls.predictions.transform.dense.weight"),
        ("hf_bert_pretraining", "cls.seq_relationship.weight"),
    ],
)
def test_a_language_head_that_is_no_numbers_is_refused(name: str, array: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_arrays(folder, lambda arrays: arrays | {array: np.full_like(arrays[array], np.nan)})
    with pytest.raises(PresetError, match="finite"):
        kft.import_huggingface(str(folder))


@pytest.mark.parametrize("value", ["x", -1, [], True])
def test_an_epsilon_that_is_no_positive_number_is_refused(value: Any, tmp_path: Path) -> None:
    folder = copy_fixture(PLAIN, tmp_path)
    change_json(folder / "config.json", layer_norm_eps=value)
    with pytest.raises(PresetError, match="layer_norm_eps"):
        load_backbone(folder)


def test_without_hidden_act_the_activation_is_that_of_transformers(tmp_path: Path) -> None:
    folder = copy_fixture(PLAIN, tmp_path)
    change_json(folder / "config.json", hidden_act=REMOVED)
    assert difference_from_transformers(folder, PLAIN) < 1e-4


def test_a_masked_lm_head_has_the_activation_of_the_config(tmp_path: Path) -> None:
    """transformers uses `hidden_act` in the head as well: relu here, not the tanh form of GELU. Or it is refused."""
    folder = copy_fixture(BERT, tmp_path)
    change_json(folder / "config.json", hidden_act="relu")
    try:
        head = load_backbone(folder)
    except PresetError:
        return
    layer, x = head.family.parts(head).lm_head, np.linspace(-2, 2, 32, dtype=np.float32)[None]
    names = ("dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")
    weight, bias, gamma, beta = (head.lm_head[f"transform.{name}"] for name in names)
    hidden = np.maximum(x @ weight.T + bias, 0)
    expected = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-12) * gamma + beta
    np.testing.assert_allclose(np.asarray(layer(x)), expected, atol=1e-4)


def test_a_git_lfs_pointer_in_place_of_the_config_is_named(tmp_path: Path) -> None:
    folder = copy_fixture(PLAIN, tmp_path)
    (folder / "config.json").write_text(LFS_POINTER)
    with pytest.raises(PresetError, match="LFS"):
        find_preset(str(folder))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("emb_layer_norm_before", True),
        ("use_bottleneck", True),
        ("normalization_type", "no_norm"),
        ("max_2d_position_embeddings", 1024),
    ],
)
def test_a_key_of_another_architecture_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    """Keys of ESM, MobileBERT and LayoutLM."""
    folder = copy_fixture(PLAIN, tmp_path)
    change_json(folder / "config.json", **{key: value})
    with pytest.raises(PresetError, match=key):
        load_backbone(folder)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        (PLAIN, "do_basic_tokenize", False),
        (PLAIN, "never_split", ["good"]),
        (PLAIN, "cls_token", "<s>"),
        (PLAIN, "unk_token", "[PAD]"),
        (GPT2, "add_prefix_space", True),
    ],
)
def test_an_option_of_the_tokenizer_that_changes_ids_is_refused(name: str, key: str, value: Any, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_json(folder / "tokenizer_config.json", **{key: value})
    with pytest.raises(PresetError, match=key):
        load_backbone(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("normalizer", None),
        ("pre_tokenizer", None),
        ("post_processor", None),
        ("post_processor", {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
        ("normalizer.clean_text", False),
        ("model.max_input_chars_per_word", 5),
        ("model.unk_token", "[MASK]"),
    ],
)
def test_a_part_of_tokenizer_json_that_changes_ids_is_refused(path: str, value: Any, tmp_path: Path) -> None:
    make_pair(tmp_path).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    outer, _, inner = path.partition(".")
    content[outer] = {**content[outer], inner: value} if inner else value
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PresetError):
        load_framer(tmp_path, 64)


def test_an_added_token_with_an_accent_is_found_in_the_normalised_text(tmp_path: Path) -> None:
    rust = make_pair(tmp_path, added=(AddedToken("Ménage", normalized=True),))
    check_ids(tmp_path, rust, ["Ménage good", "ménage", "MENAGE menage"])


def test_two_vocabularies_that_differ_are_refused(tmp_path: Path) -> None:
    make_pair(tmp_path).save(str(tmp_path / "tokenizer.json"))
    pieces = (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "vocab.txt").write_text("\n".join([*pieces[:50], pieces[51], pieces[50], *pieces[52:]]) + "\n", encoding="utf-8")
    with pytest.raises(PresetError):
        load_framer(tmp_path, 64)


@pytest.mark.parametrize("place", ["vocab.txt", "added_tokens.json"])
def test_tokens_that_the_embedding_has_no_row_for_are_refused(place: str, tmp_path: Path) -> None:
    folder = copy_fixture(PLAIN, tmp_path)
    if place == "vocab.txt":
        (folder / place).write_text((folder / place).read_text(encoding="utf-8") + "zz1\nzz2\n", encoding="utf-8")
    else:
        change_json(folder / place, **{"[NEW]": 196})
    with pytest.raises(PresetError):
        load_backbone(folder)
