"""Read one file of any supported format, or one table in memory, as a `Table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from kerasft.data.archives import unpack
from kerasft.data.arrow_files import from_arrow, from_datasets, read_arrow, read_parquet, text_cells
from kerasft.data.conll import SUFFIXES as CONLL_SUFFIXES
from kerasft.data.conll import looks_like_conll, read_conll
from kerasft.data.csv_files import read_csv
from kerasft.data.file_kinds import binary_kind, refuse_other_text
from kerasft.data.formats.prodigy import with_annotator_answers
from kerasft.data.formats.tables import with_nested_formats
from kerasft.data.formats.token_spans import with_token_spans
from kerasft.data.json_files import read_json, rows_table
from kerasft.data.labelled_lines import looks_like_labelled_lines, read_labelled_lines
from kerasft.data.list_cells import with_lists
from kerasft.data.plain_text import first_lines, looks_like_table, read_plain_text
from kerasft.data.prompts import join_prompts
from kerasft.data.read_options import ReadOptions
from kerasft.data.spaced_tags import with_spaced_tags
from kerasft.data.spans import with_spans
from kerasft.data.squad import with_answers
from kerasft.data.table import Table, unique_names
from kerasft.data.text_damage import repair
from kerasft.data.text_files import TextFile, find_text
from kerasft.data.token_rows import group_token_rows
from kerasft.data.workbooks import read_workbook
from kerasft.errors import DataError

_CSV_SUFFIXES = frozenset({"csv", "tsv", "psv", "tab"})
_JSON_SUFFIXES = frozenset({"json", "jsonl", "ndjson", "jsonlines"})
_COMPRESSED = frozenset({".gz", ".bz2", ".xz"})
# Never opened, because loading a pickle can run any code; the others hold no text table.
_REFUSED = frozenset(
    {"pkl", "pickle", "npy", "npz", "h5", "hdf5", "joblib", "doc", "docx", "pdf", "odt", "ods", "rtf", "ppt", "pptx"}
    | {"sav", "dta", "sas7bdat", "rds", "rdata", "db", "sqlite", "sqlite3", "mat"}
)


def read_table(source: Any, how: ReadOptions | None = None, **options: Any) -> Table:
    """Read one table from a file or an object in memory.

    Tables of one token per row are returned with one row per sentence (`tokens`, `tags`), answers to questions in one shape
    (`answers`), and lists and spans of texts as JSON.

    Args:
        source: Path of a file of any format in docs/data.md, a pandas DataFrame, a `datasets.Dataset`, an Arrow table, a list of
            dictionaries, a list of tuples, or a dictionary of columns.
        how: The options for reading.
        **options: The attributes of `ReadOptions`, in place of `how`.

    Raises:
        DataError: The source cannot be read; names file, row and column.
        ConfigError: The delimiter is not valid.
    """
    how = how or ReadOptions(**options)
    if isinstance(source, Table):
        table = source
    else:
        table = _read_file(as_path(source), how) if isinstance(source, str | Path) else _from_memory(source)
    table = group_token_rows(with_spaced_tags(with_lists(table)), sentence=how.sentence, text=how.text, label=how.label)
    if not how.every_record:
        table = with_token_spans(with_annotator_answers(with_nested_formats(table)))
    table = join_prompts(with_spans(with_answers(table, how.label), how.label))
    return repair(table) if how.repair else table


def suffix_of(path: Path) -> str:
    """The suffix of the content in lower case, without a suffix of compression such as `.gz`."""
    return "".join(suffix for suffix in path.suffixes if suffix.lower() not in _COMPRESSED).lower().rpartition(".")[2]


def _read_file(path: Path, how: ReadOptions) -> Table:
    if suffix_of(path) in _REFUSED:
        hint = "Save it as CSV UTF-8, TSV, JSONL or Parquet."
        raise DataError(f"Files of type .{suffix_of(path)} are not read.", where=str(path), hint=hint)
    kind = binary_kind(path)
    if kind in ("zip", "tar"):
        with unpack(path) as files:
            if len(files) != 1:
                listed = ", ".join(file.name for file in files[:8]) or "none"
                hint = "Pack one file, or name the files train, validation and test."
                raise DataError(f"The archive holds {len(files)} data files: {listed}.", where=str(path), hint=hint)
            try:
                return _read_file(files[0], how)
            except DataError as error:  # its path is that of a temporary file
                where = (error.where or "").replace(str(files[0]), f"{path}, {files[0].name}")
                raise DataError(error.message, where=where or str(path), hint=error.hint) from None
    if kind == "xlsx":
        return read_workbook(path, how)
    if kind == "parquet":
        return read_parquet(path)
    if kind == "arrow":
        return read_arrow(path)
    return _read_text(path, how)


def _read_text(path: Path, how: ReadOptions) -> Table:
    suffix = suffix_of(path)
    if suffix == "parquet":
        return read_parquet(path)  # raises an error, since its first bytes are not those of Parquet
    if suffix in ("arrow", "feather") and path.exists():
        return read_arrow(path)
    text = find_text(path, how.encoding)
    lines = first_lines(text)
    if suffix in CONLL_SUFFIXES:
        return read_conll(text, tag_column=how.tag_column)
    if suffix in _JSON_SUFFIXES:
        return read_json(
            text, whole=_is_one_value(lines) if suffix == "json" else _spans_lines(lines), every_record=how.every_record
        )
    if not how.says_csv:  # otherwise the options show that it is a CSV file
        if suffix not in ("csv", "psv") and (how.tag_column is not None or (how.sentence is None and looks_like_conll(lines))):
            return read_conll(text, tag_column=how.tag_column)
        if _is_json(lines):
            return read_json(text, whole=_is_one_value(lines), every_record=how.every_record)
        if looks_like_labelled_lines(lines):
            return read_labelled_lines(text)
        refuse_other_text(lines, path)
        if suffix not in _CSV_SUFFIXES and not looks_like_table(lines):
            return read_plain_text(text, every_record=how.every_record)
    if suffix == "tsv" and how.delimiter is None:
        how = _with_tab(how, lines)
    return read_csv(text, how)


def _with_tab(how: ReadOptions, lines: Sequence[str]) -> ReadOptions:
    """Set a tab as the delimiter of a file named .tsv, unless hardly any line contains one."""
    from dataclasses import replace

    filled = [line for line in lines if line.strip()]
    tabs = sum("\t" in line for line in filled)
    return replace(how, delimiter="\t") if tabs and ("\t" in filled[0] or tabs >= 0.5 * len(filled)) else how


def _is_json(lines: Sequence[str]) -> bool:
    """Whether the content is JSON, whatever the suffix of the file."""
    import json

    filled = [line.strip("\ufeff \t\r\n") for line in lines if line.strip("\ufeff \t\r\n")]
    if not filled or filled[0][:1] not in ("{", "["):
        return False
    if filled[0] in ("{", "[", "[{"):
        return True
    try:
        return isinstance(json.loads(filled[0]), dict) or (len(filled) == 1 and isinstance(json.loads(filled[0]), list))
    except (ValueError, RecursionError):
        return filled[0].startswith('{"') or filled[0].startswith('[{"')


def _spans_lines(lines: Sequence[str]) -> bool:
    """Whether a file named .jsonl holds one value that spans several lines."""
    filled = [line.strip("\ufeff \t\r\n") for line in lines if line.strip("\ufeff \t\r\n")]
    return bool(filled) and filled[0] in ("[", "{", "[{")


def _is_one_value(lines: Sequence[str]) -> bool:
    """Whether the lines are one JSON value rather than one on each line."""
    filled = [line.strip("\ufeff \t\r\n") for line in lines if line.strip("\ufeff \t\r\n")]
    if not filled or filled[0][:1] == "[":
        return len(filled) == 1 or not all(line[:1] == "[" and line[-1:] == "]" for line in filled)
    return len(filled) == 1 or not all(line[:1] == "{" and line[-1:] == "}" for line in filled)


def _from_memory(source: Any) -> Table:
    if isinstance(source, pa.Table):
        return from_arrow(source, "the Arrow table")
    if hasattr(source, "features") and hasattr(source, "with_format") and hasattr(source, "num_rows"):
        return from_datasets(source)
    if hasattr(source, "to_dict") and hasattr(source, "iloc") and hasattr(source, "columns"):
        # by position, since two columns may have the same name
        cells = [text_cells(source.iloc[:, index]) for index in range(len(source.columns))]
        return from_arrow(pa.Table.from_arrays(cells, unique_names(source.columns)), "the DataFrame")
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        if not source:
            raise DataError("The list has no rows.", hint='Give rows, such as [{"text": "...", "label": "..."}].')
        if all(isinstance(row, Mapping) for row in source):
            return rows_table(((i + 1, row) for i, row in enumerate(source)), "the list")
        if all(isinstance(row, str) for row in source):
            if all(Path(row).suffix[1:].lower() in _CSV_SUFFIXES | _JSON_SUFFIXES and " " not in row for row in source):
                hint = "Check the paths. A pattern such as 'data/*.csv' can also name several files."
                raise DataError(f"There is no file {source[0]!r}.", hint=hint)
            return rows_table(((i + 1, {"text": row}) for i, row in enumerate(source)), "the list")
        if all(isinstance(row, tuple | list) for row in source):
            return _from_tuples(source)
    raise DataError(
        f"Data of type {type(source).__name__} cannot be read.",
        hint="Give a file name, a pandas DataFrame, a datasets.Dataset, a dictionary of columns, or a list of dictionaries.",
    )


def _from_tuples(rows: Sequence[Sequence[Any]]) -> Table:
    """Rows of equal length: a text and a label, or two texts and a label; or spaCy's pairs of a text and its annotations."""
    if all(len(row) == 2 and isinstance(row[1], Mapping) for row in rows):
        return rows_table(((i + 1, list(row)) for i, row in enumerate(rows)), "the list")
    width = len(rows[0])
    for before, (one, other) in enumerate(pairwise(rows), start=1):
        if len(one) != len(other):
            raise DataError(f"Row {before + 1} has {len(other)} values, but the rows before have {len(one)}.", where="the list")
    names = {1: ["text"], 2: ["text", "label"], 3: ["text", "text_pair", "label"]}.get(width)
    if names is None:
        raise DataError(
            f"Rows of {width} values cannot be assigned to columns.",
            where="the list",
            hint="Give dictionaries that name the columns.",
        )
    return rows_table(((i + 1, dict(zip(names, row, strict=True))) for i, row in enumerate(rows)), "the list")


def table_of_columns(columns: Mapping[str, Any]) -> Table:
    """A dictionary of columns, such as `{"text": [...], "label": [...]}`.

    Raises:
        DataError: The columns differ in length.
    """
    listed = {str(name): list(values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in listed.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns are not equally long: {lengths}.", where="the dictionary")
    count = next(iter(lengths.values()), 0)
    return rows_table(((i + 1, {name: values[i] for name, values in listed.items()}) for i in range(count)), "the dictionary")


def as_path(source: str | Path) -> Path:
    """Convert to a path, with `~` expanded to the home folder.

    Raises:
        DataError: It begins with `~` and the name of an unknown user.
    """
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise DataError("There is no home folder of that name.", where=str(source)) from None


__all__ = ["TextFile", "as_path", "from_arrow", "read_table", "suffix_of", "table_of_columns"]
