"""`Told`: what a window's targets say, for people."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Told:
    """What must be told of one window.

    Attributes:
        window: Of the window as a whole, or "".
        tokens: By place, what must be told of a token.
        hidden: By place, what another piece stands for.
        units: By place, the number of the hidden word or span it is of, from 1.
        boundaries: By place, the two places from which it must be told as well.
    """

    window: str = ""
    tokens: dict[int, str] = field(default_factory=dict)
    hidden: dict[int, str] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)
    boundaries: dict[int, tuple[int, int]] = field(default_factory=dict)
