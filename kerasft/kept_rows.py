"""Rows that came from memory, kept in a run's folder: without them it could be neither resumed nor repeated."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from kerasft.data.data_config import DataConfig
from kerasft.data.dataset import Dataset, load_data
from kerasft.errors import RunError
from kerasft.files import whole_folder
from kerasft.runs import KEPT_ROWS


def keep_rows(data: Dataset, folder: Path) -> Path:
    """Write the splits as Parquet into a folder's `data`, whole or not at all.

    Raises:
        RunError: There is a `data` already.
    """
    target = folder / KEPT_ROWS
    if target.exists():
        told = f"Rows from memory are kept in a folder {KEPT_ROWS!r}, and there is one that is not of this run."
        raise RunError(told, where=str(target), hint="Choose another folder.")
    with whole_folder(target) as temporary:
        for name, split in data.splits.items():
            pq.write_table(split.table.columns, temporary / f"{name}.parquet")
    return target


def kept_rows(folder: Path, config: DataConfig) -> Dataset | None:
    """The rows kept there, or None where the recipe names a file or nothing is kept."""
    kept = folder / KEPT_ROWS
    if config.path is not None or not kept.is_dir():
        return None
    return load_data({path.stem: path for path in kept.iterdir()}, config)
