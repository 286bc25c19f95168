"""What the page changes by itself: a default model that does not fit, the list of runs; never what a person chose."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from kerasft.presets import default_preset
from kerasft.tasks.base import OF_CLASSES
from kerasft_app.page import Page
from kerasft_app.recipe_form import fitting_model, of_classes
from kerasft_app.runs import RunBoard
from kerasft_app.worker import Predictor

GPT2 = default_preset(("gpt2",))


def test_a_default_that_does_not_fit_is_switched_and_comes_back() -> None:
    default = default_preset()
    model, switched = fitting_model("causal_lm", default, None)
    assert (model, switched) == (GPT2, (default, GPT2))
    assert fitting_model("text_classification", GPT2, switched) == [default, None]


def test_a_default_that_fits_stays() -> None:
    assert fitting_model("regression", default_preset(), None) == [gr.skip(), None]
    assert fitting_model("causal_lm", GPT2, None) == [gr.skip(), None]


def test_what_a_person_chose_stays() -> None:
    assert fitting_model("causal_lm", "bert_base_en", None) == [gr.skip(), None]
    assert fitting_model("causal_lm", "no such model", None) == [gr.skip(), None]
    switched = (default_preset(), GPT2)
    assert fitting_model("text_classification", "gpt2_base_en", switched) == [gr.skip(), switched]


def test_from_a_chosen_gpt2_to_gaps() -> None:
    assert fitting_model("masked_lm", GPT2, None) == [default_preset(("bert",)), (GPT2, default_preset(("bert",)))]


def test_renewing_the_list_of_runs_leaves_the_chosen_one_alone(tmp_path: Path) -> None:
    """While the list is made somebody may press Train, whose answer chooses the new run; the older answer must not undo that."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}", encoding="utf-8")
    page = Page(RunBoard(tmp_path), Predictor())
    renewed, said = page.runs_refresh("first")
    renewed = renewed.constructor_args
    assert {name for _, name in renewed["choices"]} == {"first", "second"}
    assert "value" not in renewed
    assert said == gr.skip()
    other, said = page.runs_refresh("gone")
    assert other.constructor_args["value"] in ("first", "second")
    assert "The run &#x27;gone&#x27; is no longer here" in said


def test_optionsof_classes_are_hidden_and_off_where_there_are_none() -> None:
    hidden = dict(zip(OF_CLASSES, of_classes("regression"), strict=True))
    assert not any(update["visible"] for update in hidden.values())
    assert (hidden["class_weights"]["value"], hidden["label_smoothing"]["value"], hidden["focal"]["value"]) == ("none", 0.0, 0.0)
    assert all(shown["visible"] and "value" not in shown for shown in of_classes("text_classification"))
