"""Files are read beside the page: many at once, cancelled, and without a word lost when the process dies."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from kerasft.errors import KerasFTError
from kerasft_app import reading_process
from kerasft_app.reading import ReadFile
from kerasft_app.reading_process import Reader


def write_rows(path: Path, rows: int) -> Path:
    lines = [f"{'good' if i % 2 else 'bad'} film {i},{'pos' if i % 2 else 'neg'}" for i in range(rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


class Reading(threading.Thread):
    """A read by a page, in a thread as Gradio has it."""

    def __init__(self, reader: Reader, page: str, path: Path) -> None:
        super().__init__(daemon=True)
        self.reader, self.page, self.path = reader, page, path
        self.result: Any = None
        self.start()

    def run(self) -> None:
        self.result = self.reader.read(self.page, str(self.path), {})


def until(true: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A file that takes seconds to read."""
    return write_rows(tmp_path / "slow.csv", 400_000)


def test_a_file_and_an_error_come_back_as_they_are(tmp_path: Path) -> None:
    reader = Reader()
    read = reader.read("page", str(write_rows(tmp_path / "a.csv", 40)), {"validation": 0.25})
    assert isinstance(read, ReadFile)
    assert read.report.rows == {"train": 30, "validation": 10}
    assert read.columns_there == ["text", "label"]
    error = reader.read("page", str(tmp_path / "absent.csv"), {})
    assert isinstance(error, KerasFTError)
    assert error.where == str(tmp_path / "absent.csv")


def test_a_slow_file_of_one_page_delays_no_other(slow: Path, tmp_path: Path) -> None:
    reader = Reader()
    first = Reading(reader, "one", slow)
    until(lambda: reader._at_work)
    other = reader.read("other", str(write_rows(tmp_path / "b.csv", 40)), {})
    assert isinstance(other, ReadFile)
    assert first.is_alive()  # still reading
    assert reader.cancel("one")
    first.join(10)
    assert not first.is_alive()
    assert "cancelled" in first.result.message
    assert not reader.cancel("one")


def test_a_new_file_ends_the_reading_of_the_one_before(slow: Path, tmp_path: Path) -> None:
    reader = Reader()
    first = Reading(reader, "page", slow)
    until(lambda: reader._at_work)
    assert isinstance(reader.read("page", str(write_rows(tmp_path / "b.csv", 40)), {}), ReadFile)
    first.join(10)
    assert "cancelled" in first.result.message
    assert not reader._at_work


def test_a_process_that_dies_is_an_error_with_a_next_step(slow: Path) -> None:
    reader = Reader()
    first = Reading(reader, "page", slow)
    until(lambda: reader._at_work)
    reader._at_work["page"].kill()  # as the system does for want of memory
    first.join(10)
    assert "has died" in first.result.message
    assert "memory" in first.result.hint
    assert reading_process.CANCELLED is not first.result
