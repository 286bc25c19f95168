"""A linear head solved to convergence on features that stay as they are: what scikit-learn's linear models find.

Training steps stop somewhere on the way; with few rows that is far from the end. A convex problem has one solution, which a
solver reaches in seconds. Its only open choice, the strength of the regularisation, is decided by cross-validation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # scikit-learn's C: the inverse of the regularisation
USUAL = 1.0  # scikit-learn's default, left only for what is clearly better: with few rows every estimate is rough
_CLEARLY = 2.0  # standard errors of the mean difference
_FOLDS, _MOST_ROWS, _MOST_LABELS = 5, 2000, 20  # of the cross-validation
_RARE_STRENGTHS, _RARE_FOLDS, _RARE_ROWS = (1.0, 10.0, 100.0, 1000.0), 3, 10_000  # where rare classes are to be found
_SMALL = 5e6  # numbers in all features
_NEVER = -30.0  # logit of a class without rows
_ITERATIONS = 5000


@dataclass(frozen=True)
class LinearHead:
    """The solution: logits are `features @ kernel + bias`.

    Attributes:
        kernel: (H, outputs) float32.
        bias: (outputs,) float32.
        strength: The C of scikit-learn (of a number 1 / alpha) that was taken.
        converged: Whether the solver reached its tolerance.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strength: float
    converged: bool = True


def solve_head(
    features: np.ndarray,
    targets: np.ndarray,
    activation: str,
    outputs: int,
    *,
    row_weights: np.ndarray | None = None,
    strength: float | None = None,
    find_rare: bool = False,
    groups: np.ndarray | None = None,
) -> LinearHead:
    """Find the head that fits best under an L2 penalty on the kernel.

    Logistic regression (multinomial for `softmax`, one for each label for `sigmoid`) by L-BFGS, ridge regression for
    `identity`; scikit-learn's implementations.

    Args:
        features: (N, H) float32, about 1 long: the penalty counts in their unit.
        targets: (N,) class numbers, (N, outputs) of 0 and 1, or (N, 1) numbers.
        activation: `softmax`, `sigmoid` or `identity`: what turns the logits into answers.
        outputs: Number of logits.
        row_weights: (N,) weight of each row in the loss; 1 when not given.
        strength: One of `STRENGTHS`; chosen by cross-validation when not given.
        find_rare: Whether the rows that are not of the most frequent class are what is to be found, as entities among words: the
            strength is then chosen by their F1. The loss would prefer a head that never says any of them.
        groups: (N,) rows of one group, such as the words of a sentence, are held out together where `find_rare`.

    Raises:
        ValueError: The activation is none of them.
    """
    if activation not in _SOLVERS:
        raise ValueError(f"`activation` must be one of {', '.join(_SOLVERS)}. Received: activation={activation!r}")
    from threadpoolctl import threadpool_limits

    features = np.ascontiguousarray(features, dtype=np.float32)
    weights = np.ones(len(features)) if row_weights is None else np.asarray(row_weights, dtype=np.float64)
    # Threads cost more than they bring where the products are small, above all beside other work.
    threads = threadpool_limits(1) if features.size < _SMALL else nullcontext()
    with warnings.catch_warnings(), threads:
        warnings.simplefilter("ignore")  # ConvergenceWarning: `converged` says it
        if find_rare and strength is None:
            strength = _strength_by_f1(features, targets, weights, outputs, np.arange(len(targets)) if groups is None else groups)
        return _SOLVERS[activation](features, targets, outputs, weights, strength)


def _classes(features: np.ndarray, targets: np.ndarray, outputs: int, weights: np.ndarray, strength: float | None) -> LinearHead:
    fit = partial(_class_head, outputs=outputs)
    strength = strength or _choose_strength(features, targets, weights, fit, _class_losses)
    return _class_head(features, targets, weights, outputs=outputs, strength=strength)


def _class_head(features: np.ndarray, targets: np.ndarray, weights: np.ndarray, *, outputs: int, strength: float) -> LinearHead:
    from sklearn.linear_model import LogisticRegression

    kernel = np.zeros((features.shape[1], outputs), dtype=np.float32)
    bias = np.full(outputs, _NEVER, dtype=np.float32)
    present = np.unique(targets)
    if len(present) == 1:
        bias[present] = 0.0
        return LinearHead(kernel, bias, strength)
    fitted = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(features, targets, sample_weight=weights)
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if len(present) == 2:  # one logit in scikit-learn: half of it for one class, half against the other
        coefficients, intercepts = (np.concatenate([-each / 2, each / 2]) for each in (coefficients, intercepts))
    kernel[:, present], bias[present] = coefficients.T, intercepts
    return LinearHead(kernel, bias, strength, bool((fitted.n_iter_ < _ITERATIONS).all()))


def _class_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets])


def _labels(features: np.ndarray, targets: np.ndarray, outputs: int, weights: np.ndarray, strength: float | None) -> LinearHead:
    frequent = np.argsort(-targets.sum(axis=0), kind="stable")[:_MOST_LABELS]
    strength = strength or _choose_strength(features, targets[:, frequent], weights, _label_head, _label_losses)
    return _label_head(features, targets, weights, strength=strength)


def _label_head(features: np.ndarray, targets: np.ndarray, weights: np.ndarray, *, strength: float) -> LinearHead:
    heads = []
    for column in targets.T.astype(np.int32):
        if column.min() == column.max():  # all rows have it, or none: as if half a row more said otherwise
            odds = np.log((column.sum() + 0.5) / (len(column) - column.sum() + 0.5))
            heads.append(LinearHead(np.zeros((features.shape[1], 1), np.float32), np.asarray([odds], np.float32), strength))
        else:
            two = _class_head(features, column, weights, outputs=2, strength=strength)
            kernel, bias = two.kernel[:, 1:] - two.kernel[:, :1], two.bias[1:] - two.bias[:1]
            heads.append(LinearHead(kernel, bias, strength, two.converged))
    kernel, bias = np.concatenate([head.kernel for head in heads], axis=1), np.concatenate([head.bias for head in heads])
    return LinearHead(kernel, bias, strength, all(head.converged for head in heads))


def _label_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.asarray((np.logaddexp(0, logits) - targets * logits).mean(axis=1))


def _number(features: np.ndarray, targets: np.ndarray, outputs: int, weights: np.ndarray, strength: float | None) -> LinearHead:
    """Ridge regression; leaving one row out after the other costs nothing in addition there."""
    from sklearn.linear_model import RidgeCV

    fitted = RidgeCV(alphas=[1 / each for each in ([strength] if strength else STRENGTHS)]).fit(
        features, targets[:, 0], sample_weight=weights
    )
    kernel = np.asarray(fitted.coef_, dtype=np.float32).reshape(-1, 1)
    return LinearHead(kernel, np.asarray([fitted.intercept_], dtype=np.float32), float(1 / fitted.alpha_))


def _choose_strength(
    features: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    fit: Callable[..., LinearHead],
    losses: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> float:
    """The usual strength, unless another has a clearly smaller loss on rows that were held out.

    C is the variance of the weights' prior, which does not depend on the number of rows: a part of many is enough.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    chosen = np.random.default_rng(0).permutation(len(features))[:_MOST_ROWS]
    features, targets, weights = features[chosen], targets[chosen], weights[chosen]
    stratified = targets.ndim == 1 and np.bincount(targets).max() >= _FOLDS
    if len(features) < 2 * _FOLDS:
        return USUAL
    splitter: Any = (StratifiedKFold if stratified else KFold)(_FOLDS, shuffle=True, random_state=0)
    held_out = np.zeros((len(STRENGTHS), len(features)))
    for train, rest in splitter.split(features, targets if stratified else None):
        for i, strength in enumerate(STRENGTHS):
            head = fit(features[train], targets[train], weights[train], strength=strength)
            held_out[i, rest] = losses(features[rest] @ head.kernel + head.bias, targets[rest]) * weights[rest]
    best = int(held_out.mean(axis=1).argmin())
    gains = held_out[STRENGTHS.index(USUAL)] - held_out[best]
    clear = gains.mean() > _CLEARLY * gains.std() / np.sqrt(len(gains))
    return STRENGTHS[best] if clear else USUAL


def _strength_by_f1(features: np.ndarray, targets: np.ndarray, weights: np.ndarray, outputs: int, groups: np.ndarray) -> float:
    """The strength with the best F1, on groups that were held out, of all classes but the most frequent one."""
    _, groups = np.unique(groups, return_inverse=True)
    count = int(groups.max()) + 1
    if count < 2 * _RARE_FOLDS:
        return USUAL
    places = np.random.default_rng(0).permutation(count)[groups]  # of each row's group, in an order drawn at random
    chosen = np.argsort(places, kind="stable")[:_RARE_ROWS]
    features, targets, weights, places = features[chosen], targets[chosen], weights[chosen], places[chosen]
    most = int(np.bincount(targets).argmax())
    said = np.full((len(_RARE_STRENGTHS), len(targets)), most)
    for fold in range(_RARE_FOLDS):
        train, rest = np.flatnonzero(places % _RARE_FOLDS != fold), np.flatnonzero(places % _RARE_FOLDS == fold)
        for i, strength in enumerate(_RARE_STRENGTHS):
            head = _class_head(features[train], targets[train], weights[train], outputs=outputs, strength=strength)
            said[i, rest] = (features[rest] @ head.kernel + head.bias).argmax(axis=1)
    right = ((said == targets) & (targets != most)).sum(axis=1)
    f1 = 2 * right / np.maximum((said != most).sum(axis=1) + (targets != most).sum(), 1)
    return _RARE_STRENGTHS[int(f1.argmax())]


_SOLVERS: dict[str, Callable[[np.ndarray, np.ndarray, int, np.ndarray, float | None], LinearHead]] = {
    "softmax": _classes,
    "sigmoid": _labels,
    "identity": _number,
}
