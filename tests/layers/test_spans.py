"""Scores of spans, the best span and the loss of spans against plain loops."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import kerasft  # noqa: F401  registers the layers with Keras
from kerasft.layers.spans import SpanCrossentropy, SpanHead, best_spans, span_scores

B, L = 5, 7
RNG = np.random.default_rng(1)
FIGURES = {2: RNG.normal(size=(B, L, 2)).astype(np.float32), 3: RNG.normal(size=(B, L, 3)).astype(np.float32)}
ALLOWED = np.zeros((B, L), dtype=bool)  # of each window the tokens a span may consist of
for row, (start, stop) in enumerate([(0, 7), (2, 6), (3, 4), (6, 7), (0, 0)]):
    ALLOWED[row, start:stop] = True


def score_by_hand(figures: np.ndarray, first: int, last: int) -> float:
    score = figures[first, 0] + figures[last, 1]
    return float(score + (figures[first : last + 1, 2].mean() if figures.shape[1] == 3 else 0))


@pytest.mark.parametrize("longest", range(1, 7))
@pytest.mark.parametrize("figures", [2, 3])
def test_scores_of_spans_are_those_of_a_double_loop(figures: int, longest: int) -> None:
    values = FIGURES[figures]
    found = keras.ops.convert_to_numpy(span_scores(values, longest))
    assert found.shape == (B, L, longest)
    for row in range(B):
        for first in range(L):
            for long in range(longest):
                if first + long < L:
                    assert found[row, first, long] == pytest.approx(score_by_hand(values[row], first, first + long), abs=1e-5)
                else:
                    assert found[row, first, long] == np.float32(-1e9)


@pytest.mark.parametrize("longest", [*range(1, 7), 30])
@pytest.mark.parametrize("figures", [2, 3])
def test_the_best_span_is_that_of_a_double_loop(figures: int, longest: int) -> None:
    values = FIGURES[figures]
    firsts, lasts, scores, totals = (keras.ops.convert_to_numpy(x) for x in best_spans(values, ALLOWED, longest))
    for row in range(B):
        spans = {
            (first, last): score_by_hand(values[row], first, last)
            for first in range(L)
            for last in range(first, min(L, first + longest))
            if ALLOWED[row, first] and ALLOWED[row, last]
        }
        if not spans:
            assert scores[row] == np.float32(-1e9)
            continue
        best = max(spans, key=lambda span: spans[span])
        assert (firsts[row], lasts[row]) == best
        assert scores[row] == pytest.approx(spans[best], abs=1e-5)
        assert totals[row] == pytest.approx(np.log(np.exp(list(spans.values())).sum()), abs=1e-5)


def cross_entropy(scores: list[float], right: int) -> float:
    values = np.asarray(scores, np.float64)
    return float(np.log(np.exp(values - values.max()).sum()) + values.max() - values[right])


@pytest.mark.parametrize("figures", [2, 3])
def test_the_loss_of_starts_and_ends_is_the_mean_of_both(figures: int) -> None:
    values, targets = FIGURES[figures], np.asarray([[0, 6], [-1, -1], [3, 3], [2, 5], [-1, -1]])
    expected = [
        (cross_entropy(values[row, :, 0], first) + cross_entropy(values[row, :, 1], last)) / 2
        for row, (first, last) in enumerate(targets)
        if first >= 0
    ]
    assert float(SpanCrossentropy()(targets, values)) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("longest", [1, 3, 6])
@pytest.mark.parametrize("figures", [2, 3])
def test_the_loss_among_all_spans_passes_over_those_that_are_too_long(figures: int, longest: int) -> None:
    values, targets = FIGURES[figures], np.asarray([[0, 6], [-1, -1], [3, 3], [2, 4], [6, 6]])
    expected = []
    for row, (first, last) in enumerate(targets):
        if first < 0 or last - first >= longest:
            continue
        spans = [(i, j) for i in range(L) for j in range(i, min(L, i + longest))]
        expected.append(cross_entropy([score_by_hand(values[row], *span) for span in spans], spans.index((first, last))))
    assert float(SpanCrossentropy(longest)(targets, values)) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("longest", [0, 4])
def test_a_batch_in_which_nothing_is_learned_costs_nothing(longest: int) -> None:
    assert float(SpanCrossentropy(longest)(np.full((B, 2), -1), FIGURES[2])) == 0


@pytest.mark.parametrize("inside", [False, True])
def test_the_head_never_points_at_padding(inside: bool) -> None:
    mask = np.asarray([[1, 1, 1, 0], [1, 0, 0, 0]])
    sequence = RNG.normal(size=(2, 4, 8)).astype(np.float32)
    head = SpanHead(inside, seed=1)
    figures = head(sequence, mask).numpy()
    plain = sequence @ head.dense.kernel.numpy()
    np.testing.assert_allclose(figures[mask == 1], plain[mask == 1], atol=1e-5)
    assert (figures[mask == 0][:, :2] < -1e8).all()
    assert figures.shape[-1] == 2 + inside
    assert np.abs(figures[..., 2:]).max(initial=0) < 10  # the mean of a span must not be drowned by padding


def test_the_head_keeps_float32_under_mixed_precision_and_drops_only_in_training() -> None:
    sequence, mask = RNG.normal(size=(2, 4, 8)).astype(np.float32), np.ones((2, 4))
    head = SpanHead(dropout=0.5, seed=1, dtype="mixed_bfloat16")
    assert head(sequence, mask).dtype == "float32"
    assert np.array_equal(head(sequence, mask), head(sequence, mask))
    assert not np.array_equal(head(sequence, mask, training=True), head(sequence, mask, training=True))


@pytest.mark.parametrize("inside", [False, True])
def test_a_model_with_the_head_saves_and_loads(inside: bool, tmp_path: Path) -> None:
    sequence, mask = keras.Input((None, 8)), keras.Input((None,), dtype="int32")
    head = SpanHead(inside, dropout=0.2, seed=3, name="head")
    model = keras.Model([sequence, mask], head(sequence, mask))
    assert model.output_shape == (None, None, 2 + inside)
    model.compile("sgd", SpanCrossentropy(5))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = [RNG.normal(size=(2, 4, 8)).astype(np.float32), np.ones((2, 4), np.int32)]
    np.testing.assert_allclose(again.predict_on_batch(inputs), model.predict_on_batch(inputs), atol=1e-6)
    assert again.loss.longest == 5
    assert again.get_layer("head").get_config() == head.get_config()
