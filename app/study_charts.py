"""What bake-offs and searches have found -> HTML and SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasft.bake_off_report import MAJORITY, BakeOff, Result
from kerasft.evaluation.direction import LOWER_IS_BETTER
from kerasft.search_report import Search, Trial
from kerasft_app.charts import error_box, escape, good_box, line_chart, status_card
from kerasft_app.children import error_of
from kerasft_app.figures import spoken
from kerasft_app.studies import Study

_WIDTH, _HEIGHT, _SIDE, _TOP, _BOTTOM = 560, 260, 46, 34, 24
_MANY = 20.0  # an axis whose ends are this many times apart is drawn in factors


def study_html(study: Study) -> str:
    """A study's view: where it stands, what it has found, the run at work."""
    state = f'<span class="pill s-{escape(study.state)}">{escape(study.state)}</span>'
    parts = [f'<div class="kft-status s-{escape(study.state)}"><div class="head">{state}<b>{escape(study.name)}</b></div>']
    parts.append(f'<div class="facts">{escape(_standing(study))}</div></div>')
    if study.said:
        parts.append(error_box(error_of(study.said)))
    if isinstance(study.found, BakeOff):
        parts.append(_bake_off(study.found))
    elif study.found is not None:
        parts.append(_search(study.found, study.state))
    if study.progress is not None:
        parts.append(status_card(study.part, study.progress, go_on="Continue"))
    return "".join(parts)


def _standing(study: Study) -> str:
    if isinstance(study.found, BakeOff):
        tried = [result for result in study.found.results if result.name != MAJORITY]
        over = sum(result.state not in ("running", "waiting") for result in tried)
        return f"{over} of {len(tried)} contenders have finished"
    if study.found is not None:
        over = sum(trial.state != "running" for trial in study.found.trials)
        return f"{over} of {study.found.wanted} trials have finished; {spoken(study.found.metric)} on the validation rows decides"
    return "Waiting in the queue" if study.state == "queued" else "Reading the data" if study.state == "running" else ""


def _bake_off(found: BakeOff) -> str:
    ranked = found.ranked
    chosen = found.recommended
    ends = [end for result in ranked for end in (result.interval or (result.value or 0.0,))]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    names = ("", spoken(found.metric), "95 % interval", "weights that learn", "seconds", "peak MB", "artifact MB")
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = [_contender(result, low, high, result == chosen) for result in ranked]
    rows += [
        f'<tr><td>{escape(result.name)}</td><td colspan="6"><span class="pill">{escape(result.state)}</span> '
        f"{escape(result.note)}</td></tr>"
        for result in found.results
        if result not in ranked
    ]
    advice = good_box(found.advice) if found.advice else ""
    table = f'<table class="kft-table kft-study"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="kft-report">{advice}<div class="scroll">{table}</div></div>'


def _contender(result: Result, low: float, high: float, chosen: bool) -> str:
    span = high - low or 1.0
    bar = ""
    if result.interval:
        left, right = ((end - low) / span * 100 for end in result.interval)
        middle = ((result.value or 0.0) - low) / span * 100
        tip = f"{result.interval[0]:.3f} to {result.interval[1]:.3f}"
        bar = (
            f'<div class="meter wide" title="{tip}"><div style="margin-left:{left:.1f}%;width:{right - left:.1f}%"></div>'
            f'<i style="left:{middle:.1f}%"></i></div>{tip}'
        )
    learns = "" if result.trainable is None else f"{result.trainable:,}"
    share = f" ({result.trainable / result.parameters:.2%})" if result.trainable is not None and result.parameters else ""
    size = "" if result.artifact_bytes is None else f"{result.artifact_bytes / 1e6:,.2f}"
    peak = f"{result.peak_bytes / 1e6:,.0f}" if result.peak_bytes else ""
    cells = (f"{result.value:.4f}", bar, learns + share, f"{result.seconds:,.0f}" if result.seconds else "", peak, size)
    mark = ' class="on"' if chosen else ""
    shown = "".join(f'<td class="num">{cell}</td>' for cell in cells)
    return f'<tr{mark} title="{escape(result.note)}"><td>{escape(result.name)}</td>{shown}</tr>'


def _search(found: Search, state: str) -> str:
    lower = found.metric in LOWER_IS_BETTER
    done = [trial for trial in found.trials if trial.state == "complete" and trial.value is not None]
    best: list[tuple[float, float]] = []
    for trial in done:
        value = float(trial.value or 0.0)
        best.append((trial.number, value if not best else (min if lower else max)(best[-1][1], value)))
    way = "lower is better" if lower else "higher is better"
    history = {"best so far": best, "each trial": [(trial.number, float(trial.value or 0.0)) for trial in done]}
    charts = [line_chart(f"{spoken(found.metric)} ({way})", history, x_label="trial")]
    charts.append(parallel_chart(found, done))
    advice = ""
    if found.best:
        gain = "" if found.baseline is None else f"; the recipe as it is has {found.baseline:.4g}"
        told = f"Best: {found.best.folder} with {found.best.value:.4g}{gain}."
        advice = good_box(told)
    return f'{advice}<div class="kft-charts stacked">{"".join(charts)}</div>{_importances(found)}{_trials(found, state)}'


def parallel_chart(found: Search, done: Sequence[Trial]) -> str:
    """Parallel coordinates: an axis for each option and one for the figure, a line for each trial, the better the stronger."""
    title = "Options of each trial (the better, the stronger the line)"
    names = list(dict.fromkeys(name for trial in done for name in trial.options))
    if not done or not names:
        return ""
    axes = [_Axis([trial.options.get(name) for trial in done]) for name in names] + [_Axis([trial.value for trial in done])]
    step = (_WIDTH - 2 * _SIDE) / (len(axes) - 1)
    sign = 1 if found.metric in LOWER_IS_BETTER else -1
    order = sorted(done, key=lambda trial: sign * float(trial.value or 0.0), reverse=True)
    parts = []
    figures = [trial.value for trial in order]
    for trial in order:
        values = [*(trial.options.get(name) for name in names), trial.value]
        places = [_down(axis.place(value)) for axis, value in zip(axes, values, strict=True)]
        points = " ".join(f"{_SIDE + i * step:.1f},{place:.1f}" for i, place in enumerate(places))
        rank = len(figures) - figures[::-1].index(trial.value)  # equal figures, equal lines
        weight = 0.15 + 0.85 * (rank / len(order)) ** 2
        best = found.best is not None and trial.number == found.best.number
        tip = f"{escape(trial.folder)}: {trial.value:.4g}"
        look = f'class="line c{0 if best else 1}" style="opacity:{weight:.2f}"'
        parts.append(f'<polyline {look} points="{points}"><title>{tip}</title></polyline>')
    for i, (name, axis) in enumerate(zip([*names, spoken(found.metric)], axes, strict=True)):
        x = _SIDE + i * step
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        label = escape(name.partition(".")[2] or name)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{_TOP - 16}" text-anchor="middle">{label}</text>')
        for place, text in axis.ticks:
            parts.append(f'<text class="tick" x="{x + 4:.1f}" y="{_down(place) + 4:.1f}">{escape(text)}</text>')
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f'<div class="kft-chart"><h3>{escape(title)}</h3>{svg}</div>'


def _down(place: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - place)


class _Axis:
    """Where values lie between 0 and 1: numbers by size or by factor, others in their order."""

    def __init__(self, values: Sequence[Any]) -> None:
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        self.choices = [] if len(numbers) == len(values) else sorted({str(value) for value in values})
        self.low, self.high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
        self.log = self.low > 0 and self.high / self.low >= _MANY

    def place(self, value: Any) -> float:
        if self.choices:
            return self.choices.index(str(value)) / max(1, len(self.choices) - 1)
        low, high, at = (math.log(v) if self.log else float(v) for v in (self.low, self.high, value))
        return (at - low) / (high - low) if high > low else 0.5

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and their names: every choice, or both ends."""
        if self.choices:
            return [(self.place(choice), choice) for choice in self.choices]
        return [(self.place(value), f"{value:.3g}") for value in dict.fromkeys((self.low, self.high))]


def _importances(found: Search) -> str:
    if not found.importances:
        return ""
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="wide"><div class="meter"><div style="width:{100 * share:.1f}%"></div></div></td>'
        f'<td class="num">{share:.0%}</td></tr>'
        for name, share in found.importances.items()
    )
    title = "How much of the differences between trials each option explains"
    return f'<div class="kft-report"><h3>{title}</h3><table class="kft-table kft-study"><tbody>{rows}</tbody></table></div>'


def _trials(found: Search, state: str) -> str:
    names = list(dict.fromkeys(name for trial in found.trials for name in trial.options))
    head = "".join(f"<th>{escape(name)}</th>" for name in ("trial", *names, spoken(found.metric), "state", "seconds"))
    rows = []
    for trial in found.trials:
        values = [_plain(trial.options.get(name)) for name in names]
        figure = "" if trial.value is None else f"{trial.value:.4g}"
        seconds = "" if trial.seconds is None else f"{trial.seconds:,.0f}"
        cells = "".join(f'<td class="num">{escape(value)}</td>' for value in (*values, figure))
        word = state if trial.state == "running" else trial.state  # of a search that was stopped, so was its last trial
        pill = f'<td title="{escape(trial.error)}"><span class="pill">{escape(word)}</span></td>'
        mark = ' class="on"' if found.best is not None and trial.number == found.best.number else ""
        rows.append(f'<tr{mark}><td>{escape(trial.folder)}</td>{cells}{pill}<td class="num">{seconds}</td></tr>')
    table = f'<table class="kft-table kft-study"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="kft-report"><div class="scroll">{table}</div></div>'


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
