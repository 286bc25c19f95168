"""BERT (Devlin et al. 2018): bidirectional, `[CLS] a [SEP] b [SEP]`, segments, a pooler on the first token."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasft.backbones.base import FAMILIES, Backbone, Encoder, Family, Parts
from kerasft.backbones.sentence_modules import check_sentence_config, dense_layers, read_modules
from kerasft.config import read_json
from kerasft.errors import PresetError

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@FAMILIES.register
class Bert(Family):
    """BERT and models of its shape: MiniLM, BGE small to large, multilingual and Chinese BERT."""

    name = "bert"
    title = "BERT"
    causal = False
    hf_types = ("bert",)
    kerashub_class = "BertBackbone"
    has_segments = True
    default_pooling = "pooled"
    smallest_vocabulary = 5
    # Of all objectives only next-sentence prediction trains the pooler.
    new_config = {"num_segments": 2, "numerics": {"activation": "gelu", "epsilon": 1e-12}, "pooling": "mean"}

    def load(self, folder: Path, *, dtype: str, dropout: float | None) -> Backbone:
        import keras_hub

        from kerasft.backbones import loading

        model, config = loading.load_weights(keras_hub.models.BertBackbone, folder, dtype=dtype, dropout=dropout)
        head, tokenizer, modules = (
            loading.masked_lm_head(folder),
            self.load_tokenizer(folder),
            read_modules(folder, int(model.hidden_dim)),
        )
        activation = config["numerics"].get("activation", "gelu")
        if head and not str(activation).startswith("gelu"):
            raise PresetError(f"A masked-LM head with the activation {activation!r} is not supported.", where=str(folder))
        check_sentence_config(folder, lowercase=bool(tokenizer.lowercase))
        return Backbone(self, model, tokenizer, {**config, "lm_head": bool(head), **modules.to_config()}, head, modules.dense)

    def load_tokenizer(self, folder: Path) -> Any:
        import keras_hub

        from kerasft.backbones import loading
        from kerasft.backbones.hf_tokenizer import read_bert_tokenizer
        from kerasft.backbones.wordpiece import BertText

        if loading.is_kerashub(folder):
            tokenizer = keras_hub.models.BertTokenizer.from_preset(str(folder))
            # Google's uncased checkpoints were trained with accents stripped, which KerasHub's presets do not say.
            lowercase = bool(tokenizer.lowercase)
            return BertText(tokenizer.get_vocabulary(), lowercase=lowercase, strip_accents=lowercase)
        pieces, options = read_bert_tokenizer(folder)
        return BertText(pieces, **options)

    def rebuild(self, config: dict[str, Any], tokenizer_folder: Path, *, dtype: str) -> Backbone:
        import keras_hub

        from kerasft.backbones import loading
        from kerasft.backbones.wordpiece import BertText

        model = loading.rebuild_model(keras_hub.models.BertBackbone, config, dtype=dtype)
        given = read_json(tokenizer_folder / "tokenizer.json")
        return Backbone(self, model, BertText(str(tokenizer_folder / "vocabulary.txt"), **given), config)

    def train_vocabulary(self, texts: Iterable[str], folder: Path, options: Any) -> int:
        from kerasft.backbones.wordpiece import train_pieces

        how = {"vocabulary_size": options.vocabulary_size, "min_frequency": options.min_frequency}
        pieces = train_pieces(texts, _SPECIAL, lowercase=options.lowercase, **how)
        (folder / "vocabulary.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
        given = {"lowercase": options.lowercase, "strip_accents": options.lowercase}
        (folder / "tokenizer.json").write_text(json.dumps(given), encoding="utf-8")
        return len(pieces)

    def save_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        tokenizer = backbone.tokenizer
        tokenizer.wordpiece.save_assets(str(folder))
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer.options(), ensure_ascii=False), encoding="utf-8")

    def to_huggingface(self, backbone: Backbone) -> tuple[dict[str, Any], dict[str, Any]]:
        from kerasft.weights import as_array

        model, sizes, numerics = backbone.model, backbone.config, backbone.config.get("numerics", {})
        config = {
            "model_type": "bert",
            "vocab_size": sizes["vocabulary_size"],
            "hidden_size": sizes["hidden_dim"],
            "num_hidden_layers": sizes["num_layers"],
            "num_attention_heads": sizes["num_heads"],
            "intermediate_size": sizes["intermediate_dim"],
            "max_position_embeddings": sizes["max_sequence_length"],
            "type_vocab_size": sizes["num_segments"],
            "hidden_dropout_prob": sizes["dropout"],
            "attention_probs_dropout_prob": sizes["dropout"],
            # KerasHub computes the tanh form where its own presets say nothing else.
            "hidden_act": numerics.get("activation", "gelu_new"),
            "layer_norm_eps": numerics.get("epsilon", 1e-12),
            "pad_token_id": backbone.tokenizer.wordpiece.pad_token_id,
        }
        found = {
            "embeddings.word_embeddings.weight": model.token_embedding.embeddings,
            "embeddings.position_embeddings.weight": model.position_embedding.position_embeddings,
            "embeddings.token_type_embeddings.weight": model.segment_embedding.embeddings,
            **_norm("embeddings.LayerNorm", model.embeddings_layer_norm),
        }
        turned = {"pooler.dense": model.pooled_dense}
        for i, block in enumerate(model.transformer_layers):
            attention, at = block._self_attention_layer, f"encoder.layer.{i}"
            turned[f"{at}.attention.self.query"] = attention._query_dense
            turned[f"{at}.attention.self.key"] = attention._key_dense
            turned[f"{at}.attention.self.value"] = attention._value_dense
            turned[f"{at}.attention.output.dense"] = attention._output_dense
            turned[f"{at}.intermediate.dense"] = block._feedforward_intermediate_dense
            turned[f"{at}.output.dense"] = block._feedforward_output_dense
            found |= _norm(f"{at}.attention.output.LayerNorm", block._self_attention_layer_norm)
            found |= _norm(f"{at}.output.LayerNorm", block._feedforward_layer_norm)
        arrays = {name: as_array(weight) for name, weight in found.items()}
        for name, layer in turned.items():
            bias = as_array(layer.bias).reshape(-1)
            # PyTorch keeps (out, in), with the heads joined.
            arrays[f"{name}.weight"] = as_array(layer.kernel).reshape(-1, len(bias)).T
            arrays[f"{name}.bias"] = bias
        return config, arrays

    def save_huggingface_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        tokenizer = backbone.tokenizer
        pieces, own = tokenizer.wordpiece.get_vocabulary(), {token.text: token for token in tokenizer.added}
        kept = next((i for i in range(len(pieces), 0, -1) if pieces[i - 1] not in own), 0)
        (folder / "vocab.txt").write_text("\n".join(pieces[:kept]) + "\n", encoding="utf-8")
        options = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": tokenizer.lowercase,
            "strip_accents": tokenizer.strip_accents,
            "tokenize_chinese_chars": tokenizer.split_chinese,
            "model_max_length": backbone.max_length,
        }
        if own:
            plain = {"lstrip": False, "rstrip": False, "single_word": False}
            options["added_tokens_decoder"] = {
                str(i): {"content": piece, "special": not own[piece].normalised, "normalized": own[piece].normalised, **plain}
                for i, piece in enumerate(pieces)
                if piece in own
            }
            further = {piece: i for i, piece in enumerate(pieces) if i >= kept}
            (folder / "added_tokens.json").write_text(json.dumps(further, ensure_ascii=False), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=1), encoding="utf-8")

    def parts(self, backbone: Backbone) -> Parts:
        model = backbone.model
        return Parts(
            token_embedding=model.token_embedding,
            position_embedding=model.position_embedding,
            segment_embedding=model.segment_embedding,
            embeddings_norm=model.embeddings_layer_norm,
            embeddings_dropout=model.embeddings_dropout,
            blocks=list(model.transformer_layers),
            pooler=model.pooled_dense,
            lm_head=_lm_head(backbone),
            lm_bias=backbone.lm_head.get("bias"),
            dense=dense_layers(backbone.config.get("dense", []), backbone.dense),
        )

    def wire(self, parts: Parts, backbone: Backbone, *, separate: bool = False) -> Encoder:
        import keras

        from kerasft.layers.attention_masks import segment_mask
        from kerasft.layers.transformer_block import transformer_blocks

        parts.blocks[:] = transformer_blocks(parts.blocks, self.causal)
        names = ("token_ids", "segment_ids", "padding_mask")
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
        # A layer of its own, so that the graph can be cut here: the embedding itself may be used again by a tied head.
        tokens = keras.layers.Identity(name="embedded")(parts.token_embedding(inputs["token_ids"]))  # (B, L, H)
        x = tokens + parts.position_embedding(tokens) + parts.segment_embedding(inputs["segment_ids"])
        mask = inputs["padding_mask"]
        if parts.prompt is not None:
            x, mask = parts.prompt(x, mask)
        x = parts.embeddings_norm(x)
        if parts.embeddings_dropout is not None:
            x = parts.embeddings_dropout(x)
        masks = {"padding_mask": mask, **({"attention_mask": segment_mask(mask)} if separate else {})}
        for block in parts.blocks:
            x = block(x, **masks)
        if parts.prompt is not None:
            x = x[:, parts.prompt.length :, :]
        pooled = parts.pooler(x[:, 0, :])  # (B, H)
        return Encoder(inputs, x, pooled, backbone.model.hidden_dim, parts, tokens, _numerics(backbone), backbone.pooling)

    def special_ids(self, tokenizer: Any) -> tuple[list[int], list[int], int]:
        pieces = tokenizer.wordpiece
        return [pieces.cls_token_id], [pieces.sep_token_id], pieces.pad_token_id

    def mask_id(self, tokenizer: Any) -> int:
        return int(tokenizer.wordpiece.mask_token_id)

    def unknown_id(self, tokenizer: Any) -> int:
        return int(tokenizer.wordpiece.token_to_id("[UNK]"))

    def show_piece(self, tokenizer: Any, number: int) -> tuple[bytes, bool]:
        piece = tokenizer.wordpiece.id_to_token(number)
        return piece.removeprefix("##").encode("utf-8"), not piece.startswith("##")

    def readable_piece(self, tokenizer: Any, number: int) -> str:
        return str(tokenizer.wordpiece.id_to_token(number))  # ## goes on with a word

    def piece_lengths(self, tokenizer: Any) -> list[int]:
        pieces = tokenizer.wordpiece.get_vocabulary()
        return [0 if piece in _SPECIAL else len(piece.removeprefix("##")) for piece in pieces]


def _numerics(backbone: Backbone) -> dict[str, Any]:
    """What heads of the pre-trained kind are computed with."""
    given = backbone.config.get("numerics", {})
    return {"epsilon": given.get("epsilon", 1e-12), "approximate": given.get("activation", "gelu") != "gelu"}


def _norm(name: str, layer: Any) -> dict[str, Any]:
    return {f"{name}.weight": layer.gamma, f"{name}.bias": layer.beta}


def _lm_head(backbone: Backbone) -> Any:
    """The pre-trained head's transform as a layer, with its weights if they are at hand; None where there is none."""
    from kerasft.layers.language import MaskedLMTransform

    if not backbone.config.get("lm_head"):
        return None
    head = MaskedLMTransform(**_numerics(backbone), name="lm_head")
    head.build((None, backbone.model.hidden_dim))
    if backbone.lm_head:
        names = ("dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")
        values = [backbone.lm_head[f"transform.{name}"] for name in names]
        head.set_weights([values[0].T, *values[1:]])
    return head
