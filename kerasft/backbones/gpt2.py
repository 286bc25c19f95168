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
        # A layer of its own, so that the graph can be cut here: the embedding itself may be used again by a tied head.
        tokens = keras.layers.Identity(name="embedded")(parts.token_embedding(inputs["token_ids"]))  # (B, L, H)
        x = parts.embeddings_dropout(tokens + parts.position_embedding(tokens), **mode)
        for block in parts.blocks:
            x = block(x, decoder_padding_mask=inputs["padding_mask"], **mode)
        sequence = parts.final_norm(x)
        return Encoder(inputs, sequence, None, backbone.model.hidden_dim, parts, tokens)

    def step(self, parts: Parts, token_ids: Any, cache: Any, place: Any) -> tuple[Any, Any]:
        from keras import ops

        width, length = ops.shape(cache)[3], ops.shape(token_ids)[1]
        tokens = parts.token_embedding(token_ids)  # (B, S, H)
        x = tokens + parts.position_embedding(tokens, start_index=place)
        columns, rows = ops.arange(width)[None, :], ops.arange(length)[:, None] + place
        mask = ops.broadcast_to((columns <= rows)[None], (ops.shape(token_ids)[0], length, width))  # (B, S, T)
        caches = []
        for i, block in enumerate(parts.blocks):
            kept = _remember(block, x, cache[:, i], place)
            # KerasHub would update the cache itself with an XLA operation that a stock server may not have.
            x, _ = block(x, decoder_attention_mask=mask, use_causal_mask=False, self_attention_cache=kept)
            caches.append(kept)
        return parts.token_embedding(parts.final_norm(x), reverse=True), ops.stack(caches, axis=1)

    def special_ids(self, tokenizer: Any) -> tuple[list[int], list[int], int]:
        return [], [tokenizer.end_token_id], tokenizer.pad_token_id

    def unknown_id(self, tokenizer: Any) -> int:
        return int(tokenizer.end_token_id)

    def piece_lengths(self, tokenizer: Any) -> list[int]:
        # The vocabulary writes each byte as one printable letter.
        ends = int(tokenizer.end_token_id)
        return [0 if i == ends else len(tokenizer.id_to_token(i)) for i in range(tokenizer.vocabulary_size())]

    def show_piece(self, tokenizer: Any, number: int) -> tuple[bytes, bool]:
        letters = {letter: byte for byte, letter in byte_letters().items()}
        text = bytes(letters[letter] for letter in tokenizer.id_to_token(number))
        return text, text[:1].isspace()

    def piece_texts(self, tokenizer: Any) -> list[bytes]:
        ends = int(tokenizer.end_token_id)
        letters = {letter: byte for byte, letter in byte_letters().items()}
        tokens = (tokenizer.id_to_token(i) for i in range(tokenizer.vocabulary_size()))
        return [b"" if i == ends else bytes(letters[letter] for letter in token) for i, token in enumerate(tokens)]


def _remember(block: Any, x: Any, cache: Any, place: Any) -> Any:
    """A block's cache (B, 2, T, heads, head size) with the keys and values of inputs (B, S, H) that stand at `place`."""
    from keras import ops

    normed = block._self_attention_layer_norm(x)
    attention = block._self_attention_layer
    new = ops.stack([attention._key_dense(normed), attention._value_dense(normed)], axis=1)  # (B, 2, S, heads, size)
    width, length = ops.shape(cache)[2], ops.shape(x)[1]
    here = ops.arange(width) - place
    spread = ops.take(new, ops.clip(here, 0, length - 1), axis=2)
    inside = ops.logical_and(here >= 0, here < length)[None, None, :, None, None]
    return ops.where(inside, spread, cache)


def byte_letters() -> dict[int, str]:
    """The printable letter GPT-2's vocabulary writes for each byte (Radford et al. 2019, `bytes_to_unicode`)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
