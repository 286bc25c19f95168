"""BERT's text normalisation as Google and Hugging Face do it, in TensorFlow operations, before KerasHub's WordPiece."""

from __future__ import annotations

from typing import Any

import keras_hub
import tensorflow as tf
import tensorflow_text as tf_text

# What BERT's `_clean_text` drops: control and format characters but tab and line ends, U+FFFD, private use.
_DROPPED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{fffd}\p{Cf}\p{Co}]"


class BertText:
    """Normalisation, then WordPiece.

    KerasHub's own normalisation splits at zero-width characters, does not know white space beyond ASCII (a no-break
    space joins two words into one `[UNK]`) and folds case with compatibility decomposition. Checkpoints were trained
    with other ids: with KerasHub's, 58 % of German and nearly all Chinese paragraphs of XQuAD differ.

    Args:
        vocabulary: Path, or list of the pieces.
        lowercase: Lower-case, as uncased checkpoints want.
        strip_accents: Remove accents; uncased checkpoints want this too.
    """

    def __init__(self, vocabulary: str | list[str], *, lowercase: bool, strip_accents: bool) -> None:
        self.lowercase, self.strip_accents = lowercase, strip_accents
        self.wordpiece = keras_hub.models.BertTokenizer(vocabulary, lowercase=False, strip_accents=False)

    def normalise(self, texts: tf.Tensor) -> tf.Tensor:
        """Strings -> strings, as the checkpoint saw them in training."""
        texts = tf.strings.regex_replace(texts, _DROPPED, "")
        texts = tf.strings.regex_replace(texts, r"\p{Z}", " ")
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
        return texts

    def __call__(self, texts: tf.Tensor) -> Any:
        return self.wordpiece(self.normalise(texts))
