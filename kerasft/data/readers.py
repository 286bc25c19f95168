"""One file, or one table in memory, of any format people have -> one `Table`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasft.data.cells import as_json
from kerasft.data.conll import SUFFIXES as CONLL_SUFFIXES
from kerasft.data.conll import looks_like_conll, read_conll
from kerasft.data.csv_files import read_csv
from kerasft.data.json_files import read_json, rows_table
from kerasft.data.plain_text import first_lines, looks_like_table, read_plain_text
from kerasft.data.spans import with_spans
from kerasft.data.squad import with_answers
from kerasft.data.table import Table, as_text, text_array, unique_names
from kerasft.data.token_rows import group_token_rows
from kerasft.errors import DataError

_REFUSED = {".xlsx", ".xls", ".pkl", ".pickle", ".npy", ".h5", ".docx", ".doc", ".pdf"}


def read_table(
    source: Any,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    tag_column: int | None = None,
    sentence: str | None = None,
    text: str | None = None,
    label: str | None = None,
) -> Table:
    """Read one table from a file or an object in memory.

    Tables of one token a row come back as one row a sentence (`tokens`, `tags`), tables of questions with their
    answers in one shape (`answers`).

    Args:
        source: Path of a CSV, TSV, JSONL, JSON, SQuAD, Parquet, CoNLL or plain text file (as it is or gzip), a
            pandas DataFrame, a `datasets.Dataset`, an Arrow table, or a list of dictionaries.
        delimiter: For CSV; None finds it.
        encoding: For text files; None detects it.
        header: For CSV; None decides by looking.
        tag_column: For CoNLL: column of the tags, from 1; None decides by looking.
        sentence: For tables of one token a row: column that names the sentence; None goes by usual names.
        text: Column the person named as the text, where that bears on the reading.
        label: Column the person named as the label, where that bears on the reading.

    Raises:
        DataError: The source cannot be read; names file, row and column.
        ConfigError: The delimiter is impossible.
    """
    if isinstance(source, str | Path):
        table = _read_file(as_path(source), delimiter, encoding, header, tag_column, sentence)
    else:
        table = _from_memory(source)
    return with_spans(with_answers(group_token_rows(table, sentence=sentence, text=text, label=label), label), label)


def _read_file(
    path: Path, delimiter: str | None, encoding: str | None, header: bool | None, tag_column: int | None, sentence: str | None
) -> Table:
    kind = "".join(s for s in path.suffixes if s.lower() != ".gz").lower().rpartition(".")[2]
    if f".{kind}" in _REFUSED:
        hint = "Save it as CSV UTF-8, TSV, JSONL or Parquet."
        raise DataError(f"Files of type .{kind} are not read.", where=str(path), hint=hint)
    if kind == "parquet":
        return _read_parquet(path)
    if kind in ("jsonl", "ndjson", "json"):
        return read_json(path, encoding, whole=kind == "json")
    if kind in CONLL_SUFFIXES:
        return read_conll(path, encoding=encoding, tag_column=tag_column)
    if kind in ("txt", "tsv") and delimiter is None and header is None:  # options of CSV say that it is CSV
        lines = first_lines(path, encoding)
        if tag_column is not None or (sentence is None and looks_like_conll(lines)):
            return read_conll(path, encoding=encoding, tag_column=tag_column)
        if kind == "txt" and not looks_like_table(lines):
            return read_plain_text(path, encoding=encoding)
    return read_csv(path, delimiter=delimiter or ("\t" if kind == "tsv" else None), encoding=encoding, header=header)


def _from_memory(source: Any) -> Table:
    if isinstance(source, pa.Table):
        return from_arrow(source, "the Arrow table")
    if hasattr(source, "features") and hasattr(source, "with_format") and hasattr(source, "num_rows"):
        return _from_datasets(source)
    if hasattr(source, "to_dict") and hasattr(source, "iloc") and hasattr(source, "columns"):
        # by position: two columns may have one name
        cells = [_cells(source.iloc[:, index]) for index in range(len(source.columns))]
        return from_arrow(pa.Table.from_arrays(cells, unique_names(source.columns)), "the DataFrame")
    if isinstance(source, Sequence) and source and all(isinstance(row, Mapping) for row in source):
        return rows_table(((i + 1, row) for i, row in enumerate(source)), "the list")
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


def _from_datasets(source: Any) -> Table:
    """A `datasets.Dataset`; class labels come as their names."""
    table = source.with_format("arrow")[:]
    for name, feature in source.features.items():
        labels = getattr(feature, "names", None)
        inner = getattr(getattr(feature, "feature", None), "names", None)  # a list of labels in each row: tags of tokens
        if labels:
            values: list[Any] = [None if v is None or v < 0 else labels[v] for v in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(values, type=pa.large_string()))
        elif inner:
            lists = table[name].to_pylist()
            values = [row if row is None else as_json([None if v is None or v < 0 else inner[v] for v in row]) for row in lists]
            table = table.set_column(table.column_names.index(name), name, pa.array(values, type=pa.large_string()))
    return from_arrow(table, "the dataset")
