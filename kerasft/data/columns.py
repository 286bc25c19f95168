"""Which column is the text, which the label: given by the person, else guessed by name, then by content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cell_kinds import is_date, is_number
from kerasft.data.cells import first_cells, holds_lists, holds_spans, holds_tokens
from kerasft.errors import DataError, name_values

TEXT_NAMES = frozenset(
    [
        "text",
        "sentence",
        "review",
        "comment",
        "content",
        "body",
        "message",
        "tweet",
        "document",
        "post",
        "utterance",
        "question",
        "premise",
        "sentence1",
        "question1",
        "text_a",
        "text1",
        "sentence_a",
        "review_text",
        "texto",
        "texte",
        "satz",
        "kommentar",
        "description",
        "abstract",
        "query",
        "question_1",
        "sentence_1",
        "text_1",
        "string1",
        "q1",
        "headline",
        "sms",
        "email",
        "comment_text",
        "tweet_text",
    ]
)
PAIR_NAMES = frozenset(
    [
        "sentence2",
        "question2",
        "hypothesis",
        "text_pair",
        "text_b",
        "text2",
        "sentence_b",
        "second_text",
        "question_2",
        "sentence_2",
        "text_2",
        "premise_2",
        "string2",
        "q2",
    ]
)
TOKEN_NAMES = ("tokens", "words")
TAG_NAMES = ("tags", "ner_tags", "labels", "label", "ner", "pos_tags", "upos", "pos", "chunk_tags", "tag")
PROMPTS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "chosen"),
    ("instruction", "response"),
    ("instruction", "output"),
    ("input", "output"),
    ("question", "answer"),
)
TEXT_PAIRS = (("anchor", "positive"), ("query", "passage"), ("query", "document"))
# Names that surely say a label, names that usually do, and names of what is also measured beside a label.
LABEL_TIERS = (
    frozenset(["label", "labels", "gold_label", "gold", "label_text", "etiqueta", "etiquette"]),
    frozenset(
        [
            "class",
            "category",
            "categories",
            "sentiment",
            "stance",
            "target",
            "intent",
            "intents",
            "topic",
            "topics",
            "genres",
            "emotion",
            "emotions",
            "polarity",
            "is_duplicate",
            "klasse",
            "kategorie",
            "classe",
            "clase",
            "categoria",
            "classificacao",
            "sentimento",
            "sentimiento",
            "polaridade",
            "polaridad",
            "stimmung",
            "classes",
            "y",
        ]
    ),
    frozenset(
        [
            "stars",
            "rating",
            "tags",
            "tag",
            "score",
            "similarity",
            "similarity_score",
            "relatedness",
            "relatedness_score",
            "bewertung",
            "calificacion",
        ]
    ),
)
LABEL_NAMES = frozenset().union(*LABEL_TIERS)
_LABEL_ENDINGS = (
    "_label",
    "_labels",
    "_class",
    "_category",
    "_sentiment",
    "_target",
    "_intent",
    "_topic",
    "_emotion",
    "_polarity",
)
ANNOTATOR_NAME = re.compile(
    r"(?:annotator|annotation|annot|rater|coder|judge|worker|expert|user|labell?er|reviewer|vote|a|r|w|c)[_ .-]?\d+",
    re.IGNORECASE,
)
SPAN_NAMES = frozenset(["entities", "spans", "annotations"])
NO_LABEL_NAMES = frozenset(["id", "file", "source_file", "filename", "file_name", "path", "title", "url"])
SPLIT_NAMES = frozenset(["split", "fold", "partition", "subset"])
SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "eval": "validation",
}
NO_COLUMN = "none"  # in place of a column's name: none has this role, whatever the names look like
_SAMPLE = 2_000
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\w+|[0-9a-f]{8}-[0-9a-f-]{27}", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """The role of each column that has one.

    Attributes:
        text: Name of the text column.
        text_pair: Name of the second text's column, or None.
        label: Name of the label column, or None for data without labels.
        split: Name of the column that says train, validation or test, or None.
    """

    text: str
    text_pair: str | None = None
    label: str | None = None
    split: str | None = None


def find_columns(
    table: pa.Table,
    source: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    split: str | None = None,
    need_label: bool = True,
) -> Columns:
    """Map columns to roles; what is not given is guessed.

    Args:
        table: Columns of strings.
        source: File name, for messages.
        text: Name of the text column, or None to guess.
        text_pair: Name of the second text's column; None takes one only where its name says so.
        label: Name of the label column, or None to guess.
        split: Name of the split column; None takes one only where its name says so.
        need_label: Fail when no label column is found.

    Raises:
        DataError: A named column is absent or named twice, or the guess is not clear; lists the columns.
    """
    names = list(table.column_names)
    given = {role: name for role, name in (("text", text), ("text_pair", text_pair), ("label", label), ("split", split)) if name}
    for role, name in given.items():
        _check_present(name, names, role, source)
    if len(set(given.values())) < len(given):
        raise DataError(f"One column cannot have two roles. Received: {given}.", where=source)
    free = [name for name in names if name not in given.values()]
    split = split or _split_column(table, free)
    usual = _by_pattern(table, [name for name in names if name != split], text, text_pair, label)
    if usual:
        text, text_pair, label = usual
    else:
        free = [name for name in free if name != split]
        label = label or label_by_name(table, free) or _spans(table, free)
        free = [name for name in free if name != label]
        text_pair = text_pair or (_by_name(free, PAIR_NAMES) if text is None else None)
        free = [name for name in free if name != text_pair]
        named = [name for name in free if not _is_form_field(table, name)]
        text = text or _by_name(named, TEXT_NAMES) or _longest(table, free)
        free = [name for name in free if name != text]
        label = label or _few_values(table, free)
    listing = f"The columns are: {name_values(names, most=20)}."
    if text is None:
        raise DataError("No column looks like a text. " + listing, where=source, hint="Name it: text='...' (--data.text).")
    if label is None and need_label:
        raise DataError(
            "No column looks like a label. " + listing,
            where=source,
            hint="Name it: label='...' (--data.label, Label in the app).",
        )
    return Columns(text, text_pair, label, split)


def plain_name(name: str) -> str:
    """A column's name as the lists of usual names have it: lower case, `_` for spaces and hyphens."""
    return name.lower().replace(" ", "_").replace("-", "_")


def label_by_name(table: pa.Table, names: Sequence[str]) -> str | None:
    """The column whose name says most surely that it is the label; None when none does, or when two say it equally.

    Names end as they are: `airline_sentiment` is as good as `sentiment`.
    """
    for tier in LABEL_TIERS:
        found = [name for name in names if plain_name(name) in tier and f"{name} (2)" not in names]
        if found:
            return found[0] if tier is LABEL_TIERS[0] or not _differ(table, found) else None
    endings = [name for name in names if plain_name(name).endswith(_LABEL_ENDINGS) and f"{name} (2)" not in names]
    fitting = [name for name in endings if few_values(table[name])]
    return fitting[0] if len(fitting) == 1 else None


def _differ(table: pa.Table, names: Sequence[str]) -> bool:
    """Whether several columns are classes, and not one of them the other in other words."""
    classes = [name for name in names if few_values(table[name]) > 1]
    pairs = ((one, other) for i, one in enumerate(classes) for other in classes[i + 1 :])
    return any(not _say_the_same(table, one, other) for one, other in pairs)


def _say_the_same(table: pa.Table, one: str, other: str) -> bool:
    """Whether each value of a column goes with one of another, and the other way round."""
    both = set(zip(table[one].slice(0, _SAMPLE).to_pylist(), table[other].slice(0, _SAMPLE).to_pylist(), strict=True))
    return len(both) == len({first for first, _ in both}) == len({second for _, second in both})


def _by_pattern(
    table: pa.Table, names: Sequence[str], text: str | None, text_pair: str | None, label: str | None
) -> tuple[str, str | None, str | None] | None:
    """Text, second text and label where columns of usual names stand together; None when what was said does not fit."""
    known = {plain_name(name): name for name in reversed(names) if f"{name} (2)" not in names}

    def lists(name: str) -> bool:
        return holds_tokens(first_cells(table[known[name]]))

    classed = label or label_by_name(table, list(known.values()))
    token = next((known[name] for name in TOKEN_NAMES if name in known and known[name] != label and lists(name)), None)
    if token and text in (None, token) and text_pair is None:
        tag = label or next((known[name] for name in TAG_NAMES if name in known and known[name] != token and lists(name)), None)
        if tag and holds_tokens(first_cells(table[tag])):
            return token, None, tag
        if not classed and (text == token or not TEXT_NAMES & set(known)):
            return token, None, None
    question, context, answers = (known.get(name) for name in ("question", "context", "answers"))
    if question and context and text in (None, question) and text_pair in (None, context) and label not in (question, context):
        found = classed or answers or known.get("answer")
        if text is None or text_pair or found == answers:
            return question, context, found
    for one, other in (*PROMPTS, *TEXT_PAIRS):
        first, second = known.get(one), known.get(other)
        if not first or not second or text not in (None, first) or label == first:
            continue
        if (one, other) in PROMPTS and text_pair is None and not context and classed in (None, second):
            return first, None, second
        if (one, other) in TEXT_PAIRS and text is None and text_pair in (None, second) and label != second:
            return first, second, classed
    return None


def _spans(table: pa.Table, names: Sequence[str]) -> str | None:
    """A column of a usual name that holds marked parts of the text."""
    name = _by_name(names, SPAN_NAMES)
    # Texts without any marked part may come first: of such a name, empty lists are enough.
    cells = [cell for cell in first_cells(table[name]) if cell.strip() != "[]"] if name else []
    return name if name is not None and (holds_spans(cells) or (not cells and holds_lists(first_cells(table[name])))) else None


def _check_present(name: str, names: Sequence[str], role: str, source: str) -> None:
    if name not in names:
        hint = f"The columns are: {name_values(names, most=20)}."
        raise DataError(f"There is no column {name!r} for {role}.", where=source, hint=hint)
    if f"{name} (2)" in names:
        hint = "Rename one of them in the file."
        raise DataError(f"Two columns are named {name!r}, so which is the {role} is not clear.", where=source, hint=hint)


def _is_form_field(table: pa.Table, name: str) -> bool:
    """Whether a column of a form is named like a text and holds addresses of persons, or "anonymous" in every row."""
    cells = first_cells(table[name])
    return plain_name(name) == "email" and len(cells) > 1 and (len(set(cells)) == 1 or _is_no_text(cells))


def _by_name(names: Sequence[str], known: frozenset[str]) -> str | None:
    """The first column of a known name; one that is there twice is not clear and so not taken."""
    plain = {plain_name(name) for name in names}
    survey = {"q1", "q2"} if "q3" in plain else set()  # numbered questions, not two to compare
    for name in names:
        if plain_name(name) in known - survey and f"{name} (2)" not in names:
            return name
    return None


def _split_column(table: pa.Table, names: Sequence[str]) -> str | None:
    """A column of a usual name whose values all say train, validation or test (folds may also be numbered)."""
    name = _by_name(names, SPLIT_NAMES)
    if name is None:
        return None
    values = {str(value or "").strip().lower() for value in pc.unique(table[name]).to_pylist()}
    # A `fold` may be a number and a `subset` a topic; but a `split` with a slip in it must be told, not passed over.
    return name if name.strip().lower() == "split" or values <= set(SPLIT_ALIASES) else None


def _longest(table: pa.Table, names: Sequence[str]) -> str | None:
    """The column with the longest cells on average, if they are longer than a word or it is the only column."""
    lengths = {}
    for name in names:
        mean = pc.mean(pc.utf8_length(table[name].slice(0, _SAMPLE))).as_py()
        lengths[name] = 0.0 if mean is None or _is_no_text(first_cells(table[name])) else mean
    best = max(lengths, key=lambda name: lengths[name], default=None)
    return best if best is not None and (lengths[best] >= 12 or len(table.column_names) <= 2) else None


def _is_no_text(cells: Sequence[str]) -> bool:
    """Whether cells are dates, numbers, addresses of pages or of persons, which may be long and are no texts."""
    odd = sum(is_date(cell) or is_number(cell) or bool(_ADDRESS.fullmatch(cell.strip())) for cell in cells)
    return bool(cells) and odd >= 0.9 * len(cells)


def few_values(column: pa.ChunkedArray) -> int:
    """How many different values a column has, if they are few for its rows; else 0."""
    near = column.slice(0, _SAMPLE).drop_null()
    distinct = len(pc.unique(near))
    return distinct if distinct <= max(2, min(50, len(near) // 3)) else 0


def _few_values(table: pa.Table, names: Sequence[str]) -> str | None:
    """The one column with few different values for its rows; None when there is none or more than one."""
    found = []
    for name in names:
        if plain_name(name) in NO_LABEL_NAMES:
            continue  # few values, but they say where a row is from
        if distinct := few_values(table[name]):
            found.append((name, distinct))
    several = [name for name, distinct in found if distinct > 1]
    candidates = several or [name for name, _ in found]
    return candidates[0] if len(candidates) == 1 else None
