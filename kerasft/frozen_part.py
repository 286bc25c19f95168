"""A model with a frozen backbone cut in two: what never changes, and the head that learns."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras


class Halves(NamedTuple):
    """Two Keras models that are the whole one when put behind each other; they share its layers.

    Attributes:
        features: From the whole model's inputs to what the head reads.
        head: From `features` (and `padding_mask`) to the whole model's outputs.
        with_mask: Whether the head reads the padding mask.
    """

    features: Any
    head: Any
    with_mask: bool


def halves(model: Any) -> Halves:
    """Cut a task's model below its layer `head`."""
    layer = model.get_layer("head")
    read = layer.input if isinstance(layer.input, list) else [layer.input]
    masks = [tensor for tensor in read if any(tensor is given for given in model.inputs)]
    features = next(tensor for tensor in read if not any(tensor is mask for mask in masks))
    given = {"features": keras.Input(features.shape[1:], dtype=features.dtype, name="features")}
    if masks:
        given["padding_mask"] = keras.Input((None,), dtype="int32", name="padding_mask")
    lower = keras.Model(model.input, features, name="features")
    return Halves(lower, keras.Model(given, layer(*given.values()), name="head_alone"), bool(masks))
