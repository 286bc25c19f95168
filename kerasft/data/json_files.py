"""JSON: one object a line, an array of objects, or SQuAD's single object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from kerasft.data.squad import squad_rows
from kerasft.data.table import Note, Table, TableBuilder, as_text, unique_names
from kerasft.data.text_files import detect_encoding, encoding_notes, open_text
from kerasft.errors import DataError


def read_json(path: Path, encoding: str | None, *, whole: bool) -> Table:
    """Read a JSON or JSONL file.

    Args:
        path: Plain or gzip file.
        encoding: None detects it.
        whole: The file may be one array or one object, not only an object a line.

    Raises:
        DataError: The file is not valid JSON, or not of a shape that makes rows; names the line or item.
    """
    chosen = encoding or detect_encoding(path)
    with open_text(path, chosen, forgiving=encoding is None and not chosen.startswith("utf")) as file:
        notes = encoding_notes(chosen)
        start = file.read(64).lstrip("\ufeff \t\r\n")[:1] if whole else ""
        file.seek(0)
        if start == "[":
            return rows_table(_array_rows(file.read(), path), path.name, notes)
        if start == "{" and (content := _one_object(file, path)) is not None:
            data = content.get("data")
            if isinstance(data, list) and data and not any(isinstance(item, dict) and "paragraphs" in item for item in data):
                return rows_table(_objects(data, path), path.name, notes)  # rows under one key, as some libraries write
            return squad_rows(content, path.name, notes)
        file.seek(0)
        return rows_table(_json_lines(file, path), path.name, notes)


def _one_object(file: TextIO, path: Path) -> Mapping[str, Any] | None:
    """What a file holds that is one object; None for a file of one object a line."""
    first = next((line for line in file if line.strip("\ufeff \t\r\n")), "").strip("\ufeff \t\r\n")
    alone = not any(line.strip() for line in file)
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        if alone or first.endswith("}"):
            return None  # a line with a mistake: told with its number
        file.seek(0)
        return _parsed(file.read(), path) or {}
    if not isinstance(row, dict) or not alone:
        return None
    nested = any(
        isinstance(item, dict) and "paragraphs" in item for value in row.values() if isinstance(value, list) for item in value
    )
    return row if nested or isinstance(row.get("data"), list) or "paragraphs" in row or "qas" in row else None


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise DataError(f"The file is not valid JSON: {error.msg}.", where=f"{path}, line {error.lineno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        raise DataError(f"The file cannot be read as JSON: {error}.", where=str(path)) from None


def _array_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return _objects(_parsed(text, path), path)


def _objects(rows: Iterable[Any], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"Item {index + 1} is not an object. Received: {str(row)[:60]!r}.", where=str(path))
        yield index + 1, row


def _json_lines(lines: Iterable[str], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            hint = 'A JSONL file has one object a line, such as {"text": "...", "label": "..."}.'
            raise DataError(f"The line is not valid JSON: {error}.", where=f"{path}, row {number}", hint=hint) from None
        if not isinstance(row, dict):
            raise DataError(f"The line is not a JSON object. Received: {text[:60]!r}.", where=f"{path}, row {number}")
        yield number, row


def rows_table(rows: Iterable[tuple[int, Mapping[str, Any]]], source: str, notes: Iterable[Note] = ()) -> Table:
    """Objects -> columns; the columns are those of the first thousand objects, a later new one is noted and left out.

    Raises:
        DataError: There are no rows, or a cell is nested too deeply.
    """
    iterator = iter(rows)
    first = [row for _, row in zip(range(1000), iterator, strict=False)]
    keys = list(dict.fromkeys(key for _, row in first for key in row))
    if not keys:
        raise DataError("There are no rows.", where=source)
    builder = TableBuilder(unique_names(keys))
    known = set(keys)
    extra: dict[str, int] = {}
    for group in (first, iterator):
        for number, row in group:
            for key in row:
                if key not in known:
                    extra.setdefault(str(key), number)
            try:
                builder.add(number, [as_text(row.get(key)) for key in keys])
            except DataError as error:
                raise DataError(error.message, where=f"{source}, row {number}") from None
    late = [Note("late_field", f"Field {name!r} first appears late and is not read.", (row,)) for name, row in extra.items()]
    return builder.build(source, [*notes, *late])
