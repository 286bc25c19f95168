"""Counting sub-words fast with a preset's own vocabulary, for data checks. Loads no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasft.errors import PresetError


def token_counter(path: Path) -> Callable[[list[str]], list[int]] | None:
    """A fast counter of sub-words with the preset's vocabulary, for data checks; None when it has no known one.

    Uses the Rust `tokenizers`; counts can differ by a token from the model's own tokenizer on rare characters.

    Raises:
        PresetError: A file of the tokenizer is damaged.
    """
    try:
        tokenizer = _rust_tokenizer(path)
    except Exception as error:  # `tokenizers` raises plain `Exception`
        raise PresetError(f"The tokenizer's files could not be read: {error}.", where=str(path)) from None
    if tokenizer is None:
        return None
    return lambda texts: [len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def longest_input(path: Path) -> int | None:
    """Most tokens a text may have for the model in a preset's folder; None when its config does not say."""
    config = _json_object(path / "config.json")
    sizes = config.get("config", config)
    limits = (sizes.get(name) for name in ("max_position_embeddings", "n_positions", "max_sequence_length"))
    return next((value for value in limits if type(value) is int and value > 0), None)


def _rust_tokenizer(path: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer, Tokenizer
    from tokenizers.implementations import BertWordPieceTokenizer

    assets = path / "assets" / "tokenizer"
    described = _json_object(path / "tokenizer.json")
    if "model" in described:  # that of the Rust tokenizers; KerasHub's file of this name is a Keras config
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
    if (vocabulary := _first(path / "vocab.txt", assets / "vocabulary.txt")) is not None:
        kept = _json_object(path / "tokenizer_config.json").get("do_lower_case", True)
        lowercase = bool(described.get("config", {}).get("lowercase", kept))
        return BertWordPieceTokenizer(str(vocabulary), lowercase=lowercase, strip_accents=lowercase)
    vocabulary, merges = (
        _first(path / "vocab.json", assets / "vocabulary.json"),
        _first(path / "merges.txt", assets / "merges.txt"),
    )
    return ByteLevelBPETokenizer(str(vocabulary), str(merges)) if vocabulary and merges else None


def _json_object(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found if isinstance(found, dict) else {}


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.exists()), None)
