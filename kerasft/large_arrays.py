"""Arrays that may be larger than is good for memory: kept in a temporary file, read block by block."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

_LARGE = 1 << 28  # bytes from which on an array is kept in a file
_BLOCK = 1 << 22  # values of a block of rows


def make_room(shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array to fill: in memory, or in a temporary file if it is large (as outputs for many labels are).

    The file has no name and goes with the array.
    """
    if np.prod(shape, dtype=np.int64) * 4 < _LARGE:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="kerasft-") as file:  # on POSIX the array outlives it
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def row_blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """(N, C) values in blocks of rows, so that what is computed of them does not need the memory of all rows at once."""
    rows = max(1, _BLOCK // max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        yield np.asarray(values[start : start + rows])
        release(values)


def release(values: np.ndarray) -> None:
    """Let the memory go in which parts of an array from a file are held; nothing of it is lost."""
    owner: Any = values
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)
