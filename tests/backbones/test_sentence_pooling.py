"""Checkpoints of sentence-transformers give the vector they were trained to give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import load_backbone
from tests.tasks.models import model_of, task_data
from tests.tiny import make_bert


@pytest.fixture
def sentence_bert(tmp_path: Path) -> Path:
    folder = make_bert(tmp_path / "sentence")
    (folder / "1_Pooling").mkdir()
    given = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(given))
    return folder


def logits(preset: Path | str, **options: str) -> np.ndarray:
    model = model_of(str(preset), kft.TextClassification(**options), task_data("text_classification"))
    head = model.keras_model.get_layer("head")
    head.set_weights([np.ones_like(weight) * np.arange(weight.shape[-1]) for weight in head.get_weights()])
    answers = model.predict(["a good film", "it is dull and bad"])
    return np.asarray([list(answer.probabilities.values()) for answer in answers])


def test_a_classifier_takes_the_mean_and_another_choice_is_honoured(sentence_bert: Path, presets: dict[str, str]) -> None:
    np.testing.assert_allclose(logits(sentence_bert), logits(sentence_bert, pooling="mean"), atol=1e-6)
    assert np.abs(logits(sentence_bert) - logits(sentence_bert, pooling="pooled")).max() > 1e-4
    assert load_backbone(Path(presets["bert"])).pooling == "pooled"  # any other BERT


def test_it_stays_with_a_saved_model_and_a_saved_backbone(sentence_bert: Path, reviews: Path, tmp_path: Path) -> None:
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    model = kft.finetune(str(sentence_bert), str(reviews), kft.TextClassification(), train=train, out=tmp_path / "run")
    loaded = kft.load(tmp_path / "run")
    assert loaded.backbone.pooling == "mean"
    one, other = (found.predict("a good film").score for found in (model, loaded))
    assert one == pytest.approx(other, abs=1e-6)
    assert load_backbone(loaded.save_backbone(tmp_path / "preset")).pooling == "mean"


def test_a_classifier_on_the_checkpoints_pooling_is_one_of_sentence_transformers(sentence_bert: Path, tmp_path: Path) -> None:
    model = model_of(str(sentence_bert), kft.TextClassification(), task_data("text_classification"))
    folder = model.export_huggingface(tmp_path / "out")
    assert (folder / "2_Dense" / "model.safetensors").exists()
    with pytest.raises(kft.PresetError, match="no fine-tuned model that can be read"):
        kft.import_huggingface(str(folder))
    pooled = model_of(str(sentence_bert), kft.TextClassification(pooling="pooled"), task_data("text_classification"))
    assert not (pooled.export_huggingface(tmp_path / "pooled") / "modules.json").exists()


def test_an_imported_classifier_reads_the_pooler_it_was_trained_on(sentence_bert: Path, tmp_path: Path) -> None:
    pooled = model_of(str(sentence_bert), kft.TextClassification(pooling="pooled"), task_data("text_classification"))
    back = kft.import_huggingface(str(pooled.export_huggingface(tmp_path / "out")))
    assert back.predict("a good film").score == pytest.approx(pooled.predict("a good film").score, abs=1e-5)
    # Also where the folder says what the checkpoint gave before it was a classifier.
    (tmp_path / "out" / "1_Pooling").mkdir()
    (tmp_path / "out" / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    again = kft.import_huggingface(str(tmp_path / "out"))
    assert again.predict("a good film").score == pytest.approx(pooled.predict("a good film").score, abs=1e-5)


def test_a_lora_on_the_mean_is_no_lora_of_peft(sentence_bert: Path, reviews: Path, tmp_path: Path) -> None:
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    model = kft.finetune(str(sentence_bert), str(reviews), kft.TextClassification(), tuning=kft.LoRA(rank=2), train=train,
                         out=tmp_path / "run")  # fmt: skip
    with pytest.raises(kft.ConfigError, match="pooling=mean"):
        model.export_peft(tmp_path / "peft")


def test_a_sparse_model_keeps_the_pooling_it_was_trained_with(sentence_bert: Path, reviews: Path, tmp_path: Path) -> None:
    # As runs saved before checkpoints' own pooling was read: their base has one now, and they were trained without.
    (sentence_bert / "1_Pooling" / "config.json").rename(tmp_path / "pooling.json")
    train = kft.TrainConfig(epochs=1, learning_rate=1e-2, tensorboard=False)
    model = kft.finetune(str(sentence_bert), str(reviews), kft.TextClassification(), tuning=kft.LoRA(rank=2), train=train,
                         out=tmp_path / "run")  # fmt: skip
    (tmp_path / "pooling.json").rename(sentence_bert / "1_Pooling" / "config.json")
    loaded = kft.load(tmp_path / "run")
    assert loaded.backbone.pooling == "pooled"
    assert loaded.predict("a good film").score == pytest.approx(model.predict("a good film").score, abs=1e-6)
