"""Read the splits of a source: a file, a pattern of files, a folder, an archive, the hub, or a dictionary of these."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.data import folders
from kerasft.data.archives import is_archive, unpack
from kerasft.data.columns import SPLIT_ALIASES
from kerasft.data.json_files import content_table, one_value
from kerasft.data.json_shapes import split_parts
from kerasft.data.readers import as_path, suffix_of, table_of_columns
from kerasft.data.spool import Spool
from kerasft.data.table import Note, Table, TableBuilder, text_array, unique_names
from kerasft.data.text_files import find_text
from kerasft.errors import DataError, MissingPackageError, name_values

_PATTERN_SIGNS = frozenset("*?[")  # a name with one of these is a pattern


def read_splits(source: Any, extra: Mapping[str, str | None], read: Callable[[Any], Table]) -> dict[str, Table]:
    """Read the tables of the splits.

    Args:
        source: A file, a pattern, a folder, an archive, a name of the hub, a table in memory, a dictionary of columns, or a
            dictionary of split name to these.
        extra: Files of further splits, by split name; None for none.
        read: Function that reads one table.

    Raises:
        DataError: A part cannot be read, two parts are for the same split, or no part is for a known split.
        MissingPackageError: The source is on the hub and its package is not installed.
    """
    with _parts_of(source) as parts:
        by_split: dict[str, Any] = {}
        for part_name, part in parts.items():
            name = SPLIT_ALIASES.get(str(part_name).lower())
            if name in by_split:
                raise DataError(f"Two of the splits are for {name}: {name_values(parts)}.", hint="Give one for each purpose.")
            if name is not None:  # a hub data set may have splits such as `unsupervised`
                by_split[name] = part
        by_split |= {name: part for name, part in extra.items() if part}
        if not by_split:
            raise DataError(f"None of the splits is for training, validation or test: {name_values(parts)}.")
        tables = {name: _read_part(part, read) for name, part in by_split.items()}
    unread = folders.unread_files(parts) if isinstance(source, str | Path) and len(parts) and _is_folder(source) else []
    if unread:
        first = "train" if "train" in tables else next(iter(tables))
        note = Note("unread_files", f"These files of the folder are not read: {name_values(unread, most=8)}.")
        tables[first] = replace(tables[first], notes=(*tables[first].notes, note))
    return tables


def _is_folder(source: str | Path) -> bool:
    return os.path.isdir(as_path(source))


@contextmanager
def _parts_of(source: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of a source by split name; an archive stays unpacked until the context ends."""
    if not isinstance(source, str | Path):
        yield _parts_in_memory(source)
        return
    path = as_path(source)
    if os.path.isdir(path):  # unlike Path.is_dir, also False for an impossible name
        yield folders.split_parts(path)
    elif not os.path.exists(path) and _looks_like_hub_name(str(source)):
        yield load_hub_dataset(str(source))
    elif os.path.isfile(path) and is_archive(path):
        with unpack(path) as files:
            yield _parts_of_archive(files, path)
    elif os.path.isfile(path) and suffix_of(path) == "json" and (parts := _json_splits(path)):
        yield parts
    else:
        yield {"train": path}


def _parts_in_memory(source: Any) -> Mapping[str, Any]:
    if not isinstance(source, Mapping):
        return {"train": source}
    named = [str(name).lower() in SPLIT_ALIASES for name in source]
    columns = [_is_column(value) for value in source.values()]
    if source and not any(named) and all(columns):
        return {"train": table_of_columns(source)}
    return source


def _is_column(value: Any) -> bool:
    """Whether a value is a column of cells, and not a table of rows."""
    listed = isinstance(value, list | tuple) and not any(isinstance(item, Mapping) for item in value[:10])
    return listed or isinstance(value, np.ndarray) or (hasattr(value, "tolist") and not hasattr(value, "columns"))


def _parts_of_archive(files: Sequence[Path], archive: Path) -> Mapping[str, Any]:
    if not files:
        hint = "Pack a file of rows (CSV, JSON, Excel, plain text ...), or give that file itself."
        raise DataError("The archive holds no data files.", where=str(archive), hint=hint)
    if len(files) == 1:
        return {"train": files[0]}
    folder = Path(os.path.commonpath([file.parent for file in files]))
    try:
        return folders.split_parts(folder)
    except DataError as error:
        raise DataError(error.message.replace("folder", "archive"), where=str(archive), hint=error.hint) from None


def _json_splits(path: Path) -> dict[str, Any] | None:
    """Read the splits of a JSON file that is an object of splits; None for any other file."""
    text = find_text(path)
    with text.open() as file:
        if file.read(200).lstrip("\ufeff \t\r\n")[:1] != "{":
            return None
    content = one_value(text)
    parts = split_parts(content)
    if not parts:
        return None
    notes = list(text.notes)
    if len(parts) < len(content):
        notes.append(
            Note(
                "other_lists",
                f"These keys are not read, because they are not splits: {name_values([k for k in content if k not in parts])}.",
            )
        )
    return {name: content_table(part, f"{path.name}, {name}", notes) for name, part in parts.items()}


def _read_part(part: Any, read: Callable[[Any], Table]) -> Table:
    """One split: one table, or the rows of all files of a pattern or list."""
    if isinstance(part, Table):
        return read(part)
    if isinstance(part, str | Path) and _PATTERN_SIGNS & set(str(part)) and not os.path.exists(as_path(part)):
        files = sorted(name for name in glob.glob(str(as_path(part)), recursive=True) if os.path.isfile(name))
        if not files:
            hint = "Check the folder; * stands for any part of a name, ** for folders within folders."
            raise DataError("No file matches the pattern.", where=str(part), hint=hint)
        return _joined([Path(name) for name in files], str(part), read)
    if isinstance(part, list) and part and all(isinstance(item, folders.LabelledFiles) for item in part):
        return _class_table(part)
    if isinstance(part, list | tuple) and any(isinstance(item, Path) or _is_file(item) for item in part):
        return _joined([as_path(item) for item in part], f"{len(part)} files", read)
    return read(part)


def _class_table(classes: Sequence[folders.LabelledFiles]) -> Table:
    """Read files by class: a row for each file, or for each line of it, with its text, its class and the name of the file."""
    builder = TableBuilder(["text", "label", "file"])
    number = 0
    for group in classes:
        for path in group.files:
            with find_text(path).open() as file:
                texts = [line.strip() for line in file if line.strip()] if group.by_line else [file.read().strip()]
            for text in texts:
                number += 1
                builder.add(number, [text or None, group.label, path.name if group.by_line else f"{group.label}/{path.name}"])
    unit, text_unit = ("file", "line") if classes[0].by_line else ("folder", "file")
    labels = name_values([group.label for group in classes])
    message = f"Each {unit} is a class, and each {text_unit} in it one text: {labels}."
    return builder.build("the folders", [Note("class_folders", message)])


def _is_file(item: Any) -> bool:
    return isinstance(item, str) and os.path.isfile(item)


def _joined(files: Sequence[Path], source: str, read: Callable[[Any], Table]) -> Table:
    """The rows of all files, each with the name of its file in a column `file`."""
    folder = Path(os.path.commonpath([path.absolute().parent for path in files]))
    spool, rows = Spool(), []
    names: list[str] = []
    notes: list[Note] = []
    renamed: Mapping[str, str] = {}
    for path in files:
        table = read(path)
        names = names or table.names
        if set(table.names) != set(names):
            message = f"The files do not have the same columns: {name_values(table.names)} here, {name_values(names)} before."
            raise DataError(message, where=str(path), hint="Give files of one kind.")
        added = unique_names([*names, "source_file" if "file" in names else "file"])[-1]
        origin = text_array([path.absolute().relative_to(folder).as_posix()] * len(table))
        for batch in table.columns.select(names).append_column(added, origin).to_batches():
            spool.add(batch)
        rows.append(table.rows)
        notes += table.notes
        renamed = renamed or table.renamed
    folders = list(dict.fromkeys(path.parent.name for path in files))
    if 1 < len(folders) <= 50 and len(files) >= 2 * len(folders):
        message = (
            f"The files lie in several folders: {name_values(folders)}. "
            "If each folder is a class, give the folder above them in place of the files."
        )
        notes.append(Note("several_folders", message))
    return Table(spool.table(), np.concatenate(rows), source, tuple(dict.fromkeys(notes)), renamed)


def _looks_like_hub_name(text: str) -> bool:
    parts = text.partition(":")[0].split("/")
    plain = len(parts) == 2 and all(parts) and "." not in parts[0] and not _PATTERN_SIGNS & set(text)
    return plain and not Path(text).suffix and not os.path.exists(parts[0])


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
