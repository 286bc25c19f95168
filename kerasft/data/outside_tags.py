"""Tags of words that may stand for "outside of any entity" although they are not `O`."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS = frozenset({"OTHER", "OUT", "OUTSIDE", "NIL", "NONE", "NULL", "_"})


def outside_question(counts: Mapping[str, int]) -> str | None:
    """Ask what the most frequent tag means if its name may mean "outside"; None if there is no doubt.

    Args:
        counts: How often each tag occurs.
    """
    most = max(counts, key=lambda tag: counts[tag], default="")
    if most.upper() not in _WORDS or "O" in counts or len(counts) < 2:
        return None
    return f"Most words have the tag {most!r}, which is learned as a class of words. If it means no entity, write O in its place."
