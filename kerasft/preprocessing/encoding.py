"""Tokenise once, in parallel, and keep the ids as flat arrays on disk: rows cost no memory, only pages in use."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 1024  # texts a call of the tokenizer; large enough to hide the call, small enough to stay in cache


@dataclass(frozen=True)
class Encoded:
    """Framed examples.

    Attributes:
        ids: (tokens,) int32, all rows one after another, memory-mapped.
        offsets: (rows + 1,) int64; row `i` is `ids[offsets[i]:offsets[i + 1]]`.
        first_lengths: (rows,) int32, tokens of the first segment.
        targets: (rows,) int32 class numbers, -1 where unknown, or None.
        full_lengths: (rows,) int32, tokens the row would have if nothing were cut; longer than kept means cut.
        pad_id: Id that fills a batch.
        has_segments: Whether the model takes segment ids.
        max_length: The longest a row can be.
    """

    ids: np.ndarray
    offsets: np.ndarray
    first_lengths: np.ndarray
    full_lengths: np.ndarray
    pad_id: int
    has_segments: bool
    max_length: int
    targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row."""
        return np.diff(self.offsets)

    @property
    def cut(self) -> int:
        """Number of rows that were too long and lost tokens."""
        return int((self.full_lengths > self.lengths).sum())


def encode(
    framer: Any,
    rows: Iterable[tuple[list[str | None], list[str | None]]],
    *,
    paired: bool,
    targets: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> Encoded:
    """Tokenise and frame all rows.

    Args:
        framer: `backbones.tokenization.Framer`.
        rows: Batches of texts and second texts; None counts as empty.
        paired: Whether second texts are used.
        targets: (rows,) class numbers to carry along.
        progress: Called with the number of rows done.
    """
    folder = tempfile.mkdtemp(prefix="kerasft-ids-")
    path = Path(folder) / "ids.i32"
    lengths: list[np.ndarray] = []
    firsts: list[np.ndarray] = []
    fulls: list[np.ndarray] = []
    done = 0
    try:
        with path.open("wb") as file:
            for values, row_lengths, first_lengths, full_lengths in _in_parallel(framer, _pieces(rows, paired)):
                file.write(values.astype(np.int32).tobytes())
                lengths.append(row_lengths)
                firsts.append(first_lengths)
                fulls.append(full_lengths)
                done += len(row_lengths)
                if progress:
                    progress(done)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]) if lengths else np.zeros(1)
    empty = not path.stat().st_size
    ids = np.zeros(0, np.int32) if empty else np.memmap(path, dtype=np.int32, mode="r")
    encoded = Encoded(
        ids=ids,
        offsets=offsets.astype(np.int64),
        first_lengths=np.concatenate(firsts).astype(np.int32) if firsts else np.zeros(0, np.int32),
        full_lengths=np.concatenate(fulls).astype(np.int32) if fulls else np.zeros(0, np.int32),
        pad_id=framer.pad_id,
        has_segments=framer.has_segments,
        max_length=framer.max_length,
        targets=targets,
    )
    weakref.finalize(encoded, shutil.rmtree, folder, ignore_errors=True)  # the ids live as long as the object
    return encoded


def _pieces(
    rows: Iterable[tuple[list[str | None], list[str | None]]], paired: bool
) -> Iterator[tuple[list[bytes], list[bytes] | None]]:
    for texts, pairs in rows:
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            yield _clean(texts[part]), _clean(pairs[part]) if paired else None


def _in_parallel(framer: Any, pieces: Iterator[tuple[list[bytes], list[bytes] | None]]) -> Iterator[tuple[np.ndarray, ...]]:
    """Frame pieces on all cores, in order, only a few ahead, so that memory stays flat. TensorFlow frees the GIL."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[np.ndarray, ...]]] = deque()
        for texts, pairs in pieces:
            waiting.append(pool.submit(framer.frame, texts, pairs))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _clean(texts: list[str | None]) -> list[bytes]:
    # A lone surrogate (possible in JSON) is no valid UTF-8; a question mark in its place keeps the rest of the text.
    return [(text or "").encode("utf-8", errors="replace") for text in texts]
