"""Read JSON files: one object per line, or one value of any shape that holds rows (see `json_shapes`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from kerasft.data.columns import TEXT_NAMES
from kerasft.data.formats import Rows, read_rows
from kerasft.data.json_shapes import rows_of
from kerasft.data.squad import articles_of, holds_paragraphs, squad_rows
from kerasft.data.table import Note, Table, TableBuilder, as_text, unique_names
from kerasft.data.text_files import TextFile
from kerasft.errors import DataError

_SAMPLE = 1000  # rows whose keys become the columns
_RENAME_HINT = "A name may occur only once in an object; rename one of them."


class _DuplicateNameError(ValueError):
    """An object contains a name twice, so that one of the values would be lost."""


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateNameError(f"An object contains the name {next(name for name in names if names.count(name) > 1)!r} twice.")
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_object_without_duplicates)


def read_json(text: TextFile, *, whole: bool, every_record: bool = False) -> Table:
    """Read a JSON or JSONL file.

    Args:
        text: The file and its encoding.
        whole: Whether the file may be one list or one object, rather than one object per line.
        every_record: Whether each row of the file stays a row of the table, so that no format leaves out or divides any.

    Raises:
        DataError: The file is not valid JSON, or holds no rows; names the line or item.
    """
    content = one_value(text) if whole else None
    if content is not None:
        return content_table(content, text.path.name, text.notes, every_record=every_record)
    with text.open() as file:
        return rows_table(_json_lines(file, text.path), text.path.name, text.notes, every_record=every_record)


def content_table(content: Any, source: str, notes: Iterable[Note] = (), *, every_record: bool = False) -> Table:
    """Convert the content of a JSON file to a table.

    Raises:
        DataError: The content has no shape that holds rows.
    """
    if holds_paragraphs(content):
        articles = articles_of(content) or [content] if isinstance(content, Mapping) else [{"paragraphs": content}]
        return squad_rows({"data": articles}, source, [*notes])
    all_notes = list(notes)
    return rows_table(rows_of(content, source, all_notes), source, all_notes, every_record=every_record)


def one_value(text: TextFile) -> Any:
    """Read a file that is one list or object; None for a file of one object per line.

    Raises:
        DataError: The file begins as one value and is not valid JSON.
    """
    with text.open() as file:
        first = next((line for line in file if line.strip("\ufeff \t\r\n")), "").strip("\ufeff \t\r\n")
        alone = not any(line.strip() for line in file)
    if first[:1] not in ("[", "{"):
        return None
    try:
        value = _DECODER.decode(first)
    except (ValueError, RecursionError):
        if first[:1] == "{" and (alone or first.endswith("}")):
            return None  # a faulty line, which is reported with its number
        with text.open() as file:
            return _parsed(file.read(), text.path)
    if not alone:
        return None
    return value if first[:1] == "[" or not _is_row(value) else None


def _is_row(value: Mapping[str, Any]) -> bool:
    """Whether the only object of a file is a row: it holds nothing but plain values and lists of them."""
    tokens = {"tokens", "words"} & {str(key).lower() for key in value}
    if isinstance(value.get("data"), list) or (value and not tokens and all(isinstance(item, list) for item in value.values())):
        return False
    return (
        not any(isinstance(item, Mapping) for item in value.values())
        and not any(isinstance(item, list) and any(isinstance(part, Mapping | list) for part in item) for item in value.values())
        and not _are_columns(value)
    )


def _are_columns(value: Mapping[str, Any]) -> bool:
    lists = [item for item in value.values() if isinstance(item, list)]
    has_text_name = any(str(key).lower() in TEXT_NAMES for key in value)
    are_lists = len(lists) == len(value) > 1 and (has_text_name or len({len(item) for item in lists}) == 1)
    # `{"tokens": [...], "tags": [...]}` is a row of one sentence.
    return are_lists and not {"tokens", "words"} & {str(key).lower() for key in value}


def _parsed(text: str, path: Path) -> Any:
    try:
        return _DECODER.decode(text.lstrip("\ufeff"))
    except _DuplicateNameError as error:
        raise DataError(str(error), where=str(path), hint=_RENAME_HINT) from None
    except json.JSONDecodeError as error:
        hint = "JSON has double quotes, and no comma before a closing bracket; Python writes it with json.dump, not with str."
        raise DataError(f"The file is not valid JSON: {error.msg}.", where=f"{path}, line {error.lineno}", hint=hint) from None
    except (ValueError, RecursionError) as error:  # thousands of digits or of brackets
        raise DataError(f"The file cannot be read as JSON: {error}.", where=str(path)) from None


def _json_lines(lines: Iterable[str], path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        try:
            row = _DECODER.decode(text)
        except _DuplicateNameError as error:
            raise DataError(str(error), where=f"{path}, row {number}", hint=_RENAME_HINT) from None
        except (ValueError, RecursionError) as error:
            hint = 'A JSONL file has one object per line, such as {"text": "...", "label": "..."}.'
            raise DataError(f"The line is not valid JSON: {error}.", where=f"{path}, row {number}", hint=hint) from None
        if not isinstance(row, dict | list):
            raise DataError(f"The line is not a JSON object. Received: {text[:60]!r}.", where=f"{path}, row {number}")
        yield number, row


def rows_table(rows: Rows, source: str, notes: Iterable[Note] = (), *, every_record: bool = False) -> Table:
    """Convert rows of any known format to a table; its columns are the fields of the first thousand rows.

    Raises:
        DataError: There are no rows, a row is no object, or a cell is nested too deeply.
    """
    all_notes = list(notes)
    iterator = iter(read_rows(rows, source, all_notes, every_record=every_record))
    first = list(islice(iterator, _SAMPLE))
    for number, row in first:
        _check_row(number, row, source)
    keys = list(dict.fromkeys(key for _, row in first for key in row))
    if not keys:
        raise DataError("There are no rows.", where=source)
    builder = TableBuilder(unique_names(keys), source)
    known_keys = set(keys)
    late_fields: dict[str, int] = {}
    for group in (first, iterator):
        for number, row in group:
            _check_row(number, row, source)
            for key in row:
                if key not in known_keys:
                    late_fields.setdefault(str(key), number)
            try:
                builder.add(number, [as_text(row.get(key)) for key in keys])
            except DataError as error:
                raise DataError(error.message, where=f"{source}, row {number}") from None
    late = [
        Note("late_field", f"Field {name!r} is not read, because it first appears after the first {_SAMPLE:,} rows.", (row,))
        for name, row in late_fields.items()
    ]
    return builder.build(source, [*all_notes, *late])


def _check_row(number: int, row: Any, source: str) -> None:
    if not isinstance(row, Mapping):
        hint = 'Write objects such as {"text": "...", "label": "..."}, or save rows that are lists as CSV.'
        raise DataError(f"Row {number} is not a JSON object. Received: {str(row)[:60]!r}.", where=source, hint=hint)
