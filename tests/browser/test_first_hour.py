"""What a person meets in the first hour: a page that can be read, an address that can be sent, a form that says what it costs."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.browser.steps import MARKS, choose, tab

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = MARKS
TABS = ("Data", "Train", "Search", "Results", "Try", "Export", "Runs")
LEVELS = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"


@pytest.fixture(scope="module")
def axe() -> str:
    # Not skipped where it is missing: it is one of the extra `dev`, as pytest is.
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_no_tab_breaks_a_rule_of_wcag_level_aa(
    app: tuple[str, Path], browser: sync_api.Browser, axe: str, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)  # for the script of the test
    page = context.new_page()
    page.goto(f"{app[0]}?__theme={scheme}")
    page.wait_for_selector("#to-train", timeout=180_000)
    broken = []
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(700)
        page.evaluate(axe)
        found = page.evaluate(f"axe.run(document, {{runOnly: {LEVELS}}})")
        broken += [(name, rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]]
    context.close()
    assert broken == []


def open_tab(page: Any, name: str) -> None:
    """Press a tab; on a narrow screen the last ones are in a menu."""
    button = page.get_by_role("tab", name=name, exact=True)
    if not button.count() or not button.is_visible():
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown button", has_text=name).click()
        return
    button.click()


def test_the_address_holds_tab_and_run(app: tuple[str, Path], page: sync_api.Page) -> None:
    page.wait_for_selector("#to-train", timeout=180_000)
    page.wait_for_function("window.kerasftAddress")
    tab(page, "Results")
    page.wait_for_url("**tab=results**")
    tab(page, "Runs")
    page.wait_for_url("**tab=runs**")
    page.go_back()
    page.wait_for_selector("#tab-results-button[aria-selected=true]", timeout=180_000)
    page.goto(f"{app[0]}?tab=export&run=nowhere")
    page.wait_for_selector("#tab-export-button[aria-selected=true]", timeout=180_000)
    assert "There is no run named 'nowhere' here" in page.locator("#page-said").inner_text()


def test_the_form_says_what_a_run_costs_marks_mistakes_and_outlives_a_reload(page: sync_api.Page, app: tuple[str, Path]) -> None:
    page.wait_for_selector("#to-train", timeout=180_000)
    tab(page, "Train")
    choose(page, "#model", "kerasft_bert_mini_en")
    page.wait_for_selector("#train-chosen >> text=kerasft_bert_mini_en", timeout=180_000)
    most = page.get_by_label("Maximum length (tokens)").first
    sync_api.expect(most).to_have_value("128", timeout=180_000)  # the most this model reads
    epochs = page.get_by_label("Epochs").first
    epochs.fill("700")
    page.wait_for_selector("#offer-0", timeout=180_000)
    bar = page.locator("#train-bar")
    assert "updates" in bar.inner_text()
    assert not page.locator("#stop").is_visible()
    page.mouse.wheel(0, 800)
    page.wait_for_timeout(300)
    assert abs(bar.bounding_box()["y"]) < 2  # type: ignore[index]
    page.get_by_text("The same on the command line and in Python").click()
    page.wait_for_selector("text=--train.epochs 700", timeout=180_000)
    page.click("#offer-0")
    page.wait_for_selector("text=--tuning frozen", timeout=180_000)
    epochs.fill("-3")
    page.wait_for_selector(".faulty >> text=must be at least 0", timeout=180_000)
    assert page.locator("#train-fits .error").is_visible()
    epochs.fill("5")
    page.wait_for_function("!document.querySelector('.faulty')")
    page.wait_for_selector("text=--train.epochs 5", timeout=180_000)
    page.reload()
    page.wait_for_selector("#train-chosen >> text=Frozen features", timeout=180_000)
    assert "tab=train" in page.url
    assert page.get_by_label("Epochs").first.input_value() == "5"
