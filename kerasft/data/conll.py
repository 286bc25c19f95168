"""Read CoNLL files: one token per line, columns separated by tabs or spaces, a blank line between sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from kerasft.data.cells import as_json
from kerasft.data.table import Note, Table, TableBuilder
from kerasft.data.text_files import TextFile, find_text
from kerasft.errors import DataError, name_rows

SUFFIXES = frozenset({"conll", "iob", "iob2", "bio", "bio2", "bioes", "conllu", "conll03", "conll2003"})
TOKEN_NAMES = ("token", "tokens", "word", "words", "form", "text")
TAG_NAMES = ("tag", "tags", "ner_tag", "ner_tags", "ner", "label", "labels", "entity", "iob", "bio", "pos", "pos_tag", "upos")
_SAMPLE = 4_000  # lines used to detect the layout
_BIO = re.compile(r"[OBIESLUM]|[BIESLUM][-_:.].+|.+[-_:.][BIESLUM]|o|[bieslu][-_:.].+")
_CHUNKS = frozenset({"NP", "VP", "PP", "ADVP", "SBAR", "ADJP", "PRT", "CONJP", "INTJ", "LST", "UCP", "PC", "NC", "VC", "AC"})
_GLOBAL = re.compile(r"#\s*global\.columns\s*=\s*(.+)", re.IGNORECASE)
_WORD_NAMES = ("form", "text", "token", "word")
_NER_NAMES = ("ner", "upos", "tag", "xpos", "pos")
_MAX_TAGS = 200  # a column with more different values does not hold tags
_UPPER = re.compile(r"[A-Z][A-Z0-9$:+*_-]*|[.,:()$#'`\"-]{1,5}")
_SPACES = re.compile(r"[ \t]+")
_WORD_ID = re.compile(r"\d+")
_NO_WORD_ID = re.compile(r"\d+-\d+|\d+\.\d+")  # a range of words (CoNLL-U: 4-5), an empty node (8.1)
_COMMENT = re.compile(r"###|# *(?:[\w.:-]+ *=|(?:id|newdoc|newpar|sent_id|begin|end) )")
_ENTITY_IN_MISC = re.compile(r"(?:^|\|)(?:NE|NER|Entity|NamedEntity)=(?!(?:O|None|_|-)(?:$|\|))", re.IGNORECASE)
_EMPTY = frozenset({"-", "_", ""})


@dataclass(frozen=True)
class ConllLayout:
    """What the columns of a file are.

    Attributes:
        tab: Whether columns are separated by a tab, not by spaces.
        width: Number of columns.
        ids: Whether the first column counts the words of a sentence, as in CoNLL-U.
        token: Index of the column of the tokens.
        tag: Index of the column of the tags, or None when there is none.
        header: Whether the first line names the columns.
        rivals: Other columns that also hold tags.
    """

    tab: bool
    width: int
    ids: bool
    token: int
    tag: int | None
    header: bool
    rivals: tuple[int, ...] = ()


def read_conll(source: Path | TextFile, *, encoding: str | None = None, tag_column: int | None = None) -> Table:
    """Read a CoNLL file: a row for each sentence, `tokens` and `tags` as JSON lists.

    Lines of `-DOCSTART-`, comments, and CoNLL-U's ranges and empty nodes are skipped.

    Args:
        source: Plain or compressed file, or one whose encoding is known.
        encoding: None detects it.
        tag_column: Column of the tags, from 1; None takes UPOS of CoNLL-U, otherwise a column of entity tags, or the last
            column that is not empty.

    Raises:
        DataError: Lines differ in their number of columns, a token is empty, there is no such column or no token.
    """
    text = source if isinstance(source, TextFile) else find_text(source, encoding)
    with text.open() as file:
        layout = find_layout(list(islice(file, _SAMPLE)), text.path, tag_column=tag_column)
    with text.open() as file:
        return _read_sentences(file, text.path, layout, text.notes)


def looks_like_conll(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are tokens with tags, in sentences separated by blank lines."""
    filled = [line.rstrip() for line in lines if line.strip() and not line.startswith(("-DOCSTART-", "# "))]
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    last = max((i for i, line in enumerate(lines) if line.strip()), default=0)
    if len(filled) < 2 or all(line.strip() for line in lines[first:last]):
        return False
    tab = sum("\t" in line for line in filled) > 0.5 * len(filled)
    rows = [_cells(line, tab) for line in filled]
    usual, count = Counter(map(len, rows)).most_common(1)[0]
    last_cells = [row[-1] for row in rows]
    is_certain = all(map(_BIO.fullmatch, last_cells)) and any(len(cell) > 2 for cell in last_cells)
    if usual < 2 or count < (0.5 if is_certain else 0.9) * len(filled):
        return False  # a file that is clearly CoNLL is read as such, so that its faulty lines are reported
    rows = [row for row in rows if len(row) == usual]
    if usual == 10 and _counts_words(rows):
        return True
    if rows[0][-1].lower() in TAG_NAMES and rows[0][0].lower() not in TOKEN_NAMES:
        return False  # a table with a header whose first column does not hold tokens
    if sum(any(" " in cell for cell in row) for row in rows) > 0.1 * len(rows):
        return False  # texts, not tokens
    if any(_are_tags([row[column] for row in rows]) for column in (-1, 0, 2 if _counts_words(rows) else -1)):
        return True
    return any(_all_bio(rows, column) and any(row[column] in ("O", "o") for row in rows) for column in range(1, usual))


def _are_tags(cells: Sequence[str]) -> bool:
    """Whether cells are tags: few different ones of one form, such as B-PER and O, or NOUN and VBZ."""
    tags = set(cells)
    if all(map(_BIO.fullmatch, tags)):
        return tags == {"O"} or {"B", "O"} <= tags or (len(tags) > 1 and any(len(tag) > 2 for tag in tags))
    return len(cells) >= 6 and 1 < len(tags) <= min(60, 0.6 * len(cells)) and all(map(_UPPER.fullmatch, tags))


def _counts_words(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first column is 1, 2, 3, ... in each sentence and there are words and tags beside it."""
    ids = [row[0] for row in rows if not _NO_WORD_ID.fullmatch(row[0])]
    if not ids or len(rows[0]) < 3 or not all(map(_WORD_ID.fullmatch, ids)) or int(ids[0]) > 1:
        return False
    return all(int(b) == int(a) + 1 or int(b) <= 1 for a, b in pairwise(ids))


def _cells(line: str, tab: bool) -> list[str]:
    text = line.rstrip(" \t\r\n")
    return [cell.strip(" ") for cell in text.split("\t")] if tab else _SPACES.split(text.lstrip(" \t"))


def _restore_blank_token(line: str, cells: list[str], layout: ConllLayout) -> list[str]:
    """The cells of a line, with the token restored if it is white space and was lost when the line was split."""
    if len(cells) == layout.width - 1 and layout.token == 0 and not layout.tab and line[:1] in " \t\u00a0":
        return [" ", *cells]
    if len(cells) == layout.width and not cells[layout.token]:
        cells[layout.token] = " "
    return cells


def _is_comment(line: str, layout_ids: bool) -> bool:
    return line.startswith("#") and (layout_ids or bool(_COMMENT.match(line)))


def find_layout(lines: Sequence[str], path: Path, *, tag_column: int | None = None) -> ConllLayout:
    """Look at the first lines of a file and decide which columns hold tokens and tags.

    Raises:
        DataError: There is no token, or no column of that number.
    """
    filled = [line for line in lines if line.strip(" \t\r\n\ufeff") and not line.startswith("-DOCSTART-")]
    likely = [line for line in filled if not _COMMENT.match(line)]
    if not likely:
        hint = "A CoNLL file has one token per line and a blank line between sentences."
        raise DataError("The file holds no token.", where=str(path), hint=hint)
    tab = sum("\t" in line.strip() for line in likely) > 0.5 * len(likely)
    rows = [_cells(line, tab) for line in likely if not (line.startswith("# ") and tab and "\t" not in line)]
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    rows = [row for row in rows if len(row) == usual]
    header = usual > 1 and rows[0][0].lower() in TOKEN_NAMES and rows[0][-1].lower() in TAG_NAMES
    rows = rows[1:] if header and len(rows) > 1 else rows
    ids = usual >= 3 and _counts_words(rows)
    if tag_column is not None and not 1 <= tag_column <= usual:
        hint = "Columns are counted from 1."
        raise DataError(f"There is no column {tag_column} for the tags: the lines have {usual}.", where=str(path), hint=hint)
    named = _named_columns(lines, usual)
    rivals: tuple[int, ...] = ()
    if tag_column is not None:
        tag: int | None = tag_column - 1
    elif named:
        tag = named[1]
    else:
        tag, rivals = _tag_column(rows, usual, ids)
    token = named[0] if named else next((column for column in range(int(ids), usual) if column != tag), 0)
    if usual > 3 and len(rows) > 5 and len({row[token] for row in rows}) == 1:
        hint = "The first column must hold the tokens or count the words of a sentence. Remove any columns before it."
        raise DataError(f"Every line has {rows[0][token]!r} where the token is expected.", where=str(path), hint=hint)
    if tab and sum(len(row[token].split()) > 3 for row in rows) > 0.5 * len(rows):
        hint = "A CoNLL file has one token per line. Save sentences as CSV, with one column of word lists and one of tags."
        raise DataError("The lines hold whole sentences, not tokens.", where=str(path), hint=hint)
    return ConllLayout(tab, usual, ids, token, tag if tag != token else None, header, rivals)


def _named_columns(lines: Sequence[str], width: int) -> tuple[int, int | None] | None:
    """The columns of words and of tags, as the first line of a CoNLL-U Plus file names them."""
    declaration = next((match for line in lines[:20] if (match := _GLOBAL.match(line.strip()))), None)
    names = [name.lower().split(":")[-1] for name in declaration.group(1).split()] if declaration else []
    token = next((names.index(name) for name in _WORD_NAMES if name in names), None)
    if token is None or len(names) != width:
        return None
    return token, next((names.index(name) for name in _NER_NAMES if name in names), None)


def _tag_column(rows: Sequence[Sequence[str]], width: int, ids: bool) -> tuple[int | None, tuple[int, ...]]:
    """Choose the column of the tags by content; also return the other columns that hold tags of entities.

    Entities are preferred to chunks and parts of speech. Of several columns of entities the first with nearly the most of them
    is chosen: outer entities rather than the fewer nested ones, and true tags rather than the predictions after them.
    """
    if width < 2:
        return None, ()
    if ids and width == 10:
        return 3, ()  # UPOS of CoNLL-U
    if not ids and width == 2 and _all_bio(rows, 0) and not _all_bio(rows, 1):
        return 0, ()  # some corpora write the tag before the token
    lowest = 2 if ids else 1
    columns = [column for column in range(lowest, width) if any(row[column] not in _EMPTY for row in rows)]
    entities = [column for column in columns if _holds_entities(rows, column)]
    if entities:
        counts = {column: sum(row[column] not in ("O", "o", *_EMPTY) for row in rows) for column in entities}
        most = max(counts.values())
        chosen = next(column for column in entities if counts[column] >= 0.8 * most)
        return chosen, tuple(column for column in entities if column != chosen)
    tagged = [column for column in columns if len({row[column] for row in rows}) <= _MAX_TAGS]
    return (tagged or columns or [width - 1])[-1], ()


def _holds_entities(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds tags of entities rather than of chunks."""
    cells = [row[column] for row in rows if row[column] not in _EMPTY]
    entity_tags = [cell for cell in cells if cell not in ("O", "o")]
    if not cells or not any(cell in ("O", "o") for cell in cells):
        return False
    tag_count = sum(bool(_BIO.fullmatch(cell)) for cell in cells)
    entity_types = {re.split(r"[-_:.]", cell, maxsplit=1)[-1] for cell in entity_tags}
    return tag_count >= 0.9 * len(cells) and not (entity_types and len(entity_types & _CHUNKS) >= 0.5 * len(entity_types))


def _all_bio(rows: Sequence[Sequence[str]], column: int) -> bool:
    tags = {row[column] for row in rows}
    return len(tags) > 1 and all(map(_BIO.fullmatch, tags))


def _lines(file: Iterable[str], layout: ConllLayout) -> Iterator[tuple[int, list[str] | None]]:
    """The line number and cells of each token; None in place of the cells where a sentence ends."""
    header = layout.header
    for number, line in enumerate(file, start=1):
        if not line.strip(" \t\r\n\x0b\x0c\ufeff") or line.startswith("-DOCSTART-"):
            yield number, None
        elif header:
            header = False
        elif not _is_comment(line, layout.ids):
            cells = _restore_blank_token(line, _cells(line, layout.tab), layout)
            is_comment = line.startswith("# ") and len(cells) != layout.width and not (layout.tab and "\t" in line)
            if not is_comment and not (layout.ids and _NO_WORD_ID.fullmatch(cells[0])):
                yield number, cells


def _read_sentences(file: Iterable[str], path: Path, layout: ConllLayout, notes: list[Note]) -> Table:
    builder = TableBuilder(["tokens"] if layout.tag is None else ["tokens", "tags"])
    ragged: list[int] = []
    blank: list[int] = []
    further: list[int] = []
    tokens: list[str] = []
    tags: list[str] = []
    first = sentences = total = longest = 0

    def finish_sentence() -> None:
        nonlocal sentences, longest
        if tokens:
            builder.add(first, [as_json(tokens)] if layout.tag is None else [as_json(tokens), as_json(tags)])
            sentences, longest = sentences + 1, max(longest, len(tokens))
            tokens.clear()
            tags.clear()

    for number, cells in _lines(file, layout):
        if cells is None:
            finish_sentence()
            continue
        total += 1
        if len(cells) != layout.width:
            ragged.append(number)
        else:
            if cells[layout.token] == " ":
                blank.append(number)
            first = first if tokens else number
            tokens.append(cells[layout.token])
            if layout.ids and layout.width == 10 and _ENTITY_IN_MISC.search(cells[-1]):
                further.append(number)
            if layout.tag is not None:
                tags.append(cells[layout.tag])
    finish_sentence()
    if ragged:
        separator = "a tab" if layout.tab else "spaces"
        raise DataError(
            f"{len(ragged):,} of {total:,} lines do not have {layout.width} columns, as the others do.",
            where=f"{path}, {name_rows(ragged)}",
            hint=f"Separate columns by {separator}, with the same number in every line, and sentences by a blank line.",
        )
    if further:
        message = f"{len(further):,} tokens have an entity in the last column (MISC), which is not read."
        notes.append(Note("entities_in_misc", message, tuple(further)))
    if blank:
        notes.append(Note("blank_tokens", f"{len(blank):,} tokens consist of white space only; they are kept.", tuple(blank)))
    if layout.rivals and layout.tag is not None:
        others = " and ".join(str(column + 1) for column in layout.rivals)
        message = (
            f"Columns {layout.tag + 1} and {others} hold tags; column {layout.tag + 1} was read. "
            "To read another one, use --data.tag_column."
        )
        notes.append(Note("tag_columns", message))
    if sentences == 1 and longest > 500:
        message = f"There is no blank line between sentences, so all {longest:,} tokens are read as one sentence."
        notes.append(Note("one_sentence", message, (first,)))
    return builder.build(path.name, notes)
