"""What each tuning method changes and what it leaves, beyond what the conformance suite asks of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import load_backbone
from kerasft.processor import format_fault
from kerasft.run import start
from kerasft.tuning import TUNINGS
from kerasft.tuning.base import Tuning
from tests.conftest import write_reviews
from tests.tasks.models import task_data, tuned_model

SHARING = sorted(name for name, cls in TUNINGS.all().items() if cls.shares_base)


def trained_paths(preset: str, tuning: Tuning) -> set[str]:
    model = tuned_model(preset, "text_classification", tuning)
    return {weight.path for weight in model.keras_model.trainable_weights if not weight.path.startswith("head")}


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_lora_learns_its_updates_and_no_bias(family: str, presets: dict[str, str]) -> None:
    paths = trained_paths(presets[family], kft.LoRA(rank=2, targets=("query", "value")))
    assert paths == {f"tuned_{i}/lora_{name}/{part}" for i in (0, 1) for name in ("query", "value") for part in "ab"}
    every = trained_paths(presets[family], kft.LoRA(rank=2))
    assert len(every) == 2 * 6 * 2


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_bias_only_learns_every_bias_and_nothing_else(family: str, presets: dict[str, str]) -> None:
    paths = trained_paths(presets[family], kft.BiasOnly())
    assert paths
    assert {path.rpartition("/")[2] for path in paths} == {"bias", "beta"}
    everything = trained_paths(presets[family], kft.Full())
    assert paths == {path for path in everything if path.endswith(("/bias", "/beta"))}


@pytest.mark.parametrize("name", SHARING)
def test_methods_that_share_a_base_leave_its_weights_to_the_bit(name: str, presets: dict[str, str], tmp_path: Path) -> None:
    preset = presets["bert"]
    before = [weight.numpy() for weight in load_backbone(Path(preset)).model.weights]
    data = kft.load_data(write_reviews(tmp_path / "r.csv"))
    train = kft.TrainConfig(epochs=1, batch_size=8, learning_rate=0.05, tensorboard=False)
    model = kft.finetune(preset, data, kft.TextClassification(), tuning=TUNINGS.get(name)(), train=train, out=tmp_path / "run")
    for one, weight in zip(before, model.backbone.model.weights, strict=True):
        np.testing.assert_array_equal(one, weight.numpy(), err_msg=weight.path)


def test_layers_learn_at_their_share_of_the_rate(presets: dict[str, str]) -> None:
    tuning = kft.LayerwiseDecay(decay=0.5)
    model = tuned_model(presets["bert"], "text_classification", tuning)
    scales = tuning.pace(model.encoder.parts).scales
    assert {scale for path, scale in scales.items() if path.startswith("transformer_layer_1/")} == {1.0}
    assert {scale for path, scale in scales.items() if path.startswith("transformer_layer_0/")} == {0.5}
    assert {scale for path, scale in scales.items() if "embedding" in path} == {0.25}
    assert not any(path.startswith("head") for path in scales)


def test_blocks_begin_to_learn_one_after_the_other_from_the_top(presets: dict[str, str], tmp_path: Path) -> None:
    """With 2 blocks and the embeddings, all learning after two thirds of 6 updates: they begin with updates 1, 3 and 4."""
    config = kft.RunConfig(
        preset=presets["bert"],
        tuning=kft.GradualUnfreezing(until=2 / 3),
        train=kft.TrainConfig(epochs=1, batch_size=4, dropout=0.0, tensorboard=False, warmup=0.0, restore_best=False),
    )
    data = kft.load_data(write_reviews(tmp_path / "r.csv"), validation=0)
    seen: list[dict[str, np.ndarray]] = []
    model = start_watching(config, data, tmp_path / "run", seen)
    top, bottom = (
        "transformer_layer_1/feedforward_intermediate_dense/kernel",
        "transformer_layer_0/feedforward_intermediate_dense/kernel",
    )
    first_move = {}
    for path in (top, bottom, "token_embedding/embeddings", "head/logits/kernel"):
        values = [step[path] for step in seen]
        first_move[path] = next(i for i in range(len(values) - 1) if not np.array_equal(values[i], values[i + 1]))
    assert list(first_move.values()) == [1, 3, 4, 0]
    assert model.tuning.name == "gradual_unfreezing"


def start_watching(config: kft.RunConfig, data: Any, folder: Path, seen: list[dict[str, np.ndarray]]) -> kft.FineTunedModel:
    """A run whose checkpoint after every step is read; `seen` gets the weights before the first step and after each."""
    from kerasft.events import Checkpoint
    from kerasft.weights import read_arrays, weights_by_path

    learned = config.task.learn(data["train"])
    model = kft.build(config.preset, config.task, config.tuning, learned=learned, seed=1, dropout=0.0)
    seen.append({path: weight.numpy() for path, weight in weights_by_path(model).items()})

    def watch(event: object) -> None:
        if isinstance(event, Checkpoint):
            seen.append(read_arrays(folder / "checkpoints" / event.path / "weights.safetensors"))

    train = kft.TrainConfig.from_dict({**config.train.to_dict(), "checkpoint_minutes": 0.0, "keep_checkpoints": 50})
    whole = kft.RunConfig(preset=config.preset, task=config.task, tuning=config.tuning, train=train)
    return start(whole, folder, dataset=data, on_event=watch)


def test_prompts_begin_as_words_of_the_vocabulary_or_of_a_text(presets: dict[str, str]) -> None:
    table = load_backbone(Path(presets["bert"])).model.token_embedding.embeddings.numpy()

    def vectors(**options: Any) -> np.ndarray:
        model = tuned_model(presets["bert"], "text_classification", kft.PromptTuning(length=4, **options))
        return np.asarray(model.encoder.parts.prompt.vectors.numpy())

    drawn = vectors()
    assert all((row == table).all(axis=1).any() for row in drawn)
    words = vectors(initial="text", text="good film")
    np.testing.assert_array_equal(words[:2], words[2:])  # two words, repeated
    assert not np.array_equal(words[0], words[1])
    assert not any((row == table).all(axis=1).any() for row in vectors(initial="random"))


@pytest.mark.parametrize(
    ("cls", "options", "told"),
    [
        (kft.LoRA, {"targets": ()}, "at least one projection"),
        (kft.LoRA, {"targets": ("querry",)}, "Did you mean 'query'"),
        (kft.LoRA, {"rank": 0}, "at least 1"),
        (kft.PromptTuning, {"initial": "text"}, "needs a 'text'"),
        (kft.PromptTuning, {"text": "good"}, "with initial='text' only"),
        (kft.Adapters, {"placement": "middle"}, "houlsby, pfeiffer"),
    ],
)
def test_impossible_options_are_told(cls: type[Tuning], options: dict[str, Any], told: str) -> None:
    with pytest.raises(kft.ConfigError, match=told):
        cls(**options)


def test_a_prompt_longer_than_the_positions_leaves_the_text_its_own(presets: dict[str, str]) -> None:
    """64 positions, 60 vectors: the text still has all of its own."""
    model = tuned_model(presets["bert"], "text_classification", kft.PromptTuning(length=60))
    assert model.framer.max_length == 64
    assert model.predict("good " * 80).label in ("good", "bad")


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_cached_features_train_the_same_head(family: str, presets: dict[str, str], tmp_path: Path) -> None:
    data = task_data("token_classification")
    task = kft.TokenClassification(head_dropout=0.0)
    train = kft.TrainConfig(epochs=3, batch_size=3, learning_rate=0.05, tensorboard=False)
    heads = []
    for cache in (False, True):
        tuning = kft.FrozenFeatures(cache=cache)
        model = kft.finetune(presets[family], data, task, tuning=tuning, train=train, out=tmp_path / str(cache))
        heads.append([weight.numpy() for weight in model.keras_model.get_layer("head").weights])
    for one, other in zip(*heads, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.skipif(bool(format_fault("mixed_bfloat16")), reason=format_fault("mixed_bfloat16"))
@pytest.mark.parametrize("name", ["lora", "adapters", "prefix_tuning", "prompt_tuning"])
def test_they_learn_in_half_precision(name: str, presets: dict[str, str], tmp_path: Path) -> None:
    """Weights stay float32; what is computed with them is bfloat16, and close to what float32 gives."""
    tuning = kft.LoRA(rank=2, decompose=True) if name == "lora" else TUNINGS.get(name)()
    train = kft.TrainConfig(epochs=1, batch_size=8, learning_rate=0.02, tensorboard=False, precision="mixed_bfloat16")
    data = kft.load_data(write_reviews(tmp_path / "r.csv"))
    model = kft.finetune(presets["gpt2"], data, kft.TextClassification(), tuning=tuning, train=train, out=tmp_path / "run")
    assert {str(weight.dtype) for weight in model.keras_model.trainable_weights} == {"float32"}
    one, other = model.predict("a good film"), kft.load(tmp_path / "run").predict("a good film")
    assert one.score == pytest.approx(other.score, abs=0.02)


@pytest.mark.parametrize("name", ["frozen", "lora", "prefix_tuning", "prompt_tuning"])
def test_tuned_models_are_explained(name: str, presets: dict[str, str]) -> None:
    """Contributions of the text's words add up to the score's change; what stands before the text is no word."""
    model = tuned_model(presets["bert"], "text_classification", TUNINGS.get(name)(), shake=0.3)
    found = model.explain("a good film")
    assert [word.text for word in found.words] == ["a", "good", "film"]
    assert sum(word.score for word in found.words) == pytest.approx(found.score - found.baseline, abs=max(0.02, found.gap * 1.01))
