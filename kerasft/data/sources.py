"""Where splits come from: a file, a pattern of files, a folder, the hub, or a dictionary of these."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.data.columns import SPLIT_ALIASES
from kerasft.data.readers import as_path
from kerasft.data.spool import Spool
from kerasft.data.table import Note, Table, text_array, unique_names
from kerasft.errors import DataError, MissingPackageError, name_values

_NO_DATA = frozenset({".md", ".py", ".ipynb", ".sh", ".yaml", ".yml", ".toml", ".log"})
_SIGNS = frozenset("*?[")  # of a pattern


def read_splits(source: Any, extra: Mapping[str, str | None], read: Callable[[Any], Table]) -> dict[str, Table]:
    """The tables of the splits.

    Args:
        source: A file, a pattern, a folder, a name of the hub, a table in memory, or a dictionary of split name to these.
        extra: Files of further splits, by split name; None for none.
        read: Reads one table.

    Raises:
        DataError: Something cannot be read, two parts are for one split, or none is for any.
        MissingPackageError: The hub is asked and its package is not installed.
    """
    parts: Mapping[str, Any]
    if isinstance(source, str | Path):
        path = as_path(source)
        if os.path.isdir(path):  # unlike Path.is_dir, False also for what cannot be a name
            parts = split_files(path)
        elif not os.path.exists(path) and _looks_like_hub_name(str(source)):
            parts = load_hub_dataset(str(source))
        else:
            parts = {"train": path}
    else:
        parts = source if isinstance(source, Mapping) else {"train": source}
    known: dict[str, Any] = {}
    for given, part in parts.items():
        name = SPLIT_ALIASES.get(str(given).lower())
        if name in known:
            raise DataError(f"Two of the splits are for {name}: {name_values(parts)}.", hint="Give one for each purpose.")
        if name is not None:  # a hub data set may have splits such as `unsupervised`
            known[name] = part
    known |= {name: part for name, part in extra.items() if part}
    if not known:
        raise DataError(f"None of the splits is for training, validation or test: {name_values(parts)}.")
    return {name: _read_part(part, read) for name, part in known.items()}


def _read_part(part: Any, read: Callable[[Any], Table]) -> Table:
    """One split: one table, or the rows of all files of a pattern or list."""
    if isinstance(part, str | Path) and _SIGNS & set(str(part)) and not os.path.exists(as_path(part)):
        files = sorted(name for name in glob.glob(str(as_path(part)), recursive=True) if os.path.isfile(name))
        if not files:
            hint = "Check the folder; * stands for any part of a name, ** for folders within folders."
            raise DataError("No file matches the pattern.", where=str(part), hint=hint)
        return _joined([Path(name) for name in files], str(part), read)
    if isinstance(part, list | tuple) and any(isinstance(item, Path) or _is_file(item) for item in part):
        return _joined([as_path(item) for item in part], f"{len(part)} files", read)
    return read(part)


def _is_file(item: Any) -> bool:
    return isinstance(item, str) and os.path.isfile(item)


def _joined(files: Sequence[Path], source: str, read: Callable[[Any], Table]) -> Table:
    """The rows of all files, each with the name of its own in a column `file`."""
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
    return Table(spool.table(), np.concatenate(rows), source, tuple(dict.fromkeys(notes)), renamed)


def _looks_like_hub_name(text: str) -> bool:
    parts = text.partition(":")[0].split("/")
    plain = len(parts) == 2 and all(parts) and "." not in parts[0] and not _SIGNS & set(text)
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


def _split_within(name: str) -> str | None:
    """The split that one of the words of a file's name says."""
    words = re.split(r"[^a-z]+", name.lower())
    splits = {SPLIT_ALIASES[word] for word in words if word in SPLIT_ALIASES}
    return splits.pop() if len(splits) == 1 else None


def split_files(folder: Path) -> dict[str, Path]:
    """The split files in a folder: `train.csv`, `dev.jsonl.gz`, else `en-ud-train.conllu`, `dev-v2.0.json`, ...

    Raises:
        DataError: None is there, or two for one split.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    named = [(path, SPLIT_ALIASES.get(path.name.split(".")[0].lower())) for path in files]
    if not any(split for _, split in named):
        named = [(path, _split_within(path.name)) for path in files if path.suffix.lower() not in _NO_DATA]
    found: dict[str, Path] = {}
    for path, split in named:
        if split:
            if split in found:
                raise DataError(f"Two files for the split '{split}': {found[split].name} and {path.name}.", where=str(folder))
            found[split] = path
    if "train" not in found and "test" not in found:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        hint = (
            "Name the files train.csv, validation.csv and test.csv (any of the formats), or give one file or a pattern (*.txt)."
        )
        raise DataError(f"The folder holds no split files. It holds: {there}.", where=str(folder), hint=hint)
    return found
