"""AdamW, schedule, accumulation and decay against NumPy written from the papers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasft.training.optimizer import WarmupSchedule, make_optimizer


def rate(kind: str, step: int) -> float:
    return float(WarmupSchedule(1.0, 4, 20, kind)(step))


def test_the_schedule_rises_then_falls() -> None:
    assert [round(rate("linear", s), 6) for s in (0, 3, 4, 12, 20)] == [0.2, 0.8, 1.0, 0.5, 0.0]
    assert rate("cosine", 12) == pytest.approx(0.5)
    assert rate("cosine", 8) == pytest.approx((1 + np.cos(np.pi / 4)) / 2)
    assert [rate("constant", s) for s in (4, 19, 100)] == [1.0, 1.0, 1.0]


def adamw(gradients: list[float], weight: float, *, rate: float, decay: float) -> float:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) on one number at a constant rate."""
    first = second = 0.0
    for t, gradient in enumerate(gradients, start=1):
        weight -= rate * decay * weight
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        weight -= rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return weight


def optimizer(**options: object) -> keras.optimizers.Optimizer:
    settings = {
        "learning_rate": 0.1, "total_updates": 10, "warmup": 0.0, "schedule": "constant", "weight_decay": 0.5,
        "clip_norm": None, "accumulate": 1, "head_learning_rate": None,
    }  # fmt: skip
    return make_optimizer(**{**settings, **options})


def variable(value: float, name: str) -> keras.Variable:
    return keras.Variable(value, name=name)


def test_steps_equal_the_paper_and_biases_do_not_decay() -> None:
    kernel, bias = variable(1.0, "kernel"), variable(1.0, "bias")
    adam = optimizer()
    adam.build([kernel, bias])
    for gradient in (0.3, -0.2, 0.5):
        adam.apply([np.float32(gradient)] * 2, [kernel, bias])
    assert float(kernel) == pytest.approx(adamw([0.3, -0.2, 0.5], 1.0, rate=0.1, decay=0.5), rel=1e-5)
    assert float(bias) == pytest.approx(adamw([0.3, -0.2, 0.5], 1.0, rate=0.1, decay=0.0), rel=1e-5)


def test_rows_of_a_table_that_were_not_looked_up_still_move() -> None:
    """As with a dense gradient: their moments fade and their decay goes on."""
    given = np.arange(8, dtype=np.float32).reshape(4, 2)
    tables = [keras.Variable(given, name="kernel") for _ in range(2)]
    rows, values = [1, 1, 3], np.asarray([[1, 2], [3, 4], [5, 6]], np.float32)
    dense = np.zeros_like(given)
    np.add.at(dense, rows, values)
    for table, gradient in zip(tables, (tf.IndexedSlices(tf.constant(values), tf.constant(rows), [4, 2]), dense), strict=True):
        adam = optimizer(clip_norm=1.0)
        adam.build([table])
        for _ in range(3):
            adam.apply([gradient], [table])
    np.testing.assert_allclose(tables[0].numpy(), tables[1].numpy(), rtol=1e-6)
    assert (tables[0].numpy()[0] != given[0]).any()


def test_clipping_is_by_the_norm_of_all_gradients_together() -> None:
    adam = optimizer(clip_norm=1.0)
    clipped = adam._clip_gradients([tf.constant([3.0]), tf.constant([[4.0, 12.0]])])
    np.testing.assert_allclose(tf.concat([tf.reshape(part, [-1]) for part in clipped], 0), np.array([3, 4, 12]) / 13, rtol=1e-6)
    np.testing.assert_allclose(adam._clip_gradients([tf.constant([0.3])])[0], [0.3])
    twice = tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([1, 1]), [2, 1])  # one row, looked up twice: 3, not 1 and 2
    np.testing.assert_allclose(adam._clip_gradients([twice, tf.constant([4.0])])[0], [[0.0], [0.6]])


def test_accumulated_steps_equal_one_step_on_their_mean() -> None:
    kernel = variable(1.0, "kernel")
    adam = optimizer(accumulate=2)
    adam.build([kernel])
    for gradient in (0.2, 0.4, 0.5, 0.1):
        adam.apply([np.float32(gradient)], [kernel])
    assert float(kernel) == pytest.approx(adamw([0.3, 0.3], 1.0, rate=0.1, decay=0.5), rel=1e-5)


def test_the_norm_is_clipped_over_all_weights() -> None:
    weights = [variable(0.0, "kernel"), variable(0.0, "kernel")]
    adam = optimizer(clip_norm=1.0, weight_decay=0.0)
    adam.build(weights)
    adam.apply([np.float32(30.0), np.float32(40.0)], weights)
    moments = sorted(float(v) for v in adam.variables if "momentum" in v.path)
    assert moments == pytest.approx([0.06, 0.08])


def test_the_head_has_its_own_rate() -> None:
    inputs = keras.Input((1,))
    body = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="body")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="head")(body))
    adam = optimizer(head_learning_rate=0.3, weight_decay=0.0)
    adam.build(model.trainable_variables)
    adam.apply([np.ones((1, 1), np.float32)] * 2, model.trainable_variables)
    moved = [1 - float(v.numpy().squeeze()) for v in model.trainable_variables]
    assert moved == pytest.approx([0.1, 0.3], rel=1e-4)
