"""Find pairs of labels that probably mean the same but are two classes: other letter case, look-alike letters, `yes` and `y`."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Sequence

from kerasft.data.cells import numbers

_MAX_LABELS = 300
# Cyrillic and Greek letters that look like Latin ones.
_LOOK_ALIKES = str.maketrans("аеорсухіјѕԁһАВЕКМНОРСТХαοΑΒΕΗΚΜΝΟΡΤΧ", "aeopcyxijsdhABEKMHOPCTXaoABEHKMNOPTX")
_SYNONYMS = ({"y", "yes"}, {"n", "no"}, {"t", "true"}, {"f", "false"}, {"1", "true"}, {"0", "false"})


def similar_labels(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of labels that differ in case, spaces, punctuation or look-alike letters, or by a typing error in five or more
    letters, that are the same number, or that are short and long forms of one word.
    """
    if len(labels) > _MAX_LABELS:
        return  # that many are codes, not words; comparing all pairs would only take time
    words = [label for label in labels if numbers([label]) is None]
    yield from _same_numbers([label for label in labels if label not in words])
    yield from _synonyms(labels)
    folded = [_fold(label) for label in words]
    for i, first in enumerate(folded):
        for j in range(i):
            second = folded[j]
            if first and first == second:
                yield words[j], words[i]
            elif min(len(first), len(second)) >= 5 and not any(c.isdigit() for c in first + second):
                same_start = first[0] == second[0]
                if same_start and difflib.SequenceMatcher(None, first, second).ratio() > 0.88:
                    yield words[j], words[i]


def _fold(label: str) -> str:
    plain = unicodedata.normalize("NFKC", label)
    plain = (plain.translate(_LOOK_ALIKES) if len(plain) > 1 else plain).lower()  # alpha is not the letter a
    if len(plain) <= 3:
        return plain  # A and A+, C and C++
    return "".join(character for character in plain if character.isalnum())


def _same_numbers(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Whole numbers in two spellings (`01` and `1`, `+1` and `1`, `0` and `0.00`); `1.10` and `1.1` may be versions."""
    by_value: dict[float, str] = {}
    for label in labels:
        value = float(label)
        if value.is_integer():
            if value in by_value:
                yield by_value[value], label
            by_value.setdefault(value, label)


def _synonyms(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    lowered = {label.lower(): label for label in labels}
    for group in _SYNONYMS:
        present = [lowered[word] for word in sorted(group) if word in lowered]
        if len(present) == 2:
            yield present[0], present[1]
