"""Damaged and hostile folders: an error of this library, soon, and nothing of an impossible size is built."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.errors import KerasFTError, PresetError
from kerasft.presets import fetch, find_preset
from tests.backbones.model_folders import FIXTURES, REMOVED, change_arrays, change_json, copy_fixture, forbid_building

BERT, GPT2, CLASSIFIER = "hf_bert_mlm", "hf_gpt2", "heads/BertForSequenceClassification"
NAMES = (BERT, GPT2, CLASSIFIER)
NESTED = b'{"a":' * 100_000
VALUES = (REMOVED, None, -1, 10**7, "x", [])
SAMPLED = 20  # cases of each fixture
OPTIONAL = (
    "added_tokens.json",
    "tokenizer.json",
    "modules.json",
    "model.safetensors.index.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def load(name: str, folder: Path) -> None:
    if name.startswith("heads/"):
        kft.import_huggingface(str(folder))
    else:
        load_backbone(fetch(find_preset(str(folder))))


def load_or_refuse(name: str, folder: Path) -> bool:
    """Whether the folder loads; any error but one of this library fails the test."""
    started = time.monotonic()
    loaded = False
    with contextlib.suppress(KerasFTError):
        load(name, folder)
        loaded = True
    assert time.monotonic() - started < 20
    return loaded


def files_of(name: str) -> list[str]:
    return sorted(file.name for file in (FIXTURES / name).iterdir() if file.suffix in (".json", ".txt", ".safetensors"))


def model_files(name: str) -> list[str]:
    return [file for file in files_of(name) if file not in ("generation.json", "tokenization.json")]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_absent_or_damaged_is_refused(name: str, tmp_path: Path) -> None:
    for file in model_files(name):
        for content in (None, random.Random(0).randbytes(3000), b"", b"[1]", b"null"):
            folder = copy_fixture(name, tmp_path / "model")
            (folder / file).unlink()
            if content is not None:
                (folder / file).write_bytes(content)
            loaded = load_or_refuse(name, folder)
            assert not loaded or (file, content) == ("tokenizer_config.json", None), (file, content)


@pytest.mark.parametrize("name", NAMES)
def test_nested_json_and_folders_in_place_of_files_are_refused(name: str, tmp_path: Path) -> None:
    for file in model_files(name):
        folder = copy_fixture(name, tmp_path / "nested")
        if file != "config.json":
            (folder / file).write_bytes(NESTED)
            assert not load_or_refuse(name, folder), file
            folder = copy_fixture(name, tmp_path / "folder")
            (folder / file).unlink()
            (folder / file).mkdir()
            assert not load_or_refuse(name, folder), file
            (folder / file).rmdir()


@pytest.mark.parametrize("file", OPTIONAL)
def test_an_optional_file_that_is_damaged_is_refused(file: str, tmp_path: Path) -> None:
    for content in (random.Random(0).randbytes(3000), b"", b"null", b"3", NESTED):
        folder = copy_fixture(BERT, tmp_path / "model")
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
        loaded = load_or_refuse(BERT, folder)
        assert not loaded or content in (b"null", b"3"), content


def cases() -> Iterator[tuple[str, str, str, Any]]:
    """Keys of the configs and values in their place, the same sample each time."""
    for name in NAMES:
        keys = [
            (file, key, value)
            for file in ("config.json", "tokenizer_config.json")
            for key in json.loads((FIXTURES / name / file).read_text(encoding="utf-8"))
            for value in VALUES
        ]
        yield from ((name, *case) for case in random.Random(name).sample(keys, SAMPLED))


def test_any_key_may_be_absent_or_of_another_type(tmp_path: Path) -> None:
    loaded = 0
    for name, file, key, value in cases():
        folder = copy_fixture(name, tmp_path / "model")
        change_json(folder / file, **{key: value})
        try:
            loaded += load_or_refuse(name, folder)
        except Exception as error:
            pytest.fail(f"{name}, {file}, {key}={value!r}: {type(error).__name__}: {error}")
    assert 0 < loaded < SAMPLED * len(NAMES)


SIZES = {
    BERT: ("num_hidden_layers", "hidden_size", "vocab_size", "intermediate_size", "max_position_embeddings", "type_vocab_size",
           "num_attention_heads"),
    GPT2: ("n_layer", "n_embd", "vocab_size", "n_positions", "n_head", "n_inner"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in SIZES.items() for key in keys])
def test_a_size_that_the_weights_do_not_have_is_refused_before_anything_is_built(
    name: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_building(monkeypatch)
    for value in (10**7, 10**9, -1, 0, 1.5, "32", True):
        folder = copy_fixture(name, tmp_path / "model")
        change_json(folder / "config.json", **{key: value})
        with pytest.raises(PresetError, match=key):
            load_backbone(folder)


@pytest.mark.parametrize("name", [BERT, GPT2])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(name: str, value: float, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)

    def damage(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = next(name for name in arrays if name.endswith(("layer.1.output.dense.weight", "h.1.mlp.c_proj.weight")))
        arrays[first] = arrays[first].copy()
        arrays[first][0, 0] = value
        return arrays

    change_arrays(folder, damage)
    with pytest.raises(PresetError, match="finite"):
        load_backbone(folder)


def test_a_classifier_head_that_is_no_numbers_is_refused(tmp_path: Path) -> None:
    folder = copy_fixture(CLASSIFIER, tmp_path)
    change_arrays(folder, lambda arrays: arrays | {"classifier.bias": np.full(3, np.nan, np.float32)})
    with pytest.raises(PresetError, match="classifier"):
        kft.import_huggingface(str(folder))


def test_a_vocabulary_of_three_million_lines_is_refused(tmp_path: Path) -> None:
    folder = copy_fixture(BERT, tmp_path)
    text = (folder / "vocab.txt").read_text(encoding="utf-8") + "\n".join(map(str, range(3_000_000)))
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
    started = time.monotonic()
    with pytest.raises(PresetError, match=r"3,000,\d\d\d pieces"):
        load_framer(folder, 64)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("content", ["", "\n\n\n", "a\nb\nc\n", "[PAD]\n[UNK]\n"])
def test_a_vocabulary_without_the_special_tokens_is_refused(content: str, tmp_path: Path) -> None:
    folder = copy_fixture(BERT, tmp_path)
    (folder / "vocab.txt").write_text(content, encoding="utf-8")
    with pytest.raises(PresetError, match="lacks"):
        load_framer(folder, 64)


def seconds_until_refused(folder: Path, pipe: Path) -> float:
    """How long the loader takes to refuse a pipe in place of a file; one that reads it is released after five seconds."""
    errors: list[BaseException] = []

    def attempt() -> None:
        try:
            load_backbone(fetch(find_preset(str(folder))))
        except BaseException as error:
            errors.append(error)

    started = time.monotonic()
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    seconds = time.monotonic() - started
    while thread.is_alive():
        with contextlib.suppress(OSError):  # nobody reads it at this moment
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        thread.join(0.2)
    assert [type(error) for error in errors if not isinstance(error, KerasFTError)] == []
    assert errors
    return seconds


def test_a_pipe_in_place_of_the_weights_is_refused(tmp_path: Path) -> None:
    folder = copy_fixture(BERT, tmp_path)
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    assert seconds_until_refused(folder, folder / "model.safetensors") < 5
