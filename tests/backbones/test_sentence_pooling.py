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


def test_transformers_has_no_such_classifier_and_the_error_says_what_to_do(sentence_bert: Path, tmp_path: Path) -> None:
    model = model_of(str(sentence_bert), kft.TextClassification(), task_data("text_classification"))
    with pytest.raises(kft.ConfigError, match="pooling=mean") as told:
        model.export_huggingface(tmp_path / "out")
    assert "pooling=pooled" in str(told.value.hint)
    pooled = model_of(str(sentence_bert), kft.TextClassification(pooling="pooled"), task_data("text_classification"))
    assert (pooled.export_huggingface(tmp_path / "out") / "config.json").exists()
