"""`Dataset`: one to three splits of rows with roles; `load_data` makes one from whatever a person has."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kerasft.config import Options, option
from kerasft.data.columns import SPLIT_ALIASES, Columns, find_columns
from kerasft.data.readers import as_path, load_hub_dataset, read_table, split_files
from kerasft.data.splitting import stratified_split, text_key
from kerasft.data.table import CHUNK, Note, Table
from kerasft.errors import DataError, name_rows, name_values


@dataclass(frozen=True, kw_only=True)
class DataConfig(Options):
    """Where the rows are, what their columns mean and how they are split."""

    path: str | None = option(None, "File (CSV, TSV, JSONL, Parquet, plain or .gz), folder of split files, or hub name.")
    text: str | None = option(None, "Column of the text; found by name and content when not given.")
    text_pair: str | None = option(None, "Column of the second text, for pairs; taken by itself only under a usual name.")
    label: str | None = option(None, "Column of the label; found by name and content when not given.")
    split: str | None = option(None, "Column that says train, validation or test in each row.", advanced=True)
    validation: float = option(0.1, "Share of the training rows set aside for validation when none is given.", low=0, high=0.9)
    test: float = option(0.0, "Share of the training rows set aside for a final test when none is given.", low=0, high=0.9)
    validation_path: str | None = option(None, "File of the validation rows.", advanced=True)
    test_path: str | None = option(None, "File of the test rows.", advanced=True)
    split_seed: int = option(0, "Seed of the random split; same seed, same split.", low=0, advanced=True)
    delimiter: str | None = option(None, "Delimiter of a CSV file; found by looking when not given.", advanced=True)
    encoding: str | None = option(None, "Encoding of text files; found by looking when not given.", advanced=True)
    header: bool | None = option(None, "Whether the first row of a CSV names the columns; found by looking.", advanced=True)

    def cross_faults(self) -> Iterator[str]:
        if self.validation + self.test >= 1:
            yield f"'validation' and 'test' together must stay below 1. Received: {self.validation} and {self.test}."
        if self.delimiter is not None and len(self.delimiter) != 1:
            yield f"'delimiter' must be one character. Received: {self.delimiter!r}."


@dataclass(frozen=True)
class Split:
    """The rows of one split.

    Attributes:
        name: `train`, `validation`, `test` or what it was loaded as.
        table: The rows.
        columns: Which column has which role.
    """

    name: str
    table: Table
    columns: Columns

    def __len__(self) -> int:
        return len(self.table)

    def cells(self, role: str) -> list[str | None]:
        """All values of a role (`text`, `text_pair`, `label`); all None when no column has it."""
        name = getattr(self.columns, role)
        return [None] * len(self) if name is None else self.table.columns[name].to_pylist()

    def batches(self, size: int = CHUNK) -> Iterator[tuple[list[str | None], list[str | None], list[str | None]]]:
        """Texts, second texts and labels, `size` rows at a time, in order."""
        for start in range(0, len(self), size):
            part = replace(self, table=_slice(self.table, start, size))
            yield part.cells("text"), part.cells("text_pair"), part.cells("label")

    def take(self, indices: np.ndarray) -> Split:
        """The rows at `indices`, in that order."""
        return replace(self, table=self.table.take(indices))

    def usable(self, *, need_label: bool = True) -> tuple[Split, list[Note]]:
        """The rows that can be learned from, and what was left out: empty texts, missing labels."""
        table = self.table.columns
        filled = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(table[self.columns.text]), ""), False)
        masks = [("empty_text", "empty text", filled.to_numpy(zero_copy_only=False))]
        if need_label and self.columns.label:
            labelled = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(table[self.columns.label]), ""), False)
            masks.append(("missing_label", "no label", labelled.to_numpy(zero_copy_only=False)))
        keep = np.ones(len(self), dtype=bool)
        notes = []
        for code, what, mask in masks:
            bad = keep & ~mask
            if bad.any():
                rows = tuple(int(row) for row in self.table.rows[bad])
                notes.append(Note(code, f"{len(rows):,} rows of {self.name} with {what} are left out.", rows))
            keep &= mask
        return (self if keep.all() else self.take(np.flatnonzero(keep))), notes


def _slice(table: Table, start: int, size: int) -> Table:
    return Table(table.columns.slice(start, size), table.rows[start : start + size], table.source)


@dataclass(frozen=True)
class Dataset:
    """Splits by name, all with the same columns.

    Attributes:
        splits: `train` and, if there are, `validation` and `test`.
        columns: Which column has which role.
        config: How it was loaded; `config.path` is None for rows that came from memory.
    """

    splits: Mapping[str, Split]
    columns: Columns
    config: DataConfig

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            raise DataError(f"There is no split {name!r}.", hint=f"There are: {', '.join(self.splits)}.")
        return self.splits[name]

    def __contains__(self, name: object) -> bool:
        return name in self.splits

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(part):,}" for name, part in self.splits.items())
        return f"Dataset({sizes}; {self.columns})"

    @property
    def notes(self) -> list[Note]:
        """What the readers did that is worth knowing."""
        return list(dict.fromkeys(note for part in self.splits.values() for note in part.table.notes))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names of the training split, sorted, numbers by value."""
        return label_names(self["train"])

    def fingerprint(self) -> str:
        """SHA-256 over all splits, roles and values: equal data, equal hash, whatever file they came from.

        An empty cell counts as a missing one, since a CSV file cannot tell them apart.
        """
        digest = hashlib.sha256(repr(sorted(asdict(self.columns).items())).encode())
        for name, part in self.splits.items():
            digest.update(f"\x1d{name}".encode())
            for texts, pairs, labels in part.batches():
                for cells in (texts, pairs, labels):
                    joined = "\x1e".join(cell or "\x00" for cell in cells)
                    digest.update(joined.encode("utf-8", errors="surrogatepass") + b"\x1c")
        return digest.hexdigest()


def clean_label(value: str | None) -> str | None:
    """A label without the spaces around it; None when nothing is left."""
    return (value or "").strip() or None


def label_names(split: Split) -> tuple[str, ...]:
    """The different labels of a split in a stable order: numbers by value, else alphabetically."""
    if split.columns.label is None:
        raise DataError("The data have no label column.", where=split.table.source, hint="Name it: label='...'.")
    found = {clean_label(value) for value in pc.unique(split.table.columns[split.columns.label]).to_pylist()} - {None}
    names = [name for name in found if name is not None]
    try:
        values = {name: float(name) for name in names}
    except ValueError:
        return tuple(sorted(names))
    if any(math.isnan(value) for value in values.values()):
        return tuple(sorted(names))  # "nan" is neither below nor above a number: it would leave the order to chance
    return tuple(sorted(names, key=lambda name: (values[name], name)))


def load_data(source: Any = None, config: DataConfig | None = None, *, need_label: bool = True, **options: Any) -> Dataset:
    """Load labelled texts.

    Args:
        source: A file (CSV, TSV, JSONL, Parquet; plain or gzip), a folder of `train`/`validation`/`test` files, the
            name of a data set on the hub, a DataFrame, a `datasets.Dataset`, a list of dictionaries, or a
            dictionary of split name to any of these.
        config: All options at once; `options` override it.
        need_label: Fail when there is no label column.
        **options: The options of `DataConfig`: `text`, `label`, `validation`, ...

    Returns:
        The splits. Without a given validation split a stratified share (`validation`, default 0.1) is set aside.

    Raises:
        DataError: The data cannot be read or mapped; names file, row and column.
        ConfigError: An option is impossible.
    """
    values = {**(config.to_dict() if config else {}), **options}
    if source is None:
        source = values.get("path")
    if isinstance(source, str | Path):
        values["path"] = str(source)
    config = DataConfig.from_dict(values)
    if source is None:
        raise DataError("No data were given.", hint="Give a file, a folder, or a DataFrame.")
    tables = _read_splits(source, config)
    first = next(iter(tables.values()))
    wanted = {"text": config.text, "text_pair": config.text_pair, "label": config.label, "split": config.split}
    columns = find_columns(first.columns, first.source, need_label=need_label, **wanted)
    if columns.split:
        tables = _by_column(tables, columns.split)
    for table in tables.values():
        needed = [name for name in (columns.text, columns.text_pair, columns.label) if name]
        absent = [name for name in needed if name not in table.names]
        if absent:
            hint = f"Its columns are: {name_values(table.names, most=20)}."
            raise DataError(f"A split lacks the columns {name_values(absent)}.", where=table.source, hint=hint)
    splits = {name: Split(name, table, columns) for name, table in tables.items()}
    if "train" in splits:
        splits = _set_aside(splits, config)
    return Dataset({name: splits[name] for name in ("train", "validation", "test") if name in splits}, columns, config)


def _read_splits(source: Any, config: DataConfig) -> dict[str, Table]:
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
    for name, extra in (("validation", config.validation_path), ("test", config.test_path)):
        if extra:
            known[name] = extra
    if not known:
        raise DataError(f"None of the splits is for training, validation or test: {name_values(parts)}.")
    return {
        name: read_table(part, delimiter=config.delimiter, encoding=config.encoding, header=config.header)
        for name, part in known.items()
    }


def _looks_like_hub_name(text: str) -> bool:
    parts = text.partition(":")[0].split("/")
    return len(parts) == 2 and all(parts) and "." not in parts[0] and not Path(text).suffix and not os.path.exists(parts[0])


def _by_column(tables: Mapping[str, Table], column: str) -> dict[str, Table]:
    """Divide one table by what its split column says."""
    if len(tables) > 1:
        return dict(tables)
    table = next(iter(tables.values()))
    names = [SPLIT_ALIASES.get((value or "").strip().lower()) for value in table.columns[column].to_pylist()]
    unknown = [i for i, name in enumerate(names) if name is None]
    if unknown:
        values = dict.fromkeys(table.columns[column][i].as_py() for i in unknown)
        raise DataError(
            f"Column {column!r} holds {name_values(values)} where train, validation or test is expected.",
            where=f"{table.source}, {name_rows([int(table.rows[i]) for i in unknown])}",
            hint="Correct the values, or rename the column if it does not say the split.",
        )
    found = np.asarray(names, dtype=object)
    parts = {str(name): table.take(np.flatnonzero(found == name)) for name in dict.fromkeys(names)}
    if "train" not in parts:
        raise DataError(f"Column {column!r} marks no row as train.", where=table.source)
    return parts


def _set_aside(splits: dict[str, Split], config: DataConfig) -> dict[str, Split]:
    """Take validation and test shares from the training rows where no such split was given."""
    for name, fraction, seed in (("test", config.test, 1), ("validation", config.validation, 2)):
        if name in splits or not fraction:
            continue
        train = splits["train"]
        groups, strata = _groups(train)
        chosen = stratified_split(groups, strata, fraction, seed=config.split_seed * 10 + seed)
        if chosen.any():
            splits[name] = replace(train.take(np.flatnonzero(chosen)), name=name)
            splits["train"] = train.take(np.flatnonzero(~chosen))
    return splits


def _groups(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Group number (equal texts share one) and stratum number (the label) of each row."""
    keys: dict[bytes, int] = {}
    labels: dict[str | None, int] = {}
    groups: list[int] = []
    strata: list[int] = []
    for texts, pairs, values in split.batches():
        for text, pair, value in zip(texts, pairs, values, strict=True):
            groups.append(keys.setdefault(text_key(text or "", pair), len(keys)))
            strata.append(labels.setdefault(clean_label(value), len(labels)))
    return np.asarray(groups), np.asarray(strata)


def as_split(rows: Split | Dataset | Sequence[str] | Any, columns: Columns | None, *, need_label: bool) -> Split:
    """Any rows as one split with the given roles: a split, a file, a DataFrame; used by `evaluate` and `predict`.

    Raises:
        DataError: A column with a role is absent; nothing is guessed in its place.
    """
    if isinstance(rows, Split):
        return rows
    if isinstance(rows, Dataset):
        raise DataError("A data set has several splits; choose one.", hint="For example data['test'].")
    table = read_table(rows)
    if columns is None:
        return Split("data", table, find_columns(table.columns, table.source, need_label=need_label))
    if len(table.names) == 1 and not need_label and columns.text_pair is None:
        return Split("data", table, Columns(table.names[0]))  # whatever its name, there is no other text to mean
    wanted = {"text": columns.text, "text_pair": columns.text_pair, "label": columns.label if need_label else None}
    absent = [f"{name!r} ({role})" for role, name in wanted.items() if name and name not in table.names]
    if absent:
        hint = f"Name the columns as in training. They are: {name_values(table.names, most=20)}."
        raise DataError(f"The columns the model was trained with are absent: {', '.join(absent)}.", where=table.source, hint=hint)
    return Split("data", table, find_columns(table.columns, table.source, need_label=need_label, **wanted))
