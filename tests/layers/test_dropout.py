"""Cheap dropout: its share, its mean, its seeds."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasft.layers.dropout import drop

SIZE = 400_001  # odd: half a draw is left over


@pytest.mark.parametrize("rate", [0.003, 0.1, 0.5, 0.9])
def test_such_a_share_is_dropped_and_the_mean_stays(rate: float) -> None:
    found = np.asarray(drop(keras.layers.Dropout(rate, seed=1), tf.ones((SIZE,)), True))
    error = 5 * np.sqrt(rate * (1 - rate) / SIZE)
    assert abs((found == 0).mean() - rate) < error + 1e-5
    assert abs(found.mean() - 1) < error / (1 - rate) + 1e-5
    assert len(np.unique(found)) == 2


def test_neighbours_and_steps_are_independent() -> None:
    layer = keras.layers.Dropout(0.5, seed=1)
    one, other = (np.asarray(drop(layer, tf.ones((SIZE,)), True)) - 1 for _ in range(2))
    bound = 5 / np.sqrt(SIZE)
    for left, right in ((one, other), (one[1:], one[:-1]), (one[2:], one[:-2])):
        assert abs((left * right).mean()) < bound


def test_it_draws_from_the_layers_own_seeds() -> None:
    values = tf.reshape(tf.range(60.0), (3, 4, 5)) + 1
    one, same = (keras.layers.Dropout(0.3, seed=7) for _ in range(2))
    np.testing.assert_array_equal(drop(one, values, True), drop(same, values, True))
    state = one.seed_generator.state.numpy()
    first = np.asarray(drop(one, values, True))
    assert not np.array_equal(state, one.seed_generator.state.numpy())  # what a checkpoint keeps has moved on
    one.seed_generator.state.assign(state)
    np.testing.assert_array_equal(drop(one, values, True), first)


@pytest.mark.parametrize(("layer", "training"), [(None, True), (0.0, True), (0.5, False), (0.5, None)])
def test_nothing_is_dropped_where_nothing_shall_be(layer: float | None, training: bool | None) -> None:
    values = tf.random.normal((2, 3))
    assert drop(None if layer is None else keras.layers.Dropout(layer), values, training) is values


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_kind_stays_and_gradients_are_those_of_the_kept(dtype: str) -> None:
    values = tf.ones((64, 64), dtype)
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = drop(keras.layers.Dropout(0.25, seed=3), values, True)
    gradient = tape.gradient(found, values)
    assert found.dtype == gradient.dtype == tf.as_dtype(dtype)
    np.testing.assert_array_equal(tf.cast(gradient, "float32"), tf.cast(found, "float32"))
