"""How the tags of a file or a model are spelled, and the one spelling they are turned into: prefix, hyphen, type.

| spelling | tags |
|---|---|
| usual | `B-PER` |
| another sign | `B_PER`, `B:PER`, `B.PER` |
| type first | `PER-B`, `PER_B` |
| lower case | `b-per`, `o` |
| no prefixes (IO) | `PER` beside `O`: a run of one tag is an entity |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kerasft.evaluation.tags import scheme_of

_LETTERS = "BIESLUM"
_OPENS, _CLOSES = "BSU", "ESLU"
_MOST_TYPES = 60  # of a file without prefixes; parts of speech have no O, or few


@dataclass(frozen=True)
class TagSpelling:
    """How tags are written.

    Attributes:
        sign: What stands between prefix and type.
        type_first: Whether the type stands before the prefix.
        bare: Whether entities have no prefixes (IO).
        outside: What a word outside of every entity has.
    """

    sign: str = "-"
    type_first: bool = False
    bare: bool = False
    outside: str = "O"

    @property
    def is_usual(self) -> bool:
        """Whether tags are already spelled as they are turned into."""
        return self == TagSpelling()

    def canonical(self, tags: Sequence[str]) -> list[str]:
        """The tags of one sentence as `O`, `B-PER`, `I-PER`; tags that are spelled otherwise stay as they are."""
        return list(tags) if self.is_usual else [self._one(tag) for tag in tags]

    def _one(self, tag: str) -> str:
        if tag == self.outside:
            return "O"
        parts = _parts(tag, self.sign, self.type_first)
        return f"{parts[0].upper()}-{parts[1]}" if parts else tag

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> TagSpelling:
        """What `to_dict` gave; the usual spelling for nothing."""
        return cls(**values) if values else cls()


def _parts(tag: str, sign: str, type_first: bool) -> tuple[str, str] | None:
    """Prefix and type of a tag of that spelling."""
    kind, found, prefix = tag.rpartition(sign) if type_first else tag.partition(sign)[::-1]
    return (prefix, kind) if found and kind and len(prefix) == 1 and prefix.upper() in _LETTERS else None


def spelling_of(sequences: Iterable[Sequence[str]]) -> TagSpelling:
    """How most of the tags are spelled that are not outside of an entity.

    A sign other than the hyphen counts only where some words are outside (`O`), so that parts of speech such as `N_sg` stay what
    they are. Tags without prefixes are entities (IO) where `O` is the most frequent tag.
    """
    counts = Counter(tag for tags in sequences for tag in tags)
    outside = next((tag for tag in ("O", "o") if tag in counts), None) or _other_outside(counts)
    marked = Counter({tag: count for tag, count in counts.items() if tag != outside})
    best, covered = TagSpelling(outside=outside or "O"), 0
    for sign in "-_:.":
        for type_first in (False, True):
            fitting = sum(count for tag, count in marked.items() if _parts(tag, sign, type_first))
            usual = sign == "-" and not type_first
            if fitting > covered and (outside is not None or usual):
                best, covered = TagSpelling(sign, type_first, outside=outside or "O"), fitting
    if covered * 2 > marked.total() or not marked:
        return best
    letters = set(marked) <= set(_LETTERS)  # entities without a type
    if outside is not None and not letters and len(marked) <= _MOST_TYPES and counts[outside] >= max(marked.values()):
        return TagSpelling(bare=True, outside=outside)
    return TagSpelling()


def _other_outside(counts: Mapping[str, int]) -> str | None:
    """The tag that most words have in place of `O`, if all others are `B-X` and `I-X`; tags without prefixes may be classes."""
    most = max(counts, key=lambda tag: counts[tag], default="")
    others = [tag for tag in counts if tag != most]
    return most if others and all(re.fullmatch(r"[BI]-.+", tag) for tag in others) and "-" not in most else None


def odd_spelling(tags: Iterable[str]) -> str | None:
    """What the tags look like, where that is a way of writing entities that is not read; None for any other tags."""
    kinds = {tag for tag in tags if tag not in ("O", "o")}
    if not kinds:
        return None
    if any("*" in kind for kind in kinds) and all(re.fullmatch(r"(?:\(\w+)*\*?\)*", kind) for kind in kinds):
        return "brackets, as CoNLL-2012 writes them"
    if all(re.match(r"(?:BEGIN|BEG|INSIDE|INTERMEDIATE|END|LAST|SINGLE|UNIT)[-_:.]", kind, re.IGNORECASE) for kind in kinds):
        return "prefixes in words (BEGIN-, INSIDE-)"
    for sign in (r"[^\w\s:._-]", ""):
        parts = [re.fullmatch(rf"([{_LETTERS}])({sign})([^\W_].*)", kind) for kind in kinds]
        if not all(parts):
            continue
        opened, inside = ({part.group(3) for part in parts if part and part.group(1) == letter} for letter in "BI")
        if opened & inside and len({part.group(2) for part in parts if part}) == 1:
            joined = next(part.group(2) for part in parts if part)
            return f"prefixes joined by {joined!r}" if joined else "prefixes joined by nothing"
    return None


def runs_to_bio(tags: Sequence[str]) -> list[str]:
    """Tags without prefixes in BIO: a run of one tag is one entity."""
    return [
        "O" if tag == "O" else f"{'I' if tag == before else 'B'}-{tag}" for tag, before in zip(tags, ["O", *tags], strict=False)
    ]


@dataclass(frozen=True)
class LabelParts:
    """What the labels of a tagger mean, one item a label.

    Attributes:
        types: The type of entity, or None for outside and for parts of speech.
        opens: True where the label always opens an entity.
        closes: True where it always closes one.
    """

    types: tuple[str | None, ...]
    opens: tuple[bool, ...]
    closes: tuple[bool, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the labels form no entities."""
        return not any(self.types)

    def entities(self, numbers: Sequence[int]) -> list[tuple[str, int, int]]:
        """Type, first word and last word + 1 of each entity of a sentence of label numbers."""
        found: list[tuple[str, int, int]] = []
        before, closed = None, True
        for word, number in enumerate(numbers):
            kind = self.types[number]
            if kind is not None and kind == before and not closed and not self.opens[number]:
                found[-1] = (kind, found[-1][1], word + 1)
            elif kind is not None:
                found.append((kind, word, word + 1))
            before, closed = kind, self.closes[number]
        return found

    def bio(self, numbers: Sequence[int]) -> list[str]:
        """The BIO tags of a sentence of label numbers."""
        tags = ["O"] * len(numbers)
        for kind, first, end in self.entities(numbers):
            tags[first:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - first - 1)]
        return tags


def is_bio(labels: Sequence[str]) -> bool:
    """Whether labels are `O` and both `B-X` and `I-X` of every type."""
    kinds = {label[2:] for label in labels if label != "O"}
    return "O" in labels and set(labels) == {"O", *(f"{letter}-{kind}" for letter in "BI" for kind in kinds)}


def label_parts(labels: Sequence[str], *, plain: bool = False) -> LabelParts:
    """What the labels of a tagger mean, in whatever scheme and spelling they are.

    Args:
        labels: In the order of the logits.
        plain: Whether they are known to form no entities.
    """
    nothing = LabelParts((None,) * len(labels), (False,) * len(labels), (False,) * len(labels))
    outside = [label for label in labels if label in ("O", "o")]
    if plain or not outside:
        return nothing
    spelling = spelling_of([[label for label in labels for _ in range(len(labels) if label in outside else 1)]])
    canonical = spelling.canonical(labels)
    if spelling.bare:
        types = tuple(None if label == "O" else label for label in canonical)
        return LabelParts(types, (False,) * len(labels), (False,) * len(labels))
    typed = [re.fullmatch(rf"([{_LETTERS}])-(.+)", label) for label in canonical]
    untyped = all(label in ("O", *_LETTERS) for label in canonical)
    if not untyped and not all(match or label == "O" for match, label in zip(typed, canonical, strict=True)):
        return nothing
    letters = [("" if label == "O" else label[0]) for label in canonical]
    kinds = tuple(None if label == "O" else ("_" if untyped else label[2:]) for label in canonical)
    return LabelParts(
        kinds, tuple(one in _OPENS for one in map(_or_none, letters)), tuple(one in _CLOSES for one in map(_or_none, letters))
    )


def _or_none(letter: str) -> str:
    return letter or "-"


def scheme_and_spelling(sequences: Sequence[Sequence[str]]) -> tuple[str, TagSpelling]:
    """The scheme (`BIO`, `IOB1`, `BIOES`, `IO` or `plain`) and the spelling of a file's tags."""
    spelling = spelling_of(sequences)
    return ("IO", spelling) if spelling.bare else (scheme_of([spelling.canonical(tags) for tags in sequences]), spelling)
