"""GPT-2 (Radford et al. 2019): left to right, byte-level BPE, one special token that ends every text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from kerasft.backbones.base import FAMILIES, Backbone, Encoder, Family, Parts
from kerasft.backbones.sentence_modules import check_sentence_config, dense_layers, read_modules
from kerasft.config import read_json


@FAMILIES.register
class GPT2(Family):
    """GPT-2. As a classifier it reads `a <|endoftext|> b <|endoftext|>` and pools the last token.

    Only that last token has seen the whole text; a model that reads both ways usually classifies better at the
    same size.
    """

    name = "gpt2"
    title = "GPT-2"
    causal = True
    hf_types = ("gpt2",)
    kerashub_class = "GPT2Backbone"
    has_segments = False
    default_pooling = "last"
    smallest_vocabulary = 257  # every byte, and the end of a text
    new_config = {"numerics": {"activation": "gelu_new", "epsilon": 1e-5}}

    def load(self, folder: Path, *, dtype: str, dropout: float | None) -> Backbone:
        import keras_hub

        from kerasft.backbones import loading

        model, config = loading.load_weights(keras_hub.models.GPT2Backbone, folder, dtype=dtype, dropout=dropout)
        modules = read_modules(folder, int(model.hidden_dim))
        check_sentence_config(folder, lowercase=False)
        config |= modules.to_config()
        return Backbone(self, model, self.load_tokenizer(folder), config, dense=modules.dense)

    def load_tokenizer(self, folder: Path) -> Any:
        import keras_hub

        from kerasft.backbones import loading
        from kerasft.backbones.byte_pairs import BytePairText
        from kerasft.backbones.hf_tokenizer import read_gpt2_tokenizer

        if loading.is_kerashub(folder):
            tokenizer = keras_hub.models.GPT2Tokenizer.from_preset(str(folder))
            return BytePairText(tokenizer.vocabulary, tokenizer.merges)
        return BytePairText(*read_gpt2_tokenizer(folder))

    def rebuild(self, config: dict[str, Any], tokenizer_folder: Path, *, dtype: str) -> Backbone:
        import keras_hub

        from kerasft.backbones import loading
        from kerasft.backbones.byte_pairs import ADDED_TOKENS, BytePairText

        model = loading.rebuild_model(keras_hub.models.GPT2Backbone, config, dtype=dtype)
        added = read_json(tokenizer_folder / ADDED_TOKENS) if (tokenizer_folder / ADDED_TOKENS).exists() else []
        vocabulary, merges = (str(tokenizer_folder / name) for name in ("vocabulary.json", "merges.txt"))
        return Backbone(self, model, BytePairText(vocabulary, merges, added), config)

    def train_vocabulary(self, texts: Iterable[str], folder: Path, options: Any) -> int:
        from tokenizers import ByteLevelBPETokenizer

        tokenizer = ByteLevelBPETokenizer()
        how = {"vocab_size": options.vocabulary_size, "min_frequency": options.min_frequency}
        tokenizer.train_from_iterator(texts, **how, special_tokens=["<|endoftext|>"], show_progress=False)
        tokenizer.save_model(str(folder))
        (folder / "vocab.json").rename(folder / "vocabulary.json")
        return int(tokenizer.get_vocab_size())

    def save_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        backbone.tokenizer.save_assets(folder)

    def to_huggingface(self, backbone: Backbone) -> tuple[dict[str, Any], dict[str, Any]]:
        import numpy as np

        from kerasft.weights import as_array

        model, sizes, numerics = backbone.model, backbone.config, backbone.config.get("numerics", {})
        config = {
            "model_type": "gpt2",
            "vocab_size": sizes["vocabulary_size"],
            "n_embd": sizes["hidden_dim"],
            "n_layer": sizes["num_layers"],
            "n_head": sizes["num_heads"],
            "n_positions": sizes["max_sequence_length"],
            **dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), sizes["dropout"]),
            "activation_function": numerics.get("activation", "gelu_new"),
            "layer_norm_epsilon": numerics.get("epsilon", 1e-5),
            "bos_token_id": backbone.tokenizer.end_token_id,
            "eos_token_id": backbone.tokenizer.end_token_id,
            "pad_token_id": backbone.tokenizer.pad_token_id,
        }
        if sizes["intermediate_dim"] != 4 * sizes["hidden_dim"]:
            config["n_inner"] = sizes["intermediate_dim"]
        found: dict[str, Any] = {
            "wte.weight": model.token_embedding.embeddings,
            "wpe.weight": model.position_embedding.position_embeddings,
            "ln_f.weight": model.layer_norm.gamma,
            "ln_f.bias": model.layer_norm.beta,
        }
        arrays = {name: as_array(weight) for name, weight in found.items()}
        for i, block in enumerate(model.transformer_layers):
            attention = block._self_attention_layer
            three = (attention._query_dense, attention._key_dense, attention._value_dense)
            width = sizes["hidden_dim"]
            # GPT-2's layers keep (in, out), as Keras does; query, key and value are one.
            arrays[f"h.{i}.attn.c_attn.weight"] = np.concatenate([as_array(d.kernel).reshape(width, -1) for d in three], axis=1)
            arrays[f"h.{i}.attn.c_attn.bias"] = np.concatenate([as_array(d.bias).reshape(-1) for d in three])
            rest = {
                "attn.c_proj": attention._output_dense,
                "mlp.c_fc": block._feedforward_intermediate_dense,
                "mlp.c_proj": block._feedforward_output_dense,
            }
            for name, dense in rest.items():
                arrays[f"h.{i}.{name}.weight"] = as_array(dense.kernel).reshape(-1, dense.kernel.shape[-1])
                arrays[f"h.{i}.{name}.bias"] = as_array(dense.bias)
            for name, norm in (("ln_1", block._self_attention_layer_norm), ("ln_2", block._feedforward_layer_norm)):
                arrays[f"h.{i}.{name}.weight"], arrays[f"h.{i}.{name}.bias"] = as_array(norm.gamma), as_array(norm.beta)
        return config, arrays

    def save_huggingface_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        import json

        tokenizer = backbone.tokenizer
        tokenizer.save_assets(folder)
        (folder / "vocabulary.json").rename(folder / "vocab.json")
        options: dict[str, Any] = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": backbone.max_length}
        if added := tokenizer.added:
            numbers = tokenizer.vocabulary
            plain = {"lstrip": False, "rstrip": False, "single_word": False, "special": False, "normalized": False}
            options["added_tokens_decoder"] = {str(numbers[token]): {"content": token, **plain} for token in added}
            further = {token: numbers[token] for token in added}
            (folder / "added_tokens.json").write_text(json.dumps(further, ensure_ascii=False), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=1), encoding="utf-8")

    def parts(self, backbone: Backbone) -> Parts:
        model = backbone.model
        return Parts(
            token_embedding=model.token_embedding,
            position_embedding=model.position_embedding,
            embeddings_dropout=model.embeddings_dropout,
            blocks=list(model.transformer_layers),
            final_norm=model.layer_norm,
            dense=dense_layers(backbone.config.get("dense", []), backbone.dense),
        )

    def wire(self, parts: Parts, backbone: Backbone, *, separate: bool = False) -> Encoder:
        import keras

        from kerasft.layers.attention_masks import segment_mask
        from kerasft.layers.transformer_block import transformer_blocks

        parts.blocks[:] = transformer_blocks(parts.blocks, self.causal)
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "padding_mask")}
        # A layer of its own, so that the graph can be cut here: the embedding itself may be used again by a tied head.
        tokens = keras.layers.Identity(name="embedded")(parts.token_embedding(inputs["token_ids"]))  # (B, L, H)
        x, mask = tokens + parts.position_embedding(tokens), inputs["padding_mask"]
        if parts.prompt is not None:
            x, mask = parts.prompt(x, mask)
        if parts.embeddings_dropout is not None:
            x = parts.embeddings_dropout(x)
        masks = {"padding_mask": mask, **({"attention_mask": segment_mask(mask)} if separate else {})}
        for block in parts.blocks:
            x = block(x, **masks)
        sequence = parts.final_norm(x if parts.prompt is None else x[:, parts.prompt.length :, :])
        return Encoder(inputs, sequence, None, backbone.model.hidden_dim, parts, tokens, pooling=backbone.pooling)

    def step(self, parts: Parts, token_ids: Any, cache: Any, place: Any) -> tuple[Any, Any]:
        from keras import ops

        from kerasft.layers.attention_masks import causal_mask

        width, length = ops.shape(cache)[4], ops.shape(token_ids)[1]
        tokens = parts.token_embedding(token_ids)  # (B, S, H)
        x = tokens + parts.position_embedding(tokens, start_index=place)
        # Each sees the cache up to `place`, and of the new ones itself and those before it.
        past = ops.broadcast_to((ops.arange(width) < place)[None, :], (length, width))
        kept = ops.concatenate([past, ops.cast(causal_mask(length)[0], "bool")], axis=1)[None, None]  # (1, 1, S, T + S)
        prompt = None if parts.prompt is None else _Prompt(parts.prompt)
        if prompt is not None:
            kept = ops.concatenate([ops.ones((1, 1, length, prompt.length), "bool"), kept], axis=3)
        made = []
        for i, block in enumerate(parts.blocks):
            before = [(cache[i][0], cache[i][1])]
            x, states = block.step(x, kept, before if prompt is None else [prompt.through(block), *before])
            made.append(ops.stack(states))
        return parts.token_embedding(parts.final_norm(x), reverse=True), _remember(ops.stack(made), cache, place)

    def special_ids(self, tokenizer: Any) -> tuple[list[int], list[int], int]:
        return [], [tokenizer.end_token_id], tokenizer.pad_token_id

    def unknown_id(self, tokenizer: Any) -> int:
        return int(tokenizer.end_token_id)

    def piece_lengths(self, tokenizer: Any) -> list[int]:
        # The vocabulary writes each byte as one printable letter.
        ends = int(tokenizer.end_token_id)
        return [0 if i == ends else len(_piece_bytes(tokenizer, i)) for i in range(tokenizer.vocabulary_size())]

    def show_piece(self, tokenizer: Any, number: int) -> tuple[bytes, bool]:
        text = _piece_bytes(tokenizer, number)
        return text, text[:1].isspace()

    def readable_piece(self, tokenizer: Any, number: int) -> str:
        if number == int(tokenizer.end_token_id):
            return str(tokenizer.id_to_token(number))
        text = self.show_piece(tokenizer, number)[0].decode("utf-8", errors="replace")
        return text.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")

    def piece_texts(self, tokenizer: Any) -> list[bytes]:
        ends = int(tokenizer.end_token_id)
        return [b"" if i == ends else _piece_bytes(tokenizer, i) for i in range(tokenizer.vocabulary_size())]


@cache
def _byte_of_letter() -> dict[str, int]:
    """The byte each printable letter of GPT-2's vocabulary stands for (Radford et al. 2019, `bytes_to_unicode`)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _piece_bytes(tokenizer: Any, number: int) -> bytes:
    """The text of a token; of an added token it stands in the vocabulary as it is."""
    piece = tokenizer.id_to_token(number)
    if piece in tokenizer.added:
        return str(piece).encode("utf-8")
    letters = _byte_of_letter()
    return bytes(letters[letter] for letter in piece)


def _remember(new: Any, cache: Any, place: Any) -> Any:
    """A cache (blocks, 2, B, heads, T, head size) with new keys and values (..., S, head size) put at `place`."""
    from keras import ops

    width, length = ops.shape(cache)[4], ops.shape(new)[4]
    here = ops.arange(width) - place
    inside = ops.logical_and(here >= 0, here < length)[:, None]
    if new.shape[4] != 1:
        new = ops.take(new, ops.clip(here, 0, length - 1), axis=4)
    return ops.where(inside, new, cache)


class _Prompt:
    """A soft prompt on its way through the blocks: it stands before the text, so nothing in it depends on the text."""

    def __init__(self, layer: Any) -> None:
        from kerasft.layers.attention_masks import causal_mask

        self.length = layer.length
        self._x = layer.vectors[None]  # (1, P, H)
        self._kept = causal_mask(layer.length)[None]

    def through(self, block: Any) -> tuple[Any, Any]:
        """The prompt's keys and values at a block; goes on to the next."""
        self._x, states = block.step(self._x, self._kept)
        return states
