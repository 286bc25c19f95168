"""Options in the words of the page."""

from __future__ import annotations

import pytest

from kerasft_app.labels import label, on_screen


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("Set rows aside with validation=0.1 (--data.validation 0.1).", "Set rows aside with Validation: 0.1 (tab Data)."),
        ("Name one (--data.sheet, sheet='...').", "Name one (Sheet, tab Data)."),
        ("Name it: text='...' (--data.text).", "Name it: Text (tab Data)."),
        ("Pass header=False (--data.header false).", "Pass Header: off (tab Data)."),
        ("Halve batch_size and double accumulate.", "Halve Batch size and double accumulate."),
        ("Set drop_unknown=True (--task.drop_unknown true).", "Set Leave out unknown labels: on (tab Train)."),
        ("Look at the column my_text and at a_file.csv.", "Look at the column my_text and at a_file.csv."),
    ],
)
def test_a_hint_names_fields_and_not_options_of_the_command_line(hint: str, said: str) -> None:
    assert on_screen(hint) == said


def test_a_label_is_words() -> None:
    assert label("max_length") == "Maximum length (tokens)"
    assert label("weight_decay") == "Weight decay"
