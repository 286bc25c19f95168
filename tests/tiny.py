"""Tiny BERT and GPT-2 presets with random weights, as Hugging Face folders: made in milliseconds, offline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WORDS = [
    "good",
    "bad",
    "great",
    "awful",
    "film",
    "book",
    "plot",
    "the",
    "a",
    "is",
    "was",
    "not",
    "very",
    "it",
    "and",
    "love",
    "hate",
    "##s",
    "##ed",
    "##ing",
    "fine",
    "dull",
]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
HIDDEN, INNER, LAYERS, POSITIONS = 16, 32, 2, 64


def make_bert(folder: Path, seed: int = 0) -> Path:
    """A two-layer BERT of width 16."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [*LETTERS, *(f"##{c}" for c in LETTERS), *".,!?'-:;\"()", *WORDS]
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = {
        "model_type": "bert",
        "vocab_size": len(vocabulary),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    rng = np.random.default_rng(seed)
    weights = {
        "embeddings.word_embeddings.weight": _normal(rng, len(vocabulary), HIDDEN),
        "embeddings.position_embeddings.weight": _normal(rng, POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": _normal(rng, 2, HIDDEN),
        **_norm("embeddings.LayerNorm"),
        **_dense(rng, "pooler.dense", HIDDEN, HIDDEN),
    }
    for i in range(LAYERS):
        block = f"encoder.layer.{i}"
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            weights |= _dense(rng, f"{block}.{name}", HIDDEN, HIDDEN)
        weights |= _dense(rng, f"{block}.intermediate.dense", INNER, HIDDEN)
        weights |= _dense(rng, f"{block}.output.dense", HIDDEN, INNER)
        weights |= _norm(f"{block}.attention.output.LayerNorm") | _norm(f"{block}.output.LayerNorm")
    return _write(folder, config, weights, {"do_lower_case": True})


def make_gpt2(folder: Path, seed: int = 0) -> Path:
    """A two-layer GPT-2 of width 16 with a byte-level vocabulary and a few merges."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = ["t h", "th e", "Ġ t", "Ġ a", "Ġ g", "o o", "oo d", "Ġg ood", "b a", "ba d"]
    tokens = [*_byte_letters(), *(merge.replace(" ", "") for merge in merges), "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    config = {
        "model_type": "gpt2",
        "vocab_size": len(vocabulary),
        "n_embd": HIDDEN,
        "n_layer": LAYERS,
        "n_head": 2,
        "n_positions": POSITIONS,
        "resid_pdrop": 0.1,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
    }
    rng = np.random.default_rng(seed)
    weights = {
        "wte.weight": _normal(rng, len(vocabulary), HIDDEN),
        "wpe.weight": _normal(rng, POSITIONS, HIDDEN),
        **_norm("ln_f"),
    }
    for i in range(LAYERS):
        weights |= _norm(f"h.{i}.ln_1") | _norm(f"h.{i}.ln_2")
        for name, rows, columns in (
            ("attn.c_attn", HIDDEN, 3 * HIDDEN),
            ("attn.c_proj", HIDDEN, HIDDEN),
            ("mlp.c_fc", HIDDEN, 4 * HIDDEN),
            ("mlp.c_proj", 4 * HIDDEN, HIDDEN),
        ):
            weights[f"h.{i}.{name}.weight"] = _normal(rng, rows, columns)
            weights[f"h.{i}.{name}.bias"] = np.zeros(columns, np.float32)
    return _write(folder, config, weights, {})


def _byte_letters() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes (Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    table = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return [table[byte] for byte in range(256)]


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (0.15 * rng.standard_normal(shape)).astype(np.float32)


def _dense(rng: np.random.Generator, name: str, rows: int, columns: int) -> dict[str, np.ndarray]:
    return {f"{name}.weight": _normal(rng, rows, columns), f"{name}.bias": np.zeros(rows, np.float32)}


def _norm(name: str) -> dict[str, np.ndarray]:
    return {f"{name}.weight": np.ones(HIDDEN, np.float32), f"{name}.bias": np.zeros(HIDDEN, np.float32)}


def _write(folder: Path, config: dict, weights: dict[str, np.ndarray], tokenizer: dict) -> Path:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
