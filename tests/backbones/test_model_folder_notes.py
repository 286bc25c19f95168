"""Model folders that were read without a word although something in them changes the numbers: read, named or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import folder_notes, load_backbone
from kerasft.errors import PresetError
from kerasft.model import import_huggingface
from tests.backbones.model_folders import FIXTURES, change_arrays, change_json, copy_fixture
from tests.backbones.test_hf_tokenizers import ids_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")
CLASSIFIER = "heads/BertForSequenceClassification"


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("name", ["hf_bert_mlm", CLASSIFIER, "hf_gpt2"])
def test_what_wrappers_put_before_names_is_taken_off(prefix: str, name: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    plain = load_backbone(folder)
    answer = import_huggingface(str(folder)).predict("a good film") if name == CLASSIFIER else None
    change_arrays(folder, lambda arrays: {f"{prefix}{key}": value for key, value in arrays.items()})
    wrapped = load_backbone(folder)
    for one, other in zip(plain.model.weights, wrapped.model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert set(plain.lm_head) == set(wrapped.lm_head)
    assert answer is None or import_huggingface(str(folder)).predict("a good film") == answer


@pytest.mark.parametrize(
    ("name", "prefix"), [("hf_bert_gelu", "roberta."), ("hf_bert_mlm", "student."), ("hf_gpt2", "gpt_neox.")]
)
def test_arrays_under_another_name_are_refused(name: str, prefix: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_arrays(folder, lambda arrays: {f"{prefix}{key}": value for key, value in arrays.items()})
    with pytest.raises(PresetError, match=prefix.rstrip(".")):
        load_backbone(folder)


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("key", ["additional_special_tokens", "extra_special_tokens"])
@pytest.mark.parametrize("as_object", [False, True])
def test_further_special_tokens_are_never_cut(file: str, key: str, as_object: bool, tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_gelu", tmp_path)
    pieces = (folder / "vocab.txt").read_text().split("\n")
    place = 150
    pieces[place] = "[unused1]"
    (folder / "vocab.txt").write_text("\n".join(pieces))
    change_json(folder / file, **{key: [{"content": "[unused1]", "special": True} if as_object else "[unused1]"]})
    (ids,) = ids_of(folder, ["a [unused1] b"])
    assert ids[2] == place
    assert len(ids) == 5  # with [CLS] and [SEP]


def test_a_further_special_token_without_a_row_in_the_embedding_is_refused(tmp_path: Path) -> None:
    folder = copy_fixture("hf_bert_gelu", tmp_path)
    change_json(folder / "special_tokens_map.json", additional_special_tokens=["<e1>"])
    with pytest.raises(PresetError, match="197 tokens, and the model an embedding for 196"):
        load_backbone(folder)


@pytest.mark.parametrize(
    ("name", "file", "values"),
    [
        ("hf_bert_gelu", "tokenizer_config.json", {"truncation_side": "left"}),
        ("hf_gpt2", "tokenizer_config.json", {"truncation_side": "left"}),
        ("hf_gpt2", "tokenizer_config.json", {"eos_token": "</s>"}),
        ("hf_gpt2", "special_tokens_map.json", {"bos_token": {"content": "<s>"}}),
        ("hf_bert_gelu", "special_tokens_map.json", {"cls_token": "<s>"}),
    ],
)
def test_a_tokenizer_that_computes_other_ids_is_refused(name: str, file: str, values: dict[str, object], tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_json(folder / file, **values)
    with pytest.raises(PresetError) as raised:
        load_backbone(folder)
    value = next(iter(values.values()))
    shown = value["content"] if isinstance(value, dict) else value[0] if isinstance(value, list) else value
    assert str(shown) in str(raised.value)


def test_two_labels_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = copy_fixture(CLASSIFIER, tmp_path)
    change_json(folder / "config.json", id2label={"0": "x", "1": "x", "2": "y"})
    with pytest.raises(PresetError, match="one name: 'x'"):
        import_huggingface(str(folder))


def test_keys_that_are_not_known_are_named(tmp_path: Path) -> None:
    folder = copy_fixture(CLASSIFIER, tmp_path)
    assert folder_notes(folder) == []
    change_json(folder / "config.json", attention_temperature_scale=0.5, gradient_checkpointing=True, best_f1=None, _mine=3)
    assert folder_notes(folder) == ["config.json has keys that are not read: 'attention_temperature_scale'."]
    model = import_huggingface(str(folder))
    assert model.recipe["notes"] == folder_notes(folder)
    assert kft.load(model.save(tmp_path / "run")).recipe["notes"] == folder_notes(folder)


@pytest.mark.parametrize("folder", sorted(path.parent for path in FIXTURES.glob("**/config.json")), ids=lambda path: path.name)
def test_what_transformers_writes_is_known(folder: Path) -> None:
    if "model_type" in json.loads((folder / "config.json").read_text()):
        assert folder_notes(folder) == []
