"""Texts to try a model with: rows it was evaluated on, and what was asked before. No Gradio here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasft_app.facts import ModelFacts
from kerasft_app.reports import readable

_PROMPT_WORDS = 8
_SHOWN = 110  # characters of a text in a list
HISTORY = 20


@dataclass(frozen=True)
class Asked:
    """A text that a model was asked, with a second text where it reads two, and the answer in a few words."""

    text: str
    pair: str = ""
    answer: str = ""
    run: str = ""

    @property
    def shown(self) -> str:
        """Both texts in a line."""
        both = " ⟂ ".join(" ".join(part.split()) for part in (self.text, self.pair) if part.strip())
        return both if len(both) <= _SHOWN else both[: _SHOWN - 1] + "…"


def first_texts(folder: Path, facts: ModelFacts) -> list[Asked]:
    """Texts of the rows that a run was evaluated on, as its task is asked; empty where its report keeps none."""
    try:
        reports = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        kept = (reports.get("validation") or reports.get("test") or {}).get("samples") or []
        pairs = [(str(text), pair if isinstance(pair, str) and facts.paired else "") for text, pair in kept]
        return [Asked(_question(readable(text), facts), pair) for text, pair in pairs]
    except (OSError, ValueError, TypeError, AttributeError):  # no report, or one that is damaged
        return []


def _question(text: str, facts: ModelFacts) -> str:
    """A gap where gaps are filled, a beginning where text is written, the text elsewhere."""
    if facts.shows == "gaps" and "[MASK]" not in text:
        words = list(re.finditer(r"\w{3,}", text))
        if words:
            word = words[len(words) // 2]
            return f"{text[: word.start()]}[MASK]{text[word.end() :]}"
    if facts.shows == "text":
        return " ".join(text.split()[:_PROMPT_WORDS])
    return text


def in_short(facts: ModelFacts, answered: dict[str, Any]) -> str:
    """An answer in a few words, for the list of what was asked before."""
    makers: dict[str, Any] = {
        "label": lambda: f"{answered['label']} ({answered['score']:.0%})",
        "labels": lambda: "; ".join(answered["labels"]) or "no label",
        "number": lambda: f"{answered['value']:.6g}",
        "entities": lambda: "; ".join(f"{e['text']} ({e['type']})" for e in answered["entities"]) or "no entity",
        "answer": lambda: answered["answer"] or "no answer",
        "vector": lambda: f"{len(answered['vector'])} numbers",
        "gaps": lambda: ", ".join(gap[0][0] for gap in answered["gaps"]),
        "text": lambda: answered["text"],
    }
    said = " ".join(str(makers[facts.shows]()).split()) if facts.shows in makers else ""
    return said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"


def remembered(history: list[Asked], asked: Asked) -> list[Asked]:
    """The history with another question before it; the same question of the same run stands in it once."""
    same = (asked.text, asked.pair, asked.run)
    return [asked, *(old for old in history if (old.text, old.pair, old.run) != same)][:HISTORY]
