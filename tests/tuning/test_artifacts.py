"""What is saved of a parameter-efficient model, the base it needs, and models side by side over one base."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest

import kerasft as kft
from kerasft.tuning import TUNINGS
from kerasft.weights import read_arrays, weights_by_path
from tests.tasks.models import tuned_model
from tests.tiny import make_bert

SPARSE = sorted(name for name, cls in TUNINGS.all().items() if cls.sparse)
TEXTS = ["a good film", "awful plot, hate it", "it is not dull"]


def shares(model: kft.FineTunedModel) -> np.ndarray:
    return np.asarray([list(answer.probabilities.values()) for answer in model.predict(TEXTS)])


@pytest.fixture
def preset(tmp_path: Path) -> str:
    """A base of its own, which a test may spoil."""
    return str(make_bert(tmp_path / "base"))


@pytest.mark.parametrize("name", SPARSE)
def test_only_what_learned_is_saved_and_answers_the_same_after_loading(name: str, preset: str, tmp_path: Path) -> None:
    model = tuned_model(preset, "text_classification", TUNINGS.get(name)(), shake=0.2)
    model.save(tmp_path / "run")
    saved = read_arrays(tmp_path / "run" / "model.safetensors")
    assert set(saved) == {weight.path for weight in model.keras_model.trainable_weights}
    loaded = kft.load(tmp_path / "run")
    np.testing.assert_allclose(shares(loaded), shares(model), atol=1e-6)
    assert [w.path for w in loaded.keras_model.trainable_weights] == [w.path for w in model.keras_model.trainable_weights]


def test_a_base_that_is_gone_is_named_and_may_be_given(preset: str, tmp_path: Path) -> None:
    model = tuned_model(preset, "text_classification", kft.LoRA(rank=2), shake=0.2)
    model.save(tmp_path / "run")
    os.rename(preset, tmp_path / "elsewhere")
    with pytest.raises(kft.ArtifactError, match=r"its base .* is not to be had") as told:
        kft.load(tmp_path / "run")
    assert "base=" in str(told.value)
    np.testing.assert_allclose(shares(kft.load(tmp_path / "run", base=tmp_path / "elsewhere")), shares(model), atol=1e-6)


def test_another_base_is_refused(preset: str, tmp_path: Path) -> None:
    tuned_model(preset, "text_classification", kft.LoRA(rank=2), shake=0.2).save(tmp_path / "run")
    other = make_bert(tmp_path / "other", seed=5)
    with pytest.raises(kft.ArtifactError, match="is not the one this model was tuned from"):
        kft.load(tmp_path / "run", base=other)


def test_models_over_one_base_are_switched_without_loading_it_again(preset: str, tmp_path: Path) -> None:
    made = {}
    for name, tuning in {
        "reviews": kft.LoRA(rank=2),
        "topics": kft.Adapters(size=4),
        "notes": kft.PrefixTuning(length=3),
    }.items():
        made[name] = tuned_model(preset, "text_classification", tuning, shake=0.3)
        made[name].save(tmp_path / name)
    reviews = kft.load(tmp_path / "reviews")
    os.rename(preset, tmp_path / "gone")  # whatever loads the base again now fails
    topics = reviews.use("topics")
    notes = topics.use(tmp_path / "notes")
    assert topics.backbone is reviews.backbone is notes.backbone
    assert topics.use("reviews") is reviews
    for name, model in {"reviews": reviews, "topics": topics, "notes": notes}.items():
        np.testing.assert_allclose(shares(model), shares(made[name]), atol=1e-6, err_msg=name)


def test_a_run_with_weights_of_its_own_is_used_with_them(preset: str, tmp_path: Path) -> None:
    for name, tuning in {"lora": kft.LoRA(rank=2), "full": kft.Full(), "biases": kft.BiasOnly()}.items():
        tuned_model(preset, "text_classification", tuning, shake=0.3).save(tmp_path / name)
    lora = kft.load(tmp_path / "lora")
    before = shares(lora)
    for name in ("full", "biases"):
        other = lora.use(name)
        assert other.backbone is not lora.backbone
        np.testing.assert_allclose(shares(other), shares(kft.load(tmp_path / name)), atol=1e-6)
    np.testing.assert_array_equal(shares(lora), before)
    with pytest.raises(kft.ArtifactError, match="no KerasFT run"):
        lora.use("nothing")


@pytest.mark.parametrize("decompose", [False, True])
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_merged_it_is_a_plain_model_that_answers_the_same(family: str, decompose: bool, presets: dict[str, str]) -> None:
    model = tuned_model(presets[family], "text_classification", kft.LoRA(rank=2, decompose=decompose), shake=0.2)
    before = shares(model)
    merged = model.merge()
    np.testing.assert_allclose(shares(merged), before, atol=1e-5)
    assert merged.tuning == kft.Full()
    assert not any("lora" in path for path in weights_by_path(merged.keras_model))
    np.testing.assert_array_equal(shares(model), before)  # nothing to be taken back: it is as it was


def test_what_is_added_to_the_backbone_cannot_be_merged(presets: dict[str, str]) -> None:
    for tuning in (kft.Adapters(), kft.PrefixTuning(), kft.PromptTuning()):
        with pytest.raises(kft.ConfigError, match="cannot be merged"):
            tuned_model(presets["bert"], "text_classification", tuning).merge()


def test_biases_are_merged_as_they_are(presets: dict[str, str]) -> None:
    model = tuned_model(presets["bert"], "text_classification", kft.BiasOnly(), shake=0.2)
    np.testing.assert_allclose(shares(model.merge()), shares(model), atol=1e-6)


def test_kerass_own_lora_does_not_survive_saving_and_ours_does(presets: dict[str, str], tmp_path: Path) -> None:
    """Weights loaded into a Keras LoRA model leave both factors at zero, after which nothing is ever learned."""
    sizes = {"vocabulary_size": 50, "num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    theirs = [keras_hub.models.BertBackbone(**sizes, max_sequence_length=16) for _ in range(2)]
    for model in theirs:
        model.enable_lora(2)

    def factors(model: keras.Model) -> list[np.ndarray]:
        return [
            w.numpy() for layer in model._flatten_layers() for w in getattr(layer, "_trainable_variables", []) if "lora" in w.path
        ]

    trained = factors(theirs[0])
    assert any(np.abs(factor).max() > 0 for factor in trained)
    theirs[0].save_weights(tmp_path / "theirs.weights.h5")
    theirs[1].load_weights(tmp_path / "theirs.weights.h5")
    lost = [np.abs(factor).max() == 0 for factor in factors(theirs[1])]
    assert lost
    assert all(lost), "Keras keeps LoRA's state now: say so in the docs"

    ours = tuned_model(presets["bert"], "text_classification", kft.LoRA(rank=2), shake=0.2)
    ours.save(tmp_path / "ours")
    loaded = kft.load(tmp_path / "ours")
    for path, weight in weights_by_path(ours.keras_model).items():
        np.testing.assert_array_equal(weight.numpy(), weights_by_path(loaded.keras_model)[path].numpy(), err_msg=path)


def test_the_recipe_names_the_base_and_the_size_is_that_of_what_learned(preset: str, tmp_path: Path) -> None:
    tuned_model(preset, "text_classification", kft.LoRA(rank=2, targets=("query", "value"))).save(tmp_path / "run")
    base = json.loads((tmp_path / "run" / "run.json").read_text())["model"]["base"]
    assert base["preset"] == preset
    assert len(base["sha256"]) == 64
    learned = 2 * 2 * (2 * 2 * 16) + 2 * 16 + 2  # blocks, projections, two factors of 2 x 16; the head
    assert (tmp_path / "run" / "model.safetensors").stat().st_size < 4 * learned + 2000


FAMILIES = dict(zip(sorted(TUNINGS.all()), itertools.cycle(["bert", "gpt2"]), strict=False))


@pytest.mark.parametrize(("name", "family"), list(FAMILIES.items()))
def test_a_model_built_by_hand_is_saved_and_loaded_by_keras(
    name: str, family: str, presets: dict[str, str], tmp_path: Path
) -> None:
    model = tuned_model(presets[family], "text_classification", TUNINGS.get(name)(), shake=0.2).keras_model
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    ids = np.asarray([[3, 5, 7, 0]])
    inputs = {"token_ids": ids, "padding_mask": (ids > 0).astype("int32"), "segment_ids": np.zeros_like(ids)}
    inputs = {key: value for key, value in inputs.items() if key in model.input}
    # Which weights learn is not in a .keras file of KerasHub's layers (all do, once loaded); our own format keeps it.
    np.testing.assert_allclose(np.asarray(again(inputs)), np.asarray(model(inputs)), atol=1e-6)


def test_a_model_that_changed_its_base_does_not_lend_it(preset: str, tmp_path: Path) -> None:
    """BitFit's hash is that of the base it began with, its weights are not."""
    lora = tuned_model(preset, "text_classification", kft.LoRA(rank=2), shake=0.3)
    lora.save(tmp_path / "lora")
    biases = tuned_model(preset, "text_classification", kft.BiasOnly(), shake=0.3)
    loaded = kft.load(tmp_path / "lora", base=biases)
    assert loaded.backbone is not biases.backbone
    np.testing.assert_allclose(shares(loaded), shares(lora), atol=1e-6)
