"""Would more labels help? Figures at growing numbers of labelled rows, and what a power law expects beyond them.

Errors of learning machines fall as a power of the number of examples, down to a floor (Hestness et al. 2017, "Deep Learning
Scaling is Predictable, Empirically"). Nothing here knows where the figures come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kerasft.data.splitting import stratified_split
from kerasft.errors import DataError
from kerasft.evaluation.direction import LOWER_IS_BETTER

HELD_OUT = 0.25  # share of the rows that each draw is scored on
FURTHEST = 4.0  # times the rows there are: nothing is said beyond
_BAND = (10, 90)  # percentiles of the draws
_FALL = (0.05, 2.0)  # exponents of the law
_LEAST_ROWS = 8


@dataclass(frozen=True)
class CurvePoint:
    """The figure at one number of training rows, in each draw of the rows."""

    rows: int
    figures: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of all draws."""
        return float(np.mean(self.figures))

    @property
    def band(self) -> tuple[float, float]:
        """Where the middle 80 % of the draws lie."""
        low, high = np.percentile(self.figures, _BAND)
        return float(low), float(high)


@dataclass(frozen=True)
class PowerLaw:
    """error(rows) = floor + scale * rows ** -fall."""

    floor: float
    scale: float
    fall: float

    def error(self, rows: float) -> float:
        """What is expected at so many rows."""
        return float(self.floor + self.scale * rows**-self.fall)


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """Figures at growing numbers of labelled rows.

    Attributes:
        metric: The figure.
        points: Few rows first.
        rows: Labelled rows there are in all.
        source: What was fitted at each point, in words.
    """

    metric: str
    points: tuple[CurvePoint, ...]
    rows: int
    source: str

    @property
    def _sign(self) -> int:
        return 1 if self.metric in LOWER_IS_BETTER else -1

    def _errors(self, figures: np.ndarray) -> np.ndarray:
        return figures if self._sign > 0 else 1 - figures

    def _figure(self, error: float) -> float:
        return error if self._sign > 0 else 1 - error

    @cached_property
    def law(self) -> PowerLaw:
        """Fitted to the means."""
        return self._fit([point.mean for point in self.points])

    @cached_property
    def _single(self) -> list[PowerLaw]:
        """Fitted to one draw each. Draws share rows, so that their mean looks surer than it is."""
        return [self._fit(figures) for figures in zip(*(point.figures for point in self.points), strict=True)]

    def _fit(self, means: Sequence[float] | np.ndarray) -> PowerLaw:
        from scipy.optimize import least_squares

        rows, errors = np.asarray([point.rows for point in self.points], float), self._errors(np.asarray(means, float))
        start = rows[0]  # the scale is sought at the first point, where it is about as large as what it explains

        def miss(values: np.ndarray) -> np.ndarray:
            floor, scale, fall = values
            return np.asarray(floor + scale * (rows / start) ** -fall - errors)

        largest, least = max(float(errors.max()), 1e-9), max(float(errors.min()), 1e-9)
        bounds = ([0.0, 0.0, _FALL[0]], [largest, 10 * largest, _FALL[1]])
        solution = least_squares(miss, [0.5 * least, max(largest - 0.5 * least, 1e-9), 0.5], bounds=bounds)
        floor, scale, fall = map(float, solution.x)
        return PowerLaw(floor, scale * start**fall, fall)

    def expected(self, rows: float) -> float:
        """The figure that the law expects at so many rows."""
        return self._figure(self.law.error(rows))

    def rows_for(self, gain: float) -> int | None:
        """How many more labelled rows make the figure better by `gain`; None where that is beyond `FURTHEST` times the rows."""
        return _more_rows(self.law, self.rows, gain)

    def interval_for(self, gain: float) -> tuple[int, int | None]:
        """From where to where `rows_for` lies in the middle 80 % of single draws; the end is None beyond `FURTHEST`."""
        beyond = FURTHEST * self.rows + 1
        needed = [_more_rows(law, self.rows, gain) or beyond for law in self._single]
        low, high = np.percentile(needed, _BAND, method="closest_observation")
        return int(low), int(high) if high < beyond else None

    def flat_from(self, gain: float = 0.01) -> int | None:
        """From how many rows on twice as many bring less than `gain`; None where that is beyond `FURTHEST` times the rows."""
        for rows in np.unique(np.geomspace(self.points[0].rows, FURTHEST * self.rows, 200).astype(int)):
            if self.law.error(rows) - self.law.error(2 * rows) < gain:
                return int(rows)
        return None

    def sentences(self, gain: float = 0.02) -> list[str]:
        """What it says, in words."""
        unit, shown = ("points", 100.0) if self._sign < 0 else ("less", 1.0)
        low, high = self.points[-1].band
        last = self.points[-1]
        said = [
            f"With {last.rows:,} of the {self.rows:,} labelled rows, {self.metric} is {last.mean:.3f} on the others "
            f"(middle 80 % of {len(last.figures)} draws: {low:.3f} to {high:.3f}); {self.source}."
        ]
        wanted = f"{gain * shown:g} {unit}"
        more, flat = self.rows_for(gain), self.flat_from()
        from_rows, to_rows = self.interval_for(gain)
        if more is None and from_rows > FURTHEST * self.rows:
            said.append(f"{wanted} more would take over {FURTHEST:g} times the rows there are: more of the same hardly help.")
        elif more is None:
            said.append(
                f"How many more rows would bring {wanted} cannot be said: {from_rows:,} by some draws, over {FURTHEST:g} times "
                "the rows there are by their mean."
            )
        else:
            upto = f"{to_rows:,}" if to_rows is not None else f"over {FURTHEST:g} times the rows there are"
            said.append(
                f"About {more:,} more labelled rows would bring {wanted} (by single draws between {from_rows:,} and {upto})."
            )
        if flat is not None and (more is not None or flat > self.rows):
            said.append(f"Beyond about {flat:,} rows it flattens: twice as many bring less than one point.")
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        points = [{"rows": point.rows, "figures": list(point.figures)} for point in self.points]
        return {"metric": self.metric, "rows": self.rows, "source": self.source, "points": points}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LearningCurve:
        """What `to_dict` described."""
        points = tuple(CurvePoint(int(one["rows"]), tuple(map(float, one["figures"]))) for one in values["points"])
        return cls(metric=values["metric"], points=points, rows=int(values["rows"]), source=values["source"])

    def __str__(self) -> str:
        lines = [f"| rows | {self.metric} | middle 80 % of the draws | power law |", "|---:|---:|---|---:|"]
        for point in self.points:
            low, high = point.band
            lines.append(f"| {point.rows:,} | {point.mean:.3f} | {low:.3f} to {high:.3f} | {self.expected(point.rows):.3f} |")
        lines += [f"| {int(n * self.rows):,} | | | {self.expected(n * self.rows):.3f} |" for n in (1, 2, 4)]
        return "\n".join([*lines, "", *self.sentences()]) + "\n"


def _more_rows(law: PowerLaw, rows: int, gain: float) -> int | None:
    least = law.error(rows) - gain
    if least <= law.floor:
        return None
    needed = (law.scale / (least - law.floor)) ** (1 / law.fall)
    return int(np.ceil(needed - rows)) if needed <= FURTHEST * rows else None


def measure_curve(
    figure: Callable[[np.ndarray, np.ndarray], float],
    strata: np.ndarray,
    *,
    metric: str,
    source: str,
    groups: np.ndarray | None = None,
    sizes: int = 6,
    draws: int = 10,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> LearningCurve:
    """Find the figure at growing numbers of rows.

    In each draw a quarter of the rows is held out, stratified; the training rows of a smaller size are among those of a larger.

    Args:
        figure: From the numbers of the training rows and of the rows that were held out to the figure on the latter.
        strata: (rows,) class of each row; zeros where there is none.
        metric: Name of the figure.
        source: What `figure` fits, in words.
        groups: (rows,) rows of one group are held out together: equal texts.
        sizes: Numbers of rows that are tried.
        draws: How often the rows are drawn.
        seed: Of the draws.
        progress: Called with the share that is done, 0 to 1.

    Raises:
        DataError: There are too few rows to see anything.
    """
    count, classes = len(strata), len(np.unique(strata))
    smallest, largest = max(_LEAST_ROWS, 2 * classes), int(count * (1 - HELD_OUT)) - classes
    if largest < 2 * smallest:
        needed = int(np.ceil((2 * smallest + classes) / (1 - HELD_OUT)))
        hint = f"Label at least {needed:,} rows: {2 * smallest:,} to learn from and a quarter to score."
        raise DataError(f"A learning curve needs more labelled rows than {count:,} of {classes} labels.", hint=hint)
    tried = np.unique(np.geomspace(smallest, largest, sizes).round().astype(int))
    found: list[list[float]] = [[] for _ in tried]
    for draw in range(draws):
        held_out = stratified_split(np.arange(count) if groups is None else groups, strata, HELD_OUT, seed + draw)
        order = _in_shares(np.flatnonzero(~held_out), strata, seed + draw)
        for place, rows in enumerate(tried):
            found[place].append(figure(np.sort(order[:rows]), np.flatnonzero(held_out)))
            if progress:
                progress((draw * len(tried) + place + 1) / (draws * len(tried)))
    points = tuple(CurvePoint(int(rows), tuple(figures)) for rows, figures in zip(tried, found, strict=True))
    return LearningCurve(metric=metric, points=points, rows=count, source=source)


def _in_shares(rows: np.ndarray, strata: np.ndarray, seed: int) -> np.ndarray:
    """Rows in an order whose every beginning has each class first once, then in its share."""
    rows = np.random.default_rng(seed).permutation(rows)
    ranks = np.empty(len(rows))
    for kind in np.unique(strata[rows]):
        mine = np.flatnonzero(strata[rows] == kind)
        ranks[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
        ranks[mine[0]] = 0.0
    return rows[np.argsort(ranks, kind="stable")]
