"""Weights of Hugging Face folders: old names, several files, half precision; heads that are taken over with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import load_backbone
from kerasft.tasks.token_classification import Tagged
from kerasft.weights import weights_by_path
from tests.backbones.model_folders import (
    FIXTURES,
    LFS_POINTER,
    REMOVED,
    Arrays,
    change_arrays,
    change_json,
    copy_fixture,
    difference_from_transformers,
    split_into_shards,
    with_old_names,
)

BACKBONES = ("hf_bert_gelu", "hf_bert_eps", "hf_gpt2")
HEADS = tuple(sorted(f"heads/{folder.name}" for folder in (FIXTURES / "heads").iterdir()))
LANGUAGE = ("hf_bert_mlm", "hf_bert_pretraining")
CLASSIFIER, TAGGER = "heads/BertForSequenceClassification", "heads/BertForTokenClassification"
BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def values(model: kft.FineTunedModel) -> Arrays:
    return {path: weight.numpy() for path, weight in weights_by_path(model.keras_model).items()}


def check_same_model(folder: Path, name: str) -> kft.FineTunedModel:
    """Read a changed folder with its head and compare every weight with that of the fixture."""
    changed, unchanged = kft.import_huggingface(str(folder)), kft.import_huggingface(str(FIXTURES / name))
    expected = values(unchanged)
    assert set(values(changed)) == set(expected)
    for path, array in values(changed).items():
        np.testing.assert_array_equal(array, expected[path], err_msg=path)
    return changed


def check_logits(model: kft.FineTunedModel, name: str) -> None:
    inputs = dict(np.load(FIXTURES / name / "expected.npz"))
    expected = inputs.pop("logits")
    kept = inputs["padding_mask"].astype(bool) if expected.ndim == 3 else slice(None)
    np.testing.assert_allclose(np.asarray(model.keras_model.predict_on_batch(inputs))[kept], expected[kept], atol=1e-5)


@pytest.mark.parametrize("name", ["hf_bert_gelu", "hf_bert_eps"])
def test_layer_norms_may_have_their_old_names(name: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_arrays(folder, with_old_names)
    assert difference_from_transformers(folder, name) < 1e-4


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_masked_lm_head_may_have_the_old_names(name: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_arrays(folder, with_old_names)
    check_same_model(folder, name)


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_may_be_in_several_files(name: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    split_into_shards(folder)
    assert difference_from_transformers(folder, name) < 1e-4


def test_several_files_with_old_names(tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_eps", tmp_path)
    change_arrays(folder, with_old_names)
    split_into_shards(folder, 5)
    assert difference_from_transformers(folder, "hf_bert_eps") < 1e-4


@pytest.mark.parametrize("name", HEADS)
def test_heads_in_several_files_give_the_logits_of_transformers(name: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    split_into_shards(folder)
    check_logits(kft.import_huggingface(str(folder)), name)


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_heads_in_several_files_are_those_of_one_file(name: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    split_into_shards(folder)
    check_same_model(folder, name)


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["hf_bert_gelu", "hf_gpt2", CLASSIFIER, "hf_bert_mlm"])
def test_half_precision_is_read_as_the_same_numbers(name: str, kind: Any, tmp_path: Path) -> None:
    half, rounded = copy_fixture(name, tmp_path / "half"), copy_fixture(name, tmp_path / "rounded")
    change_arrays(half, lambda arrays: {key: array.astype(kind) for key, array in arrays.items()})
    change_arrays(rounded, lambda arrays: {key: array.astype(kind).astype(np.float32) for key, array in arrays.items()})
    if name in (CLASSIFIER, "hf_bert_mlm"):
        loaded, expected = (values(kft.import_huggingface(str(folder))) for folder in (half, rounded))
    else:
        loaded, expected = (
            {weight.path: weight.numpy() for weight in load_backbone(folder).model.weights} for folder in (half, rounded)
        )
    for path, array in expected.items():
        assert loaded[path].dtype == np.float32
        np.testing.assert_array_equal(loaded[path], array, err_msg=path)


def test_half_precision_in_several_files_without_a_pooler(tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_mlm", tmp_path)
    change_arrays(folder, lambda arrays: {key: array.astype(ml_dtypes.bfloat16) for key, array in arrays.items()})
    split_into_shards(folder)
    assert kft.import_huggingface(str(folder)).task.name == "masked_lm"


def test_what_a_gpt2_config_leaves_out_has_the_value_of_transformers(tmp_path: Path) -> None:
    folder = copy_fixture("hf_gpt2", tmp_path)
    change_json(folder / "config.json", activation_function=REMOVED, layer_norm_epsilon=REMOVED)
    assert difference_from_transformers(folder, "hf_gpt2") < 1e-4


# --- Refused by name. ---


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position_embedding_type", "relative_key_query"),
        ("position_embedding_type", "rotary"),
        ("use_alibi", True),
        ("alibi_starting_size", 512),
        ("rope_theta", 10000.0),
        ("rotary_emb_fraction", 1.0),
        ("num_experts", 8),
        ("num_key_value_heads", 2),
        ("attention_window", [64, 64]),
        ("embedding_size", 16),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("is_encoder_decoder", True),
        ("tie_word_embeddings", False),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"bits": 4}),
        ("hidden_act", "quick_gelu"),
        ("auto_map", {"AutoModel": "modeling.OwnModel"}),
    ],
)
def test_a_config_of_another_architecture_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_gelu", tmp_path)
    change_json(folder / "config.json", **{key: value})
    with pytest.raises(kft.PresetError) as error:
        load_backbone(folder)
    assert (value if key == "hidden_act" else key) in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"), [("scale_attn_weights", False), ("scale_attn_by_inverse_layer_idx", True), ("n_inner", 96)]
)
def test_a_gpt2_that_computes_attention_in_another_way_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    folder = copy_fixture("hf_gpt2", tmp_path)
    change_json(folder / "config.json", **{key: value})
    with pytest.raises(kft.PresetError, match=key):
        load_backbone(folder)


@pytest.mark.parametrize("model_type", ["roberta", "nomic_bert", "distilbert", "gpt_neox"])
def test_another_model_type_is_refused(model_type: str, tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_gelu", tmp_path)
    change_json(folder / "config.json", model_type=model_type)
    with pytest.raises(kft.PresetError, match=model_type):
        load_backbone(folder)


def test_a_git_lfs_pointer_in_place_of_the_weights_is_named(tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_gelu", tmp_path)
    (folder / "model.safetensors").write_text(LFS_POINTER)
    with pytest.raises(kft.PresetError, match="LFS"):
        load_backbone(folder)


@pytest.mark.parametrize("damage", ["absent file", "absent array", "no map"])
def test_an_index_that_does_not_fit_its_files_is_refused(damage: str, tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_gelu", tmp_path)
    split_into_shards(folder)
    index = folder / "model.safetensors.index.json"
    if damage == "absent file":
        (folder / "model-00002-of-00003.safetensors").unlink()
    elif damage == "absent array":
        weight_map = json.loads(index.read_text())["weight_map"]
        change_json(index, weight_map={**weight_map, "encoder.extra": "model-00001-of-00003.safetensors"})
    else:
        change_json(index, weight_map=[1, 2])
    with pytest.raises(kft.PresetError, match="00002|encoder.extra|index"):
        load_backbone(folder)


# --- Heads taken over: pairs and BIOES. ---


@pytest.mark.parametrize(
    ("changes", "reads_pairs"),
    [
        ({}, False),
        ({"id2label": {"0": "CONTRADICTION", "1": "neutral", "2": "Entailment"}}, True),
        ({"id2label": {"0": "not_entailment", "1": "entailment", "2": "x"}}, True),
        ({"id2label": {"0": "not_duplicate", "1": "duplicate", "2": "x"}}, True),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, True),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "5.0"}}, True),
        ({"sentence_transformers": {"version": "5.0"}}, False),
        ({"id2label": {"0": "negative", "1": "neutral", "2": "positive"}}, False),
    ],
)
def test_labels_and_config_say_whether_a_classifier_reads_pairs(
    changes: dict[str, Any], reads_pairs: bool, tmp_path: Path
) -> None:
    folder = copy_fixture(CLASSIFIER, tmp_path)
    change_json(folder / "config.json", **changes)
    assert kft.import_huggingface(str(folder)).paired == reads_pairs
    assert kft.import_huggingface(str(folder), text_pair=not reads_pairs).paired == (not reads_pairs)


def test_a_classifier_of_pairs_computes_what_transformers_does() -> None:
    """[CLS] first [SEP] second [SEP], the second text with segment 1."""
    model = kft.import_huggingface(str(FIXTURES / CLASSIFIER), text_pair=True)
    first, second = "the film was good", "it is a book"
    single = model.framer
    one, two = (single.frame([text.encode()], None)[0] for text in (first, second))
    ids = np.concatenate([one, two[1:]])[None]
    segments = np.concatenate([np.zeros(len(one), int), np.ones(len(two) - 1, int)])[None]
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids), "segment_ids": segments}
    logits = np.asarray(model.keras_model.predict_on_batch(inputs))[0].astype(float)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    probabilities = model.predict((first, second)).probabilities
    np.testing.assert_allclose([probabilities[label] for label in model.labels], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["heads/GPT2ForSequenceClassification", TAGGER])
def test_a_model_that_reads_no_pairs_cannot_be_asked_to(name: str) -> None:
    with pytest.raises(kft.ConfigError, match="pairs"):
        kft.import_huggingface(str(FIXTURES / name), text_pair=True)
    assert not kft.import_huggingface(str(FIXTURES / name), text_pair=False).paired


def test_a_tagger_with_bioes_labels_finds_entities(tmp_path: Path) -> None:
    folder = copy_fixture(TAGGER, tmp_path / "hf")
    rng = np.random.default_rng(0)
    head = {"classifier.weight": rng.normal(size=(5, 16)), "classifier.bias": np.zeros(5)}
    change_arrays(folder, lambda arrays: arrays | {name: array.astype(np.float32) for name, array in head.items()})
    labels = {str(i): label for i, label in enumerate(BIOES)}
    change_json(folder / "config.json", id2label=labels, label2id={label: i for i, label in enumerate(BIOES)})
    model = kft.import_huggingface(str(folder))
    assert model.labels == BIOES
    text = "a b c d e f"
    tags = ["S-PER", "S-PER", "O", "B-PER", "I-PER", "E-PER"]
    logits = 9.0 * np.eye(5, dtype=np.float32)[[BIOES.index(tag) for tag in tags]]
    places = np.arange(0, 12, 2)
    [answer] = model.task.decode([Tagged(logits, places, places + 1)], model.learned, [text], [None])
    assert [word.tag for word in answer.words] == tags
    assert [(entity.text, entity.type) for entity in answer.entities] == [("a", "PER"), ("b", "PER"), ("d e f", "PER")]
    model.save(tmp_path / "run")
    again = kft.load(tmp_path / "run")
    assert again.labels == BIOES
    assert again.learned == model.learned
    for path, array in values(again).items():
        np.testing.assert_array_equal(array, values(model)[path], err_msg=path)
    written = json.loads((model.export_huggingface(tmp_path / "written") / "config.json").read_text())
    assert written["id2label"] == labels
