"""Reports' points and curves -> SVG: scatter plot of numbers, precision-recall curves of labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from kerasft_app.charts import empty_chart, escape

Points = Sequence[tuple[float, float]]
CURVES = 6  # drawn at a time: as many as there are colours
_WIDTH, _HEIGHT = 420, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 12, 44

Place = Callable[[float, float], tuple[float, float]]


def scatter_plot(points: Points) -> str:
    """True numbers across, predicted ones up; on the line both are equal."""
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return str(empty_chart("True and predicted"))
    low, high = (pick(value for point in points for value in point) for pick in (min, max))
    pad = (high - low) * 0.05 or abs(high) * 0.1 or 0.5
    low, high = low - pad, high + pad
    place, axes = _axes((low, high), (low, high), "true", "predicted")
    (x1, y1), (x2, y2) = place(low, low), place(high, high)
    parts = [axes, f'<line class="ideal" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>']
    for x, y in points:
        across, up = place(x, y)
        tip = f"<title>true {x:.4g}, predicted {y:.4g}</title>"
        parts.append(f'<circle class="point" cx="{across:.1f}" cy="{up:.1f}" r="3">{tip}</circle>')
    legend = '<span class="key muted">on the line: right</span>'
    return _framed("True and predicted", legend, parts)


def recall_curves(curves: Mapping[str, Points]) -> str:
    """Precision over recall of up to six labels."""
    shown = dict(list(curves.items())[:CURVES])
    if not shown:
        return str(empty_chart("Precision and recall"))
    place, axes = _axes((0, 1), (0, 1), "recall", "precision")
    parts, legend = [axes], []
    for i, (label, line) in enumerate(shown.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(recall, precision) for recall, precision in line))
        parts.append(f'<polyline class="line c{i}" points="{path}"><title>{escape(label)}</title></polyline>')
        legend.append(f'<span class="key c{i}">{escape(label)}</span>')
    return _framed("Precision and recall", "".join(legend), parts)


def _axes(across: tuple[float, float], up: tuple[float, float], x_label: str, y_label: str) -> tuple[Place, str]:
    """From values to places, and the grid with its numbers."""
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (right - _LEFT) * (x - across[0]) / (across[1] - across[0]),
            bottom - (bottom - _TOP) * (y - up[0]) / (up[1] - up[0]),
        )

    parts = []
    for i in range(5):
        x, y = across[0] + (across[1] - across[0]) * i / 4, up[0] + (up[1] - up[0]) * i / 4
        at_x, at_y = place(x, y)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at_y:.1f}" y2="{at_y:.1f}"/>')
        parts.append(f'<line class="grid" x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{at_y + 4:.1f}" text-anchor="end">{y:.3g}</text>')
        parts.append(f'<text class="tick" x="{at_x:.1f}" y="{bottom + 16}" text-anchor="middle">{x:.3g}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(f'<text class="tick" x="{(_LEFT + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{x_label}</text>')
    parts.append(f'<text class="tick" transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{y_label}</text>')
    return place, "".join(parts)


def _framed(title: str, legend: str, parts: Sequence[str]) -> str:
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
    return f'<div class="kft-chart square"><h3>{title}</h3><div class="legend">{legend}</div>{svg}</div>'
