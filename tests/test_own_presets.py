"""The two small models that come with KerasFT: whole, small, honest about themselves, and trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import load_backbone
from kerasft.presets import fetch, find_preset
from kerasft.weights import read_arrays

OWN = {"bert": "kerasft_bert_mini_en", "gpt2": "kerasft_gpt2_mini_en"}
# Written for this test; no model has seen it.
TEXT = (
    "The old man walked slowly down the street to the house of his brother. It was late in the evening, and there was no light "
    "in the windows. He knocked at the door and waited for a long time. At last a young woman came and asked him what he wanted. "
    "He told her that he had come from the city to see her father, and that he must speak with him at once."
)


@pytest.fixture
def held_out() -> kft.Dataset:
    return kft.load_data({"train": [{"text": TEXT}], "validation": [{"text": TEXT}]})


@pytest.mark.parametrize("family", OWN)
def test_it_is_whole_small_and_tells_what_it_is(family: str) -> None:
    preset = find_preset(OWN[family])
    folder = fetch(preset)
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 20e6
    assert {array.dtype for array in read_arrays(folder / "model.safetensors").values()} == {np.dtype(np.float16)}
    backbone = load_backbone(folder)
    assert (backbone.parameters, backbone.max_length, preset.family) == (preset.parameters, 128, family)
    assert {str(weight.dtype) for weight in backbone.model.weights} == {"float32"}
    assert backbone.config["dropout"] == 0.1
    assert find_preset(str(folder)).parameters == pytest.approx(preset.parameters, rel=0.05)  # guessed from the file's size
    card = (folder / "README.md").read_text(encoding="utf-8")
    for said in ("Apache-2.0", "CC BY-SA 4.0", "CC BY 4.0", "public domain", "tokens", "own_presets.py", "larger"):
        assert said in card, said


def test_bert_fills_gaps(held_out: kft.Dataset, tmp_path: Path) -> None:
    model = kft.import_huggingface(OWN["bert"])
    figures = model.evaluate(held_out["validation"]).metrics
    assert figures["perplexity"] < 400  # of 8,000 pieces
    filled = model.predict(["He opened the [MASK] and went in.", "They sat down at the [MASK]."])
    assert all(score > 10 / 8000 for answer in filled for gap in answer.gaps for _, score in gap[:1])
    assert all(token.isalpha() for answer in filled for gap in answer.gaps for token, _ in gap[:1])


def test_gpt2_writes(held_out: kft.Dataset, tmp_path: Path) -> None:
    train = kft.TrainConfig(epochs=0, tensorboard=False)
    model = kft.finetune(OWN["gpt2"], held_out, kft.CausalLM(max_length=128), train=train, out=tmp_path / "run")
    assert model.evaluate(held_out["validation"]).metrics["perplexity"] < 400
    assert model.generate("He opened the door and", max_new_tokens=8).text.strip()
