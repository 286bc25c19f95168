"""A file of rows in, the same rows with their answers out."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from kerasft.data.split import Split
from kerasft.data.table import unique_names

_STREAM = 5_000  # rows answered between two writes


def answer_file(
    split: Split,
    out: Path,
    answer: Callable[[Split], list[Any]],
    cells: Callable[[Any], dict[str, str]],
    progress: Callable[[int], None] | None,
) -> None:
    """Write the rows of a split with their answers as CSV, whole or not at all.

    Args:
        split: The rows; those without a text get empty answers.
        out: File to write, UTF-8.
        answer: From some rows to one answer each.
        cells: From an answer to cells by column name; the same names for every answer.
        progress: Called with the number of rows done.
    """
    temporary = out.with_name(out.name + ".part")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            _write(split, file, answer, cells, progress)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, out)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write(
    split: Split,
    file: TextIO,
    answer: Callable[[Split], list[Any]],
    cells: Callable[[Any], dict[str, str]],
    progress: Callable[[int], None] | None,
) -> None:
    writer = csv.writer(file)
    for start in range(0, len(split), _STREAM):
        part = split.take(np.arange(start, min(start + _STREAM, len(split))))
        answered = [cells(one) for one in answer(part)]
        if start == 0:
            writer.writerow(unique_names([*split.table.names, *answered[0]]))
        filled = [bool((text or "").strip()) for text in part.cells("text")]
        rows = zip(*(part.table.columns[name].to_pylist() for name in part.table.names), strict=True)
        for row, found, has_text in zip(rows, answered, filled, strict=True):
            given = ["" if cell is None else cell for cell in row]
            writer.writerow([*given, *(found.values() if has_text else [""] * len(found))])
        if progress:
            progress(start + len(part))
