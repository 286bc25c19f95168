"""Answers and explanations -> HTML. Every text in them is somebody's and is escaped; offsets are in characters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasft_app.charts import escape

COLOURS = 8  # classes k0 to k7 in the style sheet
_BARS = 30
_LISTED = 200


def labels_html(answer: Mapping[str, Any], thresholds: Mapping[str, float]) -> str:
    """Several labels: those chosen, then a bar for each label with a mark where its threshold is."""
    chosen = list(answer["labels"])
    pills = "".join(f'<span class="kft-label on">{escape(label)}</span>' for label in chosen)
    ordered = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    rows = []
    for label, share in ordered[:_BARS]:
        on = label in chosen
        mark = f'<i style="left:{_percent(thresholds[label])}"></i>' if label in thresholds else ""
        rows.append(
            f'<tr class="{"on" if on else "off"}"><td>{"✓" if on else ""}</td><td>{escape(label)}</td>'
            f'<td class="wide"><div class="meter">{mark}<div style="width:{_percent(share)}"></div></div></td>'
            f'<td class="num">{share:.1%}</td></tr>'
        )
    more = f"<p>and {len(ordered) - _BARS:,} more labels</p>" if len(ordered) > _BARS else ""
    note = "<p>The line in a bar is the label's threshold: from there on it is given.</p>" if thresholds else ""
    head = f'<div class="kft-chosen">{pills or "<b>No label applies.</b>"}</div>'
    return _card(f'{head}<table class="kft-table kft-bars"><tbody>{"".join(rows)}</tbody></table>{more}{note}')


def number_html(answer: Mapping[str, Any], learned: Mapping[str, Any]) -> str:
    """A number, and where it stands among those of the training rows."""
    value = float(answer["value"])
    mean, spread = learned.get("mean"), learned.get("deviation")
    scale = ""
    if mean is not None and spread:
        place = min(1.0, max(0.0, 0.5 + (value - mean) / (6 * spread)))
        ends = f"<span>{mean - 3 * spread:.4g}</span><span>mean {mean:.4g}</span><span>{mean + 3 * spread:.4g}</span>"
        scale = (
            f'<div class="kft-scale"><div class="track"><i style="left:{_percent(place)}"></i></div>'
            f'<div class="ends">{ends}</div></div>'
            "<p>The scale goes three standard deviations to both sides of the mean of the training rows.</p>"
        )
    return _card(f'<div class="kft-number">{value:.6g}</div>{scale}')


def entities_html(answer: Mapping[str, Any], labels: Sequence[str]) -> str:
    """A text with its entities marked by type; for tags that form none (parts of speech) every word with its tag."""
    text, words, entities = answer["text"], answer["words"], answer["entities"]
    if not text.strip():
        return _card("<p>The text has no words.</p>")
    if labels and not any(label[:2] in ("B-", "I-") for label in labels):
        return _card(f'<div class="kft-text kft-words">{_tagged(text, words, colour_of(labels))}</div>')
    kinds = dict.fromkeys([label[2:] for label in labels if label[:2] in ("B-", "I-")] + [e["type"] for e in entities])
    colours = colour_of(kinds)
    marked = mark_spans(text, [(e["start"], e["end"], e["type"], e["score"]) for e in entities], colours)
    found = dict.fromkeys(e["type"] for e in entities)
    legend = "".join(f'<span class="kft-label {colours[kind]}">{escape(kind)}</span>' for kind in found)
    legend = f'<div class="kft-chosen">{legend}</div>' if found else "<p><b>No entity was found.</b></p>"
    rows = "".join(
        f'<tr><td>{escape(e["text"])}</td><td><span class="kft-label {colours[e["type"]]}">{escape(e["type"])}</span></td>'
        f'<td class="num">{e["score"]:.1%}</td><td class="num">{e["start"]}–{e["end"]}</td></tr>'
        for e in entities[:_LISTED]
    )
    head = '<th>entity</th><th>type</th><th class="num">sure</th><th class="num">characters</th>'
    table = f'<div class="scroll"><table class="kft-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    tagged = _tagged(text, words, {})
    each = f'<details><summary>Every word with its tag</summary><div class="kft-text kft-words">{tagged}</div></details>'
    return _card(f'{legend}<div class="kft-text">{marked}</div>{table if rows else ""}{each}')


def colour_of(names: Iterable[str]) -> dict[str, str]:
    """A class of the style sheet for each name, the same whenever the names are the same; O has none."""
    return {name: f"k{i % COLOURS}" for i, name in enumerate(name for name in dict.fromkeys(names) if name != "O")}


def mark_spans(text: str, spans: Iterable[tuple[int, int, str, float]], colours: Mapping[str, str]) -> str:
    """The text with its spans (start, end, type, score) marked. Of overlapping spans the one that begins first is
    marked whole, the other from there on; what lies wholly inside is left to the list below the text.
    """
    parts, place = [], 0
    for start, end, kind, score in sorted(spans, key=lambda span: (span[0], -span[1])):
        start, end = max(start, place), min(end, len(text))
        if start >= end:
            continue
        tip = f"{escape(kind)}, {score:.1%}"
        tag = f"<b>{escape(kind)}</b>"
        parts.append(escape(text[place:start]))
        parts.append(f'<mark class="{colours.get(kind, "k0")}" title="{tip}">{escape(text[start:end])}{tag}</mark>')
        place = end
    return "".join([*parts, escape(text[place:])])


def _tagged(text: str, words: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> str:
    parts, place = [], 0
    for word in words:
        if word["start"] < place or word["end"] <= word["start"]:
            continue
        parts.append(escape(text[place : word["start"]]))
        place = word["end"]
        tag = word["tag"]
        shown = f"<b>{escape(tag)}</b>" if tag != "O" else ""
        parts.append(
            f'<span class="word {colours.get(tag, "")}" title="{escape(tag)}, {word["score"]:.1%}">'
            f"<span>{escape(text[word['start'] : place])}</span>{shown}</span>"
        )
    return "".join([*parts, escape(text[place:])])


def answer_html(answer: Mapping[str, Any], context: str) -> str:
    """The answer to a question, marked in its context; or that there is none."""
    score = f"<p>Sure to {answer['score']:.1%}.</p>"
    if answer["start"] < 0:
        found = '<div class="kft-number none">No answer</div><p>The model finds none in this context.</p>'
        return _card(f'{found}{score}<div class="kft-text">{escape(context)}</div>')
    start, end = answer["start"], answer["end"]
    marked = f'{escape(context[:start])}<mark class="k0">{escape(context[start:end])}</mark>{escape(context[end:])}'
    return _card(f'<div class="kft-number">{escape(answer["answer"])}</div>{score}<div class="kft-text">{marked}</div>')


_REASONS = {
    "end": "The model ended the text.",
    "length": "Cut at the most tokens allowed.",
    "stop": "Ended at the stop string.",
    "stopped": "Stopped.",
    "": "Writing …",
}


def text_html(prompt: str, text: str, reason: str, cut: int = 0) -> str:
    """What was written after a prompt; `reason` is empty while it is being written, `cut` tokens of the prompt were not read."""
    unread = f" The first {cut} tokens of the prompt were not read: prompt and text together have to fit." if cut else ""
    cursor = "" if reason else '<i class="cursor"></i>'
    return _card(
        f'<div class="kft-text"><span class="prompt">{escape(prompt)}</span>'
        f'<span class="written">{escape(text)}</span>{cursor}</div>'
        f"<p>{escape(_REASONS.get(reason, reason))}{unread}</p>"
    )


def gaps_html(answer: Mapping[str, Any]) -> str:
    """A text with its gaps filled, and the candidates of each gap."""
    pieces = answer["text"].split("[MASK]")
    filled = escape(pieces[0])
    for gap, piece in zip(answer["gaps"], pieces[1:], strict=True):
        filled += f'<mark class="k0">{escape(gap[0][0])}</mark>{escape(piece)}'
    tables = "".join(_candidates(i, gap, len(answer["gaps"])) for i, gap in enumerate(answer["gaps"][:_BARS], start=1))
    joined = any(token.startswith("##") for gap in answer["gaps"][:_BARS] for token, _ in gap)
    note = "<p>## goes on with the word before it.</p>" if joined else ""
    return _card(f'<div class="kft-text">{filled}</div>{tables}{note}')


def _candidates(number: int, gap: Sequence[Sequence[Any]], count: int) -> str:
    rows = "".join(
        f'<tr><td>{escape(token)}</td><td class="wide"><div class="meter"><div style="width:{_percent(share)}"></div></div></td>'
        f'<td class="num">{share:.1%}</td></tr>'
        for token, share in gap
    )
    head = f"<h3>Gap {number}</h3>" if count > 1 else ""
    return f'{head}<table class="kft-table kft-bars"><tbody>{rows}</tbody></table>'


def vector_html(answer: Mapping[str, Any], note: str = "") -> str:
    """The first numbers of a vector, and the training texts nearest to it."""
    vector = answer["vector"]
    length = math.sqrt(sum(value * value for value in vector))
    numbers = " ".join(f"{value:+.4f}" for value in vector[:12])
    rest = f" … {len(vector) - 12:,} more" if len(vector) > 12 else ""
    rows = "".join(
        f'<tr><td class="num">{near["cosine"]:.3f}</td>'
        f'<td><div class="meter"><div style="width:{_percent(near["cosine"])}"></div></div></td>'
        f'<td class="wide">{escape(near["text"][:400])}</td></tr>'
        for near in answer.get("neighbours", [])
    )
    head = '<th class="num">cosine</th><th></th><th>text</th>'
    table = (
        '<h3>Nearest texts of the training data</h3><div class="scroll"><table class="kft-table"><thead>'
        f"<tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    said = f"<p>{escape(note)}</p>" if note else ""
    shown = f'<div class="kft-text mono">{numbers}{rest}</div><p>{len(vector):,} numbers, length {length:.3f}.</p>'
    return _card(shown + (table if rows else "") + said)


def explanation_html(explanation: Mapping[str, Any]) -> str:
    """The words of a text, coloured by how far each moved the score."""
    words = explanation["words"]
    most = max((abs(word["score"]) for word in words), default=0.0) or 1.0
    shown = " ".join(
        f'<span class="{"for" if word["score"] >= 0 else "against"}" style="--share:{abs(word["score"]) / most:.3f}" '
        f'title="{word["score"]:+.4f}">{escape(word["text"])}</span>'
        for word in words
    )
    score, base = explanation["score"], explanation["baseline"]
    return _card(
        f"<h3>Why: {escape(explanation['target'])}</h3>"
        f"<p><b>{score:.3f}</b> for this text, {base:.3f} with all words hidden; the words add up to the "
        f"difference, <b>{score - base:+.3f}</b>.</p>"
        f'<div class="kft-text kft-why">{shown or "(no words)"}</div>'
        '<div class="kft-chosen kft-why"><span class="for" style="--share:1">raises the score</span>'
        '<span class="against" style="--share:1">lowers the score</span></div>'
        "<p>The stronger the colour, the further the word moved the score (integrated gradients). Rest on a word to see by "
        "how much.</p>"
    )


def _card(inner: str) -> str:
    return f'<div class="kft-report kft-answer">{inner}</div>'


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.1f}%"
