"""Recognise different spellings of a label: `1` and `1.0`, `True` and `TRUE`, composed and decomposed letters.

Every label has a key; labels with the same key are one class. `1.10` and `1.1` have different keys, as do `-1` and `1`, and as do
`Good` and `good` (which `check` reports as similar).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_WHOLE = re.compile(r"([-+]?\d+)\.0")
_BOOLEANS = frozenset({"true", "false"})
# Invisible: zero-width characters, marks of direction, soft hyphens, fillers, control characters.
INVISIBLE = (
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\u3164\ufe00-\ufe0d\ufeff\uffa0]"
)
# Joiners and selectors belong to emoji and to words of Arabic and Indian scripts; anywhere else they are invisible as well.
_JOINED = "\u0600-\u1cff\u200d\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0e\ufe0f\U0001f000-\U000e007f"
_INVISIBLE = re.compile(f"{INVISIBLE}|(?<![{_JOINED}])[\u200c\u200d\ufe0e\ufe0f]|[\u200c\u200d]$")
_SPACES = re.compile(r"[\s\u00a0]+")


def clean_label(value: str | None) -> str | None:
    """Remove surrounding spaces and invisible characters from a label; None if nothing is left.

    Letters are composed (NFC) and full-width letters become plain ones. A JSON list of one label is that label.
    """
    return _cleaned(value) if value else None


@lru_cache(maxsize=100_000)
def _cleaned(value: str) -> str | None:
    text = value.strip()
    if text.startswith("[") and (only := _only_item(text)) is not None:
        text = only
    if text.isascii() and text.isprintable():
        return _SPACES.sub(" ", text) or None
    visible = _INVISIBLE.sub("", text)
    if any("\uff01" <= letter <= "\uff5e" or letter == "\u3000" for letter in visible):
        visible = "".join(map(_half_width, visible))
    composed = unicodedata.normalize("NFC", visible)
    return _SPACES.sub(" ", composed).strip() or None


def _half_width(letter: str) -> str:
    return " " if letter == "\u3000" else chr(ord(letter) - 0xFEE0) if "\uff01" <= letter <= "\uff5e" else letter


def _only_item(text: str) -> str | None:
    """The label in a JSON list of one label; None for anything else."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], str | int | float | bool):
        return None
    from kerasft.data.table import as_text

    return as_text(items[0])


@lru_cache(maxsize=100_000)
def label_key(label: str) -> str:
    """The key that all spellings of a label share.

    Args:
        label: As `clean_label` returns it.
    """
    if whole := _WHOLE.fullmatch(label):
        return whole.group(1)
    label = label.replace("\ufe0f", "")  # an emoji with and without its selector
    lowered = label.lower()
    return lowered if lowered in _BOOLEANS else label


def one_spelling(labels: Iterable[str]) -> dict[str, str]:
    """The class name of each label: the label itself if only one spelling occurs, otherwise the key of its spellings.

    Args:
        labels: Different labels, cleaned.
    """
    spellings: dict[str, set[str]] = {}
    for label in labels:
        spellings.setdefault(label_key(label), set()).add(label)
    return {label: key if len(variants) > 1 else label for key, variants in spellings.items() for label in variants}


def merged_spellings(labels: Iterable[str]) -> dict[str, list[str]]:
    """The classes with more than one spelling, and their spellings."""
    names = one_spelling(set(labels))
    by_class: dict[str, list[str]] = {}
    for label, name in names.items():
        by_class.setdefault(name, []).append(label)
    return {name: sorted(spellings) for name, spellings in by_class.items() if len(spellings) > 1}
