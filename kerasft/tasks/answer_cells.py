"""Cells of answers: JSON `{"text": [...], "answer_start": [...]}`, as SQuAD has them; offsets checked and mended."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from kerasft.errors import DataError, name_rows

_WHAT = {
    "moved": "answers do not stand at their offset; each occurs once in its context and was moved there",
    "found": "answers had no offset and occur once in their context, where they were found",
    "first": "answers without a right offset occur several times in their context; the occurrence nearest to the offset, "
    "or else the first, was taken",
    "absent": "answers do not occur in their context; they are not learned from, and still scored by their text",
}


@dataclass(frozen=True)
class Gold:
    """The right answers to a question: `texts`, empty when there is none, and where the first stands, or -1."""

    texts: tuple[str, ...]
    start: int
    end: int

    @property
    def learnable(self) -> bool:
        """Whether it says where to point: to an answer, or to none."""
        return self.start >= 0 or not self.texts


def read_answers(split: Any) -> tuple[list[Gold], list[str]]:
    """The answers of each row, and remarks on offsets that were wrong.

    Raises:
        DataError: A cell is no answer; names the row.
    """
    contexts, cells = split.cells("text_pair"), split.cells("label")
    found = []
    mended: dict[str, list[int]] = {}
    for i, (context, cell) in enumerate(zip(contexts, cells, strict=True)):
        row = int(split.table.rows[i])
        texts, starts = _parts(cell, f"{split.table.source} ({split.name}), row {row}")
        if not texts:
            found.append(Gold((), -1, -1))
            continue
        start, how = locate(context or "", texts[0], starts[0])
        if how:
            mended.setdefault(how, []).append(row)
        found.append(Gold(tuple(texts), start, start + len(texts[0]) if start >= 0 else -1))
    return found, [f"{len(rows):,} {_WHAT[how]} ({name_rows(rows)})." for how, rows in mended.items()]


def locate(context: str, answer: str, start: int) -> tuple[int, str]:
    """Where an answer stands, -1 for nowhere, and what had to be mended: nothing or a key of the remarks."""
    if start >= 0 and context[start : start + len(answer)] == answer:
        return start, ""
    places = _occurrences(context, answer) or _occurrences(context, answer, re.IGNORECASE)
    if not places:
        return -1, "absent"
    if len(places) == 1:
        return places[0], "moved" if start >= 0 else "found"
    return (min(places, key=lambda place: abs(place - start)) if start >= 0 else places[0]), "first"


def _occurrences(context: str, answer: str, flags: int = 0) -> list[int]:
    """Where the answer begins, overlapping places too; letter by letter, since a lower-cased text may be longer."""
    return [found.start() for found in re.finditer(f"(?={re.escape(answer)})", context, flags)]


def _parts(cell: str | None, where: str) -> tuple[list[str], list[int]]:
    text = (cell or "").strip()
    if not text:
        return [], []
    try:
        found = json.loads(text)
    except ValueError:
        return [text], [-1]  # the answer itself
    if isinstance(found, dict) and isinstance(found.get("text"), list | str):
        texts = [found["text"]] if isinstance(found["text"], str) else [str(item) for item in found["text"]]
        starts = found.get("answer_start", [])
        starts = starts if isinstance(starts, list) else [starts]
        starts = [-1 if start is None else start for start in starts]
        texts_starts = [(t, s) for t, s in zip(texts, [*starts, *[-1] * len(texts)], strict=False) if t.strip()]
        if not all(isinstance(s, int) or (isinstance(s, float) and s.is_integer()) for _, s in texts_starts):
            raise DataError(f"An answer's offset is no whole number. Received: {text[:60]!r}.", where=where)
        # The commonest answer is pointed at, the first of those: annotators differ, and SQuAD lists them all.
        common = Counter(t for t, _ in texts_starts).most_common(1)
        texts_starts.sort(key=lambda item: item[0] != common[0][0] if common else False)
        return [t for t, _ in texts_starts], [int(s) for _, s in texts_starts]
    if isinstance(found, dict | list):
        hint = '{"text": ["Paris"], "answer_start": [17]}; empty lists for a question without an answer.'
        raise DataError(f"A cell of the answers cannot be understood. Received: {text[:60]!r}.", where=where, hint=hint)
    return [text], [-1]  # a number or a word that happens to be JSON
