"""Backbones compute what Hugging Face's do: hidden states and pooled vectors against `tests/fixtures/hf_*`.

The expected outputs come from transformers (`tests/fixtures/make_hf_fixtures.py`, versions in `versions.json`). Measured
largest differences are 1.5e-6 to 4.2e-6 on values of size 3 to 5; each test prints its own (`pytest -s`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft  # noqa: F401  chooses the backend before Keras is imported
from kerasft.backbones.base import Backbone
from kerasft.backbones.loading import load_backbone, set_numerics

FIXTURES = Path(__file__).parents[1] / "fixtures"
FOLDERS = ("hf_bert_gelu", "hf_bert_gelu_new", "hf_bert_eps", "hf_gpt2", "hf_gpt2_eps")
TOLERANCE = 1e-4


def load_expected(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / name / "expected.npz") as file:
        return dict(file)


def run(backbone: Backbone, expected: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Hidden states (B, L, H) and pooled vectors (B, H) of the wired parts."""
    import keras

    encoder = backbone.family.wire(backbone.family.parts(backbone), backbone)
    outputs = (
        {"sequence": encoder.sequence} if encoder.pooled is None else {"sequence": encoder.sequence, "pooled": encoder.pooled}
    )
    model = keras.Model(encoder.inputs, outputs)
    inputs = {"token_ids": expected["input_ids"], "padding_mask": expected["attention_mask"]}
    if "segment_ids" in encoder.inputs:
        inputs["segment_ids"] = expected["token_type_ids"]
    out = {key: np.asarray(value) for key, value in model(inputs, training=False).items()}
    return out["sequence"], out.get("pooled")


def differences(backbone: Backbone, expected: dict[str, np.ndarray]) -> list[float]:
    """Largest difference of the hidden states at kept positions and, with a pooler, of the pooled vectors."""
    sequence, pooled = run(backbone, expected)
    kept = expected["attention_mask"] == 1
    found = [float(np.abs(sequence[kept] - expected["last_hidden_state"][kept]).max())]
    if pooled is not None:
        found.append(float(np.abs(pooled - expected["pooler_output"]).max()))
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_outputs_equal_hugging_face(name: str, record_property: Any) -> None:
    backbone, expected = load_backbone(FIXTURES / name), load_expected(name)
    found = differences(backbone, expected)
    print(f"{name}: largest differences {', '.join(f'{value:.1e}' for value in found)}")
    record_property("largest_difference", max(found))
    assert len(found) == (2 if "bert" in name else 1)
    assert max(found) < TOLERANCE


def test_fixtures_cover_padding_and_both_segments() -> None:
    expected = load_expected("hf_bert_gelu")
    kept = expected["attention_mask"] == 1
    assert 0 < kept.sum() < kept.size
    assert set(expected["token_type_ids"][kept]) == {0, 1}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_other_gelu_would_be_noticed(name: str) -> None:
    """Erf and tanh GELU differ by at most 5e-4, so this proves that the tolerance is tight enough to tell them apart."""
    backbone, expected = load_backbone(FIXTURES / name), load_expected(name)
    numerics = backbone.config["numerics"]
    other = "gelu" if numerics["activation"] == "gelu_new" else "gelu_new"
    set_numerics(backbone.model, {**numerics, "activation": other}, name)
    found = differences(backbone, expected)
    print(f"{name} with {other}: largest differences {', '.join(f'{value:.1e}' for value in found)}")
    assert min(found) > TOLERANCE


@pytest.mark.parametrize(("name", "kerashub_epsilon"), [("hf_bert_eps", 1e-12), ("hf_gpt2_eps", 1e-5)])
def test_kerashubs_own_epsilon_would_be_noticed(name: str, kerashub_epsilon: float) -> None:
    backbone, expected = load_backbone(FIXTURES / name), load_expected(name)
    set_numerics(backbone.model, {**backbone.config["numerics"], "epsilon": kerashub_epsilon}, name)
    assert min(differences(backbone, expected)) > TOLERANCE


@pytest.mark.parametrize("name", ["hf_bert_eps", "hf_gpt2_eps"])
def test_padding_does_not_reach_kept_positions(name: str) -> None:
    backbone, expected = load_backbone(FIXTURES / name), load_expected(name)
    kept = expected["attention_mask"] == 1
    disturbed = {**expected, "input_ids": np.where(kept, expected["input_ids"], 7)}
    assert max(differences(backbone, disturbed)) < TOLERANCE


@pytest.mark.parametrize("name", FOLDERS)
def test_rebuilt_from_its_config_it_computes_the_same(name: str, tmp_path: Path) -> None:
    """Sizes, activation and epsilon are all in `Backbone.config`; only the weights come from elsewhere."""
    backbone, expected = load_backbone(FIXTURES / name), load_expected(name)
    backbone.family.save_tokenizer(backbone, tmp_path)
    again = backbone.family.rebuild(backbone.config, tmp_path, dtype="float32")
    again.model.set_weights(backbone.model.get_weights())
    assert max(differences(again, expected)) < TOLERANCE
