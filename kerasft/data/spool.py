"""Large tables: beyond a limit rows lie in a file that is mapped, so that only pages in use cost memory."""

from __future__ import annotations

import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

LIMIT = 256 * 2**20  # bytes of a table that stay in memory


class Spool:
    """Collects record batches of one table: in memory first, in a file from `LIMIT` bytes on.

    The file has no name once it is mapped (on Windows: until Python ends), so that it is gone with the last row in use, also
    after a crash.
    """

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._path: Path | None = None
        self._writer: pa.RecordBatchWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self._bytes += batch.nbytes
        if self._writer is None and self._bytes > LIMIT:
            handle, name = tempfile.mkstemp(prefix="kerasft-rows-", suffix=".arrow")
            os.close(handle)
            self._path = Path(name)
            self._writer = pa.ipc.new_file(name, batch.schema)
            for earlier in self._batches:
                self._writer.write_batch(earlier)
            self._batches = []
        if self._writer is None:
            self._batches.append(batch)
        else:
            self._writer.write_batch(batch)

    def table(self) -> pa.Table:
        """All rows; there was at least one batch."""
        if self._writer is None or self._path is None:
            return pa.Table.from_batches(self._batches)
        self._writer.close()
        table = pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()
        try:
            self._path.unlink()
        except OSError:  # Windows keeps a mapped file
            weakref.finalize(table, _remove, self._path)
        return table


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def taken(table: pa.Table, indices: np.ndarray, rows: int) -> pa.Table:
    """`table.take(indices)`; of a large table they are taken `rows` at a time, so that neither it nor the result
    ever stands in memory whole (Arrow joins all chunks of a column before it takes from them).
    """
    if table.nbytes <= LIMIT:
        return table.take(pa.array(indices))
    if (np.diff(indices) < 0).any():  # in their order first, then in the order wanted
        order = np.argsort(indices, kind="stable")
        return taken(table, indices[order], rows).take(pa.array(np.argsort(order)))
    spool = Spool()
    for start in range(0, len(table), rows):
        low, high = np.searchsorted(indices, [start, start + rows])
        part = table.slice(start, rows).take(pa.array(indices[low:high] - start))
        for batch in part.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
            spool.add(batch)
    return spool.table()
