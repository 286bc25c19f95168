"""Seeded, stratified splits that keep equal texts on one side."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np

from kerasft.data.cells import numbers

_BINS = 10


def normalise(text: str) -> str:
    """The form under which two texts count as the same: lower case, white space collapsed."""
    return " ".join(text.lower().split())


def text_key(text: str, pair: str | None) -> bytes:
    """Short key of a text or a pair, equal for texts that differ in case or white space only."""
    joined = normalise(text) + "\x1f" + normalise(pair or "")
    return hashlib.blake2b(joined.encode("utf-8", errors="surrogatepass"), digest_size=12).digest()


def measured(values: Sequence[float] | None) -> bool:
    """Whether labels are numbers that measure something rather than name a class: some are not whole."""
    return values is not None and bool(np.isfinite(values).all()) and not all(value.is_integer() for value in values)


def merged_strata(strata: np.ndarray, labels: Sequence[str | None]) -> np.ndarray:
    """Strata to split by, where labels may be no classes: numbers by size, labels that hardly come back as one stratum.

    Args:
        strata: (rows,) int, the index in `labels` of each row's label.
        labels: The different labels.

    Returns:
        (rows,) int.
    """
    mostly_unique = len(labels) > len(strata) / 2
    values = numbers([label for label in labels if label is not None])
    if values is not None and len(values) > 2 * _BINS and (measured(values) or (mostly_unique and np.isfinite(values).all())):
        amounts = iter(values)
        of_label = np.asarray([-np.inf if label is None else next(amounts) for label in labels])
        edges = np.quantile(of_label[strata], np.linspace(0, 1, _BINS + 1)[1:-1], method="nearest")
        return np.asarray(np.searchsorted(edges, of_label, side="right")[strata])
    return np.zeros_like(strata) if mostly_unique else strata


def stratified_split(groups: np.ndarray, strata: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Choose about `fraction` of the rows, the same share of every stratum, whole groups at a time.

    Each stratum keeps at least one group outside; the fractions that rounding leaves over go to the strata that
    lost most (largest remainder), so that the total is right even with hundreds of small classes.

    Args:
        groups: (rows,) int; rows of one group stay together (equal texts).
        strata: (rows,) int; the class of each row. A group belongs to the stratum of its first row.
        fraction: Share to choose, 0 to 1.
        seed: Same seed, same choice.

    Returns:
        (rows,) bool, True where chosen.
    """
    unique, first = np.unique(groups, return_index=True)
    group_strata = strata[first]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(unique))
    by_stratum = order[np.argsort(group_strata[order], kind="stable")]
    classes, starts = np.unique(group_strata[by_stratum], return_index=True)
    sizes = np.diff(np.append(starts, len(by_stratum)))
    exact = sizes * fraction
    wanted = np.minimum(np.floor(exact).astype(int), sizes - 1)
    remainders = np.where(wanted < sizes - 1, exact - wanted, -1.0)
    missing = round(len(unique) * fraction) - int(wanted.sum())
    for index in np.argsort(-remainders, kind="stable")[: max(0, missing)]:
        if remainders[index] > 0:
            wanted[index] += 1
    chosen = np.zeros(len(unique), dtype=bool)
    for start, count, _ in zip(starts, wanted, classes, strict=True):
        chosen[by_stratum[start : start + count]] = True
    return chosen[np.searchsorted(unique, groups)]


def stratified_folds(groups: np.ndarray, strata: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Divide the rows into parts of about equal size and equal shares of every stratum, whole groups at a time.

    Args:
        groups: (rows,) int; rows of one group stay together (equal texts).
        strata: (rows,) int; the class of each row.
        count: How many parts; fewer where there are fewer groups.
        seed: Same seed, same parts.

    Returns:
        (rows,) int, the number of each row's part, from 0.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(count, len(np.unique(groups)))
    folds = np.zeros(len(groups), dtype=np.int64)
    if np.unique(strata, return_counts=True)[1].max() < count:  # no label has a row for each part
        strata = np.zeros_like(strata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than parts: some parts go without them
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        for number, (_, held_out) in enumerate(splitter.split(groups, strata, groups)):
            folds[held_out] = number
    return folds
