"""Gradient checkpointing changes what is kept in memory and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.layers.transformer_block import TransformerBlock
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.weights import weights_by_path

TUNINGS = {
    "full": kft.Full(),
    "lora": kft.LoRA(rank=2, dropout=0.3),
    "adapters": kft.Adapters(size=4),
    "prefix": kft.PrefixTuning(length=3),
}


QUICK = (("full", "bert"), ("lora", "gpt2"))  # the others take minutes together
CASES = [
    pytest.param(tuning, family, marks=() if (tuning, family) in QUICK else pytest.mark.slow)
    for tuning in TUNINGS
    for family in ("bert", "gpt2")
]


@pytest.mark.parametrize(("tuning", "family"), CASES)
def test_weights_and_dropout_are_the_same_with_and_without(
    tuning: str, family: str, presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes, compute = [0], TransformerBlock._pass

    def counted(*given: object) -> object:
        passes[0] += 1
        return compute(*given)

    monkeypatch.setattr(TransformerBlock, "_pass", counted)
    found, counts = [], []
    for again in (False, True):
        train = kft.TrainConfig(
            epochs=1, batch_size=8, dropout=0.2, seed=3, tensorboard=False, gradient_checkpointing=again, learning_rate=0.003
        )
        plan = RunConfig(preset=presets[family], data=kft.DataConfig(path=str(reviews)), tuning=TUNINGS[tuning], train=train)
        passes[0] = 0
        found.append(start(plan, tmp_path / str(again)))
        counts.append(passes[0])
    assert counts[1] > counts[0]  # the backward pass went through the blocks once more
    plain, recomputed = (weights_by_path(model.keras_model) for model in found)
    assert plain
    for path, variable in plain.items():
        # A key's bias has no gradient but rounding, which Adam makes steps of; other dropout would differ by 1e-3.
        np.testing.assert_allclose(recomputed[path].numpy(), variable.numpy(), atol=2e-5, err_msg=path)
