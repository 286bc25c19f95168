"""`Finding`: one thing about the data that a person should know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        code: Short stable name: `duplicate_texts`.
        severity: `problem` (the result will be wrong), `warning` (look at it), `note`.
        message: One sentence with counts.
        split: Which split.
        rows: The rows concerned, as a spreadsheet numbers them.
        hint: What to do, or empty.
    """

    code: str
    severity: str
    message: str
    split: str = ""
    rows: tuple[int, ...] = ()
    hint: str = ""
