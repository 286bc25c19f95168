"""Training several models in one process must not keep their weights and moments in memory."""

from __future__ import annotations

import gc

import keras
import numpy as np

from kerasft.training.graphs import release

X, Y = np.ones((8, 4), np.float32), np.zeros(8, np.int32)


def handles() -> int:
    """Handles of variables and other tensors that the process holds."""
    gc.collect()
    return sum(type(thing).__name__ == "EagerTensor" for thing in gc.get_objects())


def made() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, verbose=0)
    return model


def test_a_trained_model_leaves_nothing_and_can_be_trained_again() -> None:
    model = made()
    release(model)
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert any((now != old).any() for now, old in zip(model.get_weights(), before, strict=True))
    release(model)
    del model
    start = handles()
    for _ in range(3):
        model = made()
        release(model)
        del model
    assert handles() <= start + 3


def test_a_model_that_was_not_trained_is_left_alone() -> None:
    release(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
