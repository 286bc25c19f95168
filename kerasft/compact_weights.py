"""Exports with weights of 16 or 8 bits: half or a quarter of the size on disk, unpacked once when a server loads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.errors import ConfigError

FORMATS = ("float32", "float16", "int8")
_FACTS = "assets.extra/kerasft.json"  # a server passes over what it does not know there
_LEAST = 256  # values; smaller weights (biases, norms) stay as they are


class _Unpacked(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
    """A float32 weight that is made from a smaller one when the SavedModel is loaded, before the first request."""

    def __init__(self, name: str, stored: Sequence[tf.Variable]) -> None:
        super().__init__()
        self._name, self._stored = name, stored
        self._initialize()

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=self._stored[0].shape, shared_name=self._name)

    def _initialize(self) -> None:
        value = tf.cast(self._stored[0], tf.float32)
        for scale in self._stored[1:]:
            value *= scale
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=value)

    def _destroy_resource(self) -> None:
        """Nothing: Python would call it as soon as `tf.saved_model.load(path)` goes out of scope, while its signatures are in
        use. A server's session frees what it holds.
        """

    def read(self) -> tf.Tensor:
        """The weight, in a graph."""
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.float32)
        value.set_shape(self._stored[0].shape)
        return value


class CompactWeights:
    """A model's weights as an export keeps them.

    Matrices and larger are packed; of 8 bits each column of a kernel and each row of an embedding has a scale of its own, the
    largest magnitude being 127. Computing stays float32, so that answers take as long as before: what is saved is size.

    Args:
        model: `keras.Model`.
        kind: One of `FORMATS`; float32 packs nothing.

    Raises:
        ConfigError: `kind` is none of them.
    """

    def __init__(self, model: Any, kind: str) -> None:
        if kind not in FORMATS:
            raise ConfigError(f"`weights` must be one of {', '.join(FORMATS)}. Received: {kind!r}.")
        self.kind = kind
        weights = [] if kind == "float32" else [v for v in model.weights if v.dtype == "float32" and len(v.shape) > 1]
        self._packed = {id(v): (v, _pack(v, kind)) for v in weights if int(np.prod(v.shape)) >= _LEAST}
        self._plain = [v.value for v in model.weights if id(v) not in self._packed]

    @contextmanager
    def in_memory(self) -> Iterator[None]:
        """While it lasts the model itself has the values that a server unpacks."""
        before = [(variable, variable.numpy()) for variable, _ in self._packed.values()]
        try:
            for variable, stored in self._packed.values():
                variable.assign(_unpack(stored))
            yield
        finally:
            for variable, values in before:
                variable.assign(values)

    def for_export(self) -> Stored:
        """What holds them in a SavedModel."""
        return Stored(self._packed.values(), self._plain)


class Stored:
    """Weights to be saved, and how a graph reads them."""

    def __init__(self, packed: Any, plain: list[Any]) -> None:
        self._unpacked = []
        self.variables = list(plain)
        for i, (variable, arrays) in enumerate(packed):
            stored = [tf.Variable(array, trainable=False) for array in arrays]
            self.variables += stored
            self._unpacked.append((variable, _Unpacked(f"unpacked_{i}", stored)))
        self.resources = [resource for _, resource in self._unpacked]

    @contextmanager
    def in_graph(self) -> Iterator[None]:
        """While it lasts layers that are traced read the unpacked weights in place of their own."""
        before = [(variable, variable._value) for variable, _ in self._unpacked]
        try:
            for variable, resource in self._unpacked:
                variable._value = resource.read()
            yield
        finally:
            for variable, own in before:
                variable._value = own


def _pack(variable: Any, kind: str) -> list[np.ndarray]:
    """A weight's values of fewer bits and, for 8 of them, their scales."""
    values = variable.numpy()
    if kind == "float16":
        return [values.astype(np.float16)]
    axis = -1 if "embedding" in variable.path else 0
    scales = np.abs(values).max(axis=axis, keepdims=True) / 127
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    return [np.round(values / scales).astype(np.int8), scales]


def _unpack(stored: list[np.ndarray]) -> np.ndarray:
    value = stored[0].astype(np.float32)
    return value * stored[1] if len(stored) > 1 else value


def note_format(path: Path, kind: str) -> None:
    """Write down in an export's folder how its weights are kept."""
    file = path / _FACTS
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"weights": kind}), encoding="utf-8")


def format_of(path: Path) -> str:
    """How an export keeps its weights; float32 where nothing is noted."""
    try:
        return str(json.loads((path / _FACTS).read_text(encoding="utf-8"))["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return "float32"
