"""Labels that are spelled differently and mean the same: `1` and `1.0`, `True` and `TRUE`, composed and decomposed letters.

Every label has a key; labels of one key are one class. What differs in a key is different: `1.10` is not `1.1`, `-1` is not `1`,
and `Good` is not `good` (`check` says that those look alike).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_WHOLE = re.compile(r"([-+]?\d+)\.0")
_BOOLEANS = frozenset({"true", "false"})
# Zero-width characters, marks of direction, soft hyphens, fillers, control characters: nothing of them shows.
INVISIBLE = (
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\u3164\ufe00-\ufe0d\ufeff\uffa0]"
)
# Joiners and selectors belong to emoji and to words of Arabic and Indian scripts; anywhere else they are invisible, too.
_JOINED = "\u0600-\u1cff\u200d\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0e\ufe0f\U0001f000-\U000e007f"
_INVISIBLE = re.compile(f"{INVISIBLE}|(?<![{_JOINED}])[\u200c\u200d\ufe0e\ufe0f]|[\u200c\u200d]$")
_SPACES = re.compile(r"[\s\u00a0]+")


def clean_label(value: str | None) -> str | None:
    """A label without what does not show: spaces around it, invisible characters; None when nothing is left.

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
    visible = (
        "".join(map(_half_width, visible))
        if any("\uff01" <= letter <= "\uff5e" or letter == "\u3000" for letter in visible)
        else visible
    )
    composed = unicodedata.normalize("NFC", visible)
    return _SPACES.sub(" ", composed).strip() or None


def _half_width(letter: str) -> str:
    return " " if letter == "\u3000" else chr(ord(letter) - 0xFEE0) if "\uff01" <= letter <= "\uff5e" else letter


def _only_item(text: str) -> str | None:
    """The one label in a JSON list of one; None for anything else."""
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
    """What labels that are the same have in common.

    Args:
        label: Of `clean_label`.
    """
    if whole := _WHOLE.fullmatch(label):
        return whole.group(1)
    label = label.replace("\ufe0f", "")  # an emoji with and without its selector
    lowered = label.lower()
    return lowered if lowered in _BOOLEANS else label


def one_spelling(labels: Iterable[str]) -> dict[str, str]:
    """The name of the class of each label: the label itself where only one spelling occurs, else the key that all have.

    Args:
        labels: Different labels, cleaned.
    """
    spellings: dict[str, set[str]] = {}
    for label in labels:
        spellings.setdefault(label_key(label), set()).add(label)
    return {label: key if len(known) > 1 else label for key, known in spellings.items() for label in known}


def merged_spellings(labels: Iterable[str]) -> dict[str, list[str]]:
    """The classes that several spellings stand for, with those spellings."""
    names = one_spelling(set(labels))
    found: dict[str, list[str]] = {}
    for label, name in names.items():
        found.setdefault(name, []).append(label)
    return {name: sorted(spellings) for name, spellings in found.items() if len(spellings) > 1}
