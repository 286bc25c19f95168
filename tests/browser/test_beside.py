"""Pages beside each other and beside a run: a slow file of one delays no other and can be cancelled; an open page does little."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kerasft.alone import alone
from tests.browser.steps import MARKS, tab
from tests.conftest import write_reviews

pytestmark = MARKS


def upload(page: Any, path: Path) -> None:
    page.set_input_files("input[type=file] >> nth=0", str(path))


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A file that takes many seconds to read."""
    lines = "".join(f"{'good' if i % 2 else 'bad'} film {i},{'pos' if i % 2 else 'neg'}\n" for i in range(1_500_000))
    path = tmp_path / "slow.csv"
    path.write_text(f"text,label\n{lines}", encoding="utf-8")
    return path


def test_a_slow_file_of_one_person_is_cancelled_and_delays_no_other(
    page: Any, app: tuple[str, Path], browser: Any, slow: Path, tmp_path: Path
) -> None:
    page.wait_for_selector("#to-train")
    upload(page, slow)
    page.wait_for_selector("#cancel-reading")
    other = browser.new_page()
    try:
        other.goto(app[0])
        other.wait_for_selector("#to-train", timeout=180_000)
        upload(other, write_reviews(tmp_path / "small.csv"))
        other.wait_for_selector("#understood:has-text('small.csv')", timeout=180_000)
    finally:
        other.close()
    assert page.is_visible("#cancel-reading")  # still at work
    page.click("#cancel-reading")
    page.wait_for_selector("#data-report:has-text('Reading was cancelled')")
    assert not page.is_visible("#cancel-reading")
    assert not page.is_visible("#to-train")
    upload(page, write_reviews(tmp_path / "small.csv"))
    page.wait_for_selector("#to-train")


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """A run in progress, made up: its lock is held and its log grows."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}", encoding="utf-8")
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.3):
            with (folder / "events.jsonl").open("a", encoding="utf-8") as log:
                log.write("\n")

    with alone(folder, "run"):
        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()


def test_beside_a_run_only_the_shown_tab_does_anything(page: Any, app: tuple[str, Path]) -> None:
    page.wait_for_selector("#to-train")
    events: list[str] = []
    page.on("request", lambda request: events.append(request.url) if "/queue/join" in request.url else None)
    with at_work(app[1] / "made-up"):
        page.wait_for_timeout(9_000)  # the page has heard of it
        events.clear()
        page.wait_for_timeout(7_000)
        assert events == []
        tab(page, "Train")
        page.wait_for_timeout(2_000)
        events.clear()
        page.wait_for_timeout(7_000)
        assert 1 <= len(events) <= 5


def test_an_idle_page_draws_nothing(app: tuple[str, Path], browser: Any) -> None:
    opened = browser.new_page()
    try:
        opened.add_init_script(
            "const frame = window.requestAnimationFrame.bind(window); window.frames_asked = 0;"
            "window.requestAnimationFrame = (draw) => { window.frames_asked += 1; return frame(draw); };"
        )
        opened.goto(app[0])
        opened.wait_for_selector("#to-train", timeout=180_000)
        opened.wait_for_timeout(10_000)
        opened.evaluate("window.frames_asked = 0")
        opened.wait_for_timeout(4_000)
        assert opened.evaluate("window.frames_asked") < 40  # Gradio asks for sixty a second
    finally:
        opened.close()
