"""One whole road for each kind of task, on tiny models: upload, understood as, train, results, try, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser import road_data
from tests.browser.steps import MARKS, choose, press_train, start_run, tab

pytest.importorskip("playwright.sync_api")

pytestmark = MARKS


# A tiny model writes faster than a test looks, so the page itself counts the changes that show an unfinished text.
_COUNT_CURSORS = """() => {
  window.cursors = 0;
  const count = () => { window.cursors += document.querySelectorAll("#answer-view .cursor").length; };
  new MutationObserver(count).observe(document.body, {subtree: true, childList: true});
}"""


def upload(page: Any, data: Path | list[Path], understood: str) -> None:
    """Upload, see what the file was understood as, and find that task chosen in the tab Train."""
    page.wait_for_selector("#to-train", timeout=180_000)
    page.set_input_files("#upload input[type=file]", list(map(str, data)) if isinstance(data, list) else str(data))
    page.wait_for_selector(f"#understood >> text={understood}", timeout=180_000)
    page.click("#to-train")
    page.wait_for_function(f"document.querySelector('#task input')?.value.startsWith({understood!r})")


def train(page: Any, preset: str, name: str, epochs: int = 2) -> None:
    """Choose the model, train, and come to the results."""
    press_train(page, preset, name, epochs)
    page.wait_for_selector(f".kft-status.s-finished >> text={name}", timeout=180_000)
    page.click("#to-results")
    page.wait_for_selector("#report .cards", timeout=180_000)


def served(page: Any) -> str:
    """What the tab Export says the served graph answers."""
    tab(page, "Export")
    page.wait_for_selector("#export-about >> text=out.")
    return str(page.locator("#export-about").inner_text())


def export(page: Any) -> str:
    """Export, and how the tab then says it is served."""
    page.click("#export")
    page.wait_for_selector("#export-said .good >> text=answers equal", timeout=180_000)
    return str(page.locator("#export-commands").inner_text())


@pytest.mark.slow
def test_several_labels(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    upload(page, road_data.write_moods(tmp_path / "moods.csv"), "Multi-label")
    look(page, "labels-train")
    train(page, presets["bert"], "moods")
    page.wait_for_selector("#report >> text=average precision")
    assert page.locator("#report svg polyline").count() == 3
    assert page.locator("#report .kft-confusion").count() == 0
    look(page, "labels-results")
    page.click("#other")
    page.set_input_files("#other-in input[type=file]", str(road_data.write_moods(tmp_path / "others.csv", 30)))
    choose(page, "#other-by", "lang")
    page.click("#other-evaluate")
    page.wait_for_selector("#other-report >> text=Each group", timeout=180_000)
    look(page, "labels-other")
    tab(page, "Try")
    page.fill("#try-text textarea", "the plot was great and <b>it</b> came late")
    page.click("#predict")
    page.wait_for_selector("#answer-view .kft-bars", timeout=180_000)
    page.click("#why")
    page.wait_for_selector("#explanation .kft-why >> text=plot", timeout=180_000)
    look(page, "labels-try")
    assert "chosen" in served(page)


@pytest.mark.slow
def test_pairs_of_texts(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    """Both boxes are there as soon as the run is: which columns it reads was found, not said."""
    upload(page, road_data.write_pairs(tmp_path / "pairs.csv"), "Text classification")
    train(page, presets["bert"], "pairs")
    tab(page, "Try")
    page.fill("#try-text textarea", "Ada went to Lund.")
    page.fill("#try-pair textarea", "Ada is in Lund.")
    page.click("#predict")
    page.wait_for_selector("#answer .confidence-set", timeout=180_000)
    look(page, "pairs-try")
    assert "text_pair" in served(page)


@pytest.mark.slow
def test_names_in_sentences(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    upload(page, road_data.write_names(tmp_path / "names.conll"), "Token")
    tab(page, "Data")
    look(page, "names-data")
    tab(page, "Train")
    train(page, presets["bert"], "names", epochs=6)
    look(page, "names-results")
    tab(page, "Try")
    page.fill("#try-text textarea", "Ada & <Omar> went to Lund .")
    page.click("#predict")
    page.wait_for_selector("#answer-view .kft-text", timeout=180_000)
    assert "& <Omar>" in page.locator("#answer-view").text_content()
    page.click("#why")
    page.wait_for_selector("#explanation .kft-why", timeout=180_000)
    look(page, "names-try")
    assert "entity_texts" in served(page)


@pytest.mark.slow
def test_questions_on_texts(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    upload(page, road_data.write_questions(tmp_path / "questions.json"), "Question")
    tab(page, "Data")
    assert "Context" in page.locator("#pair-column").inner_text()
    look(page, "questions-data")
    tab(page, "Train")
    train(page, presets["bert"], "questions")
    look(page, "questions-results")
    tab(page, "Try")
    assert "Context" in page.locator("#try-pair").inner_text()
    page.fill("#try-text textarea", "where is Ada")
    page.fill("#try-pair textarea", "On Monday Ada went to <Lund>.")
    page.click("#predict")
    page.wait_for_selector("#answer-view .kft-number", timeout=180_000)
    look(page, "questions-try")
    assert "text_pair" in served(page)
    assert "text_pair" in export(page)


def test_pretraining_on_texts(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    stories = [road_data.write_stories(tmp_path / f"stories{i}.txt", first=20 * i, rows=20) for i in range(2)]
    upload(page, stories, "Text generation")
    assert "36" in page.locator("#data-report").inner_text()  # of forty, four for validation
    page.click("#new-model")
    choose_option(page, "Size", "tiny")
    page.locator("#new-model").get_by_label("vocabulary size").fill("400")
    page.fill("#new-model-name input, #new-model-name textarea", "stories-bert")
    page.click("#new-model-make")
    page.wait_for_selector("#new-model-said .good >> text=random weights", timeout=180_000)
    assert page.locator("#model input").input_value() == "stories-bert  (yours)"
    look(page, "stories-new-model")
    choose(page, "#task", "Masked language model (pre-training)")
    page.wait_for_selector("text=Whether hidden tokens are also predicted")
    page.locator("#train").scroll_into_view_if_needed()
    choose_option(page, "Masking", "span")
    page.get_by_label("span boundary objective").check()
    page.get_by_label("next sentence").check()
    page.click("#seen")
    page.click("#seen-show")
    page.wait_for_selector("#seen-view .kft-seen .tokens span.k0", timeout=180_000)
    assert "second part" in page.locator("#seen-view").inner_text()
    look(page, "stories-seen")
    train(page, presets["bert"], "stories", epochs=1)
    page.wait_for_selector("#report >> text=/next.sentence.accuracy/")
    look(page, "stories-results")
    tab(page, "Try")
    page.fill("#try-text textarea", "Ada went to [MASK].")
    page.click("#predict")
    page.wait_for_selector("#answer-view .meter", timeout=180_000)
    look(page, "stories-try")
    page.fill("#try-text textarea", "no gap here")
    page.click("#predict")
    page.wait_for_selector("#try-said >> text=has no gap", timeout=180_000)
    assert "scores" in served(page)
    page.get_by_label("The next run").check()
    page.click("#export")
    page.wait_for_selector("#export-said .good >> text=chosen as the model", timeout=180_000)
    look(page, "stories-export")
    tab(page, "Train")
    assert page.locator("#model input").input_value() == "stories  (yours)"


@pytest.mark.slow
def test_a_model_goes_to_transformers_and_comes_back(
    page: Any, presets: dict[str, str], reviews: Path, look: Callable[[Any, str], None]
) -> None:
    start_run(page, reviews, presets["bert"], "to-and-fro", 1)
    page.wait_for_selector(".kft-status.s-finished >> text=to-and-fro", timeout=180_000)
    page.click("#to-results")
    tab(page, "Export")
    page.get_by_label("Hugging Face").check()
    page.wait_for_selector("text=loads with equal logits")
    page.click("#export")
    page.wait_for_selector("#export-said .good >> text=huggingface", timeout=180_000)
    folder = str(page.locator("#export-said .good").inner_text()).removeprefix("Written to ").removesuffix(".")
    assert "to-and-fro-huggingface" in page.locator("#export-file").inner_text()
    look(page, "huggingface-export")
    tab(page, "Runs")
    page.click("#import")
    page.fill("#import-source textarea, #import-source input", folder + "-not-there")
    page.click("#import-take")
    page.wait_for_selector(".error >> text=no such folder", timeout=180_000)
    page.fill("#import-source textarea, #import-source input", folder)
    page.click("#import-take")
    page.wait_for_selector(".good >> text=Taken over as huggingface", timeout=180_000)
    look(page, "huggingface-import")
    tab(page, "Try")
    page.fill("#try-text textarea", "a good film")
    page.click("#predict")
    page.wait_for_selector("#answer .confidence-set", timeout=180_000)


def choose_option(page: Any, label: str, value: str) -> None:
    """Pick a value of the dropdown of an option that shows."""
    field = page.get_by_label(label, exact=True).locator("visible=true").first
    field.fill(value)
    field.press("Enter")


def test_texts_after_prompts(page: Any, presets: dict[str, str], tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    upload(page, road_data.write_prompts(tmp_path / "prompts.jsonl"), "Text generation")
    page.wait_for_function("document.querySelector('#model input')?.value === 'kerasft_gpt2_mini_en'")  # by itself
    choose(page, "#model", presets["bert"])
    page.wait_for_selector("#train-fits .error >> text=such as kerasft_gpt2_mini_en", timeout=180_000)
    look(page, "prompts-misfit")
    train(page, presets["gpt2"], "prompts")
    page.wait_for_selector("#report >> text=Generated examples")
    look(page, "prompts-results")
    tab(page, "Try")
    page.fill("#try-text textarea", "name 7 a lamp")
    page.evaluate(_COUNT_CURSORS)
    page.click("#predict")
    page.wait_for_selector("#answer-view >> text=/ended the text|most tokens|stop string/", timeout=180_000)
    assert page.evaluate("window.cursors") > 0, "the text did not stream"
    look(page, "prompts-try")
    assert "finish_reason" in served(page)
