"""Questions on a text: SQuAD's nested JSON, and tables with question, context and answers in any of their shapes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from kerasft.data.cells import as_json, first_cells, parse_json
from kerasft.data.table import Note, Table, TableBuilder, as_text, text_array
from kerasft.errors import DataError, name_rows

QUESTION, CONTEXT, ANSWERS, ANSWER = "question", "context", "answers", "answer"
_START_NAMES = ("answer_start", "start", "answer_start_char", "start_char", "start_position")
_IMPOSSIBLE = "is_impossible"
_YES_OR_NO = frozenset({"yes", "no", "true", "false", "maybe", "0", "1"})
_SHAPE = '{"text": ["..."], "answer_start": [17]}'


def squad_rows(content: Mapping[str, Any], source: str, notes: Sequence[Note] = ()) -> Table:
    """The rows of a SQuAD 1.1 or 2.0 file: `id`, `title`, `question`, `context`, `answers`, numbered by question.

    Args:
        content: What the file holds.
        source: File name, for messages.
        notes: What the reader did so far.

    Returns:
        The table; without the column `answers` when no question has any (a file to be answered).

    Raises:
        DataError: `data` is absent, or a paragraph, question or answer lacks what it needs; names its place.
    """
    articles = content.get("data")
    if not isinstance(articles, list):
        hint = 'SQuAD files are {"data": [{"paragraphs": [...]}]}; a list of rows is [{...}, {...}].'
        keys = ", ".join(repr(str(key)) for key in list(content)[:8]) or "none"
        raise DataError(f"The file is one JSON object without a list 'data'. Its keys: {keys}.", where=source, hint=hint)
    builder = TableBuilder(["id", "title", QUESTION, CONTEXT, ANSWERS])
    number = 0
    answered = False
    for title, context, question, place in _questions(articles, source):
        number += 1
        where = f"{source}, row {number} ({place}, id {question.get('id')!r})"
        text = question.get("question")
        if not isinstance(text, str):
            raise DataError(f"A question has no text 'question'. Received: {text!r:.60}.", where=where)
        given = question.get("answers")
        answered = answered or given is not None
        impossible = question.get(_IMPOSSIBLE) in (True, "true", "True", 1)
        answers = _as_answers([] if impossible or given is None else given)
        if isinstance(answers, str):
            raise DataError(f"The answers are not as they should be: {answers}.", where=where, hint=f"They are a list of {_ONE}.")
        builder.add(number, [as_text(question.get("id")), title, text, context, as_json(answers)])
    if not number:
        raise DataError("The file holds no question.", where=source)
    table = builder.build(source, notes)
    return table if answered else replace(table, columns=table.columns.drop_columns([ANSWERS]))


def holds_paragraphs(content: Any) -> bool:
    """Whether a parsed JSON file has the shape of SQuAD: articles of paragraphs, or a list of contexts with questions."""
    if isinstance(content, Mapping):
        return "paragraphs" in content or articles_of(content) is not None
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(item, Mapping) and {CONTEXT, "qas"} <= set(item) for item in content)
    )


def articles_of(content: Mapping[str, Any]) -> list[Any] | None:
    """The list of articles in a parsed file, under `data` as in SQuAD or under another key; None if there is none."""
    named = content.get("data")
    lists = [named] if isinstance(named, list) else [value for value in content.values() if isinstance(value, list)]
    return next((items for items in lists if any(isinstance(item, Mapping) and "paragraphs" in item for item in items)), None)


_ONE = '{"text": "...", "answer_start": 17}'


def _questions(articles: list[Any], source: str) -> Iterator[tuple[str | None, str, Mapping[str, Any], str]]:
    """Title, context, question and place of every question."""
    for a, article in enumerate(articles, start=1):
        paragraphs = _list_in(article, "paragraphs", f"{source}, article {a}")
        title = as_text(article.get("title"))
        for p, paragraph in enumerate(paragraphs, start=1):
            place = f"article {a}, paragraph {p}"
            questions = _list_in(paragraph, "qas", f"{source}, {place}")
            context = paragraph.get(CONTEXT)
            if not isinstance(context, str):
                raise DataError(f"A paragraph has no text 'context'. Received: {context!r:.60}.", where=f"{source}, {place}")
            for q, question in enumerate(questions, start=1):
                if not isinstance(question, dict):
                    where = f"{source}, {place}, question {q}"
                    raise DataError(f"A question is not an object. Received: {question!r:.60}.", where=where)
                yield title, context, question, f"{place}, question {q}"


def _list_in(holder: Any, key: str, where: str) -> list[Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, list):
        raise DataError(f"A list {key!r} is expected here. Received: {holder!r:.60}.", where=where)
    return value


def with_answers(table: Table, label: str | None = None) -> Table:
    """A table of questions with its answers in the one shape; any other table as it is.

    It is one of questions when it has the columns `question`, `context` and `answers` or `answer`, and no other
    column was named as the label. `answer` may have its place in `answer_start` or `start`.

    Raises:
        DataError: A cell of `answers` is no JSON, or a place is no whole number; names the rows.
    """
    names = {name.lower(): name for name in reversed(table.names)}
    column = names.get(ANSWERS) or names.get(ANSWER)
    if column is None or QUESTION not in names or CONTEXT not in names or label not in (None, column):
        return table
    cells = table.columns[column].to_pylist()
    plain = column.lower() == ANSWER
    if plain and {cell.strip().lower() for cell in first_cells(table.columns[column], 500)} <= _YES_OR_NO:
        return table  # a question to be judged, not one whose answer stands in the text
    starts_in = next((names[name] for name in _START_NAMES if name in names), None)
    starts = table.columns[starts_in].to_pylist() if starts_in else [None] * len(cells)
    never = names.get(_IMPOSSIBLE)
    impossible = [str(cell).lower() in ("true", "1", "yes") for cell in table.columns[never].to_pylist()] if never else None
    faults: dict[str, list[int]] = {}
    answers: list[str | None] = []
    for index, (cell, start) in enumerate(zip(cells, starts, strict=True)):
        value = [] if impossible and impossible[index] else _read_cell(cell, plain)
        found = value if isinstance(value, _Fault) else _as_answers(value, start)
        if isinstance(found, str):
            faults.setdefault(found, []).append(int(table.rows[index]))
            answers.append(None)
        else:
            answers.append(as_json(found))
    if faults:
        fault, rows = max(faults.items(), key=lambda item: len(item[1]))
        raise DataError(
            f"Column {column!r} holds {len(rows):,} answers that cannot be read: {fault}.",
            where=f"{table.source}, {name_rows(rows)}",
            hint=f"A cell holds {_SHAPE}; empty lists mean that there is no answer.",
        )
    columns = _set_column(table.columns, ANSWERS, text_array(answers))
    return replace(table, columns=columns, renamed={**table.renamed, column: ANSWERS} if column != ANSWERS else table.renamed)


def _set_column(columns: pa.Table, name: str, cells: pa.Array) -> pa.Table:
    if name in columns.column_names:
        return columns.set_column(columns.column_names.index(name), name, cells)
    return columns.append_column(name, cells)


class _Fault(str):
    """What is wrong with a cell, where a cell's own text could be meant."""


def _read_cell(cell: str | None, plain: bool) -> Any:
    """The value in a cell: JSON, or a text that is the answer itself."""
    text = (cell or "").strip()
    if not text:
        return []
    if text[0] not in "[{":
        return cell
    value = parse_json(text, list) if text[0] == "[" else parse_json(text, dict)
    if value is None and not plain:
        value = _python_literal(text)
        if value is None:
            return _Fault("the JSON is not valid")
    return cell if value is None else value


def _python_literal(text: str) -> Any:
    """A list or object as Python prints it, which is what some libraries write into CSV files."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _as_answers(value: Any, start: str | None = None) -> dict[str, list[Any]] | str:
    """Answers of any usual shape as texts and places, or what is wrong with them."""
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if texts is None:
            return "'text' is missing"
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        texts = [item.get("text") for item in value]
        places = [item.get("answer_start") for item in value]
        starts = None if all(place is None for place in places) else [-1 if place is None else place for place in places]
    else:
        texts, starts = value, start
    texts = texts if isinstance(texts, list) else [texts]
    if not all(isinstance(text, str) for text in texts):
        return "an answer is no text"
    if starts is None or (isinstance(starts, str) and not starts.strip()) or starts == []:
        return {"text": texts, "answer_start": [-1] * len(texts)}
    starts = starts if isinstance(starts, list) else [starts]
    if len(starts) != len(texts) and texts:
        return f"{len(texts)} texts and {len(starts)} places"
    numbers = [_whole(item) for item in starts]
    if None in numbers:
        return "a place is no whole number"
    return {"text": texts, "answer_start": [max(-1, number) for number in numbers if number is not None] if texts else []}


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() else None
