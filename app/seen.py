"""What the model sees -> HTML: windows of tokens, with what is hidden, told and ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kerasft_app.charts import escape, note_box

_SHOWN = 12  # windows
_COLOURS = 8


def seen_html(windows: Sequence[Mapping[str, Any]]) -> str:
    """Windows as `kerasft preview --json` gives them."""
    if not windows:
        return str(note_box("There is no window to show."))
    shown = "".join(_window(window) for window in windows[:_SHOWN])
    more = f"<p>and {len(windows) - _SHOWN:,} more windows</p>" if len(windows) > _SHOWN else ""
    return f'<div class="kft-report kft-seen">{_LEGEND}{shown}{more}</div>'


_LEGEND = (
    "<p>Each token as the model reads it, and below it what the model has to predict there. Grey tokens are only read. "
    "The second text is "
    "underlined; hidden tokens are marked, those of one word or span in one colour.</p>"
)


def _window(window: Mapping[str, Any]) -> str:
    part = f", window {window['window']} of {window['windows']}" if window["windows"] > 1 else ""
    cut = f", <b>{window['cut']:,} cut</b>" if window["cut"] > 0 else ""
    expected = f" To predict: <b>{escape(window['target'])}</b>." if window["target"] else ""
    head = f"<h3>Row {window['row']}{part}: {len(window['tokens']):,} tokens{cut}.{expected}</h3>"
    pieces = [token["piece"] for token in window["tokens"]]
    return f'{head}<div class="tokens">{"".join(_token(token, pieces) for token in window["tokens"])}</div>'


def _token(token: Mapping[str, Any], pieces: Sequence[str]) -> str:
    kinds = ["special"] if token["special"] else []
    kinds += ["second"] if token["segment"] else []
    if token["hidden"] or token["unit"]:
        kinds.append(f"k{max(0, token['unit'] - 1) % _COLOURS}")
    elif not token["target"]:
        kinds.append("read")
    told = f"<b>{escape(token['target'])}</b>" if token["target"] else "<b></b>"
    tips = [f"stands for {token['hidden']}"] if token["hidden"] else []
    if token["boundary"]:
        left, right = (pieces[place] for place in token["boundary"])
        tips.append(f"must also be told from the tokens beside the span, {left} and {right}")
    tip = f' title="{escape("; ".join(tips))}"' if tips else ""
    return f'<span class="{" ".join(kinds)}"{tip}><span>{escape(token["piece"])}</span>{told}</span>'
