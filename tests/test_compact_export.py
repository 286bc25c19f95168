"""Exports with weights of fewer bits, and the requests a server warms up with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

import kerasft as kft
from kerasft.cli import main
from kerasft.compact_weights import FORMATS, CompactWeights, format_of
from kerasft.model import FineTunedModel
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.warm_up import FILE
from kerasft.weights import weights_by_path
from tests.conftest import BAD, GOOD, write_reviews

QUICK = kft.TrainConfig(epochs=1, batch_size=8, tensorboard=False)
ROWS = [{"text": text} for text in [*GOOD, *BAD, "", "élan 漢字 🙂 " * 20]]


Models = Callable[[str], FineTunedModel]


@pytest.fixture(scope="module")
def models(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Makes a BERT with low-rank updates that says labels, or a GPT-2 that writes, once."""
    root = tmp_path_factory.mktemp("models")

    @cache
    def make(family: str) -> FineTunedModel:
        if family == "bert":
            data = kft.DataConfig(path=str(write_reviews(root / "reviews.csv")))
            run = RunConfig(preset=presets["bert"], data=data, tuning=kft.LoRA(rank=2), train=QUICK)
            return start(run, root / "labels")
        texts = [{"text": "a film that one likes"}, {"text": "a film that nobody likes"}] * 4
        run = RunConfig(preset=presets["gpt2"], task=kft.CausalLM(max_new_tokens=5), train=QUICK)
        return start(run, root / "writes", dataset=kft.load_data(texts, validation=0))

    return make


Exports = Callable[[str, str], Path]
GPT2 = pytest.param("gpt2", marks=pytest.mark.slow)
KINDS = [("bert", "float16"), ("bert", "int8"), pytest.param("gpt2", "int8", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def exports(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Makes an export of a family in a format, once."""
    root = tmp_path_factory.mktemp("exports")

    @cache
    def export(family: str, kind: str) -> Path:
        return models(family).export(root / family / kind / "1", weights=kind)

    return export


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_the_export_answers_as_the_model_with_such_weights(family: str, kind: str, models: Models, exports: Exports) -> None:
    model, path = models(family), exports(family, kind)
    before = {path: weight.numpy() for path, weight in weights_by_path(model.keras_model).items()}
    assert format_of(path) == kind
    outcome = model.replay(path, ROWS[:8])
    assert outcome.passed, outcome
    for name, weight in weights_by_path(model.keras_model).items():
        np.testing.assert_array_equal(weight.numpy(), before[name], err_msg=name)  # the model in memory is as it was
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    stored = {name: kind for name, kind in reader.get_variable_to_dtype_map().items() if kind != tf.string}
    kinds = [tf.as_dtype(dtype).name for dtype in stored.values()]
    packed = [weight for weight in before.values() if weight.ndim > 1 and weight.size >= 256]
    assert kinds.count(kind) == len(packed) > 3
    size = sum(reader.get_tensor(name).nbytes for name in stored)
    assert size <= sum(weight.nbytes for weight in before.values()) - 0.5 * sum(weight.nbytes for weight in packed)


@pytest.mark.parametrize(("kind", "most"), [("float16", 2**-11), ("int8", 0.5 / 127)])
def test_no_value_moves_further_than_its_bits_allow(kind: str, most: float, models: Models) -> None:
    model = models("bert")
    before = {path: weight.numpy() for path, weight in weights_by_path(model.keras_model).items()}
    moved = 0.0
    with CompactWeights(model.keras_model, kind).in_memory():
        for path, weight in weights_by_path(model.keras_model).items():
            largest = np.abs(before[path]).max(initial=0)
            difference = np.abs(weight.numpy() - before[path]).max(initial=0)
            assert difference <= most * largest * 1.001, path
            moved = max(moved, difference)
    assert moved > 0


def test_a_session_as_a_server_in_c_has_it_loads_and_answers(models: Models, exports: Exports) -> None:
    """TensorFlow Serving restores variables, then runs the graph's own initialisation: so does the session of TensorFlow 1."""
    model = models("bert")
    path = exports("bert", "int8")
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def["serving_default"]
        told = session.run(signature.outputs["probabilities"].name, {signature.inputs["text"].name: GOOD})
    with model.compacted("int8"):
        expected = [list(answer.probabilities.values()) for answer in model.predict(GOOD)]
    np.testing.assert_allclose(told, expected, atol=1e-5)


def test_an_unknown_format_is_refused_before_anything_is_written(models: Models, tmp_path: Path) -> None:
    with pytest.raises(kft.ConfigError, match="must be one of float32, float16, int8"):
        models("bert").export(tmp_path / "1", weights="int4")
    assert not (tmp_path / "1").exists()


def test_the_command_line_says_the_size_and_what_it_costs(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(models("bert").folder)
    assert main(["export", folder, "--to", str(tmp_path / "1"), "--weights", "int8"]) == 0
    told = capsys.readouterr().out
    assert "MB, weights as int8" in told
    assert "as float32," in told
    with pytest.raises(SystemExit):
        main(["export", folder, "--weights", "int4"])
    refused = capsys.readouterr().err
    assert all(f"'{kind}'" in refused or f" {kind}" in refused for kind in FORMATS)


# --- Warming up ---


def _prediction_log() -> Any:
    """The messages of tensorflow_serving/apis that matter here, from their definition and not from our writer."""
    file = descriptor_pb2.FileDescriptorProto(name="log.proto", package="t", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in {
        "ModelSpec": [("name", 1, kinds.TYPE_STRING, ""), ("signature_name", 3, kinds.TYPE_STRING, "")],
        "Input": [("key", 1, kinds.TYPE_STRING, ""), ("value", 2, kinds.TYPE_BYTES, "")],
        "PredictRequest": [("model_spec", 1, kinds.TYPE_MESSAGE, "ModelSpec"), ("inputs", 2, kinds.TYPE_MESSAGE, "Input")],
        "PredictLog": [("request", 1, kinds.TYPE_MESSAGE, "PredictRequest")],
        "PredictionLog": [("predict_log", 6, kinds.TYPE_MESSAGE, "PredictLog")],
    }.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            label = kinds.LABEL_REPEATED if of == "Input" else kinds.LABEL_OPTIONAL
            message.field.add(name=field, number=number, type=kind, label=label, type_name=f".t.{of}" if of else None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.PredictionLog"))


@pytest.mark.parametrize("family", ["bert", GPT2])
def test_a_server_finds_requests_to_warm_up_with(family: str, exports: Exports) -> None:
    path = exports(family, "int8")
    serve = tf.saved_model.load(str(path))
    log, sizes = _prediction_log(), []
    for record in tf.data.TFRecordDataset(str(path / FILE)).as_numpy_iterator():
        request = log.FromString(record).predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        inputs = {
            given.key: tf.constant(tf.make_ndarray(tensor_pb2.TensorProto.FromString(given.value)).tolist())
            for given in request.inputs
        }
        answers = serve.signatures["serving_default"](**inputs)
        sizes.append(len(next(iter(answers.values()))))
    assert sizes == [1, 8]


def test_the_command_line_offers_the_formats_there_are() -> None:
    from kerasft.cli import _parser

    parser = _parser(["export"])[1]["export"]
    assert tuple(next(action for action in parser._actions if action.dest == "weights").choices) == FORMATS
