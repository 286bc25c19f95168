"""Tab Runs in Chromium: filter, order, a click on a row, title and tags, removed and brought back; menus that close."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from kerasft import events
from tests.browser.steps import MARKS, choose, tab

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = MARKS


def make_run(root: Path, name: str, accuracy: float, changed: float) -> None:
    """A finished run as the app lists it."""
    folder = root / name
    folder.mkdir()
    recipe = {"preset": "bert_tiny_en", "data": {"path": f"{name}.csv"}, "task": {"name": "text_classification"}}
    (folder / "run.json").write_text(json.dumps({**recipe, "tuning": {"name": "full"}, "train": {}}))
    log = events.JsonLog(folder / "events.jsonl")
    log(events.Finished(step=1, seconds=1, metrics={"accuracy": accuracy}))
    log.close()
    (folder / "report.json").write_text(json.dumps({"validation": {"metrics": {"accuracy": accuracy}}}))
    os.utime(folder / "events.jsonl", (changed, changed))


def listed(page: Any) -> list[str]:
    return [str(text) for text in page.locator("#runs-table tbody a").all_inner_texts()]


def test_runs_are_sorted_filtered_titled_opened_removed_and_brought_back(
    page: sync_api.Page, app: tuple[str, Path], look: Any
) -> None:
    expect = sync_api.expect
    for name, accuracy, changed in (("first", 0.9, 1000), ("second", 0.7, 3000), ("third", 0.8, 2000)):
        make_run(app[1], name, accuracy, changed)
    page.goto(f"{app[0]}?tab=runs&run=first")
    rows = page.locator("#runs-table tbody a")
    expect(rows).to_have_text(["second", "third", "first"], timeout=180_000)
    choose(page, "#runs-order", "Best score first")
    expect(rows).to_have_text(["first", "third", "second"], timeout=180_000)
    page.fill("#runs-filter input, #runs-filter textarea", "second.csv")
    expect(rows).to_have_text(["second"], timeout=180_000)
    page.fill("#runs-filter input, #runs-filter textarea", "")
    expect(rows).to_have_count(3, timeout=180_000)

    page.get_by_text("Title, notes and tags of the chosen run").click()
    page.fill("#about-title input, #about-title textarea", "Zebra <img src=x onerror=alert(1)>")
    page.fill("#about-tags input, #about-tags textarea", "baseline, for the report")
    page.fill("#about-notes textarea", "A note.")
    page.click("#about-save")
    page.wait_for_selector("#about-said .good")
    page.wait_for_selector("#runs-table .pill >> text=for the report")
    assert page.locator("#runs-table img").count() == 0
    expect(page.locator("#run-picker input")).to_have_value(
        "Zebra <img src=x onerror=alert(1)>  ·  finished  ·  accuracy 0.900", timeout=180_000
    )
    look(page, "runs")

    page.locator("#runs-table tr", has_text="second.csv").click()  # anywhere in the row
    page.wait_for_url("**tab=results&run=second")
    page.wait_for_selector("#tab-results-button[aria-selected=true]")
    page.go_back()
    page.wait_for_selector("#tab-runs-button[aria-selected=true]")
    choose(page, "#run-picker", "third")
    page.click("#remove")
    page.wait_for_selector("text=Remove third, with its model?")
    other = page.context.browser.new_page()  # which shows the same run
    other.goto(f"{app[0]}?tab=results&run=third")
    expect(other.locator("#run-picker input")).to_have_value(re.compile("third"), timeout=180_000)
    page.click("#remove-yes")
    expect(rows).to_have_count(2, timeout=180_000)
    expect(other.locator("#page-said")).to_contain_text("The run 'third' is no longer here", timeout=180_000)
    other.close()
    page.get_by_role("button", name="Removed", exact=False).first.click()
    expect(page.locator("#removed-list input")).to_have_value("third", timeout=180_000)
    page.click("#bring-back")
    expect(rows).to_have_count(3, timeout=180_000)
    assert (app[1] / "third" / "report.json").exists()


def test_the_menu_of_tabs_closes_when_focus_leaves_it(page: sync_api.Page) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_selector(".overflow-menu > button")
    page.wait_for_function("window.kerasftMenus")
    menu = page.locator(".overflow-dropdown")
    page.locator(".overflow-menu > button").click()
    sync_api.expect(menu).to_be_visible()
    page.locator("#run-picker input").focus()
    sync_api.expect(menu).to_be_hidden()
    page.locator(".overflow-menu > button").click()
    sync_api.expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    sync_api.expect(menu).to_be_hidden()


def test_the_contenders_are_explained(page: sync_api.Page) -> None:
    tab(page, "Search")
    lines = page.locator("#contenders label").all_inner_texts()
    assert len(lines) == 8
    assert all(":" in line for line in lines)
