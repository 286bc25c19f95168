"""GPT-2's byte-level BPE of Hugging Face folders against the Rust `tokenizers`: words, added tokens, files, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, ByteLevelBPETokenizer

import kerasft as kft
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.errors import PresetError
from tests.backbones.model_folders import FIXTURES, change_json, copy_fixture

FIXTURE = FIXTURES / "hf_gpt2"
ADDED = ["[PAD]", "<|user|>", "<|user|>x", "new york", "naïve", "日本", "<a b>", "Ĵ"]
TEXTS = [
    "",
    "  ",
    "hello\n\nworld\n",
    "a\n\n\n\nb c  ",
    "  def f():\n    return 1\n",
    "a \n b\r\nc\t\td",
    "a\u00a0\u00a0b \u3000c\u2003 d\u2028\x85e\x0bf",
    "६ ६ a ĴA ĴB",
    "don't 'S 'll it's 12 ab²3 ¼ a_b ٣٤",
    "x  <|endoftext|>  y<|endoftext|><|endoftext|>",
    "hello <|user|> b",
    "<|user|>x  y <|USER|>",
    "a<|user|>b[PAD][PAD] c [pad]",
    "in new york city, new  york",
    "naïve 日本人 Ĵ",
    "  <a b>  ",
    "\n<|user|>\n\nhello\n",
    "don't [PAD]'s <|user|>s 12",
]
# Letters, digits, signs and every kind of white space, and parts of tokens that are never cut.
PARTS = st.sampled_from(
    [*"aZé漢٣1९६.,'|<>[]_", "'s", "'ll", "Ĵ", "A", " ", "  ", "\n", "\r", "\t", "\x0b", "\u00a0", "\u3000", "\u2028", "\x85"]
)


@pytest.fixture(scope="module")
def rust() -> Any:
    return rust_tokenizer([])


@pytest.fixture(scope="module")
def framer() -> Any:
    return load_framer(FIXTURE, 64)


def rust_tokenizer(added: list[str]) -> Any:
    tokenizer = ByteLevelBPETokenizer(str(FIXTURE / "vocab.json"), str(FIXTURE / "merges.txt"))
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    return tokenizer


def check_ids(framer: Any, rust: Any, texts: list[str]) -> None:
    found = framer.tokenize(tf.constant(texts)).to_list()
    assert dict(zip(texts, found, strict=True)) == {text: rust.encode(text).ids for text in texts}


@settings(deadline=None, derandomize=True)
@given(st.lists(st.one_of(PARTS, st.characters(codec="utf-8", exclude_characters="\x00\x1c\x1d\x1e\x1f\U0010ffff")), max_size=12))
@example(["a", "\n", "\n", "b"])
def test_every_text_has_the_ids_of_transformers(rust: Any, framer: Any, parts: list[str]) -> None:
    check_ids(framer, rust, ["".join(parts)])


@pytest.mark.parametrize(
    "place", ["added_tokens.json", "tokenizer_config.json", "tokenizer.json alone", "a saved run", "exported"]
)
def test_added_tokens_are_never_cut(place: str, tmp_path: Path) -> None:
    folder, rust = copy_fixture("hf_gpt2", tmp_path / "gpt2"), rust_tokenizer(ADDED)
    first = len(json.loads((folder / "vocab.json").read_text(encoding="utf-8")))
    make_rows(folder, first + len(ADDED))
    if place == "tokenizer_config.json":
        decoder = {str(first + i): {"content": token, "normalized": False} for i, token in enumerate(ADDED)}
        change_json(folder / "tokenizer_config.json", added_tokens_decoder=decoder, pad_token="[PAD]")
    elif place == "tokenizer.json alone":
        rust.save(str(folder / "tokenizer.json"))
        (folder / "vocab.json").unlink()
        (folder / "merges.txt").unlink()
    else:
        change_json(folder / "added_tokens.json", **{token: first + i for i, token in enumerate(ADDED)})
    framer = load_framer(folder, 64)
    check_ids(framer, rust, TEXTS)
    if place not in ("a saved run", "exported"):
        return
    backbone = load_backbone(folder)
    saved = tmp_path / "saved"
    saved.mkdir()
    if place == "exported":
        backbone.family.save_huggingface_tokenizer(backbone, saved)
        change_json(saved / "config.json", **json.loads((folder / "config.json").read_text()))
        tokenizer = backbone.family.load_tokenizer(saved)
    else:
        backbone.family.save_tokenizer(backbone, saved)
        tokenizer = backbone.family.rebuild(backbone.config, saved, dtype="float32").tokenizer
    assert set(tokenizer.added) == set(ADDED)
    framer.tokenizer = tokenizer
    framer._traced = tf.function(framer._tokenize)
    check_ids(framer, rust, TEXTS)


def test_pieces_of_added_tokens_are_their_text(tmp_path: Path) -> None:
    folder = copy_fixture("hf_gpt2", tmp_path)
    change_json(folder / "added_tokens.json", **{token: 302 + i for i, token in enumerate(ADDED)})
    framer = load_framer(folder, 64)
    text = "a <a b> naïve<|user|>日本\n"
    ids = framer.tokenize(tf.constant([text]))[0].numpy()
    pieces = framer.family.piece_texts(framer.tokenizer)
    assert b"".join(pieces[i] for i in ids) == text.encode()
    assert [framer.piece_lengths[i] for i in ids] == [len(pieces[i]) for i in ids]
    assert framer.pieces[302:305] == ["[PAD]", "<|user|>", "<|user|>x"]


@pytest.mark.parametrize(
    ("option", "message"), [("lstrip", "spaces beside"), ("rstrip", "spaces beside"), ("single_word", "whole words")]
)
def test_added_tokens_that_look_at_their_neighbours_are_refused(option: str, message: str, tmp_path: Path) -> None:
    folder = copy_fixture("hf_gpt2", tmp_path)
    change_json(folder / "tokenizer_config.json", added_tokens_decoder={"302": {"content": "<sep>", option: True}})
    with pytest.raises(kft.PresetError, match=f"{message}.*<sep>"):
        load_framer(folder, 64)


def test_more_tokens_than_rows_are_refused(tmp_path: Path) -> None:
    folder = copy_fixture("hf_gpt2", tmp_path)
    change_json(folder / "added_tokens.json", **{"<sep>": 302})
    with pytest.raises(kft.PresetError, match="303 tokens, and the model an embedding for 302"):
        load_backbone(folder)


def make_rows(folder: Path, count: int) -> None:
    """Give the embedding further rows, as `resize_token_embeddings` does."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    arrays = load_file(folder / "model.safetensors")
    name = next(name for name in arrays if name.endswith("wte.weight"))
    rows = arrays[name]
    arrays[name] = np.concatenate([rows, np.zeros((count - len(rows), rows.shape[1]), rows.dtype)])
    save_file(arrays, folder / "model.safetensors")
    change_json(folder / "config.json", vocab_size=count)


@pytest.mark.parametrize("merges_as_lists", [False, True])
def test_gpt2_is_read_from_tokenizer_json_alone(merges_as_lists: bool, tmp_path: Path) -> None:
    """As transformers 5 saves it."""
    folder = copy_fixture("hf_gpt2", tmp_path)
    save_as_tokenizer_json(folder)
    described = json.loads((folder / "tokenizer.json").read_text())
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in described["model"]["merges"]]
    described["model"]["merges"] = pairs if merges_as_lists else [" ".join(pair) for pair in pairs]
    (folder / "tokenizer.json").write_text(json.dumps(described))
    backbone, plain = load_backbone(folder), load_backbone(FIXTURE)
    cases = json.loads((FIXTURE / "tokenization.json").read_text())["texts"]
    assert len(cases) > 5
    texts = tf.constant([case["text"] for case in cases])
    ids, plain_ids = (load_framer(place, 64).tokenize(texts).to_list() for place in (folder, FIXTURE))
    assert ids == plain_ids  # which tests/backbones/test_tokenization.py compares with transformers
    assert sum(one == case["ids"] for one, case in zip(ids, cases, strict=True)) > 0.9 * len(cases)
    other = tmp_path / "other"
    other.mkdir()
    backbone.family.save_tokenizer(backbone, tmp_path)
    plain.family.save_tokenizer(plain, other)
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == json.loads((other / "vocabulary.json").read_text())


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("pre_tokenizer", {"type": "Whitespace"}, "without GPT-2's division"),
        ("pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": True}, "add_prefix_space"),
        ("pre_tokenizer", {"type": "ByteLevel", "use_regex": False}, "use_regex"),
        ("normalizer", {"type": "NFC"}, "normalises"),
        ("model", {"type": "BPE", "vocab": {}, "merges": None}, "merges"),
        ("model", {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}, "pairs"),
        ("model", {"type": "Unigram", "vocab": []}, "Unigram"),
    ],
)
def test_another_tokenizer_of_bytes_is_refused(part: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = copy_fixture("hf_gpt2", tmp_path)
    save_as_tokenizer_json(folder)
    described = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**described, part: change}))
    with pytest.raises(PresetError, match=message):
        load_backbone(folder)


def save_as_tokenizer_json(folder: Path) -> None:
    """Replace GPT-2's two files by the one of the Rust tokenizers."""
    rust = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    rust.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])
    rust.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()
