"""What is inside a cell of text: JSON lists of tokens, tags or labels, and the answers to a question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE = 50


def parse_json(cell: str | None, kind: type) -> Any:
    """The JSON list or object (`kind`) in a cell, or None when there is none."""
    start = "[" if kind is list else "{"
    if cell is None or not cell.lstrip().startswith(start):
        return None
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, kind) else None


def as_json(value: Any) -> str:
    """The one way a list or object is written into a cell."""
    return json.dumps(value, ensure_ascii=False)


def first_cells(column: pa.ChunkedArray, count: int = _SAMPLE) -> list[str]:
    """The first cells that are not empty, of those near the top of the column."""
    near = column.slice(0, 20 * count).drop_null()
    return [cell for cell in near.to_pylist() if cell.strip()][:count]


def holds_lists(cells: Sequence[str]) -> bool:
    """True when every cell is a JSON list without lists in it."""
    lists = [parse_json(cell, list) for cell in cells]
    return bool(lists) and all(items is not None and not any(isinstance(item, list) for item in items) for items in lists)


def holds_tokens(cells: Sequence[str]) -> bool:
    """True when every cell is a JSON list of strings, numbers or nothing, and none of objects."""
    return holds_lists(cells) and not any(isinstance(item, dict) for cell in cells for item in json.loads(cell))


def holds_spans(cells: Sequence[str]) -> bool:
    """True when every cell is a JSON list of objects with a start, and one list at least is not empty."""
    if not holds_lists(cells):
        return False
    items = [item for cell in cells for item in json.loads(cell)]
    return bool(items) and all(isinstance(item, dict) and "start" in item for item in items)


def holds_answers(cells: Sequence[str]) -> bool:
    """True when every cell is a JSON object with the texts of answers."""
    answers = [parse_json(cell, dict) for cell in cells]
    return bool(answers) and all(answer is not None and "text" in answer for answer in answers)


def numbers(cells: Iterable[str]) -> list[float] | None:
    """The cells as numbers; None when one of them is no number."""
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without the white space around its cells; missing cells as empty ones."""
    return pc.fill_null(pc.utf8_trim_whitespace(column), "")
