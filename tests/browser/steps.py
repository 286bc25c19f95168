"""What the browser's tests do again and again: open a tab, start a run; and where the browser is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

if os.environ.get("KERASFT_REQUIRE_BROWSER") and not CHROMIUM:
    raise RuntimeError("KERASFT_REQUIRE_BROWSER is set and there is no Chromium: apt-get install chromium")

MARKS = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here; get one with: apt-get install chromium"),
]


def tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def start_run(page: Any, csv_file: Path, preset: str, name: str, epochs: int) -> None:
    """Upload, choose the model and press Train."""
    page.wait_for_selector("#to-train", timeout=180_000)
    page.set_input_files("input[type=file] >> nth=0", str(csv_file))
    page.wait_for_selector("#data-report:not(:has-text('1,099')) .cards", timeout=180_000)
    page.click("#to-train")
    press_train(page, preset, name, epochs)


def press_train(page: Any, preset: str, name: str, epochs: int) -> None:
    """In the tab Train: choose the model, epochs and name, and press Train."""
    choose(page, "#model", preset)
    page.get_by_label("epochs").first.fill(str(epochs))
    page.fill("#run-name input, #run-name textarea", name)
    page.wait_for_function("!document.querySelector('#train-fits .error')")
    page.click("#train")


def choose(page: Any, dropdown: str, value: str) -> None:
    """Pick a value of a dropdown by typing it."""
    field = page.locator(f"{dropdown} input")
    field.fill(value)
    field.press("Enter")
