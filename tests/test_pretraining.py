"""Pre-training against Hugging Face's BertForPreTraining, and the span-boundary head against NumPy written from the paper."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasft as kft
from kerasft.assembly import assemble
from kerasft.backbones.loading import load_backbone
from kerasft.layers.pretraining import LikeliestTokens, SpanBoundary, TokenFigures
from kerasft.model import import_huggingface
from kerasft.tasks.base import Learned
from kerasft.tasks.masked_lm import MaskedLM
from kerasft.tuning.full import Full
from kerasft.weights import read_arrays, weights_by_path

FIXTURE = Path(__file__).parent / "fixtures" / "hf_bert_pretraining"


def fixture_inputs(expected: np.lib.npyio.NpzFile) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The fixture's labels of all tokens, gathered as our model wants them."""
    labels = expected["labels"]
    there = labels >= 0
    count = int(there.sum(axis=1).max())
    places = np.argsort(~there, axis=1, kind="stable")[:, :count].astype(np.int32)
    told = np.where(np.take_along_axis(there, places, 1), np.take_along_axis(labels, places, 1), -1)
    inputs = {
        "token_ids": expected["input_ids"],
        "padding_mask": expected["attention_mask"],
        "segment_ids": expected["segments"],
        "places": places,
    }
    return inputs, {"masked": told, "next_sentence": expected["next_sentence"]}


def test_logits_loss_and_gradients_are_those_of_transformers() -> None:
    expected = np.load(FIXTURE / "expected.npz")
    task = MaskedLM(next_sentence=True)
    imported = import_huggingface(str(FIXTURE))
    assert imported.backbone.model.dropout == 0.0
    model = imported.keras_model
    inputs, targets = fixture_inputs(expected)
    losses = task.loss(label_smoothing=0.0)
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = sum(losses[name](targets[name], outputs[name]) for name in losses)
    gradients = dict(
        zip(
            [v.path for v in model.trainable_variables],
            tape.gradient(loss, [v.value for v in model.trainable_variables]),
            strict=True,
        )
    )
    there = targets["masked"] >= 0
    logits = np.take_along_axis(expected["logits"], inputs["places"][:, :, None], axis=1)
    np.testing.assert_allclose(outputs["masked"].numpy()[there], logits[there], atol=1e-4)
    np.testing.assert_allclose(outputs["next_sentence"], expected["next_sentence_logits"], atol=1e-4)
    assert float(loss) == pytest.approx(float(expected["loss"]), abs=1e-4)
    pairs = {
        "lm_head/dense/kernel": "cls.predictions.transform.dense.weight",
        "lm_head/norm/gamma": "cls.predictions.transform.LayerNorm.weight",
        "lm_bias/bias": "cls.predictions.bias",
        "head_next_sentence/logits/kernel": "cls.seq_relationship.weight",
        "pooled_dense/kernel": "bert.pooler.dense.weight",
        "token_embedding/embeddings": "bert.embeddings.word_embeddings.weight",
        "transformer_layer_0/feedforward_intermediate_dense/kernel": "bert.encoder.layer.0.intermediate.dense.weight",
    }
    for ours, theirs in pairs.items():
        found, wanted = tf.convert_to_tensor(gradients[ours]).numpy(), expected[f"gradient:{theirs}"]
        np.testing.assert_allclose(found.T if "kernel" in ours else found, wanted, atol=1e-4, err_msg=ours)


def test_a_model_with_pretraining_heads_is_written_back_weight_for_weight(tmp_path: Path) -> None:
    model = import_huggingface(str(FIXTURE))
    written = read_arrays(model.export_huggingface(tmp_path / "out") / "model.safetensors")
    given = read_arrays(FIXTURE / "model.safetensors")
    assert set(given) - set(written) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}  # tied
    for name, array in written.items():
        np.testing.assert_array_equal(array, given[name], err_msg=name)


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def normalised(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12) * gamma + beta


def test_the_span_boundary_head_is_that_of_the_paper() -> None:
    # Joshi et al. 2020, section 3.2: h0 = [x_{s-1}; x_{e+1}; p_{i-s+1}], two times linear, GELU, layer norm.
    rng = np.random.default_rng(0)
    sequence = rng.normal(size=(2, 9, 6)).astype(np.float32)
    left, right = np.asarray([[1, 1, 4], [0, 0, 0]]), np.asarray([[4, 4, 6], [2, 2, 2]])
    places = np.asarray([[2, 3, 5], [1, 1, 1]])
    layer = SpanBoundary(places=5, place_dim=4, seed=1)
    layer(sequence, left, right, places)
    layer.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in layer.get_weights()])
    embedding, w1, b1, g1, n1, w2, b2, g2, n2 = layer.get_weights()
    found = layer(sequence, left, right, places).numpy()
    for row in range(2):
        for k in range(3):
            s, e, i = left[row, k] + 1, right[row, k] - 1, places[row, k]
            h0 = np.concatenate([sequence[row, s - 1], sequence[row, e + 1], embedding[i - s]])  # p counts from 1
            h1 = normalised(gelu(h0 @ w1 + b1), g1, n1)
            np.testing.assert_allclose(found[row, k], normalised(gelu(h1 @ w2 + b2), g2, n2), atol=1e-4)


def test_figures_of_rows_are_sums_over_what_was_to_be_told() -> None:
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(2, 3, 5)).astype(np.float32), np.asarray([[4, -1, 0], [-1, -1, -1]])
    targets[0, 2] = logits[0, 2].argmax()
    found = TokenFigures()(logits, targets).numpy()
    nats = [-np.log(np.exp(logits[0, k]) / np.exp(logits[0, k]).sum())[targets[0, k]] for k in (0, 2)]
    np.testing.assert_allclose(found[0], [sum(nats), 2, 1 + (logits[0, 0].argmax() == 4)], rtol=1e-5)
    np.testing.assert_array_equal(found[1], [0, 0, 0])
    pairs = TokenFigures()(logits[:, 0], np.asarray([1, -1])).numpy()
    assert pairs[0, 1] == 1
    assert pairs[1].tolist() == [0, 0, 0]


def test_the_likeliest_tokens_are_never_special_and_keep_their_probability() -> None:
    logits = np.log(np.asarray([[[0.5, 0.1, 0.25, 0.15]]], np.float32))
    found = LikeliestTokens(2, hidden_ids=[0])(logits).numpy()
    np.testing.assert_allclose(found, [[2, 3, 0.25, 0.15]], rtol=1e-5)


def test_continued_pretraining_begins_with_the_presets_own_head_and_the_backbone_keeps_it(tmp_path: Path) -> None:
    backbone = load_backbone(FIXTURE)
    model, _ = assemble(backbone, MaskedLM(), Full(), Learned())
    given = read_arrays(FIXTURE / "model.safetensors")
    weights = weights_by_path(model)
    np.testing.assert_array_equal(weights["lm_bias/bias"].numpy(), given["cls.predictions.bias"])
    np.testing.assert_array_equal(weights["lm_head/dense/kernel"].numpy().T, given["cls.predictions.transform.dense.weight"])
    tuned = import_huggingface(str(FIXTURE))
    tuned.save(tmp_path / "run")
    saved = kft.load(tmp_path / "run").save_backbone(tmp_path / "preset")
    for name, array in load_backbone(saved).lm_head.items():
        np.testing.assert_array_equal(array, given[f"cls.predictions.{name}"])
    # The pooler is of no use to the masked language model without pairs, and must not be lost for the run that comes after.
    plain = kft.load(tmp_path / "run")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(plain.backbone.model.pooled_dense.kernel).T, given["bert.pooler.dense.weight"]
    )
