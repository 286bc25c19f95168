"""Tags of words: which scheme a file uses, entities out of tags, and their scores as seqeval and conlleval count them.

An entity is a run of words of one type. Five spellings mark it; all are turned into BIO (also called IOB2) once, at the door:

    words      Ana  Lopez  met  Bo   Li   in   Rome        Bo Li's tags where an entity of the same type stands right before
    BIO        B-P  I-P    O    B-P  I-P  O    B-L         B-P I-P
    IOB1       I-P  I-P    O    I-P  I-P  O    I-L         B-P I-P
    BIOES      B-P  E-P    O    B-P  E-P  O    S-L         B-P E-P      BILOU: L, U for E, S; BMES: M for I
    plain      NOUN NOUN   VERB ...                        one tag a word, no entities (part of speech)

Tags may go without a type (`B`, `I`, `O`); the entities' type is then `_`, as in seqeval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerasft.errors import ConfigError, DataError, name_values

_BEGIN, _END = "BSU", "ESLU"  # tags that always open an entity, tags that always close one
_LETTERS = {"BIO": "BI", "IOB1": "BI", "BIOES": "BIMESLU"}
_UNTYPED = "_"
_Entities = set[tuple[str, int, int]]


@dataclass(frozen=True)
class EntityScores:
    """Entity scores of one split; an entity counts as found if first word, last word and type are all right.

    Attributes:
        precision: Share of the predicted entities that are right, over all types (micro).
        recall: Share of the true entities that were found.
        f1: Harmonic mean of the two.
        macro_f1: Mean of the types' F1 over the types that are in the data or in the predictions.
        weighted_f1: Mean of the types' F1 weighted by their support.
        per_type: `precision`, `recall`, `f1` and `support` (true entities) of each type, sorted by name.
    """

    precision: float
    recall: float
    f1: float
    macro_f1: float
    weighted_f1: float
    per_type: dict[str, dict[str, float]]


def scheme_of(sequences: Sequence[Sequence[str]]) -> str:
    """Which scheme a file's tags are written in.

    Decided by what most of the words that are not `O` carry, so that a misspelt tag, which `odd_tags` then names, does not turn
    an entity file into a part-of-speech file. Ask with all sentences at hand: a single one may be valid in several schemes.

    Args:
        sequences: Tags of each sentence.

    Returns:
        "BIOES" if any tag has one of the prefixes E S L U M; "IOB1" if I- opens an entity somewhere and B- stands only where the
        word before is of the same type; "plain" if most tags have no prefix; else "BIO", also when there is nothing but `O`.
    """
    counts = Counter(tag for tags in sequences for tag in tags if tag != "O")
    bare = all(tag in tuple(_LETTERS["BIOES"]) for tag in counts)
    marked = {tag: n for tag, n in counts.items() if bare or _is_typed(tag, _LETTERS["BIOES"])}
    if counts and sum(marked.values()) * 2 <= counts.total():
        return "plain"
    if any(tag[0] not in "BI" for tag in marked):
        return "BIOES"
    openings = set()  # of entities before which nothing of their type stands
    for tags in sequences:
        kinds = [_type(tag) if tag in marked else None for tag in tags]
        openings |= {tag[0] for tag, kind, before in zip(tags, kinds, [None, *kinds], strict=False) if kind and kind != before}
    return "IOB1" if openings == {"I"} else "BIO"


def odd_tags(sequences: Sequence[Sequence[str]], scheme: str) -> list[str]:
    """The distinct tags that do not belong to a scheme, in order of appearance.

    Args:
        sequences: Tags of each sentence.
        scheme: As `scheme_of` names it. To "plain" every tag belongs that is not empty.

    Returns:
        Such as `["B_PER", "X"]`; a tag without a type (`B`) is odd where others have one.

    Raises:
        ConfigError: If there is no such scheme.
    """
    distinct = dict.fromkeys(tag for tags in sequences for tag in tags)
    if scheme == "plain":
        return [tag for tag in distinct if not tag.strip()]
    letters = _letters(scheme)
    typed = any(_is_typed(tag, letters) for tag in distinct)
    return [tag for tag in distinct if tag != "O" and not (_is_typed(tag, letters) if typed else tag in tuple(letters))]


def to_bio(tags: Sequence[str], scheme: str) -> list[str]:
    """One sentence's tags in BIO.

    Broken sequences are read as conlleval reads them: a tag that goes on (I M E L) where nothing of its type is open opens an
    entity; an entity that is never closed ends before the next one or an `O`. The result is always valid BIO.

    Args:
        tags: Tags of the words.
        scheme: As `scheme_of` names it; "plain" tags come back as they are.

    Raises:
        ConfigError: If there is no such scheme.
        DataError: If a tag does not belong to it (ask `odd_tags` first, it sees the whole file).
    """
    if scheme == "plain":
        return list(tags)
    letters = _letters(scheme)
    odd = [tag for tag in dict.fromkeys(tags) if tag != "O" and tag not in tuple(letters) and not _is_typed(tag, letters)]
    if odd:
        raise DataError(f"{scheme} tags are O or one of {', '.join(letters)} with hyphen and type; got {name_values(odd)}.")
    bio = []
    before = None  # type of the entity that is still open
    for tag in tags:
        if tag == "O":
            bio.append(tag)
            before = None
            continue
        kind = _type(tag)
        bio.append(("B" if tag[0] in _BEGIN or kind != before else "I") + tag[1:])
        before = None if tag[0] in _END else kind
    return bio


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Entities of a sentence in BIO, as seqeval's default mode and conlleval find them.

    Args:
        tags: Tags of the words. An I-X that does not follow a B-X or I-X opens an entity; all else but B- and I- is outside.

    Returns:
        (type, first word, last word + 1) of each, in order.
    """
    found: list[tuple[str, int, int]] = []
    before = None
    for i, tag in enumerate(tags):
        kind = _type(tag) if tag in ("B", "I") or _is_typed(tag, "BI") else None
        if kind is not None and tag[0] == "I" and kind == before:
            found[-1] = (kind, found[-1][1], i + 1)
        elif kind is not None:
            found.append((kind, i, i + 1))
        before = kind
    return found


def entity_scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> EntityScores:
    """Precision, recall and F1 of entities (Tjong Kim Sang & De Meulder 2003); 0 where a denominator is 0.

    Equals `seqeval.metrics` in its default mode on BIO tags.

    Args:
        gold: True tags of each sentence, in BIO.
        predicted: Predicted tags of each sentence, in BIO; need not be valid.

    Raises:
        DataError: If sentences or words differ in number.
    """
    right: Counter[str] = Counter()
    proposed: Counter[str] = Counter()
    true: Counter[str] = Counter()
    for wanted, given in _entity_sets(gold, predicted):
        right.update(kind for kind, _, _ in wanted & given)
        proposed.update(kind for kind, _, _ in given)
        true.update(kind for kind, _, _ in wanted)
    per_type = {}
    for kind in sorted(true | proposed):
        precision, recall, f1 = _figures(right[kind], proposed[kind], true[kind])
        per_type[kind] = {"precision": precision, "recall": recall, "f1": f1, "support": float(true[kind])}
    return EntityScores(
        *_figures(right.total(), proposed.total(), true.total()),
        macro_f1=_ratio(sum(row["f1"] for row in per_type.values()), len(per_type)),
        weighted_f1=_ratio(sum(row["f1"] * row["support"] for row in per_type.values()), true.total()),
        per_type=per_type,
    )


def entity_counts(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> np.ndarray:
    """(sentences, 3) numbers of right, predicted and true entities: what a bootstrap over sentences needs.

    Args:
        gold: True tags of each sentence, in BIO.
        predicted: Predicted tags of each sentence, in BIO.

    Raises:
        DataError: If sentences or words differ in number.
    """
    rows = [(len(wanted & given), len(given), len(wanted)) for wanted, given in _entity_sets(gold, predicted)]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def f1_from_counts(counts: np.ndarray) -> float:
    """Micro F1 of the sentences whose (sentences, 3) counts these are; 0 if there are no entities at all."""
    right, proposed, true = (int(n) for n in counts.sum(axis=0))
    return _figures(right, proposed, true)[2]


def token_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """Share of words whose tag is right, over all sentences; nan if there are no words.

    Raises:
        DataError: If sentences or words differ in number.
    """
    _check_lengths(gold, predicted)
    words = sum(len(tags) for tags in gold)
    right = sum(a == b for one, other in zip(gold, predicted, strict=True) for a, b in zip(one, other, strict=True))
    return right / words if words else float("nan")


def _letters(scheme: str) -> str:
    if scheme not in _LETTERS:
        raise ConfigError(f"A tag scheme is one of {name_values([*_LETTERS, 'plain'])}. Received: {scheme!r}.")
    return _LETTERS[scheme]


def _is_typed(tag: str, letters: str) -> bool:
    return len(tag) > 2 and tag[0] in letters and tag[1] == "-"


def _type(tag: str) -> str:
    return tag[2:] or _UNTYPED


def _figures(right: int, proposed: int, true: int) -> tuple[float, float, float]:
    return _ratio(right, proposed), _ratio(right, true), _ratio(2 * right, proposed + true)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _entity_sets(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Iterator[tuple[_Entities, _Entities]]:
    _check_lengths(gold, predicted)
    for wanted, given in zip(gold, predicted, strict=True):
        yield set(entities(wanted)), set(entities(given))


def _check_lengths(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    if len(gold) != len(predicted):
        raise DataError(f"There are {len(gold)} sentences of true tags and {len(predicted)} predicted; they must be as many.")
    for number, (wanted, given) in enumerate(zip(gold, predicted, strict=True)):
        if len(wanted) != len(given):
            raise DataError(f"Sentence {number} has {len(wanted)} true tags and {len(given)} predicted; they must be as many.")
