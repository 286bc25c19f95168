"""Random numbers that belong to rows: even, independent, and the same in any batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kerasft.layers.row_random import check_seeds, row_seeds, row_uniform


def test_numbers_are_even_and_independent_of_row_place_stream_epoch_and_seed() -> None:
    drawn = {
        (seed, epoch, stream): row_uniform(row_seeds(np.arange(2000), seed=seed, epoch=epoch), 100, stream=stream).numpy()
        for seed, epoch, stream in ((1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0))
    }
    for values in drawn.values():
        assert values.min() >= 0
        assert values.max() < 1
        assert stats.kstest(values.ravel(), "uniform").pvalue > 1e-4
        for axis in (0, 1):  # neighbours in a column, and in a row
            one, other = np.take(values, range(99), axis), np.take(values, range(1, 100), axis)
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)
    first, *others = drawn.values()
    for other in others:
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(first.size)


def test_a_row_has_the_same_numbers_in_any_batch_and_at_any_length() -> None:
    whole = row_uniform(row_seeds(np.arange(50), seed=3, epoch=7), 40, stream=2).numpy()
    part = row_uniform(row_seeds(np.asarray([41, 3]), seed=3, epoch=7), 12, stream=2).numpy()
    np.testing.assert_array_equal(part, whole[[41, 3], :12])


def test_numbers_are_pinned() -> None:
    # From this code; a change of them changes every mask and breaks exact resume.
    found = row_uniform(row_seeds(np.asarray([0, 1]), seed=1, epoch=0), 3, stream=0).numpy()
    np.testing.assert_allclose(found, PINNED, atol=1e-7)


def test_compiled_they_are_the_same() -> None:
    def draw(rows: tf.Tensor) -> tf.Tensor:
        return row_uniform(row_seeds(rows, seed=1, epoch=2), 16, stream=1)

    rows = tf.range(8)
    np.testing.assert_array_equal(draw(rows), tf.function(draw, jit_compile=True)(rows))


def test_seeds_must_be_integers() -> None:
    with pytest.raises(ValueError, match="must be integers"):
        check_seeds(np.zeros(3, np.float32))


PINNED = [[0.38612044, 0.74762821, 0.46682912], [0.38445204, 0.61148769, 0.50570005]]
