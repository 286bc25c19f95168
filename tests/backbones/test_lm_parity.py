"""Language-model heads and generation do what Hugging Face's do: fixtures of `tests/fixtures/make_lm_fixtures.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft  # noqa: F401  chooses the backend before Keras is imported
from kerasft.backbones.loading import load_backbone
from kerasft.sampling import Sampling

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = json.loads((FIXTURES / "hf_gpt2" / "generation.json").read_text(encoding="ascii"))


def test_the_masked_lm_head_gives_hugging_face_s_logits() -> None:
    import keras

    backbone = load_backbone(FIXTURES / "hf_bert_mlm")
    parts = backbone.family.parts(backbone)
    encoder = backbone.family.wire(parts, backbone)
    logits = parts.token_embedding(parts.lm_head(encoder.sequence), reverse=True)
    with np.load(FIXTURES / "hf_bert_mlm" / "expected.npz") as expected:
        ids, mask, wanted = expected["input_ids"], expected["attention_mask"], expected["logits"]
    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    found = np.asarray(keras.Model(encoder.inputs, logits)(inputs, training=False)) + parts.lm_bias
    np.testing.assert_allclose(found[mask == 1], wanted[mask == 1], atol=1e-4)


def test_a_checkpoint_without_the_head_has_none() -> None:
    backbone = load_backbone(FIXTURES / "hf_bert_gelu")
    parts = backbone.family.parts(backbone)
    assert parts.lm_head is None
    assert parts.lm_bias is None


@pytest.fixture(scope="module")
def gpt2() -> Any:
    return load_backbone(FIXTURES / "hf_gpt2")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['prompt'])}-{case['options']}")
def test_generation_writes_what_hugging_face_writes(case: dict[str, Any], gpt2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    from kerasft.backbones.beam_search import beam_search
    from kerasft.backbones.generation import Generator, as_choice
    from kerasft.backbones.tokenization import Framer

    generator = Generator(Framer(gpt2.family, gpt2.tokenizer, 64), gpt2, gpt2.family.wire(gpt2.family.parts(gpt2), gpt2).parts)
    prompt = tf.ragged.constant([case["prompt"]], dtype=tf.int32, row_splits_dtype=tf.int64)
    monkeypatch.setattr(generator, "prompt_ids", lambda *_: prompt)  # the fixture's prompts are ids that no text gives
    options = dict(case["options"])
    beams = options.pop("num_beams", 1)
    sampling = Sampling(max_new_tokens=12, beams=beams, **options)
    if beams > 1:
        ids, starts, ends = beam_search(generator, tf.constant(["any"]), sampling)
    else:
        choice = as_choice(sampling, 1)
        state = generator.advance(generator.begin(tf.constant(["any"]), choice), choice, tf.constant(12))
        ids, starts, ends = state.ids, state.starts, state.ends
    assert ids[0, int(starts[0]) : int(ends[0])].numpy().tolist() == case["new"]
