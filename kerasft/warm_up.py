"""Requests that TensorFlow Serving answers by itself after loading, so that the first person does not wait for the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

FILE = "assets.extra/tf_serving_warmup_requests"  # https://www.tensorflow.org/tfx/serving/saved_model_warmup


def write_requests(path: Path, requests: Sequence[Mapping[str, Sequence[str]]]) -> None:
    """Write requests into a SavedModel's folder.

    The records are `PredictionLog` messages of tensorflow_serving/apis/prediction_log.proto. Their package would bring gRPC
    for what are four nested fields, which are written by their numbers here.

    Args:
        path: The version folder.
        requests: Texts by input name, as many of each.
    """
    file = path / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for inputs in requests:
            spec = _field(3, b"serving_default")  # ModelSpec.signature_name
            request = _field(1, spec)  # PredictRequest.model_spec
            for name, texts in inputs.items():
                tensor = tf.make_tensor_proto(list(texts), dtype=tf.string).SerializeToString()
                request += _field(2, _field(1, name.encode()) + _field(2, tensor))  # PredictRequest.inputs, a map
            writer.write(_field(6, _field(1, request)))  # PredictionLog.predict_log, PredictLog.request


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """An integer in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
