"""Training several models in one process must not keep their weights and moments in memory."""

from __future__ import annotations

import gc

import keras
import numpy as np

from kerasft.graphs import release, release_with

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


def test_the_graph_of_predictions_goes_with_its_model_and_serves_it_until_then() -> None:
    def predicted() -> None:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
        model.make_predict_function()
        first = model.predict_on_batch(X)
        release_with(model)
        gc.collect()
        np.testing.assert_array_equal(model.predict_on_batch(X), first)

    predicted()
    start = handles()
    for _ in range(3):
        predicted()
    assert handles() <= start + 3
