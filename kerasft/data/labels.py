"""Cells that hold several labels: `joy;anger`, `joy|anger`, `joy, anger` or a JSON list."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from kerasft.data.cells import parse_json
from kerasft.data.columns import plain_name
from kerasft.data.label_spelling import clean_label

SEPARATORS = (";", "|", ",")
_SPACE = "space"
_PARTS = re.compile(r"[;|]")
_OR_COMMA = re.compile(r"[;|,]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")  # its semicolon separates nothing
PLURALS = frozenset({"labels", "categories", "topics", "tags", "genres", "emotions"})  # names of columns of several labels


def split_labels(cells: Sequence[str | None], separator: str | None) -> tuple[list[list[str]], str]:
    """The labels of each cell, without repetition, and the separator that was used.

    Args:
        cells: One cell a row; None and `[]` are rows without labels.
        separator: `;`, `|`, `,` or `space`; None finds it.
    """
    listed = [_as_list(cell) for cell in cells]
    plain = [cell or "" for cell, labels in zip(cells, listed, strict=True) if labels is None]
    separator = separator or find_separator(plain)
    rows = []
    for cell, labels in zip(cells, listed, strict=True):
        if labels is None:
            parts = (cell or "").split(None if separator == _SPACE else separator)
            labels = [part.strip() for part in parts]
        rows.append(list(dict.fromkeys(name for label in labels if label and (name := clean_label(label)))))
    return rows, separator


def find_separator(cells: Sequence[str]) -> str:
    """The separator most cells have, `;` when none has any.

    A comma only counts when what stands between commas recurs: `Smith, John` is one label, `red, blue` two.
    """
    counts = {separator: sum(separator in cell for cell in cells) for separator in SEPARATORS}
    best = max(("|", ";"), key=lambda separator: counts[separator])
    if counts[best]:
        return best
    if counts[","]:
        parts = Counter(part.strip() for cell in cells for part in cell.split(","))
        if sum(count > 1 for count in parts.values()) >= len(parts) / 2:
            return ","
    return ";"


def example_of_several_labels(cells: Sequence[str], column: str) -> str | None:
    """A cell with several labels, if one in twenty has several and their parts recur in other cells; otherwise None.

    Args:
        cells: Cells of a label column that are not empty.
        column: Name of the column; after a plural such as `topics`, a comma is a separator too.
    """
    separators = _OR_COMMA if plain_name(column) in PLURALS else _PARTS
    cells = [_ENTITY.sub("&", cell) for cell in cells]
    several = [cell for cell in cells if separators.search(cell) and parse_json(cell, dict) is None]
    if len(several) < max(1, 0.05 * len(cells)):
        return None
    parts = Counter(part.strip() for cell in cells for part in separators.split(cell) if part.strip())
    parts_of_several = [part.strip() for cell in several for part in separators.split(cell) if part.strip()]
    recurring = sum(parts[part] > 1 for part in parts_of_several)
    return several[0] if recurring > 0.5 * len(parts_of_several) else None


def _as_list(cell: str | None) -> list[str] | None:
    """The items of a cell that is a JSON list, else None."""
    text = (cell or "").strip()
    if not text.startswith("["):
        return None
    try:
        items = json.loads(text)
    except ValueError:
        return None
    return [str(item).strip() for item in items] if isinstance(items, list) else None
