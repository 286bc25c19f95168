"""Hugging Face folders against transformers: models it made (fixtures with its logits) are read with their heads and give its
logits; what is written of them holds its weights again, so that it would load them with equal logits.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.cli import main
from kerasft.model import import_huggingface
from kerasft.tuning import TUNINGS, Tuning
from kerasft.weights import read_arrays
from tests.tasks.models import tuned_model

HEADS = Path(__file__).parent / "fixtures" / "heads"
TASKS = {
    "BertForQuestionAnswering": "question_answering",
    "BertForSequenceClassification": "text_classification",
    "BertForTokenClassification": "token_classification",
    "GPT2ForQuestionAnswering": "question_answering",
    "GPT2ForSequenceClassification": "text_classification",
    "GPT2ForTokenClassification": "token_classification",
    "GPT2LMHeadModel": "causal_lm",
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def inputs_of(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    found = dict(np.load(folder / "expected.npz"))
    return found, found.pop("logits")


@pytest.mark.parametrize("architecture", list(TASKS))
def test_a_model_of_transformers_is_read_head_included_and_written_as_it_was(architecture: str, tmp_path: Path) -> None:
    folder = HEADS / architecture
    model = import_huggingface(str(folder))
    assert model.task.name == TASKS[architecture]
    inputs, expected = inputs_of(folder)
    # What a span head says of padding is the head's own affair.
    kept = inputs["padding_mask"].astype(bool) if expected.ndim == 3 else slice(None)
    logits = np.asarray(model.keras_model.predict_on_batch(inputs))
    np.testing.assert_allclose(logits[kept], expected[kept], atol=1e-5)
    written = model.export_huggingface(tmp_path / "written")
    theirs, ours = read_arrays(folder / "model.safetensors"), read_arrays(written / "model.safetensors")
    # A causal head is the embedding once more, which transformers ties itself.
    assert set(theirs) - {"lm_head.weight"} == set(ours)
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], atol=1e-6, err_msg=name)
    config = json.loads((written / "config.json").read_text())
    given = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == [architecture]
    for key in ("model_type", "vocab_size", "hidden_size", "n_embd", "layer_norm_eps", "hidden_act", "activation_function"):
        assert config.get(key) == given.get(key), key
    if model.labels:
        assert config["id2label"] == given["id2label"]


def test_a_bias_gpt2s_classifier_has_no_place_for_is_folded_into_the_last_norm(presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["gpt2"], "text_classification", kft.Full(), shake=0.5)
    again = import_huggingface(str(model.export_huggingface(tmp_path / "hf")))
    assert float(np.abs(again.keras_model.get_layer("head").dense.bias.numpy()).max()) == 0.0
    texts = ["a good film", "awful"]
    for one, other in zip(model.predict(texts), again.predict(texts), strict=True):
        np.testing.assert_allclose(list(one.probabilities.values()), list(other.probabilities.values()), atol=1e-5)


def test_a_regressor_is_written_in_the_labels_own_units(presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["bert"], "regression", kft.LoRA(rank=2), shake=0.5)
    again = import_huggingface(str(model.export_huggingface(tmp_path / "hf")))
    assert again.task.name == "regression"
    assert again.predict("a good film").value == pytest.approx(model.predict("a good film").value, abs=1e-4)


@pytest.mark.parametrize("tuning", ["adapters", "prefix_tuning", "prompt_tuning"])
def test_what_transformers_has_no_place_for_is_refused(tuning: str, presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["bert"], "text_classification", TUNINGS.get(tuning)())
    with pytest.raises(kft.ConfigError, match="cannot be merged"):
        model.export_huggingface(tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize(("family", "pooling"), [("bert", "mean"), ("bert", "first"), ("bert", "max"), ("gpt2", "mean")])
def test_a_classifier_with_another_pooling_is_written_for_sentence_transformers(
    family: str, pooling: str, presets: dict[str, str], tmp_path: Path
) -> None:
    """Read again as such a folder, its vectors are the logits."""
    model = tuned_model(presets[family], "text_classification", kft.LoRA(rank=2), shake=0.5, choices={"pooling": pooling})
    folder = model.export_huggingface(tmp_path / "hf")
    config = json.loads((folder / "config.json").read_text())
    assert list(config["id2label"].values()) == list(model.labels)
    with pytest.raises(kft.ConfigError, match=f"pooling={pooling}|LoRA of BERT"):
        model.export_peft(tmp_path / "peft")  # which stands on a classifier of transformers
    embedder = tuned_model(str(folder), "text_embedding", kft.Full(), choices={"normalise": False})
    assert embedder.backbone.pooling == pooling
    texts = ["a good film", "awful", "good good good"]
    for text, vector in zip(texts, embedder.predict(texts), strict=True):
        chances = np.exp(vector.vector - np.max(vector.vector))
        expected = model.predict(text).probabilities
        np.testing.assert_allclose(chances / chances.sum(), list(expected.values()), atol=1e-5)


def test_a_regressor_with_another_pooling_gives_numbers_in_the_labels_own_units(presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["bert"], "regression", kft.Full(), shake=0.5, choices={"pooling": "mean"})
    embedder = tuned_model(
        str(model.export_huggingface(tmp_path / "hf")), "text_embedding", kft.Full(), choices={"normalise": False}
    )
    [value] = embedder.predict("a good film").vector
    assert value == pytest.approx(model.predict("a good film").value, abs=1e-4)


def test_a_span_head_is_refused(presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["bert"], "question_answering", kft.Full(), choices={"span_head": "span"})
    with pytest.raises(kft.ConfigError, match="span_head=span"):
        model.export_huggingface(tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_a_bare_backbone_is_no_finetuned_model(presets: dict[str, str]) -> None:
    with pytest.raises(kft.PresetError, match="no fine-tuned model"):
        import_huggingface(presets["bert"])


def test_a_saved_backbone_is_a_preset_with_the_merged_weights(presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["bert"], "text_classification", kft.LoRA(rank=2), shake=0.5)
    folder = model.save_backbone(tmp_path / "mine")
    with pytest.raises(kft.RunExistsError):
        model.save_backbone(folder)
    merged, read = model.merge().backbone, tuned_model(str(folder), "text_classification", kft.Full()).backbone
    for one, other in zip(merged.model.weights, read.model.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


@pytest.mark.parametrize("task", ["text_classification", "token_classification"])
def test_pefts_factors_added_to_the_base_are_the_merged_weights(task: str, presets: dict[str, str], tmp_path: Path) -> None:
    """PEFT computes `W + scale * B A`; the folder for transformers, pinned by the fixtures above, holds the sum."""
    tuning = kft.LoRA(rank=2, alpha=6.0)
    model = tuned_model(presets["bert"], task, tuning, shake=0.3)
    folder = model.export_peft(tmp_path / "peft")
    config = json.loads((folder / "adapter_config.json").read_text())
    factors = read_arrays(folder / "adapter_model.safetensors")
    merged = read_arrays(model.export_huggingface(tmp_path / "hf") / "model.safetensors")
    base = read_arrays(Path(presets["bert"]) / "model.safetensors")
    pairs = {name.removesuffix(".lora_A.weight") for name in factors if name.endswith(".lora_A.weight")}
    assert len(pairs) == 2 * 6
    for place in pairs:
        name = place.removeprefix("base_model.model.bert.") + ".weight"
        update = config["lora_alpha"] / config["r"] * factors[f"{place}.lora_B.weight"] @ factors[f"{place}.lora_A.weight"]
        np.testing.assert_allclose(base[name] + update, merged[f"bert.{name}"], atol=1e-5, err_msg=name)
        assert re.fullmatch(config["target_modules"], f"bert.{name.removesuffix('.weight')}")
    for part in ("weight", "bias"):
        np.testing.assert_array_equal(factors[f"base_model.model.classifier.{part}"], merged[f"classifier.{part}"])
    assert config["modules_to_save"] == ["classifier"]


@pytest.mark.parametrize(("family", "tuning"), [("gpt2", kft.LoRA()), ("bert", kft.Adapters())], ids=["gpt2", "adapters"])
def test_what_pefts_layout_does_not_hold_is_refused(family: str, tuning: Tuning, presets: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(kft.ConfigError, match="a LoRA of BERT"):
        tuned_model(presets[family], "text_classification", tuning).export_peft(tmp_path / "peft")
    assert not (tmp_path / "peft").exists()


def test_an_imported_model_is_kept_as_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "models" / "tagger"
    assert main(["import-huggingface", str(HEADS / "BertForTokenClassification"), str(out)]) == 0
    assert main(["predict", str(out), "a good film"]) == 0
    assert main(["list", "runs", "--folder", str(out.parent)]) == 0
    assert "saved" in capsys.readouterr().out
    assert main(["import-huggingface", str(HEADS / "BertForTokenClassification"), str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    words = kft.load(out).predict("a good film").words
    direct = import_huggingface(str(HEADS / "BertForTokenClassification")).predict("a good film").words
    assert [word.tag for word in words] == [word.tag for word in direct]
