"""Rate how plausible a decoded text is, to choose among encodings that can decode the same bytes."""

from __future__ import annotations

from collections.abc import Iterable

_COMMON = (
    ("gb2312", range(0xB0, 0xD8)),
    ("big5", range(0xA4, 0xC7)),
    ("shift_jis", range(0x88, 0x98)),
)  # first bytes of common characters
_DOUBTFUL, _GOOD = 0.5, 0.8


def best_encoding(sample: bytes, first: str, others: Iterable[str]) -> str:
    """`first`, unless its text is implausible and that of another encoding is not.

    Args:
        sample: Bytes beyond ASCII.
        first: The likeliest encoding by statistics.
        others: Encodings to compare with.
    """
    if plausibility(_decoded(sample, first)) >= _DOUBTFUL:
        return first
    scores = {name: plausibility(_decoded(sample, name)) for name in others}
    best = max(scores, key=lambda name: scores[name], default=first)
    return best if scores.get(best, 0.0) >= _GOOD else first


def _decoded(sample: bytes, encoding: str) -> str:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return ""


def plausibility(text: str) -> float:
    """Share of the letters beyond ASCII that are plausible; 0 for a text without any.

    A wrong encoding typically produces capitals within words, half-width kana and rare Chinese characters.
    """
    good = total = 0
    before = " "
    for letter in text[:20_000]:
        code = ord(letter)
        if code >= 0x80 and not letter.isspace():
            total += 1
            if 0x3040 <= code <= 0x30FF or 0xAC00 <= code <= 0xD7A3 or 0x3000 <= code <= 0x303F or 0xFF01 <= code <= 0xFF5E:
                good += 1  # kana, Hangul, East Asian punctuation
            elif 0x3400 <= code <= 0x9FFF:
                good += _is_common(letter)
            elif letter.isalpha() and code < 0x3000:
                good += not (letter.isupper() and before.isalpha())
        before = letter
    return good / total if total else 0.0


def _is_common(letter: str) -> bool:
    """Whether a Chinese character is among the common ones of a national standard."""
    for encoding, leads in _COMMON:
        try:
            if letter.encode(encoding)[0] in leads:
                return True
        except UnicodeEncodeError:
            continue
    return False
