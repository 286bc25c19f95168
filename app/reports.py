"""Data reports and evaluation reports -> HTML."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from kerasft.errors import name_rows
from kerasft_app.charts import escape, good_box
from kerasft_app.figures import spoken, unit, written
from kerasft_app.labels import on_screen
from kerasft_app.plots import CURVES, recall_curves, scatter_plot

_LARGEST_MATRIX = 40  # labels of a confusion matrix that a page can show
_CONFUSIONS = 50  # shown in its place
_COUNTED = {"token_classification": "tag", "regression": "number"}


def understood_html(title: str, why: str, file: str, sizes: str) -> str:
    """Which file is loaded, what it was understood to be for, and why."""
    return (
        f'<div class="kft-understood"><span><b>{escape(file)}</b> ({escape(sizes)}), understood as</span> <b>{escape(title)}</b>'
        f"<p>Because: {escape(why)} Another task can be chosen in the tab Train.</p></div>"
    )


def asked_html(file: str, sizes: str) -> str:
    """That a file is loaded and a question is to be answered before anything can be learned from it."""
    return (
        f'<div class="kft-understood"><span><b>{escape(file)}</b> ({escape(sizes)})</span>'
        "<p><b>Which column is the label?</b> Several columns could be it: choose one on the left, or say that "
        "there is none.</p></div>"
    )


def quality_html(report: Any, task: str = "", *, windows: bool = False) -> str:
    """The data report: rows, labels with bars (where there are labels to count), lengths, findings.

    Args:
        report: `kerasft.data.quality.QualityReport`.
        task: Name of the task the data were checked for.
        windows: Whether the task reads long texts in several windows, so that nothing is cut.
    """
    cards = [_card(f"{count:,}", f"{name} rows") for name, count in report.rows.items()]
    train: dict[str, int] = report.labels.get("train") or next(iter(report.labels.values()), {})
    what = _COUNTED.get(task, "label")
    if train:
        cards.append(_card(f"{len(train):,}", f"{what}s"))
    if report.lengths:
        of = escape(report.lengths["unit"])
        cards.append(_card(f"{report.lengths['median']:,.0f}", f"{of}, median (95 % up to {report.lengths['p95']:,.0f})"))
    if "cut_share" in report.lengths:
        then = "read in several windows of" if windows else "cut at"
        cards.append(_card(f"{report.lengths['cut_share']:.1%}", f"{then} {report.lengths['max_length']} tokens"))
    findings = "".join(
        f'<div class="{"error" if f.severity == "problem" else "warn" if f.severity == "warning" else "note"}">'
        f"{escape(on_screen(f.message))}{' (' + escape(name_rows(f.rows)) + ')' if f.rows else ''} "
        f"<i>{escape(on_screen(f.hint))}</i></div>"
        for f in report.findings
        if not (windows and f.code == "cut")
    )
    findings = findings or '<div class="good">Nothing unusual was found.</div>'
    return (
        f'<div class="kft-report"><div class="cards">{"".join(cards)}</div>'
        f'<div class="kft-status">{findings}</div>{_counts(train, what)}</div>'
    )


def _counts(counts: dict[str, int], what: str) -> str:
    if not counts:
        return ""
    largest = max(counts.values(), default=1)
    bars = "".join(
        f'<tr><td>{escape(label)}</td><td class="num">{count:,}</td>'
        f'<td class="wide"><div class="meter"><div style="width:{100 * count / largest:.1f}%"></div></div></td></tr>'
        for label, count in list(counts.items())[:30]
    )
    more = f"<p>and {len(counts) - 30:,} more {what}s</p>" if len(counts) > 30 else ""
    return (
        f'<table class="kft-table"><thead><tr><th>{what}</th><th class="num">times</th><th></th></tr></thead>'
        f"<tbody>{bars}</tbody></table>{more}"
    )


def _card(value: str, caption: str) -> str:
    return f'<div class="card"><div class="value">{value}</div><div class="caption">{caption}</div></div>'


def report_html(report: Any, task: str = "text_classification", curves: Sequence[str] = ()) -> str:
    """An evaluation report: figures beside the baseline, and all else the task has to show.

    Args:
        report: `kerasft.evaluation.report.Report`.
        task: Name of the task, which says what its worst rows are.
        curves: Labels whose precision-recall curves are drawn; the most frequent when none is named.
    """
    parts = [f'<div class="cards">{"".join(_figure(report, name) for name in report.metrics)}</div>']
    if report.baseline:
        parts.append(f"<p>Baseline: {escape(report.baseline_is)}.</p>")
    parts.append(
        f'<div class="kft-status">{"".join(f"""<div class="note">{escape(note)}</div>""" for note in report.notes)}</div>'
    )
    if report.groups:
        parts.append(f"<h3>Each group</h3>{_table('group', report.groups, 'rows')}")
    if report.points:
        parts.append(f"<h3>Every row</h3>{scatter_plot(report.points)}")
    if report.per_label:
        tagging = task == "token_classification"
        parts.append(f"<h3>Each {'type or tag' if tagging else 'label'}</h3>")
        shown = report.frequent_labels
        parts.append(_table("type or tag" if tagging else "label", shown, "support", "times" if tagging else "rows"))
        if len(shown) < len(report.per_label):
            parts.append(f"<p>The {len(shown)} with most rows are shown; all {len(report.per_label):,} are in report.json.</p>")
    if report.curves:
        wanted = {name: report.curves[name] for name in curves if name in report.curves}
        parts.append(recall_curves(wanted or {name: report.curves[name] for name in frequent_curves(report)}))
    if report.confusion or report.confusions:
        parts.append(
            f"<h3>{'Confusion matrix' if _has_matrix(report) else 'Most frequent confusions'}</h3>{confusion_html(report)}"
        )
    intervals = ", intervals are 95 %" if report.intervals else ""
    how = ", cross-validated" if report.split == "cross-validation" else ""
    first = (
        f"<p>{report.examples:,} rows of {escape(report.source)}{how}. Figures without a unit are between 0 and 1{intervals}.</p>"
    )
    return f'<div class="kft-report">{first}{"".join(parts)}{_worst(report, task)}</div>'


def frequent_curves(report: Any) -> list[str]:
    """The labels with curves that have most rows, as many as are drawn at a time."""
    rows = {name: report.per_label.get(name, {}).get("support", 0) for name in report.curves}
    return sorted(rows, key=lambda name: -rows[name])[:CURVES]


def _figure(report: Any, name: str) -> str:
    interval = report.intervals.get(name)
    told = [f"{written(interval[0])} to {written(interval[1])}"] if interval else []
    told += [f"baseline {written(report.baseline[name])}"] if name in report.baseline else []
    told += [unit(name)] if unit(name) else []
    return _card(written(report.metrics[name]), "<br>".join([f"<b>{escape(spoken(name))}</b>", *map(escape, told)]))


def _table(what: str, rows: dict[str, dict[str, float]], count: str, counted: str = "rows") -> str:
    """Figures by name, with whatever columns they have; `count` is the one that is a number of something, and comes last."""
    columns = [name for name in dict.fromkeys(name for figures in rows.values() for name in figures) if name != count]
    head = "".join(f'<th class="num">{escape(spoken(name))}</th>' for name in columns)
    body = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f'<td class="num">{written(f[column]) if column in f else ""}</td>' for column in columns)
        + f'<td class="num">{int(f.get(count, 0)):,}</td></tr>'
        for name, f in rows.items()
    )
    return (
        f'<div class="scroll"><table class="kft-table"><thead><tr><th>{what}</th>{head}<th class="num">{counted}</th>'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _has_matrix(report: Any) -> bool:
    return bool(report.confusion) and len(report.labels) <= _LARGEST_MATRIX


def confusion_html(report: Any) -> str:
    """The confusion matrix, each cell shaded by its share of the true label's rows; of many labels the largest confusions."""
    if not _has_matrix(report):
        rows = [
            f'<tr><td>{escape(label)}</td><td>{escape(said)}</td><td class="num">{count:,}</td></tr>'
            for label, said, count in report.confusions[:_CONFUSIONS]
        ]
        head = '<thead><tr><th>label</th><th>taken for</th><th class="num">rows</th></tr></thead>'
        return f'<div class="scroll"><table class="kft-table">{head}<tbody>{"".join(rows)}</tbody></table></div>'
    head = "".join(f"<th>{escape(label)}</th>" for label in report.labels)
    body = []
    for i, (label, counts) in enumerate(zip(report.labels, report.confusion, strict=True)):
        total = max(1, sum(counts))
        cells = "".join(
            f'<td class="{"hit" if i == j else "miss"}" style="--share:{count / total:.3f}" '
            f'title="{escape(label)} taken for {escape(report.labels[j])}: {count:,}">{count:,}</td>'
            for j, count in enumerate(counts)
        )
        body.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return (
        '<p>Rows are true labels, columns predictions.</p><div class="scroll"><table class="kft-confusion">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


# Heading, sentence, and the columns that differ: what label, prediction and score are called; None leaves one out.
_MISTAKES: dict[str, tuple[str, str, str | None, str | None, str | None]] = {
    "regression": ("The largest errors", "A wrong number in the data is often among them.", "true", "predicted", "off by"),
    "text_embedding": ("Partners farthest apart", "Pairs whose vectors are least alike.", None, None, "cosine"),
    "question_answering": (
        "Most confident wrong answers",
        "They share no word with the right answer. A wrong answer in the data is often among them.",
        "right answer", "given", "score",
    ),
    "token_classification": (
        "Most confident mistakes",
        "Underlined: what the right tag is about; shaded: what the model's tag is about.",
        "right", "predicted", "score",
    ),
    "multi_label_classification": (
        "Most confident mistakes", "A wrong label in the data is often among them.", "labels", "given", "off by",
    ),
}  # fmt: skip
_TEXTS = {"causal_lm": "text or prompt", "question_answering": "question ⟂ context", "text_embedding": "text ⟂ partner"}
_USUAL = ("Most confident mistakes", "A wrong label in the data is often among them.", "label", "predicted", "score")
_GENERATED = ("Generated examples", "The first rows, answered greedily, beside what was wanted.", "wanted", "written", None)
_UNEXPECTED = (
    "The least expected texts",
    "Most surprising to the model, by each token's loss.",
    "completion",
    None,
    "nats a token",
)


def _worst(report: Any, task: str) -> str:
    label: str | None
    predicted: str | None
    score: str | None
    if task == "masked_lm":
        title, about, label, predicted, score = (*_UNEXPECTED[:2], None, None, _UNEXPECTED[4])
    elif task == "causal_lm":
        title, about, label, predicted, score = _GENERATED if "bleu" in report.metrics else _UNEXPECTED
    else:
        title, about, label, predicted, score = _MISTAKES.get(task, _USUAL)
    if not report.worst:
        return f"<h3>{title}</h3>{good_box('None in this split.')}"
    if not any(m.label for m in report.worst):
        label = None
    head = '<th class="num">row</th>' + "".join(f"<th>{name}</th>" for name in (label, predicted) if name)
    head += f'<th class="num">{score}</th>' if score else ""
    head += f"<th>{_TEXTS.get(task, 'text')}</th>"
    rows = []
    for m in report.worst:
        cells = f'<td class="num" data-name="row">{m.row}</td>'
        cells += f'<td class="text" data-name="{label}">{escape(m.label or "(none)")}</td>' if label else ""
        cells += f'<td class="text" data-name="{predicted}">{escape(m.predicted or "(none)")}</td>' if predicted else ""
        cells += f'<td class="num" data-name="{score}">{_score(m.score)}</td>' if score else ""
        text = _marked(m) if m.label_span and m.predicted_span else escape(_short(m))
        rows.append(f'<tr>{cells}<td class="wide">{text}</td></tr>')
    return (
        f"<h3>{title}</h3><p>{about}</p><div class='scroll'><table class='kft-table stacked'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _score(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) and abs(value) < 100 else written(value)


def _short(mistake: Any, most: int = 400) -> str:
    first = readable(mistake.text)
    text = first if mistake.text_pair is None else f"{first}  ⟂  {mistake.text_pair}"
    return text if len(text) <= most else text[: most - 1] + "…"


def _marked(mistake: Any, around: int = 160) -> str:
    """The text near a wrong tag, with the words that the right label is about and those that the model's is about marked."""
    spans = {"right": mistake.label_span, "wrong": mistake.predicted_span}
    begin = max(0, min(start for start, _ in spans.values()) - around)
    end = min(len(mistake.text), max(end for _, end in spans.values()) + around)
    edges = sorted({begin, end, *(edge for span in spans.values() for edge in span)})
    parts = ["…"] if begin else []
    for first, last in pairwise(edges):
        inside = " ".join(name for name, (start, stop) in spans.items() if start <= first and last <= stop)
        text = escape(mistake.text[first:last])
        parts.append(f'<mark class="kft-{inside.replace(" ", " kft-")}">{text}</mark>' if inside else text)
    return "".join(parts) + ("…" if end < len(mistake.text) else "")


def readable(cell: str | None) -> str:
    """A cell for people: lists of tokens or tags with blanks between, answers as their texts, spans as `0-5 PER`."""
    if cell is None or cell[:1] not in "[{":
        return cell or ""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        return " / ".join(map(str, value["text"])) or "(no answer)"
    if not isinstance(value, list):
        return cell
    if value and all(isinstance(item, dict) and "start" in item for item in value):
        return "; ".join(f"{item['start']}–{item.get('end', '?')} {item.get('label', '')}".strip() for item in value)
    return cell if any(isinstance(item, dict | list) for item in value) else " ".join(map(str, value))
