"""GPT-2's byte-level BPE as OpenAI and Hugging Face do it, in TensorFlow operations, around KerasHub's table of merges."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import keras_hub
import tensorflow as tf
import tensorflow_text as tf_text

END = "<|endoftext|>"
ADDED_TOKENS = "added_tokens.json"

# The regular expression of GPT-2's encoder.py ends in `\s+(?!\S)|\s+`: white space before a word gives its last character
# away. RE2 has no look-ahead, so a noncharacter, which no text should hold (Unicode 15, 23.7), is put before that character.
_MARK = "\U0010ffff"
_SPACE = r"\s\x0b\x{85}\p{Z}"  # Unicode's White_Space; RE2's \s is ASCII's without the vertical tab
_WORDS = "|".join(
    ["'s|'t|'re|'ve|'m|'ll|'d", r" ?\p{L}+", r" ?\p{N}+", rf" ?[^{_SPACE}\p{{L}}\p{{N}}{_MARK}]+", f"[{_SPACE}]+", _MARK]
)


class BytePairText(tf.Module):
    """GPT-2's tokenizer; the end of a text and added tokens in a text are one piece each, as in `transformers`.

    KerasHub's own division into words differs from what checkpoints were trained with: two line ends before a word and
    spaces at the end of a text are cut elsewhere, the Devanagari digit six is lost, `ĴA` becomes `<|endoftext|>`, and of
    several `unsplittable_tokens` each is cut into pieces. So texts are divided here, and KerasHub merges bytes to pieces.

    Args:
        vocabulary: Path of a JSON file, or the pieces and their numbers; added tokens included.
        merges: Path, or list of the merges.
        added: Tokens besides the end of a text that are never cut.
    """

    def __init__(self, vocabulary: dict[str, int] | str, merges: Sequence[str] | str, added: Sequence[str] = ()) -> None:
        super().__init__()
        self.byte_pairs = keras_hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
        self.added = tuple(added)
        whole = sorted({END, *added}, key=len, reverse=True)
        self._whole = "|".join(re.escape(token) for token in whole)
        numbers = tf.constant([self.byte_pairs.vocabulary[token] for token in whole], tf.int32)
        self._numbers = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.constant(whole), numbers), -1)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """(N,) strings -> (N, ragged) int32 ids."""
        parts = tf_text.regex_split(texts, self._whole, self._whole)  # (N, parts)
        numbers = self._numbers.lookup(parts.values)
        is_whole = numbers >= 0
        whole = tf.RaggedTensor.from_row_lengths(tf.boolean_mask(numbers, is_whole), tf.cast(is_whole, tf.int64))
        between = self._merged(_words(tf.where(is_whole, "", parts.values)))
        return parts.with_values(tf.concat([whole, between], axis=1)).merge_dims(1, 2)

    def _merged(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Ids of words (N, words), of which KerasHub's tokenizer remembers those that it has seen."""
        known = self.byte_pairs.cache.lookup(words.values)
        is_new = known == ""

        def merge_new() -> tf.Tensor:
            self.byte_pairs._bpe_merge_and_update_cache_tf(tf.boolean_mask(words.values, is_new))
            return self.byte_pairs.cache.lookup(words.values)

        pieces = tf.strings.split(tf.cond(tf.reduce_any(is_new), merge_new, lambda: known), sep=" ")
        ids = pieces.with_values(tf.cast(self.byte_pairs.token_to_id_map.lookup(pieces.values), tf.int32))
        return words.with_values(ids).merge_dims(1, 2)

    @property
    def end_token_id(self) -> int:
        """Id of the end of a text."""
        return int(self.byte_pairs.end_token_id)

    @property
    def pad_token_id(self) -> int:
        """Id at places that no layer reads."""
        return int(self.byte_pairs.pad_token_id)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Every token with its id."""
        return dict(self.byte_pairs.vocabulary)

    def vocabulary_size(self) -> int:
        """Number of tokens, the added ones included."""
        return int(self.byte_pairs.vocabulary_size())

    def id_to_token(self, number: int) -> str:
        """The token of an id."""
        return str(self.byte_pairs.id_to_token(number))

    def save_assets(self, folder: Path) -> None:
        """Write `vocabulary.json`, `merges.txt` and, if there are added tokens, `added_tokens.json`."""
        self.byte_pairs.save_assets(str(folder))
        if self.added:
            (folder / ADDED_TOKENS).write_text(json.dumps(self.added, ensure_ascii=False), encoding="utf-8")


def _words(texts: tf.Tensor) -> tf.RaggedTensor:
    """(N,) strings -> (N, words), by GPT-2's regular expression."""
    marked = tf.strings.regex_replace(texts, f"([{_SPACE}])([{_SPACE}][^{_SPACE}])", rf"\1{_MARK}\2")
    words = tf_text.regex_split(marked, _WORDS, _WORDS)
    return tf.ragged.boolean_mask(words, words != _MARK)
