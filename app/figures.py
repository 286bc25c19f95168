"""Figures by name: what they are called, in which unit they are, whether low is good, and how they are written."""

from __future__ import annotations

import math

from kerasft.evaluation.direction import LOWER_IS_BETTER

_UNITS = {
    "loss": "lower is better",
    "perplexity": "per token, lower is better, 1 is perfect",
    "word_perplexity": "per word, lower is better, 1 is perfect",
    "mse": "in the label's unit, squared; lower is better",
    "mae": "in the label's unit; lower is better",
    "r2": "1 is perfect, 0 as good as the mean",
    "pearson": "-1 to 1",
    "spearman": "-1 to 1",
    "partner_cosine": "-1 to 1",
}
_OWN_SCALE = LOWER_IS_BETTER | {"r2"}  # cannot be drawn beside shares; correlations and cosines can
_SPOKEN = {
    "f1": "F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "sample_f1": "sample F1",
    "weighted_f1": "weighted F1",
    "tuned_macro_f1": "macro F1, thresholds tuned",
    "f1_with_answer": "F1 where there is an answer",
    "right_without_answer": "right where there is none",
    "r2": "R²",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "mrr": "mean reciprocal rank",
    "bleu": "BLEU",
    "chrf": "chrF",
}


def spoken(name: str) -> str:
    """A figure's name for people."""
    return _SPOKEN.get(name, name.replace("_", " "))


def spoken_score(score: str) -> str:
    """The main figure of a `RunSummary`, such as `micro_f1 0.444`, for people."""
    name, _, figure = score.partition(" ")
    return f"{spoken(name)} {figure}".strip()


def unit(name: str) -> str:
    """Its unit or range, in words; empty for the many that are 0 to 1."""
    return _UNITS.get(name, "")


def is_better_low(name: str) -> bool:
    """Whether lower is better."""
    return name in LOWER_IS_BETTER


def is_share(name: str) -> bool:
    """Whether it lies between 0 (or -1) and 1, so that it can be drawn beside others that do."""
    return name not in _OWN_SCALE


def written(value: float) -> str:
    """A figure in as many digits as mean something."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.2e}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
