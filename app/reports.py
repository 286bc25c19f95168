"""Data reports and evaluation reports -> HTML."""

from __future__ import annotations

from typing import Any

from kerasft.errors import name_rows
from kerasft_app.charts import escape


def quality_html(report: Any) -> str:
    """The data report: rows, labels with bars, lengths, findings."""
    cards = [_card(f"{count:,}", f"{name} rows") for name, count in report.rows.items()]
    train: dict[str, int] = report.labels.get("train") or next(iter(report.labels.values()), {})
    cards.append(_card(f"{len(train):,}", "labels"))
    if report.lengths:
        unit = escape(report.lengths["unit"])
        cards.append(_card(f"{report.lengths['median']:,.0f}", f"{unit}, median (95 % up to {report.lengths['p95']:,.0f})"))
    if "cut_share" in report.lengths:
        cards.append(_card(f"{report.lengths['cut_share']:.1%}", f"cut at {report.lengths['max_length']} tokens"))
    largest = max(train.values(), default=1)
    bars = "".join(
        f'<tr><td>{escape(label)}</td><td class="num">{count:,}</td>'
        f'<td class="wide"><div class="meter"><div style="width:{100 * count / largest:.1f}%"></div></div></td></tr>'
        for label, count in list(train.items())[:30]
    )
    more = f"<p>and {len(train) - 30:,} more labels</p>" if len(train) > 30 else ""
    findings = "".join(
        f'<div class="{"error" if f.severity == "problem" else "warn" if f.severity == "warning" else "note"}">'
        f"{escape(f.message)}{' (' + escape(name_rows(f.rows)) + ')' if f.rows else ''} <i>{escape(f.hint)}</i></div>"
        for f in report.findings
    )
    findings = findings or '<div class="good">Nothing odd was found.</div>'
    return (
        f'<div class="kft-report"><div class="cards">{"".join(cards)}</div>'
        f'<div class="kft-status">{findings}</div>'
        f'<table class="kft-table"><thead><tr><th>label</th><th class="num">rows</th><th></th></tr></thead>'
        f"<tbody>{bars}</tbody></table>{more}</div>"
    )


def _card(value: str, caption: str) -> str:
    return f'<div class="card"><div class="value">{value}</div><div class="caption">{caption}</div></div>'


def report_html(report: Any) -> str:
    """An evaluation report: figures beside the baseline, per label, confusion matrix, worst mistakes."""
    cards = []
    for name, value in report.metrics.items():
        interval = report.intervals.get(name)
        spread = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "nats"
        base = f"; always the most frequent label: {report.baseline[name]:.3f}" if name in report.baseline else ""
        cards.append(_card(f"{value:.3f}", f"<b>{escape(name.replace('_', ' '))}</b><br>{spread}{base}"))
    rows = "".join(
        f'<tr><td>{escape(label)}</td><td class="num">{f["precision"]:.3f}</td><td class="num">{f["recall"]:.3f}</td>'
        f'<td class="num">{f["f1"]:.3f}</td><td class="num">{int(f["support"]):,}</td></tr>'
        for label, f in report.per_label.items()
    )
    head = "".join(f'<th class="num">{name}</th>' for name in ("precision", "recall", "F1", "rows"))
    notes = "".join(f'<div class="note">{escape(note)}</div>' for note in report.notes)
    return (
        f'<div class="kft-report"><p>{report.examples:,} rows of {escape(report.source)}; intervals are 95 %.</p>'
        f'<div class="cards">{"".join(cards)}</div><div class="kft-status">{notes}</div>'
        f"<h4>Each label</h4><div class='scroll'><table class='kft-table'><thead><tr><th>label</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        f"<h4>Confusion matrix</h4>{confusion_html(report)}<h4>The surest mistakes</h4>{_mistakes(report)}</div>"
    )


def confusion_html(report: Any) -> str:
    """The confusion matrix, each cell shaded by its share of the true label's rows."""
    if not report.confusion or len(report.labels) > 40:
        return "<p>Shown for up to 40 labels; all counts are in report.json.</p>"
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


def _mistakes(report: Any) -> str:
    if not report.worst:
        return '<div class="kft-status"><div class="good">There is none.</div></div>'
    rows = "".join(
        f'<tr><td class="num">{m.row}</td><td>{escape(m.label)}</td><td>{escape(m.predicted)}</td>'
        f'<td class="num">{m.score:.2f}</td><td class="wide">{escape(_short(m))}</td></tr>'
        for m in report.worst
    )
    head = '<th class="num">row</th><th>label</th><th>predicted</th><th class="num">score</th><th>text</th>'
    return (
        "<p>A wrong label in the data is often among them.</p><div class='scroll'>"
        f"<table class='kft-table'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _short(mistake: Any, most: int = 400) -> str:
    text = mistake.text if mistake.text_pair is None else f"{mistake.text}  ⟂  {mistake.text_pair}"
    return text if len(text) <= most else text[: most - 1] + "…"
