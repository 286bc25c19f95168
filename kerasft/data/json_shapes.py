"""Find the rows in a JSON value: a list, rows under a key, columns, every orient of `pandas.to_json`, splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.columns import LABEL_NAMES, PAIR_NAMES, PROMPTS, SPLIT_ALIASES, TEXT_NAMES, TOKEN_NAMES, plain_name
from kerasft.data.table import Note
from kerasft.errors import DataError, name_values

_COLUMN_NAMES = (
    TEXT_NAMES
    | PAIR_NAMES
    | LABEL_NAMES
    | {*TOKEN_NAMES}
    | {name for pair in PROMPTS for name in pair}
    | {"id", "ner_tags", "tags"}
)
_ROW_KEYS = ("data", "rows", "examples", "common_examples", "utterances", "items", "records", "samples", "documents", "instances")
_NOT_ROWS = frozenset(
    {"features", "columns", "schema", "index", "label_list", "labels_list", "info", "meta", "metadata", "version"}
)
_SHAPES = (
    "KerasFT reads a list of objects, a list of objects under one key, an object of columns (lists of equal length), the orients "
    'of pandas.to_json, an object of splits {"train": [...], "test": [...]}, and SQuAD.'
)


def split_parts(content: Any) -> dict[str, Any] | None:
    """The splits of an object whose keys all name splits; None for other content."""
    if not isinstance(content, Mapping) or not content:
        return None
    known = {key: value for key, value in content.items() if str(key).lower() in SPLIT_ALIASES}
    # CLINC150 has rows of another kind beside its splits (`oos_train`).
    if len(known) < len(content) and not ("train" in content and len(known) >= 2):
        return None
    return dict(known) if all(isinstance(value, list | Mapping) for value in content.values()) else None


def rows_of(content: Any, source: str, notes: list[Note]) -> Iterator[tuple[int, Any]]:
    """Return the number (from 1) and the content of each row of a parsed JSON file.

    Args:
        content: What the file holds.
        source: File name, for messages.
        notes: Receives what the user should know.

    Raises:
        DataError: The content has no shape that holds rows; names its keys.
    """
    if isinstance(content, list):
        return _listed(content, source)
    if not isinstance(content, Mapping):
        raise DataError(
            f"The file holds one JSON value that is neither a list nor an object: {str(content)[:60]!r}.", where=source
        )
    if {"cells", "nbformat"} <= set(content):
        raise DataError(
            "The file is a Jupyter notebook, not a table.",
            where=source,
            hint="Choose the file that the notebook reads or writes.",
        )
    rows = _object_rows(content, source, notes)
    if rows is None:
        keys = name_values([str(key) for key in content], most=8)
        raise DataError(
            f"The file holds one JSON object in which no rows can be found. Its keys: {keys}.", where=source, hint=_SHAPES
        )
    return rows


def _listed(rows: list[Any], source: str) -> Iterator[tuple[int, Any]]:
    """Yield the items of a list as rows; lists of cells are a table, whose first row may name the columns."""
    if (
        rows
        and all(isinstance(row, list) for row in rows[:100])
        and not any(isinstance(cell, list | dict) for row in rows[:100] for cell in row)
    ):
        yield from _cells(rows, source)
        return
    for number, row in enumerate(rows, start=1):
        if isinstance(row, str):
            row = {"text": row}
        if not isinstance(row, Mapping | list):
            raise DataError(f"Item {number} is not an object. Received: {str(row)[:60]!r}.", where=source)
        yield number, row


def _cells(rows: list[list[Any]], source: str) -> Iterator[tuple[int, Any]]:
    from kerasft.data.table import as_text
    from kerasft.data.table_layout import find_layout

    texts = [[as_text(cell) or "" for cell in row] for row in rows[:200]]
    layout = find_layout(list(enumerate(texts, start=1)), source)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(layout.names):
            raise DataError(f"Item {number} does not have {len(layout.names)} cells. Received: {str(row)[:60]!r}.", where=source)
        if number > layout.first:
            yield number, dict(zip(layout.names, row, strict=True))


def _object_rows(content: Mapping[str, Any], source: str, notes: list[Note]) -> Iterator[tuple[int, Any]] | None:
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):  # orient="split"
        names = [str(name) for name in content["columns"]]
        rows = content["data"]
        if all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return ((number, dict(zip(names, row, strict=True))) for number, row in enumerate(rows, start=1))
    lists = {str(key): value for key, value in content.items() if isinstance(value, list) and str(key) not in _NOT_ROWS}
    of_rows = {key: value for key, value in lists.items() if value and all(isinstance(row, Mapping) for row in value)}
    chosen = next((key for key in _ROW_KEYS if key in of_rows), None) if len(of_rows) > 1 else next(iter(of_rows), None)
    if chosen and not _are_columns(content):
        if len(of_rows) > 1:
            others = name_values([key for key in of_rows if key != chosen])
            notes.append(
                Note("other_lists", f"The rows under {chosen!r} are read; the lists under other names are not: {others}.")
            )
        return _under_key(content, of_rows[chosen])
    if _are_columns(content):
        columns = {str(key): value if isinstance(value, list) else list(value.values()) for key, value in content.items()}
        length = len(next(iter(columns.values())))
        return ((i + 1, {name: column[i] for name, column in columns.items()}) for i in range(length))
    inner = [value for value in content.values() if isinstance(value, Mapping)]
    if len(inner) == len(content):
        if len(content) == 1:  # one more level of nesting
            return _object_rows(inner[0], source, notes)
        keys = set(map(str, inner[0]))
        if _are_transposed(content, inner):
            raise DataError(
                "The file is an object of objects, and it is unclear whether the outer or the inner names are the columns.",
                where=source,
                hint='Save the table with df.to_json(..., orient="records").',
            )
        if keys and all(keys & set(map(str, row)) for row in inner):  # orient="index": the outer names are those of the rows
            return ((i, {"id": str(key), **row}) for i, (key, row) in enumerate(content.items(), start=1))
    return None


def _under_key(content: Mapping[str, Any], rows: list[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the rows under one key; those of the Hugging Face datasets server are nested one level deeper."""
    if all(isinstance(row.get("row"), Mapping) and "row_idx" in row for row in rows):
        names = _class_names(content.get("features"))
        for number, row in enumerate(rows, start=1):
            yield number, {key: _to_names(value, names.get(key)) for key, value in row["row"].items()}
        return
    yield from enumerate(rows, start=1)


def _class_names(features: Any) -> dict[str, list[str]]:
    """The class names of each column in the list of features that the datasets server sends."""
    by_column = {}
    for feature in features if isinstance(features, list) else []:
        kind = feature.get("type") if isinstance(feature, Mapping) else None
        inner = kind.get("feature") if isinstance(kind, Mapping) else None
        names = (kind or {}).get("names") if isinstance(kind, Mapping) else None
        names = names or (inner.get("names") if isinstance(inner, Mapping) else None)
        if isinstance(names, list):
            by_column[str(feature.get("name"))] = names
    return by_column


def _to_names(value: Any, names: Sequence[str] | None) -> Any:
    if names is None:
        return value
    if isinstance(value, list):
        return [_to_names(item, names) for item in value]
    return names[value] if type(value) is int and 0 <= value < len(names) else None


def _are_columns(content: Mapping[str, Any]) -> bool:
    """Whether the values are columns: lists of one length, or objects by row number, under a usual column name."""
    values = list(content.values())
    if values and all(isinstance(value, Mapping) and value for value in values) and _have_row_numbers(values):
        return not any(plain_name(str(key)) in _COLUMN_NAMES for key in values[0])
    if not values or not any(plain_name(str(key)) in _COLUMN_NAMES for key in content):
        return False
    if all(isinstance(value, list) for value in values):
        lengths = {len(value) for value in values}
        return (
            len(lengths) == 1 and lengths != {0} and not any(isinstance(cell, Mapping) for value in values for cell in value[:3])
        )
    if all(isinstance(value, Mapping) and value for value in values):  # orient="columns"
        keys = list(values[0])
        return not any(plain_name(str(key)) in _COLUMN_NAMES for key in keys) and all(list(value) == keys for value in values)
    return False


def _have_row_numbers(values: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all objects have the same names and these are row numbers, as `pandas.to_json` writes columns."""
    keys = list(values[0])
    return all(str(key).isdigit() for key in keys) and all(list(value) == keys for value in values)


def _are_transposed(content: Mapping[str, Any], inner: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rows and columns cannot be distinguished: all objects have the same names, and no name is a usual one."""
    keys = list(inner[0])
    has_no_usual_name = not any(plain_name(str(key)) in _COLUMN_NAMES for key in (*content, *keys))
    return has_no_usual_name and len(inner) > 1 and all(list(row) == keys for row in inner)
