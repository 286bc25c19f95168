"""Of several reads of a page only the newest shows."""

from __future__ import annotations

from kerasft_app import newest_read
from kerasft_app.newest_read import NewestRead


def test_an_upload_replaces_what_is_being_read() -> None:
    reads = NewestRead()
    example = reads.begin_first("page")
    upload = reads.begin("page")
    assert not reads.is_newest("page", example)
    assert reads.is_newest("page", upload)


def test_a_page_that_loads_after_its_upload_reads_nothing() -> None:
    reads = NewestRead()
    upload = reads.begin("page")
    assert reads.begin_first("page") is None
    assert reads.is_newest("page", upload)


def test_pages_do_not_disturb_each_other() -> None:
    reads = NewestRead()
    one, other = reads.begin("one"), reads.begin("other")
    assert reads.is_newest("one", one)
    assert reads.is_newest("other", other)
    assert not reads.is_newest("third", one)


def test_pages_that_were_never_closed_are_forgotten(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(newest_read, "_MAX_PAGES", 2)
    reads = NewestRead()
    first = reads.begin("first")
    reads.begin("second")
    last = reads.begin("third")
    assert not reads.is_newest("first", first)
    assert reads.is_newest("third", last)
