"""How well vectors find each other: right document for a query, neighbours, nearest-neighbour classification.

Shapes: Q queries, N documents or vectors, H features. Similarity is the cosine; a vector of zeros has cosine 0 with everything.
The table of all pairs is never held: it is computed some rows at a time, in float64, so that ties show to about 1e-15.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kerasft.errors import DataError

_CELLS = 1 << 24  # of a block of the table: 128 MiB of float64
_EQUAL = 1e-9  # cosines nearer than this are a tie: matrix products differ in the last bits from block to block


def retrieval_scores(queries: np.ndarray, documents: np.ndarray, right: np.ndarray | None = None) -> dict[str, float]:
    """How often a query finds its document among all documents.

    Ties count against the model: one that gives every text the same vector has found nothing. So would a document that is there
    twice: give each once, and say with `right` whose it is. A vector that holds nan comes last.

    Args:
        queries: (Q, H).
        documents: (N, H).
        right: (Q,) number of each query's document; when not given, that of query i is document i.

    Returns:
        `recall_at_1`, `recall_at_10` (share of queries whose document is among the first 1 or 10) and `mrr` (mean of 1 / rank);
        nan if there are none.

    Raises:
        DataError: If there are not as many queries as documents, and `right` is not given.
    """
    if right is None and len(queries) != len(documents):
        raise DataError(f"Document i belongs to query i; got {len(queries)} queries and {len(documents)} documents.")
    ranks = np.empty(len(queries))
    for start, cosines in _blocks(queries, documents):
        rows = np.arange(len(cosines))
        own = cosines[rows, start + rows if right is None else right[start + rows]][:, None]
        # "Not clearly worse" instead of "better": counts ties, itself, and with nan everything.
        ranks[start + rows] = (~(cosines < own - _EQUAL)).sum(axis=1)
    if not len(ranks):
        return dict.fromkeys(("recall_at_1", "recall_at_10", "mrr"), float("nan"))
    return {
        "recall_at_1": float((ranks <= 1).mean()),
        "recall_at_10": float((ranks <= 10).mean()),
        "mrr": float((1 / ranks).mean()),
    }


def neighbours(queries: np.ndarray, documents: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest documents of each query, nearest first.

    Args:
        queries: (Q, H).
        documents: (N, H).
        k: How many; fewer come back if there are fewer documents.

    Returns:
        (Q, k) row numbers of documents and (Q, k) cosines.
    """
    k = min(k, len(documents))
    indices = np.empty((len(queries), k), dtype=np.int64)
    found = np.empty((len(queries), k))
    for start, cosines in _blocks(queries, documents):
        if not k:
            break
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        nearest.sort(axis=1)  # of equal cosines the earlier document comes first
        values = np.take_along_axis(cosines, nearest, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        rows = slice(start, start + len(cosines))
        indices[rows] = np.take_along_axis(nearest, order, axis=1)
        found[rows] = np.take_along_axis(values, order, axis=1)
    return indices, found


def neighbour_accuracy(vectors: np.ndarray, labels: Sequence[str] | Sequence[int] | np.ndarray) -> float:
    """Share of vectors whose nearest other vector has the same label (leave-one-out, one neighbour).

    Of several that are equally near all must have it: ties count against the model.

    Args:
        vectors: (N, H).
        labels: (N,) names or numbers.

    Returns:
        0 to 1; nan if there are fewer than two vectors.

    Raises:
        DataError: If there are not as many labels as vectors.
    """
    if len(vectors) != len(labels):
        raise DataError(f"Every vector needs a label; got {len(vectors)} vectors and {len(labels)} labels.")
    if len(vectors) < 2:
        return float("nan")
    _, classes = np.unique(np.asarray(labels), return_inverse=True)
    right = 0
    for start, cosines in _blocks(vectors, vectors):
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        nearest = ~(cosines < cosines.max(axis=1, keepdims=True) - _EQUAL)
        other = classes[None, :] != classes[start + rows][:, None]
        right += int((~(nearest & other).any(axis=1)).sum())
    return right / len(vectors)


def _blocks(queries: np.ndarray, documents: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first query, (rows, N) cosines) for all queries in turn."""
    left, right = _unit(queries), _unit(documents)
    step = max(1, _CELLS // max(1, len(right)))
    for start in range(0, len(left), step):
        with np.errstate(invalid="ignore"):
            cosines = left[start : start + step] @ right.T
        yield start, np.clip(cosines, -1.0, 1.0, out=cosines)


def _unit(vectors: np.ndarray) -> np.ndarray:
    values = np.asarray(vectors, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return np.asarray(values / np.where(lengths > 0, lengths, 1.0))
