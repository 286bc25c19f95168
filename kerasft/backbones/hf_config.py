"""The keys of a Hugging Face config that are understood; what else changes the numbers is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasft.errors import PresetError, name_values

# Keys with one value that is computed, for both families.
_EXPECTED: Mapping[str, Any] = {
    "position_embedding_type": "absolute",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "is_decoder": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
    "chunk_size_feed_forward": 0,
    "pruned_heads": {},
    "tie_word_embeddings": True,
}
# Parts of names that only other architectures have: what is computed then is another model.
_FOREIGN = (
    *("alibi", "rope", "rotary", "relative_attention", "attention_window", "sliding_window", "num_key_value_heads"),
    *("quantization", "num_experts", "moe_", "share_layers", "num_hidden_groups"),
    *("emb_layer_norm_before", "token_dropout", "bottleneck", "normalization_type", "2d_position", "trigram_input", "visual"),
)


def check_config(given: Mapping[str, Any], folder: Path) -> None:
    """Refuse what would be read without a word and computed differently.

    Raises:
        PresetError: A key has a value that is not supported, or names another architecture.
    """
    where = f"{folder}/config.json"
    for key, value in _EXPECTED.items():
        if key in given and given[key] not in (value, None):
            raise PresetError(f"The model's config has {key}={given[key]!r}, which is not supported.", where=where)
    inner = given.get("n_inner")
    if inner not in (None, 4 * given.get("n_embd", 0)):
        raise PresetError(f"The model's config has n_inner={inner!r}; only 4 times n_embd is supported.", where=where)
    embedding, hidden = given.get("embedding_size"), given.get("hidden_size")
    if embedding is not None and embedding != hidden:
        raise PresetError(f"The model's config has embedding_size={embedding!r} beside hidden_size={hidden!r}.", where=where)
    foreign = [
        key for key, value in given.items() if any(part in key for part in _FOREIGN) and value not in (None, False, {}, [])
    ]
    if foreign:
        raise PresetError(
            f"The model's config has {name_values(foreign)}, which {given.get('model_type')} does not know.", where=where
        )
    if isinstance(given.get("auto_map"), Mapping) and "AutoModel" in str(given["auto_map"]):
        hint = "Code that comes with a model is never run."
        raise PresetError(
            "The model brings code of its own (auto_map), so its config does not say what it computes.", where=where, hint=hint
        )
