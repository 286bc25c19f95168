"""Large tables lie in a mapped file: the same rows, whatever is done with them, and no file left behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import kerasft as kft
from kerasft.data import spool, table
from kerasft.data.plain_text import read_plain_text
from kerasft.data.spool import Spool, taken
from kerasft.data.text_files import find_text


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Everything beyond some lines counts as large; files go to a folder of the test's own."""
    monkeypatch.setattr(spool, "LIMIT", 500)
    monkeypatch.setattr(table, "CHUNK_CHARACTERS", 300)
    (tmp_path / "spooled").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spooled"))
    return tmp_path


def corpus(folder: Path) -> Path:
    path = folder / "corpus.txt"
    path.write_text("\n\n".join(f"document {i}\nhas two lines, é 漢 {'x' * (i % 50)}" for i in range(200)), encoding="utf-8")
    return path


def test_a_corpus_beyond_the_limit_is_read_split_and_taken_as_any_other(
    small_limits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = corpus(small_limits)
    large = kft.load_data(str(path), validation=0.2)
    rows = read_plain_text(find_text(path))
    assert rows.columns.column("text").num_chunks > 3
    assert rows.rows_at_a_time() < 10
    monkeypatch.setattr(spool, "LIMIT", 2**28)
    usual = kft.load_data(str(path), validation=0.2)
    assert large.fingerprint() == usual.fingerprint()
    for name in ("train", "validation"):
        assert large[name].cells("text") == usual[name].cells("text")
        np.testing.assert_array_equal(large[name].table.rows, usual[name].table.rows)
    assert list((small_limits / "spooled").iterdir()) == []  # mapped, and without a name


def test_files_of_a_pattern_go_to_one_mapped_file(small_limits: Path) -> None:
    for i in range(5):
        (small_limits / f"part{i}.txt").write_text("\n".join(f"line {j} of {i}" for j in range(30)))
    before = pa.total_allocated_bytes()
    data = kft.load_data(str(small_limits / "part*.txt"), validation=0)
    assert pa.total_allocated_bytes() - before < data["train"].table.columns.nbytes / 2
    assert data["train"].cells("text") == [f"line {j} of {i}" for i in range(5) for j in range(30)]


def test_the_same_data_have_the_same_hash_however_they_lie_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": f"text {i} " * (i % 9), "label": "ab"[i % 2]} for i in range(400)]
    found = set()
    for limit in (100, 3000, 2**24):
        monkeypatch.setattr(table, "CHUNK_CHARACTERS", limit)
        found.add(kft.load_data({"train": rows}, validation=0).fingerprint())
    assert len(found) == 1


def test_rows_are_taken_in_any_order(small_limits: Path) -> None:
    whole = pa.table({"a": [f"{i}" * 20 for i in range(300)]})
    for indices in (np.arange(0, 300, 7), np.asarray([5, 3, 299, 5]), np.arange(0), np.arange(300)):
        assert taken(whole, indices, 40).column("a").to_pylist() == [f"{i}" * 20 for i in indices]


def test_a_spool_keeps_batches_in_order_on_both_sides_of_the_limit(small_limits: Path) -> None:
    kept = Spool()
    for i in range(20):
        kept.add(pa.RecordBatch.from_pydict({"a": [f"row {i}" * 10]}))
    assert kept.table().column("a").to_pylist() == [f"row {i}" * 10 for i in range(20)]


def test_rows_with_nothing_in_them_are_found_a_few_at_a_time(small_limits: Path) -> None:
    rows = [{"text": "" if i % 9 == 0 else "word " * 9, "label": " " if i % 7 == 0 else "a"} for i in range(100)]
    data = kft.load_data({"train": rows}, validation=0)
    usable, notes = data["train"].usable()
    wanted = [i for i in range(100) if i % 9 and i % 7]
    assert len(usable) == len(wanted)
    assert [note.code for note in notes] == ["empty_text", "missing_label"]
