"""The tab Data: a question that stays until it is answered, an answer that outlives a reload, options that change the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.steps import MARKS, choose, press_train, tab
from tests.conftest import write_reviews

pytestmark = MARKS


# A drop as a browser makes it: where it falls decides who hears of it.
_DROPPED = """(box, [name, text]) => {
  const moved = new DataTransfer();
  moved.items.add(new File([text], name, { type: 'text/csv' }));
  const how = { bubbles: true, cancelable: true, dataTransfer: moved };
  for (const kind of ['dragenter', 'dragover', 'drop']) box.dispatchEvent(new DragEvent(kind, how));
}"""


@pytest.fixture
def unclear(tmp_path: Path) -> Path:
    """Texts with two columns that could be the label, and no header."""
    labels = [f"{'yes' if i % 2 else 'no'}\t{'red' if i % 3 else 'blue'}" for i in range(60)]
    rows = [f"this was a {'good' if i % 2 else 'bad'} film number {i}, I think\t{label}" for i, label in enumerate(labels)]
    path = tmp_path / "unclear.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_question_about_the_label_stays_until_it_is_answered_and_its_answer_is_kept(
    page: Any, presets: dict[str, str], unclear: Path
) -> None:
    page.wait_for_selector("#to-train")
    page.set_input_files("input[type=file] >> nth=0", str(unclear))
    page.wait_for_selector("#label-question >> text=column_2")
    choose(page, "#text-column", "column_1")
    page.wait_for_timeout(2_000)
    assert page.is_visible("#label-question >> text=column_2")  # choosing the text is no answer
    assert not page.is_visible("#to-train")
    tab(page, "Train")
    page.wait_for_selector("#train-chosen >> text=answer what is asked there")
    tab(page, "Data")
    page.locator("#label-question label", has_text="column_2").click()
    page.wait_for_selector("#to-train")
    page.reload()
    page.wait_for_selector("#understood >> text=unclear.tsv")
    page.wait_for_selector("#to-train")
    assert not page.is_visible("#label-question >> text=column_3")
    page.click("#to-train")
    press_train(page, presets["bert"], "Answered", 1)
    page.wait_for_selector(".kft-status.s-finished >> text=Answered", timeout=300_000)
    tab(page, "Try")
    page.fill("#try-text textarea", "a good film")
    page.click("#predict")
    page.wait_for_selector("#answer .confidence-set")  # and no second text is asked for
    assert page.locator("#tab-try textarea:visible").count() == 1


def test_a_column_that_an_option_takes_away_is_not_asked_for_again(page: Any, unclear: Path) -> None:
    page.wait_for_selector("#to-train")
    page.set_input_files("input[type=file] >> nth=0", str(unclear))
    page.wait_for_selector("#label-question >> text=column_2")
    page.locator("#label-question label", has_text="column_2").click()
    page.wait_for_selector("#to-train")
    page.get_by_text("How the file is read and split").click()
    page.get_by_label("Header").first.fill("true")
    page.get_by_role("button", name="Read the file again").click()
    page.wait_for_selector("#label-question >> text=blue")  # the first row names the columns: the label is asked for anew
    assert page.locator("#data-report .error").count() == 0


def test_a_text_column_that_was_not_found_can_be_named(page: Any, tmp_path: Path) -> None:
    short = tmp_path / "short.tsv"
    rows = [f"film {i}\t{'yes' if i % 2 else 'no'}\t{'red' if i % 3 else 'blue'}" for i in range(60)]
    short.write_text("\n".join(rows) + "\n", encoding="utf-8")
    page.wait_for_selector("#to-train")
    page.set_input_files("input[type=file] >> nth=0", str(short))
    page.wait_for_selector("#data-report .error >> text=No column looks like a text")
    choose(page, "#text-column", "column_1")
    page.wait_for_selector("#understood >> text=short.tsv")


@pytest.mark.parametrize("where", ["#upload td", "#upload", "#understood"], ids=["the row", "the box", "beside"])
def test_a_file_dropped_where_another_lies_takes_its_place(page: Any, tmp_path: Path, where: str) -> None:
    page.wait_for_selector("#to-train")
    page.set_input_files("input[type=file] >> nth=0", str(write_reviews(tmp_path / "first.csv")))
    page.wait_for_selector("#understood >> text=first.csv")
    page.wait_for_selector("#upload td[aria-label='first.csv']")
    rows = "".join(f"{word} film number {i},{word}\n" for i in range(20) for word in ("good", "bad"))
    page.locator(where).first.evaluate(_DROPPED, ["second.csv", f"text,label\n{rows}"])
    page.wait_for_selector("#understood >> text=second.csv")
    assert not page.is_visible("#upload td[aria-label='first.csv']")
