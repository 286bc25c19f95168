"""Retrieval: against the whole table of cosines sorted, in blocks of any size, with ties and nan."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import DataError
from kerasft.evaluation import retrieval
from kerasft.evaluation.retrieval import neighbour_accuracy, neighbours, retrieval_scores


@pytest.fixture(autouse=True, params=[1 << 24, 40, 1], ids=["one block", "several", "row by row"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_CELLS", request.param)


def vectors(rows: int, seed: int = 0, features: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, features)).astype(np.float32)


def cosines(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """The whole table, pair by pair."""
    lengths = [[np.linalg.norm(q.astype(float)) * np.linalg.norm(d.astype(float)) for d in documents] for q in queries]
    return np.array([[q.astype(float) @ d.astype(float) for d in documents] for q in queries]) / lengths


def test_scores_are_those_of_the_whole_table() -> None:
    documents = vectors(30)
    queries = documents + 1.5 * vectors(30, seed=1)
    table = cosines(queries, documents)
    ranks = np.array([1 + (row > row[i]).sum() for i, row in enumerate(table)])
    assert 1 < np.median(ranks) < 10 < ranks.max()
    wanted = {"recall_at_1": (ranks == 1).mean(), "recall_at_10": (ranks <= 10).mean(), "mrr": (1 / ranks).mean()}
    assert retrieval_scores(queries, documents) == pytest.approx(wanted)


def test_scores_by_hand() -> None:
    documents = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    queries = np.array([[9.0, 1.0], [0.1, 0.0], [0.5, 0.1]])  # ranks 1, 3 and 2; lengths do not count
    wanted = {"recall_at_1": 1 / 3, "recall_at_10": 1.0, "mrr": (1 + 1 / 3 + 1 / 2) / 3}
    assert retrieval_scores(queries, documents) == pytest.approx(wanted)


def test_a_model_that_gives_all_texts_one_vector_has_found_nothing() -> None:
    same = np.tile(vectors(1, features=700), (23, 1))
    assert retrieval_scores(same, same) == pytest.approx({"recall_at_1": 0, "recall_at_10": 0, "mrr": 1 / 23})
    assert retrieval_scores(np.zeros((23, 4)), np.zeros((23, 4)))["recall_at_10"] == 0
    assert neighbour_accuracy(same, np.arange(23) % 2) == 0


def test_a_document_that_is_there_twice_is_not_found() -> None:
    documents = vectors(6, features=300)
    documents[4] = documents[1] * 3
    assert retrieval_scores(documents, documents) == pytest.approx({"recall_at_1": 4 / 6, "recall_at_10": 1, "mrr": 5 / 6})


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_model_has_found_nothing(bad: float) -> None:
    broken = vectors(12)
    broken[:, 2] = bad
    assert retrieval_scores(broken, broken)["recall_at_10"] == 0
    assert retrieval_scores(vectors(12), broken)["recall_at_10"] == 0
    assert neighbour_accuracy(broken, np.arange(12) % 2) == 0


def test_neighbours_are_those_of_the_whole_table() -> None:
    queries, documents = vectors(7), vectors(20, seed=1)
    indices, values = neighbours(queries, documents, 4)
    table = cosines(queries, documents)
    np.testing.assert_array_equal(indices, np.argsort(-table, axis=1)[:, :4])
    np.testing.assert_allclose(values, -np.sort(-table, axis=1)[:, :4], atol=1e-12)
    assert (indices.shape, indices.dtype) == ((7, 4), np.int64)


def test_neighbours_that_are_equal_come_in_order_and_no_more_than_there_are() -> None:
    documents = np.array([[0.0, 1.0], [2.0, 0.0], [-1.0, 0.0], [2.0, 0.0]])
    indices, values = neighbours(np.array([[1.0, 0.0]]), documents, 9)
    assert indices.tolist() == [[1, 3, 0, 2]]
    assert values.tolist() == [[1.0, 1.0, 0.0, -1.0]]
    ties = np.tile([[1.0, 0.0], [0.0, 1.0]], (40, 1))
    assert neighbours(np.array([[0.0, 1.0]]), ties, 80)[0].tolist() == [[*range(1, 80, 2), *range(0, 80, 2)]]
    assert [part.shape for part in neighbours(vectors(3), vectors(0), 2)] == [(3, 0), (3, 0)]
    assert [part.shape for part in neighbours(vectors(0), vectors(3), 2)] == [(0, 2), (0, 2)]


def test_neighbour_accuracy_is_that_of_the_whole_table() -> None:
    points, labels = vectors(40, features=2), np.array(["a", "b", "c"])[np.arange(40) % 3]
    points[:, 0] += np.arange(40) % 3
    table = cosines(points, points)
    np.fill_diagonal(table, -2)
    wanted = (labels[table.argmax(axis=1)] == labels).mean()
    assert 0.2 < wanted < 1
    assert neighbour_accuracy(points, labels) == neighbour_accuracy(points, labels.tolist()) == pytest.approx(wanted)


def test_equally_near_neighbours_must_agree() -> None:
    points = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    assert neighbour_accuracy(points, ["a", "a", "b", "c", "c"]) == pytest.approx(2 / 5)
    assert neighbour_accuracy(points, ["a", "a", "a", "c", "c"]) == 1.0


def test_too_few_to_say_anything() -> None:
    assert all(math.isnan(value) for value in retrieval_scores(vectors(0), vectors(0)).values())
    assert math.isnan(neighbour_accuracy(vectors(1), ["a"]))
    with pytest.raises(DataError, match="got 3 queries and 2 documents"):
        retrieval_scores(vectors(3), vectors(2))
    with pytest.raises(DataError, match="got 3 vectors and 1 labels"):
        neighbour_accuracy(vectors(3), ["a"])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(rows=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_scores_lie_in_order(rows: int, seed: int) -> None:
    scores = retrieval_scores(vectors(rows, seed), vectors(rows, seed + 1))
    assert 0 <= scores["recall_at_1"] <= scores["mrr"] <= 1
    assert scores["recall_at_1"] <= scores["recall_at_10"] <= 1
    assert retrieval_scores(vectors(rows, seed), vectors(rows, seed))["recall_at_1"] == 1
