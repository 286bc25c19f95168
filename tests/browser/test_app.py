"""The app's whole path in Chromium: upload, train, read the result, predict, export, download; reload, stop, mistakes."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.steps import MARKS, choose, start_run, tab
from tests.conftest import write_reviews

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = MARKS
SCREENS = ((1280, 900, "light"), (390, 844, "dark"))


def test_the_whole_road(
    page: sync_api.Page, app: tuple[str, Path], presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]
) -> None:
    start_run(page, write_reviews(tmp_path / "reviews.csv", repeat=4), presets["bert"], "road", 2)
    page.wait_for_selector(".kft-status.s-finished, .kft-status.s-failed", timeout=900_000)
    assert page.locator(".kft-status.s-finished").count() == 1
    assert page.locator("#charts svg").count() == 1  # so few rows are not divided: there are no validations to draw
    page.get_by_text("The same on the command line and in Python").click()
    page.wait_for_selector("text=kft.finetune(")
    page.click("#to-results")
    page.wait_for_selector(".kft-confusion", timeout=180_000)
    assert "accuracy" in page.locator("#report").inner_text()
    tab(page, "Try")
    page.fill("#try-text textarea", "a good film")
    page.click("#predict")
    page.wait_for_selector("#answer .confidence-set", timeout=180_000)
    assert re.search(r"good|bad", page.locator("#answer").inner_text())
    page.set_input_files("#bulk-in input[type=file]", str(write_reviews(tmp_path / "new.csv")))
    page.click("#bulk-predict")
    with page.expect_download(timeout=180_000) as answered:
        page.locator("#bulk-out a").first.click(timeout=180_000)
    rows = list(csv.DictReader(io.StringIO(Path(answered.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == 24
    assert set(rows[0]) >= {"predicted_label", "score", "probability_good"}
    tab(page, "Export")
    page.click("#export")
    # The page says how it ended; how long a shared machine takes for it is not known.
    page.wait_for_function("!!document.querySelector('#export-said .good, #export-said .error')", timeout=900_000)
    assert "answers equal" in page.locator("#export-said").inner_text()
    with page.expect_download(timeout=180_000) as packed:
        page.locator("#export-file a").first.click()
    with zipfile.ZipFile(packed.value.path()) as archive:
        assert "1/saved_model.pb" in archive.namelist()
    tab(page, "Runs")
    page.wait_for_selector("#runs-table >> text=road")
    page.click("#remove")
    page.wait_for_selector("text=Remove road, with its model?")
    look(page, "runs-remove")
    page.click("#remove-yes")
    page.wait_for_selector("#runs-table:not(:has-text('road'))")
    assert (app[1] / ".removed" / "road" / "model.safetensors").exists()


def test_a_reloaded_page_finds_the_running_run_and_a_second_run_queues_and_stop_stops(
    page: sync_api.Page, app: tuple[str, Path], presets: dict[str, str], tmp_path: Path
) -> None:
    start_run(page, write_reviews(tmp_path / "reviews.csv", repeat=8), presets["bert"], "long", 1000)
    page.wait_for_selector(".kft-status.s-running .facts >> text=epoch", timeout=180_000)
    page.fill("#run-name input, #run-name textarea", "waiting")
    page.click("#train")
    page.wait_for_selector(".kft-status.s-queued", timeout=180_000)
    page.click("#stop")
    page.wait_for_selector(".kft-status.s-stopped", timeout=180_000)
    page.reload()
    page.wait_for_selector("#train-chosen >> text=reviews.csv", timeout=180_000)  # the uploaded file and the tab, not the example
    choose(page, "#run-picker", "long")  # the address still names the other run
    page.wait_for_selector(".kft-status.s-running >> text=long", timeout=180_000)
    page.click("#stop")
    page.wait_for_selector(".kft-status.s-stopped >> text=long", timeout=180_000)
    assert (app[1] / "long" / "model.safetensors").exists()
    epochs = page.get_by_label("Epochs").first
    assert epochs.input_value() == "1000"  # the form outlives a reload
    epochs.fill("3")
    choose(page, "#model", "kerasft_bert_mini_en")
    page.click("#again")
    page.wait_for_function("document.querySelector('#model input').value === " + repr(presets["bert"]))
    assert epochs.input_value() == "1000"
    tab(page, "Runs")
    page.wait_for_selector("#runs-table >> text=waiting")
    page.click("#resume")
    tab(page, "Train")
    page.wait_for_selector(".kft-status.s-running >> text=long", timeout=180_000)
    page.click("#stop")
    page.wait_for_selector(".kft-status.s-stopped >> text=long", timeout=180_000)


def test_mistakes_are_told_beside_the_field(page: sync_api.Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"text,label\n\x00\x00\n")
    page.wait_for_selector("#to-train", timeout=180_000)
    page.set_input_files("input[type=file] >> nth=0", str(broken))
    page.wait_for_selector("#data-report .error >> text=NUL byte", timeout=180_000)
    tab(page, "Train")
    page.click("#train")
    page.wait_for_selector("#train-said .error >> text=No data are ready")
    tab(page, "Try")
    page.click("#predict")
    page.wait_for_selector("#try-said .error", timeout=180_000)


def test_an_upload_while_the_page_loads_is_what_the_page_has(page: sync_api.Page, tmp_path: Path) -> None:
    """The example, which a new page reads, must not come after it."""
    page.set_input_files("#upload input[type=file]", str(write_reviews(tmp_path / "mine.csv")))
    page.wait_for_selector("#understood >> text=mine.csv", timeout=180_000)
    page.wait_for_timeout(5_000)  # in which the example would have come
    assert "mine.csv" in page.locator("#understood").inner_text()


def test_a_new_page_is_ready_to_press_train(page: sync_api.Page, app: tuple[str, Path]) -> None:
    page.wait_for_selector("#to-train", timeout=180_000)
    assert "1,099" in page.locator("#data-report").inner_text()
    tab(page, "Train")
    page.fill("#run-name input, #run-name textarea", "x" * 300)
    page.click("#train")
    page.wait_for_selector("#train-said .error >> text=A title has at most 200 characters")
    assert not [path for path in app[1].iterdir() if path.name[0] == "x"]


@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_nothing_sticks_out_at_the_side(
    app: tuple[str, Path], browser: sync_api.Browser, width: int, height: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(app[0])
    opened.wait_for_selector("#use-example")
    opened.click("#use-example")
    opened.wait_for_selector("#to-train", timeout=180_000)
    opened.wait_for_timeout(800)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
