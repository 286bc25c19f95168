"""What the tests of `kerasft.data` share: files made on the spot, and the one way a refusal may look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kerasft.data.table import Table
from kerasft.errors import DataError, KerasFTError

Write = Callable[[str, str | bytes], Path]
Refused = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes a file in the test's folder; text is written as UTF-8, its line ends kept."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.fixture
def refused() -> Refused:
    """Calls `read(source)`, which must raise a `DataError` (or `error`) that names `parts` and the file; gives its text."""

    def call(read: Callable[..., Any], source: Any, *parts: str, error: type[KerasFTError] = DataError, **options: Any) -> str:
        with pytest.raises(KerasFTError) as caught:
            read(source, **options)
        assert type(caught.value) is error
        text = str(caught.value)
        expected = [*parts, source.name] if isinstance(source, Path) else parts
        missing = [part for part in expected if part not in text]
        assert not missing, f"{missing} not in: {text}"
        return text

    return call


@pytest.fixture
def rows() -> Callable[[Table], list[tuple[str | None, ...]]]:
    """The cells of a table, row by row."""
    return lambda table: [tuple(row.values()) for row in table.columns.to_pylist()]
