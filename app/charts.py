"""Events and reports -> HTML and SVG that follow the page's light or dark colours. All texts are escaped."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasft.errors import disk_fault, explains_itself
from kerasft.events import Finished
from kerasft.progress import clock, memory
from kerasft_app.figures import is_better_low, is_share, spoken
from kerasft_app.labels import on_screen
from kerasft_app.run_progress import Progress

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 14, 30


def escape(text: Any) -> str:
    """Text made safe inside HTML."""
    return html.escape(str(text))


def empty_chart(title: str) -> str:
    """A chart without points."""
    return f'<div class="kft-chart"><h3>{escape(title)}</h3><div class="kft-empty">nothing yet</div></div>'


def line_chart(title: str, series: Mapping[str, Points], *, x_label: str = "epoch") -> str:
    """An SVG line chart.

    Args:
        title: Above the chart, also its label for screen readers.
        series: Points by name, up to six series; points that are no finite number are left out.
        x_label: Before the last number under the chart.
    """
    series = {name: [point for point in line if math.isfinite(point[1])] for name, line in series.items()}
    points = [point for line in series.values() for point in line]
    if not points:
        return empty_chart(title)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 0.5
    # No room below 0 or above 1 for what cannot be there.
    low, high = (max(0.0, low - pad) if low >= 0 else low - pad), (min(1.0, high + pad) if 0 < high <= 1 else high + pad)
    right = max(xs) or 1.0

    def place(x: float, y: float) -> str:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / right
        down = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - y) / (high - low)
        return f"{across:.1f},{down:.1f}"

    parts = []
    for i in range(5):
        value = low + (high - low) * i / 4
        level = place(0, value).split(",")[1]
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{level}" y2="{level}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{float(level) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    ticks = [right * i / 4 for i in range(5)]
    if all(x == int(x) for x in xs):  # there is nothing between two validations, or two trials
        ticks = sorted({float(round(tick)) for tick in ticks})
    for value in ticks:
        middle = place(value, low).split(",")[0]
        side, name = ("end", f"{escape(x_label)} ") if value == ticks[-1] else ("middle", "")
        number = f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
        parts.append(f'<text class="tick" x="{middle}" y="{_HEIGHT - 12}" text-anchor="{side}">{name}{number}</text>')
    legend = []
    for index, (name, line) in enumerate(series.items()):
        thinned = _thin(line)
        path = " ".join(place(x, y) for x, y in thinned)
        parts.append(f'<polyline class="line c{index}" points="{path}"/>')
        if len(line) <= 40:
            for x, y in line:
                across, down = place(x, y).split(",")
                tip = f"{escape(name)} {y:.4g} at {escape(x_label)} {x:.2f}"
                parts.append(f'<circle class="dot c{index}" cx="{across}" cy="{down}" r="3"><title>{tip}</title></circle>')
        last = f" {line[-1][1]:.4g}" if line else ""
        legend.append(f'<span class="key c{index}">{escape(name)}{last}</span>')
    label = f'role="img" aria-label="{escape(title)}"'
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" {label}>{"".join(parts)}</svg>'
    return f'<div class="kft-chart"><h3>{escape(title)}</h3><div class="legend">{"".join(legend)}</div>{svg}</div>'


def _thin(line: Points, most: int = 300) -> list[tuple[float, float]]:
    """At most `most` points, each the mean of its neighbours, so that a long run stays quick to draw."""
    if len(line) <= most:
        return list(line)
    size = -(-len(line) // most)
    groups = [line[i : i + size] for i in range(0, len(line), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


_UPLOADS = re.compile(r"[^\s'\"]*[/\\]\.uploads[/\\][0-9a-f]{12}[/\\]")  # where uploads are kept; a person knows the file's name

_STATES = {
    "queued": "Waiting in the queue",
    "running": "Running",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "prepared": "Prepared",
    "saved": "A model that was saved without a run",
}


def bar(share: float, text: str) -> str:
    """How far something is, 0 to 1, with words below."""
    percent = 100 * min(1.0, max(0.0, share))
    role = f'role="progressbar" aria-label="Progress" aria-valuenow="{percent:.0f}"'
    facts = f'<div class="facts" aria-live="polite">{escape(text)}</div>'
    line = f'<div class="bar" {role}><div style="width:{percent:.1f}%"></div></div>'
    return f'<div class="kft-status s-running">{line}{facts}</div>'


def status_card(name: str, told: Progress, *, go_on: str = "Resume (tab Runs)") -> str:
    """Where a run stands: state, bar, time left, warnings, or the error with what to do; `go_on` is the button that goes on."""
    step = told.steps[-1] if told.steps else None
    percent = 100.0 if told.state == "finished" else 100 * step.step / max(1, step.total_steps) if step else 0.0
    facts = []
    if told.state == "running" and told.phase:
        facts.append(escape(_UPLOADS.sub("", told.phase)))
    if step and told.state in ("running", "stopped", "interrupted"):
        facts.append(f"step {step.step:,} of {step.total_steps:,}")
        facts.append(f"epoch {step.epoch:.2f}")
    if step and told.state == "running" and told.phase == "training":
        facts.append(f"{step.examples_per_second:,.0f} rows/s")
        facts.append(f"<b>{escape(clock(step.eta_seconds))} left</b>")
    if told.started:
        share = told.started.trainable_parameters / max(1, told.started.parameters)
        state = told.started.optimizer_bytes / 2**20
        facts.append(f"{told.started.trainable_parameters:,} weights learn ({share:.1%}, optimizer {state:,.1f} MiB)")
    if kept := _kept(told):
        facts.append(kept)
    if told.estimated and (held := memory(told.estimated)):
        facts.append(held)
    body = [
        f'<div class="kft-status s-{escape(told.state)}"><div class="head"><span class="pill">{escape(told.state)}</span>'
        f"<b>{escape(name)}</b></div>",
        f'<div class="bar" role="progressbar" aria-label="Progress of the run" aria-valuenow="{percent:.0f}">'
        f'<div style="width:{percent:.1f}%"></div></div>',
        f'<div class="facts">{" · ".join(facts) or escape(_STATES.get(told.state, ""))}</div>',
    ]
    if told.estimated and told.estimated.advice and told.state == "running":
        body.append(f'<div class="note">{escape(told.estimated.advice)}</div>')
    for warning in told.warnings[-6:]:
        hint = f" <i>{escape(on_screen(warning.hint))}</i>" if warning.hint else ""
        body.append(f'<div class="warn">{escape(on_screen(warning.message))}{hint}</div>')
    if told.state == "failed" and told.ended is not None:
        ended: Any = told.ended
        hint = f"<br><b>What to do:</b> {escape(on_screen(ended.hint))}" if ended.hint else ""
        where = f"<br>{escape(ended.where)}" if ended.where else ""
        kind = "" if explains_itself(ended.error) else f"<b>{escape(ended.error)}</b>: "
        body.append(f'<div class="error">{kind}{escape(ended.message)}{where}{hint}</div>')
    if told.state == "running" and told.stopping:
        body.append('<div class="note">Stop was heard: the step that is being done is finished first.</div>')
    if told.state == "interrupted":
        body.append(f'<div class="error">{_how_it_ended(told.ended_by)}</div>')
    if told.state == "interrupted" and told.started and not step:
        body.append(
            '<div class="warn">It ended in its first step. Its batches may need more memory than there is, and the system then '
            "ends a process without a word: train anew with half the batch size and double accumulate (Advanced), which learns "
            "the same, or with a shorter max length.</div>"
        )
    elif told.state in ("stopped", "interrupted", "failed") and told.can_go_on:
        body.append(f'<div class="warn">Go on from the last checkpoint with {escape(go_on)}.</div>')
    elif told.state == "interrupted":
        body.append(f'<div class="warn">There is no checkpoint yet: {escape(go_on)} begins it again.</div>')
    return "".join(body) + "</div>"


def _kept(progress: Progress) -> str:
    """Which weights a finished run has kept, where they are not its last ones."""
    best = next((one for one in reversed(progress.validations) if one.best), None)
    figures = progress.ended.metrics if isinstance(progress.ended, Finished) else {}
    if best is None or best is progress.validations[-1] or not math.isclose(
        figures.get("loss", math.nan), best.metrics.get("loss", math.nan), rel_tol=1e-3
    ):  # fmt: skip
        return ""
    return f"kept: the weights of epoch {best.epoch:.2f}, the best of {len(progress.validations)} validations"


def _how_it_ended(signal: int | None) -> str:
    """What is known of the end of a process that said nothing."""
    if signal == 9:
        return "The process was killed (signal 9), often for lack of memory."
    if signal is not None:
        return f"The process was ended by signal {signal}."
    return "The process ended without a word: a power cut, or killed, often for lack of memory."


def training_charts(told: Progress) -> str:
    """Loss and validation figures of a run so far; shares of 0 to 1 in one chart, figures of other sizes in their own."""
    loss = {"training loss": [(step.epoch, step.loss) for step in told.steps]}
    if told.validations:
        loss["validation loss"] = [(v.epoch, v.metrics["loss"]) for v in told.validations if "loss" in v.metrics]
    names = dict.fromkeys(name for v in told.validations for name in v.metrics if name != "loss")
    figures = {name: [(v.epoch, v.metrics[name]) for v in told.validations if name in v.metrics] for name in names}
    shares = {spoken(name): line for name, line in figures.items() if is_share(name)}
    charts = [line_chart("Loss (lower is better)", loss)]
    if shares or not figures:
        charts.append(line_chart("Validation", shares))
    for name, line in figures.items():
        if not is_share(name):
            way = "lower is better" if is_better_low(name) else "higher is better"
            charts.append(line_chart(f"Validation: {spoken(name)} ({way})", {spoken(name): line}))
    return f'<div class="kft-charts">{"".join(charts)}</div>'


def error_box(error: Any) -> str:
    """An error of the library as a box: rule, evidence, next step."""
    error = (disk_fault(error) if isinstance(error, BaseException) else None) or error
    where = getattr(error, "where", None)
    hint = getattr(error, "hint", None)
    message = getattr(error, "message", None) or str(error)
    message, where, hint = (text and _UPLOADS.sub("", str(text)) for text in (message, where, hint))
    lines = [f"<b>{escape(message)}</b>"]
    lines += [escape(where)] if where else []
    lines += [f"<b>What to do:</b> {escape(on_screen(hint))}"] if hint else []
    return _box("error", lines)


def note_box(*lines: str) -> str:
    """Something to know, in a box."""
    return _box("note", map(escape, lines))


def good_box(*lines: str) -> str:
    """What went well, in a box."""
    return _box("good", map(escape, lines))


def _box(kind: str, lines: Iterable[str]) -> str:
    return f'<div class="kft-status"><div class="{kind}">{"<br>".join(lines)}</div></div>'
