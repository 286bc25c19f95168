"""Markup that others wrote (labels, texts, tags, titles) is shown and never run: answers, reasons, marks, reports."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.browser.steps import MARKS, press_train, tab

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = MARKS
EVIL = "<img src=x onerror=window.hacked=1>"
TAG = "<svg/onload=window.hacked=1>"  # tags have no blanks


def train(page: Any, data: Path, preset: str, title: str) -> None:
    page.wait_for_selector("#to-train")
    page.set_input_files("#upload input[type=file]", str(data))
    page.wait_for_selector(f"#understood >> text={data.name}")
    page.click("#to-train")
    press_train(page, preset, title, 2)
    page.wait_for_selector(f".kft-status:is(.s-finished, .s-failed):has-text('{title[-5:]}')")
    assert page.locator(".kft-status.s-finished").count() == 1
    page.click("#to-results")
    page.wait_for_selector("#report .cards")


def untouched(page: Any) -> None:
    """Nothing has run, and no element was made of what others wrote."""
    page.wait_for_timeout(500)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("svg[onload]").count() == 0


def test_labels_and_texts_with_markup(page: Any, app: tuple[str, Path], presets: dict[str, str], tmp_path: Path) -> None:
    data = tmp_path / "evil.csv"
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(60):
            writer.writerow([f"{EVIL} a {'good' if i % 2 else 'bad'} film {i}", EVIL if i % 2 else f"{EVIL} not"])
    train(page, data, presets["bert"], f"{EVIL} title")
    untouched(page)
    tab(page, "Try")
    page.wait_for_selector("#examples button")
    page.locator("#examples button").first.click()
    page.wait_for_function("document.querySelector('#try-text textarea').value.includes('onerror')")
    page.click("#why")
    page.wait_for_selector("#explanation .kft-why")
    untouched(page)
    page.wait_for_selector("#history td >> text=onerror")
    page.set_input_files("#bulk-in input[type=file]", str(data))
    page.click("#bulk-predict")
    page.wait_for_selector("#bulk-preview table")
    untouched(page)
    tab(page, "Runs")
    page.wait_for_selector("#runs-table >> text=onerror")
    untouched(page)
    tab(page, "Export")
    page.wait_for_selector("#export-about >> text=out.")
    untouched(page)


def test_tags_and_words_with_markup(page: Any, presets: dict[str, str], tmp_path: Path) -> None:
    data = tmp_path / "evil.conll"
    rows = [f"Ada B-{TAG}\nsaw O\n{TAG} B-{TAG}\n{i} O\n" for i in range(40)]
    data.write_text("\n".join(rows), encoding="utf-8")
    train(page, data, presets["bert"], "of tags")
    untouched(page)
    tab(page, "Try")
    page.fill("#try-text textarea", f"Ada saw {TAG} .")
    page.click("#predict")
    page.wait_for_selector("#answer-view .kft-answer")
    untouched(page)
    page.click("#why")
    page.wait_for_selector("#explanation .kft-why, #try-said .error")
    untouched(page)
