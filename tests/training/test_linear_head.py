"""The solved head against scikit-learn, and where scikit-learn has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from kerasft.training.linear_head import STRENGTHS, USUAL, solve_head


def blobs(rows: int, classes: int, *, spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length 1 around a centre for each class."""
    rng = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    features = rng.normal(size=(classes, 24))[targets] + spread * rng.normal(size=(rows, 24))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), targets


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 5])
def test_classes_get_the_probabilities_of_logistic_regression(classes: int) -> None:
    features, targets = blobs(60, classes, spread=2.0)
    head = solve_head(features, targets, "softmax", classes)
    expected = LogisticRegression(C=head.strength, max_iter=5000).fit(features, targets).predict_proba(features)
    np.testing.assert_allclose(softmax(features @ head.kernel + head.bias), expected, atol=1e-4)
    assert head.converged


def test_few_rows_keep_the_usual_strength_and_clear_cases_do_not() -> None:
    assert solve_head(*blobs(16, 2, spread=3.0), "softmax", 2).strength == USUAL
    assert solve_head(*blobs(400, 2, spread=0.3), "softmax", 2).strength > USUAL  # hardly any overlap: less to fear


def test_a_class_without_rows_is_never_answered() -> None:
    features, targets = blobs(40, 3)
    head = solve_head(features, targets, "softmax", 4)
    assert (features @ head.kernel + head.bias).argmax(axis=1).max() == 2
    only = solve_head(features, np.zeros(40, int), "softmax", 2)
    assert ((features @ only.kernel + only.bias).argmax(axis=1) == 0).all()


def test_weights_of_rows_count_as_repeated_rows_do() -> None:
    features, targets = blobs(20, 2, spread=2.0)  # too few for the strength to be anything but the usual
    weights = np.where(targets == 1, 3.0, 1.0)
    head = solve_head(features[:9], targets[:9], "softmax", 2, row_weights=weights[:9])
    again = np.repeat(np.arange(9), weights[:9].astype(int))
    expected = LogisticRegression(C=USUAL, max_iter=5000).fit(features[again], targets[again]).predict_proba(features)
    np.testing.assert_allclose(softmax(features @ head.kernel + head.bias), expected, atol=1e-4)


def test_labels_are_separate_questions_some_with_one_answer() -> None:
    features, targets = blobs(80, 2, spread=2.0)
    columns = np.stack([targets, np.ones(80), np.zeros(80)], axis=1).astype(np.float32)
    head = solve_head(features, columns, "sigmoid", 3)
    expected = LogisticRegression(C=head.strength, max_iter=5000).fit(features, targets).decision_function(features)
    logits = features @ head.kernel + head.bias
    np.testing.assert_allclose(logits[:, 0], expected, atol=1e-3)
    assert (logits[:, 1] > 3).all()
    assert (logits[:, 2] < -3).all()


def test_numbers_get_ridge_regression() -> None:
    features, _ = blobs(60, 2)
    numbers = (features @ np.arange(24))[:, None].astype(np.float32)
    head = solve_head(features, numbers, "identity", 1)
    expected = Ridge(alpha=1 / head.strength).fit(features, numbers[:, 0]).predict(features)
    np.testing.assert_allclose((features @ head.kernel + head.bias)[:, 0], expected, atol=1e-3)
    assert head.strength == max(STRENGTHS)  # no noise at all


def test_rare_classes_are_found_where_they_are_what_is_asked_for() -> None:
    """Three of a hundred rows: the loss keeps the usual strength, whose head says the frequent class everywhere."""
    rng = np.random.default_rng(0)
    targets = (np.arange(600) % 33 == 0).astype(int)
    features = rng.normal(size=(600, 24)) + 0.5 * targets[:, None]
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    plain, rare = (solve_head(features, targets, "softmax", 2, find_rare=rare) for rare in (False, True))
    found = [((features @ head.kernel + head.bias).argmax(axis=1) == 1)[targets == 1].mean() for head in (plain, rare)]
    assert rare.strength > plain.strength
    assert found[1] > found[0] + 0.3


def test_another_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="softmax, sigmoid, identity"):
        solve_head(*blobs(20, 2), "tanh", 2)
