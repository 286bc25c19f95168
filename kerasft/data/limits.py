"""Limits on what is read: a damaged or hostile file ends with a sentence, and not with all memory or hours of work.

The defaults are far beyond honest data. Each can be set by a variable of the environment, which the processes that train and
answer inherit, and by an option of the app.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from kerasft.errors import ConfigError, DataError

_FREE = 50 << 20  # unpacked bytes for which no ratio counts: a small file of repeated lines is honest


@dataclass(frozen=True)
class Limits:
    """The limits; `KERASFT_MAX_COLUMNS` sets `columns`, and so on.

    Attributes:
        columns: Columns of a table.
        line: Characters of one of the first lines of a file that is not JSON.
        unpacked: Bytes of what a compressed file or an archive holds.
        ratio: Unpacked to packed size, beyond 50 MiB; text usually compresses to about a tenth.
        files: Files of an archive.
    """

    columns: int = 10_000
    line: int = 256 << 20
    unpacked: int = 20 << 30
    ratio: int = 500
    files: int = 200_000

    def unpacked_of(self, packed: int) -> int:
        """The largest unpacked size of so many packed bytes."""
        return min(self.unpacked, max(self.ratio * packed, _FREE))


def limits() -> Limits:
    """The limits that hold now.

    Raises:
        ConfigError: A variable of the environment holds no whole number above 0.
    """
    texts = {field.name: os.environ.get(variable(field.name), "") for field in fields(Limits)}
    try:
        values = {name: int(text) for name, text in texts.items() if text}
    except ValueError:
        values = {"none": 0}
    if any(value < 1 for value in values.values()):
        received = ", ".join(f"{variable(name)}={text}" for name, text in texts.items() if text)
        raise ConfigError(
            "A limit on data is a whole number above 0.", where=received, hint="Correct it, or leave the variable out."
        )
    return Limits(**values)


def variable(name: str) -> str:
    """The variable of the environment that sets a limit."""
    return f"KERASFT_MAX_{name.upper()}"


def check_columns(count: int, source: str) -> None:
    """Refuse a table with more columns than the limit.

    Raises:
        DataError: It has.
    """
    if count > (most := limits().columns):
        hint = f"Keep the columns that are read, or raise the limit: {variable('columns')} (the app's --max-columns)."
        raise DataError(f"The table has {count:,} columns; at most {most:,} are read.", where=source, hint=hint)


class Unpacked(io.RawIOBase):
    """A compressed file as it is unpacked; ends with an error where it is larger than the limits allow.

    Args:
        unpacked: What gives the unpacked bytes.
        path: The compressed file.
    """

    def __init__(self, unpacked: Any, path: Path) -> None:
        self._unpacked, self._path = unpacked, path
        self._most = limits().unpacked_of(path.stat().st_size)
        self._count = 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; the number of bytes."""
        count = int(self._unpacked.readinto(buffer))
        self._count += count
        if self._count > self._most:
            packed = self._path.stat().st_size
            message = f"{packed / 1e6:,.1f} MB unpack to more than {self._most / 1e6:,.0f} MB, which is the limit."
            raised = f"{variable('ratio')}, {variable('unpacked')} (the app's --max-ratio, --max-unpacked)"
            hint = f"Unpack it yourself, or raise the limits: {raised}."
            raise DataError(message, where=str(self._path), hint=hint)
        return count

    def close(self) -> None:
        """Close both files."""
        self._unpacked.close()
        super().close()


def limited(unpacked: Any, path: Path) -> BinaryIO:
    """`Unpacked`, read a megabyte at a time."""
    return io.BufferedReader(Unpacked(unpacked, path), buffer_size=1 << 20)
