"""`Dataset`: one to three splits of rows with roles; `load_data` makes one from files or from data in memory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kerasft.data.cells import first_cells, holds_answers, holds_spans
from kerasft.data.checked_columns import add_empty_labels, check_columns
from kerasft.data.columns import LABEL_NAMES, NO_COLUMN, SPLIT_ALIASES, Columns, find_columns, plain_name
from kerasft.data.data_config import LEAST_HELD_OUT, SET_ASIDE, DataConfig
from kerasft.data.label_columns import columns_of_0_and_1, join_labels, named_columns
from kerasft.data.label_lists import with_label_lists
from kerasft.data.label_spelling import clean_label, one_spelling
from kerasft.data.number_cells import shows_decimal_comma
from kerasft.data.readers import read_table
from kerasft.data.sources import read_splits
from kerasft.data.split import Split
from kerasft.data.splitting import merged_strata, stratified_split, text_key
from kerasft.data.table import CHUNK, Note, Table
from kerasft.errors import DataError, name_rows, name_values

__all__ = ["DataConfig", "Dataset", "label_names", "load_data"]


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
            hint = f"There are: {', '.join(self.splits)}."
            if name == "validation" and self.config.validation is None:
                hint += f" Unasked, none are set aside where that would be fewer than {LEAST_HELD_OUT}: give validation=0.1."
            raise DataError(f"There is no split {name!r}.", hint=hint)
        return self.splits[name]

    def __contains__(self, name: object) -> bool:
        return name in self.splits

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(part):,}" for name, part in self.splits.items())
        return f"Dataset({sizes}; {self.columns})"

    @property
    def notes(self) -> list[Note]:
        """What the readers changed, left out or decided."""
        return list(dict.fromkeys(note for part in self.splits.values() for note in part.table.notes))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names of the training split, sorted, numbers by value."""
        return label_names(self["train"])

    def without(self, *roles: str) -> Dataset:
        """The same data without some roles (`text_pair`, `label`): no column has them."""
        columns = _without(self.columns, roles)
        splits = {name: replace(split, columns=columns) for name, split in self.splits.items()}
        return replace(self, columns=columns, splits=splits)

    def divided(self) -> Dataset:
        """The same data with validation rows: a tenth of the training rows where there are none and no share was set.

        For what compares models on held-out rows while it goes (a search, a bake-off), and for texts without labels.
        """
        if self.config.validation is not None or "validation" in self or "train" not in self:
            return self
        config = replace(self.config, validation=SET_ASIDE)
        if config.path and config.per_label:  # rows are set aside before some of the others are drawn
            return load_data(None, config)
        splits = _set_aside(dict(self.splits), config)
        return Dataset({name: splits[name] for name in ("train", "validation", "test") if name in splits}, self.columns, config)

    def fingerprint(self) -> str:
        """SHA-256 over all splits, roles and values: equal data, equal hash, whatever file they came from.

        An empty cell counts as a missing one, since a CSV file cannot tell them apart.
        """
        digest = hashlib.sha256(repr(sorted(asdict(self.columns).items())).encode())
        for name, part in self.splits.items():
            digest.update(f"\x1d{name}".encode())
            # In groups of a fixed number of rows, however few of them are looked at at a time.
            for start in range(0, len(part), CHUNK):
                group = part.slice(start, CHUNK)
                for role in ("text", "text_pair", "label"):
                    for i, few in enumerate(group.parts()):
                        joined = ("\x1e" if i else "") + "\x1e".join(cell or "\x00" for cell in few.cells(role))
                        digest.update(joined.encode("utf-8", errors="surrogatepass"))
                    digest.update(b"\x1c")
        return digest.hexdigest()


def label_names(split: Split) -> tuple[str, ...]:
    """The different labels of a split in a stable order: numbers by value, else alphabetically."""
    if split.columns.label is None:
        raise DataError(
            "The data have no label column.",
            where=split.table.source,
            hint="Name it: label='...' (--data.label, Label in the app).",
        )
    labels = {clean_label(value) for value in pc.unique(split.table.columns[split.columns.label]).to_pylist()}
    names = sorted(set(one_spelling(name for name in labels if name is not None).values()))
    try:
        values = {name: float(name) for name in names}
    except ValueError:
        return tuple(sorted(names))
    if any(math.isnan(value) for value in values.values()):
        return tuple(sorted(names))  # "nan" is neither below nor above a number: it would leave the order to chance
    return tuple(sorted(names, key=lambda name: (values[name], name)))


def load_data(source: Any = None, config: DataConfig | None = None, *, need_label: bool = False, **options: Any) -> Dataset:
    """Load texts, with or without labels, for any task.

    Args:
        source: A file of any format in docs/data.md, a pattern such as `notes/*.txt` or a list of paths, a folder or an archive
            of `train`/`validation`/`test` files, the name of a data set on the hub, a DataFrame, a `datasets.Dataset`, a list of
            dictionaries or tuples, a dictionary of columns, or a dictionary of split name to any of these.
        config: All options at once; `options` override it.
        need_label: Fail when there is no label column.
        **options: The options of `DataConfig`: `text`, `label`, `validation`, ...

    Returns:
        The splits. Without a given validation split a stratified share (`validation`) is set aside: by default a tenth where that
        is 30 rows or more, else none.

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
    tables, columns = _read_and_map(source, config, need_label)
    if columns.split:
        tables = _by_column(tables, columns.split)
    tables = {name: add_empty_labels(table, columns, name) for name, table in tables.items()}
    for table in tables.values():
        needed = [name for name in (columns.text, columns.text_pair, columns.label) if name]
        absent = [name for name in needed if name not in table.names]
        if absent:
            hint = f"Its columns are: {name_values(table.names, most=20)}."
            raise DataError(f"A split lacks the columns {name_values(absent)}.", where=table.source, hint=hint)
    tables = with_label_lists(tables, columns)
    checked = {
        name: check_columns(table, columns, [other for other in tables.values() if other is not table])
        for name, table in tables.items()
    }
    if any(shows_decimal_comma(table, checked[name], columns.label) for name, table in tables.items()):
        columns = replace(columns, decimal_comma=True)
    splits = {name: Split(name, table, columns) for name, table in checked.items()}
    if "train" in splits:
        splits = _set_aside(splits, config)
        if config.per_label and columns.label:
            splits["train"] = _draw_per_label(splits["train"], config.per_label, config.split_seed)
    if config.path is None:
        config = _as_read(config, columns)
    return Dataset({name: splits[name] for name in ("train", "validation", "test") if name in splits}, columns, config)


def _read_and_map(source: Any, config: DataConfig, need_label: bool) -> tuple[dict[str, Table], Columns]:
    """The tables of all splits, and the roles of their columns, which are those of the first."""
    wanted = {"text": config.text, "text_pair": config.text_pair, "label": config.label, "split": config.split}
    unwanted = [role for role in ("text_pair", "label") if wanted[role] == NO_COLUMN]
    wanted |= dict.fromkeys(unwanted)

    how = config.reading(text=wanted["text"], label=wanted["label"])

    def read(part: Any) -> Table:
        return read_table(part, how)

    tables = read_splits(source, {"validation": config.validation_path, "test": config.test_path}, read)
    first = _first(tables)
    wanted = {role: first.renamed.get(name, name) if name else None for role, name in wanted.items()}
    several = named_columns(wanted["label"], first)
    if several:
        overlap = [name for name in several if name in (wanted["text"], wanted["text_pair"])]
        if overlap:
            raise DataError(f"One column cannot have two roles. Received: {name_values(overlap)}.", where=first.source)
        tables, wanted["label"] = join_labels(tables, several)
    elif wanted["label"] is None and "label" not in unwanted:
        columns = find_columns(first.columns, first.source, need_label=False, **wanted)
        if plain_name(columns.label or "") not in LABEL_NAMES:
            several = columns_of_0_and_1(first, but=(columns.text, columns.text_pair, columns.split))
            if several and (columns.label is None or columns.label in several):
                tables, wanted["label"] = join_labels(tables, several)
    first = _first(tables)
    if need_label and "label" in unwanted:
        raise DataError(
            "A label is needed, but label='none' was given.", where=first.source, hint="Leave out 'label', or name a column."
        )
    # Roles are dropped only now, so that a column that is clearly a label is not taken for the text.
    try:
        columns = find_columns(first.columns, first.source, need_label=need_label, **wanted)
    except DataError as error:
        formats = [note.message for note in first.notes if note.code == "format"]
        if not formats or not error.message.startswith("There is no column"):
            raise
        hint = (
            f"{formats[0]} Its columns are then: {name_values(first.names, most=20)}. Leave out the option, or name one of these."
        )
        raise DataError(error.message, where=error.where, hint=hint) from None
    return tables, _without(columns, unwanted)


def _first(tables: Mapping[str, Table]) -> Table:
    """The table of the training rows, whose columns all tables share; the first table if there are none."""
    return tables["train"] if "train" in tables else next(iter(tables.values()))


def _without(columns: Columns, roles: Iterable[str]) -> Columns:
    """The columns without some roles."""
    return Columns(**{**asdict(columns), **dict.fromkeys(roles)})


def _as_read(config: DataConfig, columns: Columns) -> DataConfig:
    """The options that find the same columns in rows that are stored rather than read from their source again."""
    roles: dict[str, Any] = {
        role: getattr(columns, role) or NO_COLUMN for role in ("text", "text_pair", "label") if getattr(config, role)
    }
    return replace(config, sentence=None, **roles)


def _draw_per_label(split: Split, per_label: int, seed: int) -> Split:
    """Draw at most `per_label` rows of each label at random; they keep their order."""
    by_label: dict[str | None, list[int]] = {}
    for i, cell in enumerate(split.cells("label")):
        by_label.setdefault(clean_label(cell), []).append(i)
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(rows)[:per_label] for label, rows in by_label.items() if label is not None]
    return split.take(np.sort(np.concatenate(chosen))) if chosen else split


def _by_column(tables: Mapping[str, Table], column: str) -> dict[str, Table]:
    """Divide the only table, or that of the training rows, by its split column."""
    name = "train" if "train" in tables else next(iter(tables))
    table, others = tables[name], {other: tables[other] for other in tables if other != name}
    if column not in table.names or (others and name != "train"):
        return dict(tables)
    names = [SPLIT_ALIASES.get((value or "").strip().lower()) for value in table.columns[column].to_pylist()]
    unknown = [i for i, name in enumerate(names) if name is None]
    if unknown and others:
        return dict(tables)  # the splits are separate files, so the column means something else
    if unknown:
        values = dict.fromkeys(table.columns[column][i].as_py() for i in unknown)
        raise DataError(
            f"Column {column!r} holds {name_values(values)} where train, validation or test is expected.",
            where=f"{table.source}, {name_rows([int(table.rows[i]) for i in unknown])}",
            hint="Correct the values, or rename the column if it does not say the split.",
        )
    split_names = np.asarray(names, dtype=object)
    parts = {str(name): table.take(np.flatnonzero(split_names == name)) for name in dict.fromkeys(names)}
    if "train" not in parts:
        raise DataError(f"Column {column!r} marks no row as train.", where=table.source)
    if twice := sorted(parts.keys() & others.keys()):
        message = f"Column {column!r} marks rows as {' and '.join(twice)}, but a separate file is given for them as well."
        raise DataError(message, where=table.source, hint="Leave out the file, or remove the rows or the column.")
    return {**parts, **others}


def _set_aside(splits: dict[str, Split], config: DataConfig) -> dict[str, Split]:
    """Take validation and test shares from the training rows where no such split was given."""
    for name, fraction, seed in (("test", config.test, 1), ("validation", config.validation, 2)):
        train = splits["train"]
        if fraction is None and train.labelled * SET_ASIDE >= LEAST_HELD_OUT:
            fraction = SET_ASIDE
        if name in splits or not fraction:
            continue
        groups, strata = groups_and_strata(train)
        chosen = stratified_split(groups, strata, fraction, seed=config.split_seed * 10 + seed)
        if chosen.any():
            splits[name] = replace(train.take(np.flatnonzero(chosen)), name=name)
            splits["train"] = train.take(np.flatnonzero(~chosen))
    return splits


def groups_and_strata(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Group number (equal texts share one) and stratum number (the label) of each row.

    Questions are grouped by their context, so that no paragraph is on both sides. Tags and answers are no classes
    to take equal shares of: they make one stratum.
    """
    name = split.columns.label
    cells = first_cells(split.table.columns[name]) if name else []
    answers = split.columns.text_pair is not None and holds_answers(cells)
    one_stratum = answers or holds_spans(cells) or split.has_tokens
    keys: dict[bytes, int] = {}
    labels: dict[str | None, int] = {}
    groups: list[int] = []
    strata: list[int] = []
    for texts, pairs, values in split.batches():
        for text, pair, value in zip(texts, pairs, values, strict=True):
            key = text_key(pair or "", None) if answers else text_key(text or "", pair)
            groups.append(keys.setdefault(key, len(keys)))
            strata.append(0 if one_stratum else labels.setdefault(clean_label(value), len(labels)))
    return np.asarray(groups), np.asarray(strata) if one_stratum else merged_strata(np.asarray(strata), list(labels))
