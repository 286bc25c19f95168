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
# From most to least certain: names that always mean the label, names that usually do, and names of measures that may also
# stand beside a label.
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
NO_COLUMN = "none"  # given in place of a column's name: no column has this role, whatever the names suggest
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
        decimal_comma: Whether numbers of the label column are written with a decimal comma (`1,205` is 1.205).
    """

    text: str
    text_pair: str | None = None
    label: str | None = None
    split: str | None = None
    decimal_comma: bool = False


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
    """Map columns to roles; the roles that are not given are guessed.

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
    named = {role: name for role, name in (("text", text), ("text_pair", text_pair), ("label", label), ("split", split)) if name}
    for role, name in named.items():
        _check_present(name, names, role, source)
    if len(set(named.values())) < len(named):
        raise DataError(f"One column cannot have two roles. Received: {named}.", where=source)
    free = [name for name in names if name not in named.values()]
    split = split or _split_column(table, free)
    pattern = _by_pattern(table, [name for name in names if name != split], text, text_pair, label)
    if pattern:
        text, text_pair, label = pattern
    else:
        free = [name for name in free if name != split]
        label = label or label_by_name(table, free) or _spans(table, free)
        free = [name for name in free if name != label]
        text_pair = text_pair or (_by_name(free, PAIR_NAMES) if text is None else None)
        free = [name for name in free if name != text_pair]
        candidates = [name for name in free if not _is_form_field(table, name)]
        text = text or _by_name(candidates, TEXT_NAMES) or _longest(table, free)
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
    """The column whose name most clearly means the label; None if there is none, or if several are equally clear.

    A usual name at the end counts too: `airline_sentiment` is read like `sentiment`.
    """
    for tier in LABEL_TIERS:
        candidates = [name for name in names if plain_name(name) in tier and f"{name} (2)" not in names]
        if candidates:
            return candidates[0] if tier is LABEL_TIERS[0] or not _differ(table, candidates) else None
    suffixed = [name for name in names if plain_name(name).endswith(_LABEL_ENDINGS) and f"{name} (2)" not in names]
    classes = [name for name in suffixed if few_values(table[name])]
    return classes[0] if len(classes) == 1 else None


def _differ(table: pa.Table, names: Sequence[str]) -> bool:
    """Whether several columns hold classes and two of them say different things."""
    classes = [name for name in names if few_values(table[name]) > 1]
    pairs = ((one, other) for i, one in enumerate(classes) for other in classes[i + 1 :])
    return any(not _are_equivalent(table, one, other) for one, other in pairs)


def _are_equivalent(table: pa.Table, one: str, other: str) -> bool:
    """Whether the values of two columns correspond one to one."""
    pairs = set(zip(table[one].slice(0, _SAMPLE).to_pylist(), table[other].slice(0, _SAMPLE).to_pylist(), strict=True))
    return len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})


def _by_pattern(
    table: pa.Table, names: Sequence[str], text: str | None, text_pair: str | None, label: str | None
) -> tuple[str, str | None, str | None] | None:
    """Text, second text and label where columns of usual names stand together; None if the named columns do not fit."""
    known = {plain_name(name): name for name in reversed(names) if f"{name} (2)" not in names}

    def has_lists(name: str) -> bool:
        return holds_tokens(first_cells(table[known[name]]))

    class_column = label or label_by_name(table, list(known.values()))
    token = next((known[name] for name in TOKEN_NAMES if name in known and known[name] != label and has_lists(name)), None)
    if token and text in (None, token) and text_pair is None:
        tag = label or next(
            (known[name] for name in TAG_NAMES if name in known and known[name] != token and has_lists(name)), None
        )
        if tag and holds_tokens(first_cells(table[tag])):
            return token, None, tag
        if not class_column and (text == token or not TEXT_NAMES & set(known)):
            return token, None, None
    question, context, answers = (known.get(name) for name in ("question", "context", "answers"))
    if question and context and text in (None, question) and text_pair in (None, context) and label not in (question, context):
        answer = class_column or answers or known.get("answer")
        if text is None or text_pair or answer == answers:
            return question, context, answer
    for one, other in (*PROMPTS, *TEXT_PAIRS):
        first, second = known.get(one), known.get(other)
        if not first or not second or text not in (None, first) or label == first:
            continue
        if (one, other) in PROMPTS and text_pair is None and not context and class_column in (None, second):
            return first, None, second
        if (one, other) in TEXT_PAIRS and text is None and text_pair in (None, second) and label != second:
            return first, second, class_column
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
    """Whether a column named `email` is a form field: it holds addresses, or the same value in every row."""
    cells = first_cells(table[name])
    return plain_name(name) == "email" and len(cells) > 1 and (len(set(cells)) == 1 or _are_not_texts(cells))


def _by_name(names: Sequence[str], known: frozenset[str]) -> str | None:
    """The first column of a known name; one that is there twice is not clear and so not taken."""
    plain = {plain_name(name) for name in names}
    numbered = {"q1", "q2"} if "q3" in plain else set()  # numbered questions, not two to compare
    for name in names:
        if plain_name(name) in known - numbered and f"{name} (2)" not in names:
            return name
    return None


def _split_column(table: pa.Table, names: Sequence[str]) -> str | None:
    """A column of a usual name whose values all say train, validation or test (folds may also be numbered)."""
    name = _by_name(names, SPLIT_NAMES)
    if name is None:
        return None
    values = {str(value or "").strip().lower() for value in pc.unique(table[name]).to_pylist()}
    # A `fold` may be a number and a `subset` a topic, but a misspelt value of a `split` must be reported, not ignored.
    return name if name.strip().lower() == "split" or values <= set(SPLIT_ALIASES) else None


def _longest(table: pa.Table, names: Sequence[str]) -> str | None:
    """The column with the longest cells on average, if they are longer than a word or it is the only column."""
    lengths = {}
    for name in names:
        mean = pc.mean(pc.utf8_length(table[name].slice(0, _SAMPLE))).as_py()
        lengths[name] = 0.0 if mean is None or _are_not_texts(first_cells(table[name])) else mean
    best = max(lengths, key=lambda name: lengths[name], default=None)
    return best if best is not None and (lengths[best] >= 12 or len(table.column_names) <= 2) else None


def _are_not_texts(cells: Sequence[str]) -> bool:
    """Whether cells are dates, numbers, web addresses or e-mail addresses, which may be long but are not texts."""
    count = sum(is_date(cell) or is_number(cell) or bool(_ADDRESS.fullmatch(cell.strip())) for cell in cells)
    return bool(cells) and count >= 0.9 * len(cells)


def few_values(column: pa.ChunkedArray) -> int:
    """The number of different values in a column if they are few for its number of rows; otherwise 0."""
    sample = column.slice(0, _SAMPLE).drop_null()
    distinct = len(pc.unique(sample))
    return distinct if distinct <= max(2, min(50, len(sample) // 3)) else 0


def _few_values(table: pa.Table, names: Sequence[str]) -> str | None:
    """The one column with few different values for its rows; None when there is none or more than one."""
    columns = []
    for name in names:
        if plain_name(name) in NO_LABEL_NAMES:
            continue  # few values, but they identify the source of a row
        if distinct := few_values(table[name]):
            columns.append((name, distinct))
    several = [name for name, distinct in columns if distinct > 1]
    candidates = several or [name for name, _ in columns]
    return candidates[0] if len(candidates) == 1 else None
