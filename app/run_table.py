"""The table of runs: filtered by words, sorted, each row a link that opens the run. No Gradio here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from kerasft.run_about import matches
from kerasft.runs import RunSummary
from kerasft_app.charts import escape
from kerasft_app.figures import is_better_low, spoken_score

_NOTE = 90  # characters of a note in the table
_SHOWN = 500  # rows in the table; a filter finds the others


def _by_score(run: RunSummary) -> tuple[object, ...]:
    """Runs without a score last; the others by the figure's name, then the best first."""
    name, _, figure = run.score.rpartition(" ")
    try:
        value = float(figure.replace(",", ""))
    except ValueError:
        return (True, "", 0.0)
    return (False, name, value if is_better_low(name) else -value)


ORDERS: dict[str, Callable[[RunSummary], tuple[object, ...]]] = {
    "Newest first": lambda run: (-run.changed,),
    "Oldest first": lambda run: (run.changed,),
    "Best score first": _by_score,
    "Name": lambda run: (run.title.casefold(), run.name),
    "State": lambda run: (run.state, -run.changed),
    "Model": lambda run: (run.preset, -run.changed),
    "Data": lambda run: (run.data, -run.changed),
}


def chosen_rows(runs: Sequence[RunSummary], words: str, order: str) -> list[RunSummary]:
    """The runs in which every word of a filter stands, in an order of `ORDERS`."""
    matching = [run for run in runs if matches(words, _texts(run))]
    return sorted(matching, key=ORDERS.get(order, ORDERS["Newest first"]))


def _texts(run: RunSummary) -> list[str]:
    return [run.name, run.title, run.state, spoken_score(run.score), run.preset, run.data, *run.about.tags, run.about.notes]


def table_html(runs: Sequence[RunSummary], words: str, order: str, folder: str, chosen: str = "") -> str:
    """Make the table.

    Args:
        runs: All runs.
        words: The filter; empty for all of them.
        order: A key of `ORDERS`.
        folder: Where they all are.
        chosen: Name of the run that is chosen.
    """
    if not runs:
        return '<div class="kft-empty big">No runs yet.</div>'
    rows = chosen_rows(runs, words, order)
    if not rows:
        hint = "Every word is looked for in name, state, score, model, data, tags and notes."
        return f'<div class="kft-empty big">No run matches the filter. {hint}</div>'
    head = "<th>Run</th><th>State</th><th class='num'>Score</th><th>Model</th><th>Data</th><th>Changed</th>"
    count = f"{len(rows):,} of {len(runs):,} runs" if len(rows) < len(runs) else f"{len(runs):,} run{'s' * (len(runs) != 1)}"
    hidden = f"; the first {_SHOWN:,} are shown, the filter finds the others" if len(rows) > _SHOWN else ""
    body = "".join(_row(run, chosen=run.name == chosen) for run in rows[:_SHOWN])
    return (
        f'<div class="kft-report"><div class="scroll" tabindex="0" role="group" aria-label="Runs">'
        f'<table class="kft-table kft-runs stacked"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"<p>{count}{hidden}, all in {escape(folder)}</p></div>"
    )


def _row(run: RunSummary, *, chosen: bool) -> str:
    # A run that can still be watched opens where it is trained, a finished one where its figures are.
    tab = "train" if run.state in ("queued", "running", "failed", "interrupted", "prepared") else "results"
    link = "?" + urlencode({"tab": tab, "run": run.name})
    own = f"<small>{escape(run.name)}</small>" if run.title != run.name else ""
    tags = "".join(f'<span class="pill">{escape(tag)}</span>' for tag in run.about.tags)
    mark = ' class="chosen" aria-current="true"' if chosen else ""
    note = " ".join(run.about.notes.split())
    note = f"<small>{escape(note[:_NOTE])}{'…' if len(note) > _NOTE else ''}</small>" if note else ""
    return (
        f'<tr{mark}><td class="wide"><a href="{escape(link)}">{escape(run.title)}</a> {tags}{own}{note}</td>'
        f'<td><span class="pill s-{escape(run.state)}">{escape(run.state)}</span></td>'
        f'<td class="num">{escape(spoken_score(run.score))}</td>'
        f'<td data-name="model">{escape(run.preset)}</td><td data-name="data">{escape(run.data)}</td>'
        f"<td data-name='changed'>{time.strftime('%Y-%m-%d&nbsp;%H:%M', time.localtime(run.changed))}</td></tr>"
    )
