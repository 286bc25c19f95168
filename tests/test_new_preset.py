"""Models that begin with random weights: their vocabularies, sizes, and that everything else takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.cli import main
from kerasft.errors import ConfigError, DataError, RunExistsError
from kerasft.token_counts import token_counter
from kerasft.weights import read_arrays

SYLLABLES = ["ka", "lo", "mi", "ra", "ten", "sol", "ver", "dun", "pol", "gri"]


def _texts() -> list[str]:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(SYLLABLES, rng.integers(1, 5))) for _ in range(500)]
    return [
        f"{' '.join(rng.choice(words, 14)).capitalize()}. Ada wrote the first program, a machine of brass." for _ in range(80)
    ]


TEXTS = _texts()
SMALL: dict[str, Any] = {"size": "tiny", "layers": 2, "width": 16, "heads": 2, "positions": 64, "vocabulary_size": 320}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n\n".join(TEXTS), encoding="utf-8")
    return path


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("given", [None, 0.02])
def test_kernels_of_blocks_spread_with_the_width(family: str, given: float | None, corpus: Path, tmp_path: Path) -> None:
    made = kft.create_preset(str(corpus), tmp_path / "new", family=family, kernel_spread=given, **{**SMALL, "width": 64})
    arrays = read_arrays(made.folder / "model.safetensors")
    kernels = {name: array for name, array in arrays.items() if ".layer." in f".{name}" or name.startswith("h.")}
    kernels = {name: array for name, array in kernels.items() if array.ndim == 2}
    assert len(kernels) == 2 * (6 if family == "bert" else 4)
    cut = 0.88 if family == "bert" else 1.0  # KerasHub's BERT draws from a normal distribution cut at two deviations
    for name, array in kernels.items():
        assert array.std() == pytest.approx(cut * (given or 64**-0.5), rel=0.1), name
    embeddings = [array for name, array in arrays.items() if "embeddings.word" in name or name.startswith("wte")]
    assert [array.std() for array in embeddings] == [pytest.approx(0.88 * 0.02 if family == "bert" else 0.01, rel=0.1)]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_new_preset_is_trained_saved_and_tuned(family: str, corpus: Path, tmp_path: Path) -> None:
    made = kft.create_preset(str(corpus), tmp_path / "new", family=family, **SMALL)
    assert made.vocabulary_size == 320
    backbone = load_backbone(made.folder)
    assert (backbone.parameters, backbone.max_length) == (made.parameters, 64)
    framer = load_framer(made.folder, 64)
    text = "Ada wrote the first program."
    assert len(framer.frame([text.encode()], None).ids) - len(framer.start) - len(framer.end) < 9  # words it has seen are pieces
    counted = token_counter(made.folder)
    assert counted is not None
    assert counted([text])[0] == len(framer.frame([text.encode()], None).ids) - len(framer.start) - len(framer.end)
    task = kft.MaskedLM(max_length=32) if family == "bert" else kft.CausalLM(max_length=32)
    train = kft.TrainConfig(epochs=2, dropout=0.0, tensorboard=False)
    model = kft.finetune(str(made.folder), str(corpus), task, train=train, out=tmp_path / "run")
    assert model.recipe["resolved"]["train"]["learning_rate"] == 1e-3  # that of a beginning
    first, last = (model.recipe["history"][i]["loss"] for i in (0, -1))
    assert last < first
    model.save_backbone(tmp_path / "trained")
    trained = load_backbone(tmp_path / "trained")
    assert not trained.untrained
    assert trained.config["dropout"] == 0.1  # the run had none; the preset keeps its own
    assert trained.pooling == ("mean" if family == "bert" else "last")  # no objective has trained the pooler
    rows = [{"text": text, "label": text[:3]} for text in ("a machine of brass", "the first program")] * 8
    train, out = kft.TrainConfig(epochs=1, tensorboard=False), tmp_path / "tuned"
    tuned = kft.finetune(str(tmp_path / "trained"), kft.load_data(rows), kft.TextClassification(), train=train, out=out)
    assert tuned.predict("a machine of brass").label in tuned.labels


def test_next_sentence_prediction_trains_the_pooler_and_later_tasks_read_it(corpus: Path, tmp_path: Path) -> None:
    made = kft.create_preset(str(corpus), tmp_path / "new", **SMALL)
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    task = kft.MaskedLM(max_length=32, next_sentence=True)
    model = kft.finetune(str(made.folder), str(corpus), task, train=train, out=tmp_path / "run")
    assert load_backbone(model.save_backbone(tmp_path / "trained")).pooling == "pooled"


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_same_seed_gives_the_same_vocabulary_and_weights(family: str, corpus: Path, tmp_path: Path) -> None:
    made = [
        kft.create_preset(str(corpus), tmp_path / name, family=family, seed=seed, **SMALL).folder
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    one, same, other = (load_backbone(folder).fingerprint for folder in made)
    assert one == same != other
    file = "vocab.txt" if family == "bert" else "merges.txt"
    assert (made[0] / file).read_bytes() == (made[1] / file).read_bytes() == (made[2] / file).read_bytes()


def test_a_corpus_too_small_for_the_vocabulary_gives_a_smaller_one_and_says_so(tmp_path: Path) -> None:
    told: list[Any] = []
    made = kft.create_preset([{"text": "only a few words"}] * 3, tmp_path / "new", on_event=told.append, **SMALL)
    assert made.vocabulary_size < 320
    assert any("not 320" in getattr(event, "message", "") for event in told)
    assert load_backbone(made.folder).model.vocabulary_size == made.vocabulary_size


def test_the_command_line_makes_one(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--architecture.{name}={value}" for name, value in SMALL.items()]
    assert main(["create-preset", "--data", str(corpus), *options, str(tmp_path / "new")]) == 0
    assert "320 pieces" in capsys.readouterr().out
    assert json.loads((tmp_path / "new" / "config.json").read_text())["num_hidden_layers"] == 2


def test_mistakes_are_explained(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of 'heads'"):
        kft.create_preset(str(corpus), tmp_path / "new", width=10, heads=4)
    with pytest.raises(DataError):
        kft.create_preset([{"text": "  "}], tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(RunExistsError):
        kft.create_preset(str(corpus), tmp_path / "full")
    picture = tmp_path / "corpus.txt.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(DataError):
        kft.create_preset(str(picture), tmp_path / "new")


def test_an_alphabet_of_thousands_of_letters_is_kept(tmp_path: Path) -> None:
    letters = [chr(0x4E00 + i) for i in range(1500)]
    rows = [{"text": "".join(letters[i : i + 50])} for i in range(0, 1500, 50)] * 2
    data = kft.load_data({"train": rows}, validation=0)
    made = kft.create_preset(data, tmp_path / "new", **{**SMALL, "vocabulary_size": 4000})
    assert made.vocabulary_size >= 1500


def test_weights_are_drawn_as_those_of_bert(corpus: Path, tmp_path: Path) -> None:
    made = kft.create_preset(str(corpus), tmp_path / "new", **{**SMALL, "width": 64, "heads": 4})
    weights = load_backbone(made.folder).model.token_embedding.embeddings.numpy()
    assert np.std(weights) == pytest.approx(0.02, rel=0.2)
