"""The tab Train puts a model that fits in place of one that nobody chose, and of no other."""

from __future__ import annotations

import gradio as gr

from kerasft.presets import default_preset
from kerasft_app.tabs.train import _fitting_model

GPT2 = default_preset(("gpt2",))


def test_a_default_that_does_not_fit_is_switched_and_comes_back() -> None:
    default = default_preset()
    model, switched = _fitting_model("causal_lm", default, None)
    assert (model, switched) == (GPT2, (default, GPT2))
    assert _fitting_model("text_classification", GPT2, switched) == [default, None]


def test_a_default_that_fits_stays() -> None:
    assert _fitting_model("regression", default_preset(), None) == [gr.skip(), None]
    assert _fitting_model("causal_lm", GPT2, None) == [gr.skip(), None]


def test_what_a_person_chose_stays() -> None:
    assert _fitting_model("causal_lm", "bert_base_en", None) == [gr.skip(), None]
    assert _fitting_model("causal_lm", "no such model", None) == [gr.skip(), None]
    switched = (default_preset(), GPT2)
    assert _fitting_model("text_classification", "gpt2_base_en", switched) == [gr.skip(), switched]


def test_from_a_chosen_gpt2_to_gaps() -> None:
    assert _fitting_model("masked_lm", GPT2, None) == [default_preset(("bert",)), (GPT2, default_preset(("bert",)))]
