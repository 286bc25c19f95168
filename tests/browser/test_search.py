"""The tab Search: a comparison and a search that are watched, stopped, gone on with, and whose model is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kerasft_app.labels import contender
from tests.browser.steps import MARKS, choose, tab
from tests.conftest import write_reviews

pytest.importorskip("playwright.sync_api")

pytestmark = MARKS


def prepare(page: Any, preset: str, tmp_path: Path, epochs: int) -> None:
    """Own data, the tiny model and few epochs in the tabs Data and Train; then the tab Search."""
    page.wait_for_selector("#to-train", timeout=180_000)
    page.set_input_files("input[type=file] >> nth=0", str(write_reviews(tmp_path / "reviews.csv", repeat=6)))
    page.wait_for_selector("#data-report:not(:has-text('1,099')) .cards", timeout=180_000)
    tab(page, "Train")
    choose(page, "#model", preset)
    page.get_by_label("epochs").first.fill(str(epochs))
    page.wait_for_function("!document.querySelector('#train-fits .error')")
    tab(page, "Search")


def only(page: Any, *contenders: str) -> None:
    boxes, lines = page.locator("#contenders input[type=checkbox]"), [contender(name) for name in contenders]
    for i in range(boxes.count()):
        boxes.nth(i).set_checked(boxes.nth(i).locator("xpath=..").inner_text().strip() in lines)


def test_methods_are_compared(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    prepare(page, presets["bert"], tmp_path, 1)
    only(page, "word_counts")
    page.click("#compare")
    page.wait_for_selector("#study-view .s-finished >> text=reviews-compared", timeout=180_000)
    assert "1 of 1 contenders have finished" in page.locator("#study-view").inner_text()
    assert page.locator("#study-view table tbody tr").count() == 2  # and the answer that needs no model
    assert not page.locator("#study-said .error").count()
    look(page, "search-compared")
    page.click("#study-remove")
    page.click("#study-remove-yes")
    page.wait_for_selector("#study-said >> text=Moved to")
    page.wait_for_selector("#study-view >> text=Nothing compared")


@pytest.mark.slow
def test_options_are_searched_stopped_and_gone_on_with_and_the_best_is_kept(
    page: Any, app: tuple[str, Path], presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]
) -> None:
    prepare(page, presets["bert"], tmp_path, 40)
    page.click("text=Which options: search them")
    page.fill("#ranges textarea", "train.learning_rate=1e-4..1e-2:log\ntrain.batch_size=8,16")
    page.fill("#trials input", "3")
    page.click("#search")
    page.wait_for_selector("#study-view td:has-text('trial-000')", timeout=180_000)
    page.click("#study-stop")
    page.wait_for_selector("#study-view .s-stopped", timeout=180_000)
    page.click("#study-again")
    page.wait_for_selector("#study-view .s-finished", timeout=300_000)
    assert "3 of 3 trials have finished" in page.locator("#study-view").inner_text()
    assert page.locator("#study-view svg").count() == 2
    look(page, "search-options")
    page.click("#study-keep")
    page.wait_for_selector("#study-said >> text=Kept as the run reviews-searched-trial-00")
    kept = [path for path in app[1].glob("reviews-searched-trial-*") if (path / "model.safetensors").exists()]
    assert len(kept) == 1
    tab(page, "Try")
    page.fill("#try-text textarea", "a good film")
    page.click("#predict")
    page.wait_for_function("/good|bad/.test(document.querySelector('#answer')?.innerText)", timeout=180_000)
