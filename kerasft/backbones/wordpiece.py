"""BERT's text normalisation as Google and Hugging Face do it, in TensorFlow operations, before KerasHub's WordPiece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import keras_hub
import tensorflow as tf
import tensorflow_text as tf_text

# What BERT's `_clean_text` drops: control and format characters but tab and line ends, U+FFFD, private use.
_DROPPED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{fffd}\p{Cf}\p{Co}]"

# Characters of a new vocabulary's alphabet, or half of the vocabulary where that is more, as Chinese needs; words with rarer ones
# are unknown.
_LETTERS = 1000
_LINE = 10_000  # words at a time


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


def train_pieces(
    texts: Iterable[str], special: Sequence[str], *, lowercase: bool, vocabulary_size: int, min_frequency: int
) -> list[str]:
    """A WordPiece vocabulary made from texts with the Rust `tokenizers`; the same texts give the same vocabulary.

    Args:
        texts: Gone through once.
        special: The first pieces.
        lowercase: Whether texts are lower-cased and accents stripped.
        vocabulary_size: Most pieces.
        min_frequency: How often two pieces must meet to become one.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    split = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in split.pre_tokenize_str(normalizer.normalize_str(text)))
    letters: Counter[str] = Counter()
    for word, count in counts.items():
        for letter in word:
            letters[letter] += count
    often = [letter for letter in sorted(letters) if letters[letter] >= min_frequency]
    kept = sorted(often, key=lambda letter: -letters[letter])[: max(_LETTERS, vocabulary_size // 2)]
    inner = {letter for word in counts for letter in word[1:]}
    # The trainer would number `##x` in the order of a hash table, another one each time, and break ties by the numbers.
    first = [*special, *sorted(kept), *(f"##{letter}" for letter in sorted(inner & set(kept)))]
    tokenizer = Tokenizer(models.WordPiece(unk_token=special[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=first,
        limit_alphabet=len(kept),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(counts), trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _repeated(counts: Counter[str]) -> Iterable[str]:
    """Every word as often as it was counted, a line at a time."""
    for word, count in counts.items():
        for start in range(0, count, _LINE):
            yield " ".join([word] * min(_LINE, count - start))
