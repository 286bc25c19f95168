"""GPT-2 (Radford et al. 2019): left to right, byte-level BPE, one special token that ends every text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerasft.backbones.base import FAMILIES, Backbone, Encoder, Family, Parts


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

    def load(self, folder: Path, *, dtype: str, dropout: float | None) -> Backbone:
        import keras_hub

        from kerasft.backbones import loading

        model, config = loading.load_weights(keras_hub.models.GPT2Backbone, folder, dtype=dtype, dropout=dropout)
        return Backbone(self, model, self.load_tokenizer(folder), config)

    def load_tokenizer(self, folder: Path) -> Any:
        import keras_hub

        from kerasft.backbones import loading

        if loading.is_kerashub(folder):
            return keras_hub.models.GPT2Tokenizer.from_preset(str(folder))
        return self._tokenizer(*(loading.vocabulary_file(folder, name) for name in ("vocab.json", "merges.txt")))

    def _tokenizer(self, vocabulary: Path, merges: Path) -> Any:
        import keras_hub

        return keras_hub.models.GPT2Tokenizer(vocabulary=str(vocabulary), merges=str(merges))

    def rebuild(self, config: dict[str, Any], tokenizer_folder: Path, *, dtype: str) -> Backbone:
        import keras_hub

        from kerasft.backbones import loading

        model = loading.rebuild_model(keras_hub.models.GPT2Backbone, config, dtype=dtype)
        tokenizer = self._tokenizer(tokenizer_folder / "vocabulary.json", tokenizer_folder / "merges.txt")
        return Backbone(self, model, tokenizer, config)

    def save_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        backbone.tokenizer.save_assets(str(folder))

    def parts(self, backbone: Backbone) -> Parts:
        model = backbone.model
        return Parts(
            token_embedding=model.token_embedding,
            position_embedding=model.position_embedding,
            embeddings_dropout=model.embeddings_dropout,
            blocks=list(model.transformer_layers),
            final_norm=model.layer_norm,
        )

    def wire(self, parts: Parts, backbone: Backbone) -> Encoder:
        import keras

        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "padding_mask")}
        mode = {"training": False} if parts.inference else {}
        tokens = parts.token_embedding(inputs["token_ids"])  # (B, L, H)
        x = parts.embeddings_dropout(tokens + parts.position_embedding(tokens), **mode)
        for block in parts.blocks:
            x = block(x, decoder_padding_mask=inputs["padding_mask"], **mode)
        sequence = parts.final_norm(x)
        return Encoder(inputs, sequence, None, backbone.model.hidden_dim)

    def special_ids(self, tokenizer: Any) -> tuple[list[int], list[int], int]:
        return [], [tokenizer.end_token_id], tokenizer.pad_token_id
