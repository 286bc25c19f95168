"""Read rows for evaluation or prediction from any source, with the columns the model was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kerasft.data.columns import Columns, find_columns
from kerasft.data.dataset import Dataset
from kerasft.data.label_columns import NAME as LABELS
from kerasft.data.label_columns import columns_of_0_and_1, join_labels
from kerasft.data.number_cells import with_plain_numbers
from kerasft.data.read_options import ReadOptions
from kerasft.data.readers import read_table, table_of_columns
from kerasft.data.split import Split
from kerasft.errors import DataError, name_values


def as_split(
    rows: Split | Dataset | Sequence[str] | Any,
    columns: Columns | None,
    *,
    need_label: bool,
    labels: Sequence[str] = (),
    how: ReadOptions | None = None,
) -> Split:
    """Read rows (a split, a file, a DataFrame ...) as one split with the given roles, for `evaluate` and `predict`.

    Args:
        rows: A split, or anything `read_table` reads.
        columns: The roles; None guesses them.
        need_label: Fail when the label column is absent.
        labels: The labels of the model; if there are columns of these names, they are read as columns of 0 and 1.
        how: How a file is read.

    Raises:
        DataError: A column with a role is absent; nothing is guessed in its place.
    """
    if isinstance(rows, Split):
        return rows
    if isinstance(rows, Dataset):
        raise DataError("A data set has several splits; choose one.", hint="For example data['test'].")
    how = replace(how or ReadOptions(), text=columns.text if columns else None, label=columns.label if columns else None)
    table = table_of_columns(rows) if isinstance(rows, Mapping) else read_table(rows, how)
    label = columns.label if columns else None
    if need_label and columns and label not in table.names and (label is None or label.startswith(LABELS)):
        label_names = tuple(labels) if labels and set(labels) <= set(table.names) else ()
        several = label_names or (columns_of_0_and_1(table, but=(columns.text, columns.text_pair)) if label else ())
        if several:
            tables, joined = join_labels({"data": table}, several)
            table, label = tables["data"], label or joined
    if columns is None:
        return Split("data", table, find_columns(table.columns, table.source, need_label=need_label))
    if len(table.names) == 1 and not need_label and columns.text_pair is None:
        return Split("data", table, Columns(table.names[0]))  # the only column is the text, whatever its name
    roles = {"text": columns.text, "text_pair": columns.text_pair, "label": label if need_label else None}
    absent = [f"{name!r} ({role})" for role, name in roles.items() if name and name not in table.names]
    if absent:
        hint = f"Name the columns as in training. They are: {name_values(table.names, most=20)}."
        raise DataError(f"The columns the model was trained with are absent: {', '.join(absent)}.", where=table.source, hint=hint)
    table = with_plain_numbers(table, roles["label"], decimal_comma=columns.decimal_comma)
    found = find_columns(table.columns, table.source, need_label=need_label, **roles)
    return Split("data", table, replace(found, decimal_comma=columns.decimal_comma))
