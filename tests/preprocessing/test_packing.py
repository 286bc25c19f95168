"""Documents that share a window: nothing is lost, figures stay those of rows, and with separation none sees another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.errors import ConfigError
from kerasft.model import FineTunedModel
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.packing import number_parts
from kerasft.tasks import Task
from kerasft.tuning import Tuning
from kerasft.tuning.full import Full
from tests.tasks.models import assemble, data_of, load_backbone

TEXTS = ["a good film", "it is dull", "the book was very fine and great", "bad", "hate the plot", "good " * 60]


def packed(preset: str, task: Task, tuning: Tuning | None = None) -> tuple[FineTunedModel, Encoded]:
    from pathlib import Path

    data = data_of([{"text": text} for text in TEXTS], text="text")
    backbone, learned = load_backbone(Path(preset), dropout=0.0), task.learn(data["train"])
    tuning = tuning or Full()
    model, encoder = assemble(backbone, task, tuning, learned)
    made = FineTunedModel(task, tuning, learned, data.columns, backbone, model, encoder)
    split = data["train"]
    return made, task.targets(made.encode(split), task.gold(split, learned), learned)


def test_packing_changes_no_token_no_target_and_no_row(presets: dict[str, str]) -> None:
    _, apart = packed(presets["gpt2"], kft.CausalLM(max_length=32))
    _, together = packed(presets["gpt2"], kft.CausalLM(max_length=32, pack=True))
    assert len(together) < len(apart)
    assert together.lengths.max() <= 32
    np.testing.assert_array_equal(together.ids, apart.ids)
    np.testing.assert_array_equal(together.token_targets, apart.token_targets)
    np.testing.assert_array_equal(together.token_rows, apart.token_rows)


@pytest.mark.parametrize(
    ("family", "task"),
    [("gpt2", kft.CausalLM(max_length=48, pack=True, separate_documents=True)),
     ("bert", kft.MaskedLM(max_length=48, separate_documents=True))],
)  # fmt: skip
@pytest.mark.parametrize("tuning", [Full(), kft.LoRA(rank=2)], ids=lambda tuning: tuning.name)
def test_separated_documents_see_nothing_of_each_other(presets: dict[str, str], family: str, task: Task, tuning: Tuning) -> None:
    model, encoded = packed(presets[family], task, tuning)
    inputs = model.task.feed(encoded, model.framer, seed=1, epoch=0)(np.asarray([0]))
    numbers = inputs["padding_mask"][0]
    assert sorted(set(numbers.tolist()) - {0}) == list(range(1, numbers.max() + 1))
    assert numbers.max() > 1
    if family == "bert":
        inputs["places"] = np.arange(len(numbers))[None].astype(np.int32)  # every position's logits
    other = {**inputs, "token_ids": np.where(numbers == 1, inputs["token_ids"][:, ::-1], inputs["token_ids"])}

    def logits(given: dict[str, Any], mask: np.ndarray) -> np.ndarray:
        found = model.keras_model({**given, "padding_mask": mask}, training=False)
        return np.asarray(found["masked"] if family == "bert" else found)[0]

    apart = [logits(given, numbers[None]) for given in (inputs, other)]
    np.testing.assert_allclose(apart[0][numbers > 1], apart[1][numbers > 1], atol=1e-6)
    together = [logits(given, (numbers > 0).astype(np.int32)[None]) for given in (inputs, other)]
    assert np.abs(together[0][numbers > 1] - together[1][numbers > 1]).max() > 1e-4


def test_parts_are_numbered_within_their_window(presets: dict[str, str]) -> None:
    _, encoded = packed(presets["gpt2"], kft.CausalLM(max_length=32, pack=True))
    rows = np.arange(len(encoded))
    mask = (np.arange(40)[None] < encoded.lengths[:, None]).astype(np.int32)
    numbers = number_parts(encoded, rows, mask)
    assert ((numbers > 0) == (mask > 0)).all()
    for row in rows:
        owners = encoded.token_rows[encoded.offsets[row] : encoded.offsets[row + 1]]
        kept = numbers[row][mask[row] > 0]
        np.testing.assert_array_equal(np.diff(kept) > 0, np.diff(owners) > 0)


def test_what_does_not_fit_is_said_before_anything_loads(presets: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="only with 'pack'"):
        kft.CausalLM(separate_documents=True)
    for options in ({"pack": False}, {"next_sentence": True}):
        with pytest.raises(ConfigError, match="only with 'pack' and without 'next_sentence'"):
            kft.MaskedLM(separate_documents=True, **options)
    rows = [{"prompt": "a", "completion": "b"}] * 8
    with pytest.raises(ConfigError, match="a window of their own"):
        kft.finetune(presets["gpt2"], kft.load_data(rows), kft.CausalLM(pack=True))
    with pytest.raises(ConfigError, match="does not fit prompt tuning"):
        kft.finetune(
            presets["bert"], kft.load_data([{"text": t} for t in TEXTS]), kft.MaskedLM(separate_documents=True),
            tuning=kft.PromptTuning(),
        )  # fmt: skip
