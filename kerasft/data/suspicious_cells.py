"""Find cells that are used unchanged but probably mean something else: a missing value, a discarded row, a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cell_kinds import is_missing
from kerasft.data.cells import numbers, trimmed
from kerasft.data.columns import plain_name
from kerasft.data.findings import Finding
from kerasft.data.split import Split
from kerasft.errors import count_of

_STATE_NAMES = frozenset({"status", "state", "annotation_status", "response_status"})
_DISCARDED = frozenset({"discarded", "skipped", "rejected", "ignored"})  # an order may be cancelled, and count
_MARK_NAMES = frozenset(
    {"skipped", "discarded", "rejected", "was_cancelled", "is_skipped", "is_discarded", "cancelled", "ignored"}
)
_YES = frozenset({"true", "1", "yes"})
_SENTINELS = frozenset({-9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, -1.0})
_FAR = 5  # times the largest other number, from which on a sentinel is no value of the scale


def suspicious_cells(split: Split, kind: str) -> Iterator[Finding]:
    """Report cells of a split that are used unchanged although they probably mean something else.

    Args:
        split: The rows.
        kind: As `label_findings.label_kind` returns it.
    """
    yield from _missing_texts(split)
    yield from _labels_in_texts(split)
    yield from _discarded_rows(split)
    if kind in ("classes", "texts"):
        yield from _sentinels(split, kind)


def _missing_texts(split: Split) -> Iterator[Finding]:
    column = split.table.columns[split.columns.text]
    words = [cell for cell in pc.unique(trimmed(column)).to_pylist() if len(cell) <= 20 and is_missing(cell) and len(cell) > 1]
    rows = _rows(split, split.columns.text, words)
    if 0 < len(rows) < 0.5 * len(split):
        number = count_of(len(rows), "text")
        message = f"A word for a missing value, such as {words[0]!r}, is all there is in {number}; it is read as text."
        yield Finding("missing_text", "warning", message, split.name, rows, "If there is no text, empty the cells.")


def _labels_in_texts(split: Split) -> Iterator[Finding]:
    column = split.table.columns[split.columns.text]
    is_match = pc.fill_null(pc.match_substring(column, "__label__"), False).to_numpy(zero_copy_only=False)
    if is_match.any():
        rows = tuple(int(row) for row in split.table.rows[np.flatnonzero(is_match)])
        message = f"{len(rows):,} texts hold labels as fastText writes them (__label__...), which the model would read."
        hint = "Move the labels into a column of their own, or save the file as text lines without other columns."
        severity = "problem" if 2 * len(rows) >= len(split) else "warning"
        yield Finding("labels_in_texts", severity, message, split.name, rows, hint)


def _discarded_rows(split: Split) -> Iterator[Finding]:
    used = (split.columns.text, split.columns.text_pair, split.columns.label, split.columns.split)
    for name in split.table.names:
        plain = plain_name(name)
        if name in used or plain not in _STATE_NAMES | _MARK_NAMES:
            continue
        values = pc.unique(split.table.columns[name]).drop_null().to_pylist()
        meant = _DISCARDED if plain in _STATE_NAMES else _YES
        discarded = [value for value in values if value.strip().lower() in meant]
        if discarded and len(values) > len(discarded):
            rows = _rows(split, name, discarded)
            message = f"{len(rows):,} rows are marked as {discarded[0]!r} in column {name!r}, and are used like the others."
            yield Finding(
                "discarded_rows", "warning", message, split.name, rows, "Leave them out of the file if they do not count."
            )


def _sentinels(split: Split, kind: str) -> Iterator[Finding]:
    """Report numbers such as -999 or 99 that lie far outside the other labels, as codes for a missing answer do."""
    label = split.columns.label
    if label is None:
        return
    cells = [cell for cell in trimmed(split.table.columns[label]).to_pylist() if cell]
    values = numbers(cells)
    if not values:
        return
    counts = Counter(values)
    largest = max((abs(value) for value in counts if value not in _SENTINELS), default=0.0)
    far = [value for value in counts if value in _SENTINELS and abs(value) > _FAR * max(largest, 1.0)]
    if kind == "texts":
        far = [value for value in far if value < 0]  # a price may be 999
    if not far or len(far) == len(counts) or sum(counts[value] for value in far) > 0.5 * len(values):
        return
    rows = _rows(split, label, [cell for cell in set(cells) if float(cell) in far])
    message = (
        f"Label {far[0]:g} lies far outside the range of the others, like a code for a missing answer; it is used as a label."
    )
    hint = "If it means that there is no label, empty the cells."
    yield Finding("no_label_code", "warning", message, split.name, rows, hint)


def _rows(split: Split, name: str, values: Sequence[str]) -> tuple[int, ...]:
    """Numbers of the rows whose cell, without spaces around it, is one of some values."""
    column = trimmed(split.table.columns[name])
    is_match = pc.is_in(column, value_set=pa.array([value.strip() for value in values], column.type)).to_numpy(
        zero_copy_only=False
    )
    return tuple(int(row) for row in split.table.rows[np.flatnonzero(is_match)])
