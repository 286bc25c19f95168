"""The keys of a Hugging Face config that are understood; what else changes the numbers is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasft.backbones.base import UNTRAINED
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
# Keys that change no hidden state: sizes that the weights are compared with, rates of training, options of generation, remarks.
_UNDERSTOOD = """
activation_function architectures attention_probs_dropout_prob attn_pdrop auto_map bos_token_id classifier_dropout
directionality dtype embd_pdrop embedding_size eos_token_id finetuning_task gradient_checkpointing hidden_act
hidden_dropout_prob hidden_size id2label initializer_range intermediate_size label2id language layer_norm_eps
layer_norm_epsilon max_position_embeddings model_max_length model_type n_ctx n_embd n_head n_inner n_layer n_positions
name_or_path num_attention_heads num_hidden_layers num_labels output_past pad_token_id pooler_fc_size
pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type predict_special_tokens problem_type
resid_pdrop sbert_ce_default_activation_function sentence_transformers sep_token_id summary_activation summary_first_dropout
summary_proj_to_labels summary_type summary_use_proj task_specific_params tokenizer_class torch_dtype torchscript
transformers_version type_vocab_size use_bfloat16 use_cache vocab_size xla_device output_hidden_states output_attentions
return_dict cross_attention_hidden_size tie_encoder_decoder decoder_start_token_id prefix tf_legacy_loss max_length min_length
do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty
length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores
return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values exponential_decay_length_penalty
suppress_tokens begin_suppress_tokens mask_token_id cls_token_id unk_token_id vocab_file
"""


def unknown_keys_note(given: Mapping[str, Any]) -> str | None:
    """One sentence on the keys of a config that nothing is known of; None where there are none.

    Many are remarks that somebody added, so they are named, not refused.
    """
    known = {*_EXPECTED, *_UNDERSTOOD.split(), UNTRAINED}
    empty: tuple[Any, ...] = (None, False, {}, [], "")
    further = [key for key, value in given.items() if key not in known and not key.startswith("_") and value not in empty]
    return f"config.json has keys that are not read: {name_values(further)}." if further else None


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
