"""`Finding`: one observation about the data that the user should know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One observation about the data.

    Attributes:
        code: Short stable name: `duplicate_texts`.
        severity: `problem` (the result will be wrong), `warning` (check it) or `note`.
        message: One sentence with counts.
        split: Name of the split, or empty.
        rows: Numbers of the rows, as a spreadsheet counts them.
        hint: What to do, or empty.
    """

    code: str
    severity: str
    message: str
    split: str = ""
    rows: tuple[int, ...] = ()
    hint: str = ""
