"""Tokenise once, in parallel, and keep the ids as flat arrays on disk: rows cost no memory, only pages in use."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kerasft.own_settings import own_settings

BATCH = 1024  # texts a call of the tokenizer; large enough to hide the call, small enough to stay in cache


@dataclass(frozen=True)
class Encoded:
    """Framed examples: W windows of N rows, T tokens in all windows. A row may have several windows, or none.

    Attributes:
        ids: (T,) int32, all windows one after another, memory-mapped.
        offsets: (W + 1,) int64; window `i` is `ids[offsets[i]:offsets[i + 1]]`.
        first_lengths: (W,) int32, tokens of the first segment.
        full_lengths: (W,) int32, tokens the window would have if nothing were cut; longer than kept means cut.
        owners: (W,) int64, the row each window is of, ascending.
        rows: N.
        flat: Further values of each token by name, each (T,), memory-mapped.
        pad_id: Id that fills a batch.
        has_segments: Whether the model takes segment ids.
        max_length: The longest a window can be.
        targets: (W, ...) what each window's output is compared with, or None.
        token_targets: (T,) int32 what each token's output is compared with, -1 where nothing, or None.
        together: So many consecutive windows always share a batch.
        parts: Of packed windows: bounds (P + 1,) and rows (P,) of the parts they are packed of; see `packing`.
    """

    ids: np.ndarray
    offsets: np.ndarray
    first_lengths: np.ndarray
    full_lengths: np.ndarray
    owners: np.ndarray
    rows: int
    flat: dict[str, np.ndarray]
    pad_id: int
    has_segments: bool
    max_length: int
    targets: np.ndarray | None = None
    token_targets: np.ndarray | None = None
    together: int = 1
    parts: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(W,) tokens of each window."""
        return np.diff(self.offsets)

    @property
    def token_windows(self) -> np.ndarray:
        """(T,) the window each token is in."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def token_rows(self) -> np.ndarray:
        """(T,) the row each token is of."""
        offsets, rows = (self.offsets, self.owners) if self.parts is None else self.parts
        return np.repeat(rows, np.diff(offsets))

    @property
    def cut(self) -> int:
        """Number of windows that were too long and lost tokens."""
        return int((self.full_lengths > self.lengths).sum())


@own_settings()
def encode(
    framer: Any,
    rows: Iterable[tuple[Sequence[str | None], Sequence[str | None]]],
    *,
    paired: bool,
    framing: Any = None,
    progress: Callable[[int], None] | None = None,
) -> Encoded:
    """Tokenise and frame all rows.

    Args:
        framer: `backbones.tokenization.Framer`.
        rows: Batches of texts and second texts; None counts as empty.
        paired: Whether second texts are used.
        framing: `preprocessing.framing.Framing` of the task; the framer itself when not given.
        progress: Called with the number of rows done.
    """
    folder = Path(tempfile.mkdtemp(prefix="kerasft-ids-"))
    small: list[tuple[np.ndarray, ...]] = []
    files: dict[str, BinaryIO] = {}
    done = 0
    try:
        for count, framed in _in_parallel(framing or framer, _pieces(rows, paired)):
            for name, values in {"ids": framed.ids, **framed.flat}.items():
                if name not in files:
                    files[name] = (folder / name).open("wb")
                files[name].write(values.astype(np.int32).tobytes())
            small.append((framed.lengths, framed.first_lengths, framed.full_lengths, framed.owners + done))
            done += count
            if progress:
                progress(done)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        for file in files.values():
            file.close()
    columns = [np.concatenate(column) for column in zip(*small, strict=True)] if small else [np.zeros(0, np.int64)] * 4
    lengths, first_lengths, full_lengths, owners = columns
    mapped = {name: _mapped(folder / name) for name in files}
    encoded = Encoded(
        ids=mapped.pop("ids", np.zeros(0, np.int32)),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first_lengths=first_lengths.astype(np.int32),
        full_lengths=full_lengths.astype(np.int32),
        owners=owners.astype(np.int64),
        rows=done,
        flat=mapped,
        pad_id=framer.pad_id,
        has_segments=framer.has_segments,
        max_length=framer.max_length,
    )
    shutil.rmtree(folder, ignore_errors=True)  # what is mapped stays, and nothing is left behind by a process that is killed ...
    weakref.finalize(encoded.ids, shutil.rmtree, folder, ignore_errors=True)  # ... but on Windows only as long as it is not used
    return encoded


def _mapped(path: Path) -> np.ndarray:
    return np.memmap(path, dtype=np.int32, mode="r") if path.stat().st_size else np.zeros(0, np.int32)


def _pieces(
    rows: Iterable[tuple[Sequence[str | None], Sequence[str | None]]], paired: bool
) -> Iterator[tuple[list[bytes], list[bytes] | None]]:
    for texts, pairs in rows:
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            yield _clean(texts[part]), _clean(pairs[part]) if paired else None


def _in_parallel(framing: Any, pieces: Iterator[tuple[list[bytes], list[bytes] | None]]) -> Iterator[tuple[int, Any]]:
    """Frame pieces on all cores, in order, only a few ahead, so that memory stays flat. TensorFlow frees the GIL."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[int, Future[Any]]] = deque()
        for texts, pairs in pieces:
            waiting.append((len(texts), pool.submit(framing.frame, texts, pairs)))
            if len(waiting) > 2 * workers:
                count, future = waiting.popleft()
                yield count, future.result()
        while waiting:
            count, future = waiting.popleft()
            yield count, future.result()


def _clean(texts: Sequence[str | None]) -> list[bytes]:
    # A lone surrogate (possible in JSON) is no valid UTF-8; a question mark in its place keeps the rest of the text.
    return [(text or "").encode("utf-8", errors="replace") for text in texts]
