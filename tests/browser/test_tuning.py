"""Parameter-efficient methods in the app: picked, trained, and two runs over one base tried in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.steps import MARKS, choose, press_train, start_run, tab
from tests.conftest import write_reviews

pytest.importorskip("playwright.sync_api")

pytestmark = MARKS


def finished(page: Any, name: str) -> str:
    """What the run's line says at its end."""
    page.wait_for_selector(f".kft-status.s-finished >> text={name}", timeout=180_000)
    return str(page.locator("#status .facts").inner_text())


def test_lora_and_prefix_tuning_over_one_base(
    page: Any, app: tuple[str, Path], presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]
) -> None:
    page.wait_for_selector("#to-train", timeout=180_000)
    tab(page, "Train")
    choose(page, "#tuning", "LoRA")
    page.wait_for_selector("text=Low-rank updates of frozen weights")
    assert page.get_by_label("Rank", exact=True).first.input_value() == "8"
    assert page.get_by_text("feed_forward").first.is_visible()  # the projections, each to be taken out
    look(page, "tuning-lora")
    tab(page, "Data")
    start_run(page, write_reviews(tmp_path / "reviews.csv", repeat=4), presets["bert"], "lora", 2)
    assert "optimizer" in finished(page, "lora")
    choose(page, "#tuning", "Prefix")
    page.wait_for_selector("text=Learned keys and values")
    press_train(page, presets["bert"], "prefix", 2)
    finished(page, "prefix")
    look(page, "tuning-prefix")
    tab(page, "Try")
    said = []
    for run in ("prefix", "lora", "prefix"):
        choose(page, "#run-picker", run)
        page.wait_for_function("!/good|bad/.test(document.querySelector('#answer')?.innerText)")  # nothing of the run before
        page.fill("#try-text textarea", f"a good film, asked {run}")
        page.click("#predict")
        page.wait_for_function("/good|bad/.test(document.querySelector('#answer')?.innerText)", timeout=180_000)
        said.append(page.locator("#answer").inner_text())
    assert said[0] == said[2]
    assert (app[1] / "lora" / "model.safetensors").stat().st_size < (Path(presets["bert"]) / "model.safetensors").stat().st_size
