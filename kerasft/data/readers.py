"""Any source people have -> one `Table`: files, folders of splits, DataFrames, `datasets`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.columns import SPLIT_ALIASES
from kerasft.data.csv_files import read_csv
from kerasft.data.table import Note, Table, TableBuilder, as_text, text_array, unique_names
from kerasft.data.text_files import detect_encoding, encoding_notes, open_text
from kerasft.errors import DataError, MissingPackageError

_REFUSED = {".xlsx", ".xls", ".pkl", ".pickle", ".npy", ".h5", ".docx", ".doc", ".pdf"}


def read_table(source: Any, *, delimiter: str | None = None, encoding: str | None = None, header: bool | None = None) -> Table:
    """Read one table from a file or an object in memory.

    Args:
        source: Path of a CSV, TSV, JSONL, JSON or Parquet file (plain or gzip), a pandas DataFrame, a
            `datasets.Dataset`, an Arrow table, or a list of dictionaries.
        delimiter: For CSV; None finds it.
        encoding: For text files; None detects it.
        header: For CSV; None decides by looking.

    Raises:
        DataError: The source cannot be read; names file, row and column.
        ConfigError: The delimiter is impossible.
    """
    if isinstance(source, str | Path):
        path = as_path(source)
        kind = "".join(s for s in path.suffixes if s.lower() != ".gz").lower().rpartition(".")[2]
        if f".{kind}" in _REFUSED:
            hint = "Save it as CSV UTF-8, TSV, JSONL or Parquet."
            raise DataError(f"Files of type .{kind} are not read.", where=str(path), hint=hint)
        if kind == "parquet":
            return _read_parquet(path)
        if kind in ("jsonl", "ndjson", "json"):
            return _read_json(path, encoding, whole=kind == "json")
        return read_csv(path, delimiter=delimiter or ("\t" if kind == "tsv" else None), encoding=encoding, header=header)
    if isinstance(source, pa.Table):
        return from_arrow(source, "the Arrow table")
    if hasattr(source, "features") and hasattr(source, "with_format") and hasattr(source, "num_rows"):
        return _from_datasets(source)
    if hasattr(source, "to_dict") and hasattr(source, "iloc") and hasattr(source, "columns"):
        # by position: two columns may have one name
        cells = [_cells(source.iloc[:, index]) for index in range(len(source.columns))]
        return from_arrow(pa.Table.from_arrays(cells, unique_names(source.columns)), "the DataFrame")
    if isinstance(source, Sequence) and source and all(isinstance(row, Mapping) for row in source):
        return _from_rows(((i + 1, row) for i, row in enumerate(source)), "the list")
    raise DataError(
        f"Data of type {type(source).__name__} cannot be read.",
        hint="Give a file name, a pandas DataFrame, a datasets.Dataset, or a non-empty list of dictionaries.",
    )


def as_path(source: str | Path) -> Path:
    """The path of a file or folder, `~` as the home folder.

    Raises:
        DataError: It begins with `~` and a name no user has.
    """
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise DataError("There is no home folder of that name.", where=str(source)) from None


def _cells(column: Iterable[Any]) -> pa.Array:
    return text_array([as_text(value) for value in column])


def from_arrow(table: pa.Table, source: str) -> Table:
    """A `Table` of an Arrow table of any column types; rows are numbered from 1.

    Raises:
        DataError: There are no rows.
    """
    if not table.num_rows:
        raise DataError("The table has no rows.", where=source)
    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_integer(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            columns.append(pc.cast(column, pa.large_string()))
        else:
            columns.append(pa.chunked_array([_cells(chunk.to_pylist()) for chunk in column.chunks], pa.large_string()))
    texts = pa.table(columns, names=unique_names(table.column_names))
    texts.validate(full=True)  # a damaged file may hold strings that are no UTF-8
    return Table(texts, np.arange(1, table.num_rows + 1), source)


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet as pq

    try:
        return from_arrow(pq.read_table(path), path.name)
    except FileNotFoundError:
        raise DataError("There is no such file.", where=str(path)) from None
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"The file is not valid Parquet: {error}.", where=str(path)) from None


def _read_json(path: Path, encoding: str | None, *, whole: bool) -> Table:
    chosen = encoding or detect_encoding(path)
    with open_text(path, chosen, forgiving=encoding is None and not chosen.startswith("utf")) as file:
        notes = encoding_notes(chosen)
        if whole and file.read(64).lstrip("\ufeff \t\r\n").startswith("["):
            file.seek(0)
            return _from_rows(_array_rows(file.read(), path), path.name, notes)
        file.seek(0)
        return _from_rows(_json_lines(file, path), path.name, notes)


def _array_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        rows = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise DataError(f"The file is not valid JSON: {error.msg}.", where=f"{path}, line {error.lineno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        raise DataError(f"The file cannot be read as JSON: {error}.", where=str(path)) from None
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


def _from_rows(rows: Iterable[tuple[int, Mapping[str, Any]]], source: str, notes: Iterable[Note] = ()) -> Table:
    """Objects -> columns; the columns are those of the first thousand objects, a later new one is noted and left out."""
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


def _from_datasets(source: Any) -> Table:
    """A `datasets.Dataset`; class labels come as their names."""
    table = source.with_format("arrow")[:]
    for name, feature in source.features.items():
        labels = getattr(feature, "names", None)
        if labels:
            values = [None if v is None or v < 0 else labels[v] for v in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(values, type=pa.large_string()))
    return from_arrow(table, "the dataset")


def load_hub_dataset(name: str) -> Mapping[str, Any]:
    """The splits of a data set on the Hugging Face hub, by its name (`owner/name` or `owner/name:config`).

    Raises:
        MissingPackageError: The `datasets` package is not installed.
        DataError: The name is unknown or the hub cannot be reached.
    """
    try:
        import datasets
    except ImportError:
        hint = "pip install datasets"
        raise MissingPackageError("Reading a data set from the hub needs the package 'datasets'.", hint=hint) from None
    identity, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(identity, config or None)
    except Exception as error:  # the hub client raises many unrelated classes; all mean "not loaded"
        hint = "Check the name and the network, or download the data and give the file."
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"The data set {name!r} could not be loaded: {reason}", hint=hint) from error
    return {str(split): part for split, part in loaded.items()}


def split_files(folder: Path) -> dict[str, Path]:
    """The split files in a folder: `train.csv`, `dev.jsonl.gz`, ...

    Raises:
        DataError: None is there, or two for one split.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        split = SPLIT_ALIASES.get(path.name.split(".")[0].lower())
        if path.is_file() and split:
            if split in found:
                raise DataError(f"Two files for the split '{split}': {found[split].name} and {path.name}.", where=str(folder))
            found[split] = path
    if "train" not in found and "test" not in found:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        hint = "Name the files train.csv, validation.csv and test.csv (any of the formats), or give one file."
        raise DataError(f"The folder holds no split files. It holds: {there}.", where=str(folder), hint=hint)
    return found
