"""Read Arrow tables, Parquet files and Arrow files; class numbers become the names that `datasets` stores in the schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cells import as_json
from kerasft.data.limits import check_columns
from kerasft.data.table import Table, as_text, text_array, unique_names
from kerasft.errors import DataError


def text_cells(column: Iterable[Any]) -> pa.Array:
    """Convert values of any type to an Arrow array of strings."""
    return text_array([as_text(value) for value in column])


def from_arrow(table: pa.Table, source: str) -> Table:
    """Convert an Arrow table with columns of any type to a `Table`; rows are numbered from 1.

    Class numbers become class names if the schema contains the names, as in files that `datasets` writes.

    Raises:
        DataError: There are no rows.
    """
    if not table.num_rows:
        raise DataError("The table has no rows.", where=source)
    check_columns(table.num_columns, source)
    table = _name_classes(table, _class_names(table.schema))
    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_integer(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            columns.append(pc.cast(column, pa.large_string()))
        else:
            columns.append(pa.chunked_array([text_cells(chunk.to_pylist()) for chunk in column.chunks], pa.large_string()))
    texts = pa.table(columns, names=unique_names(table.column_names))
    texts.validate(full=True)  # a damaged file may hold strings that are not UTF-8
    return Table(texts, np.arange(1, table.num_rows + 1), source)


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """The class names of each column, which `datasets` writes into the schema of Parquet and Arrow files."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(metadata)["info"]["features"] if metadata else {}
    except (ValueError, KeyError, TypeError):
        return {}
    if not isinstance(features, Mapping):
        return {}
    return {str(name): names for name, feature in features.items() if (names := _names_in(feature))}


def _names_in(feature: Any) -> list[str] | None:
    """The names of a class label, or of the class labels in a list (the tags of tokens)."""
    while isinstance(feature, Mapping | list):
        if isinstance(feature, list):
            feature = feature[0] if feature else None
            continue
        if isinstance(feature.get("names"), list):
            return [str(name) for name in feature["names"]]
        feature = feature.get("feature")
    return None


def _name_classes(table: pa.Table, names: Mapping[str, list[str]]) -> pa.Table:
    """Replace class numbers by class names; -1 becomes a missing value."""
    for column, labels in names.items():
        if column not in table.column_names:
            continue
        values = [_to_names(value, labels) for value in table[column].to_pylist()]
        if any(isinstance(value, list) for value in values):
            values = [as_json(value) if isinstance(value, list) else value for value in values]
        table = table.set_column(table.column_names.index(column), column, pa.array(values, type=pa.large_string()))
    return table


def _to_names(value: Any, labels: list[str]) -> Any:
    if isinstance(value, list):
        return [_to_names(item, labels) for item in value]
    if isinstance(value, int):
        return labels[value] if 0 <= value < len(labels) else None
    return as_text(value)


def read_parquet(path: Path) -> Table:
    """Read a Parquet file.

    Raises:
        DataError: The file does not exist, is damaged, or has no rows.
    """
    import pyarrow.parquet as pq

    try:
        return from_arrow(pq.read_table(path), path.name)
    except FileNotFoundError:
        raise DataError("There is no such file.", where=str(path)) from None
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"The file is not valid Parquet: {error}.", where=str(path)) from None


def read_arrow(path: Path) -> Table:
    """Read an Arrow file, in the file format or the stream format (which `datasets` writes).

    Raises:
        DataError: The file is damaged or has no rows.
    """
    try:
        with path.open("rb") as file:
            is_stream = file.read(6) != b"ARROW1"
        with pa.OSFile(str(path)) as source:
            table = (pa.ipc.open_stream(source) if is_stream else pa.ipc.open_file(source)).read_all()
        return from_arrow(table, path.name)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"The file is not a valid Arrow file: {error}.", where=str(path)) from None


def from_datasets(source: Any) -> Table:
    """Convert a `datasets.Dataset`; class numbers become class names."""
    table = source.with_format("arrow")[:]
    names = {}
    for name, feature in source.features.items():
        labels = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
        if labels:
            names[name] = list(labels)
    return from_arrow(_name_classes(table, names).replace_schema_metadata(None), "the dataset")
