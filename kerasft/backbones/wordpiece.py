"""BERT's text normalisation as Google and Hugging Face do it, in TensorFlow operations, before KerasHub's WordPiece."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras_hub
import tensorflow as tf
import tensorflow_text as tf_text
from keras_hub.src.tokenizers.word_piece_tokenizer import pretokenize

from kerasft.errors import PresetError

# What BERT's `_clean_text` drops: control and format characters but tab and line ends, U+FFFD, private use.
_DROPPED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{fffd}\p{Cf}\p{Co}]"

# Characters of a new vocabulary's alphabet, or half of the vocabulary where that is more, as Chinese needs; words with rarer ones
# are unknown.
_LETTERS = 1000
_LINE = 10_000  # words at a time


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_WORD = 100  # characters; a longer word is unknown, as in BERT
_FIRST_MARK = 0xF0000  # private use, which no text keeps: stands for a special or added token until it has its id
_IN_BRACKETS = re.compile(r"\[([A-Za-z0-9_]+)\]")


@dataclass(frozen=True)
class AddedToken:
    """A token that stands for itself wherever a text holds it.

    Attributes:
        text: As it is written.
        normalised: Whether it is looked for in the normalised text (so in any case, for an uncased model) or in the text as it
            is.
    """

    text: str
    normalised: bool = False


class BertText:
    """Normalisation, then WordPiece; special and added tokens in a text are one piece each, as in `transformers`.

    KerasHub's own normalisation splits at zero-width characters, does not know white space beyond ASCII (a no-break
    space joins two words into one `[UNK]`) and folds case with compatibility decomposition. Checkpoints were trained
    with other ids: with KerasHub's, 58 % of German and nearly all Chinese paragraphs of XQuAD differ.

    Args:
        vocabulary: Path, or list of the pieces, added tokens included.
        lowercase: Lower-case, as uncased checkpoints want.
        strip_accents: Remove accents; uncased checkpoints want this too.
        split_chinese: Whether every Chinese character is a word of its own.
        added: Tokens besides the special ones that are never cut, as objects of `AddedToken`'s attributes.

    Raises:
        PresetError: The vocabulary lacks a special token.
    """

    def __init__(
        self,
        vocabulary: str | list[str],
        *,
        lowercase: bool,
        strip_accents: bool,
        split_chinese: bool = True,
        added: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.lowercase, self.strip_accents, self.split_chinese = lowercase, strip_accents, split_chinese
        self.added = tuple(AddedToken(**token) for token in added)
        pieces = vocabulary if isinstance(vocabulary, list) else _lines_of(vocabulary)
        known = set(pieces)
        if absent := [token for token in SPECIAL if token not in known]:
            hint = "A BERT vocabulary has [PAD], [UNK], [CLS], [SEP] and [MASK], one piece a line."
            raise PresetError(f"The vocabulary lacks {', '.join(absent)}.", hint=hint)
        self.wordpiece = keras_hub.models.BertTokenizer(pieces, lowercase=False, strip_accents=False)
        self._marks = {token: chr(_FIRST_MARK + i) for i, token in enumerate((*SPECIAL, *(one.text for one in self.added)))}
        aliases = [self._marks.get(piece, piece) for piece in pieces]
        self._brackets = self._bracketed()
        for name, alias in self._brackets.items():
            aliases[pieces.index(f"[{name}]")] = alias
        self._pieces = tf_text.FastWordpieceTokenizer(
            vocab=aliases,
            token_out_type=tf.int32,
            suffix_indicator="##",
            unknown_token=self._alias("[UNK]"),
            max_bytes_per_word=8 * LONGEST_WORD,
            no_pretokenization=True,
        )

    def _bracketed(self) -> dict[str, str]:
        """Names of the tokens that are words in brackets, by which one expression finds them all, and what stands for each.

        Lower-casing would make two names one that differ in case only; such tokens are replaced one by one.
        """
        raw = [*SPECIAL, *(token.text for token in self.added if not token.normalised)]
        names = [match.group(1) for token in raw if (match := _IN_BRACKETS.fullmatch(token))]
        lowered = [name.lower() if self.lowercase else name for name in names]
        mark = chr(_FIRST_MARK - 1)
        return {name: f"{mark}{low}{mark}" for name, low in zip(names, lowered, strict=True) if lowered.count(low) == 1}

    def _alias(self, token: str) -> str:
        match = _IN_BRACKETS.fullmatch(token)
        return self._brackets.get(match.group(1), self._marks[token]) if match else self._marks[token]

    def _normalised(self, text: str) -> str:
        text = text.lower() if self.lowercase else text
        if not self.strip_accents:
            return text
        return "".join(letter for letter in unicodedata.normalize("NFD", text) if unicodedata.category(letter) != "Mn")

    def normalise(self, texts: tf.Tensor) -> tf.Tensor:
        """Strings -> strings, as the checkpoint saw them in training; special and added tokens as signs of private use."""
        texts = tf.strings.regex_replace(texts, _DROPPED, "")
        mark = chr(_FIRST_MARK - 1)
        if self._brackets:
            names = "|".join(self._brackets)
            texts = tf.strings.regex_replace(texts, rf"\[({names})\]", rf" {mark}\1{mark} ")
        for token in sorted((*SPECIAL, *(one.text for one in self.added if not one.normalised)), key=len, reverse=True):
            match = _IN_BRACKETS.fullmatch(token)
            if not match or match.group(1) not in self._brackets:
                texts = _replaced(texts, token, self._marks[token])
        texts = tf.strings.regex_replace(texts, r"\p{Z}", " ")
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
        for one in sorted(self.added, key=lambda one: len(one.text), reverse=True):
            if one.normalised:
                texts = _replaced(texts, self._normalised(one.text), self._marks[one.text])
        return texts

    def __call__(self, texts: tf.Tensor) -> Any:
        words = pretokenize(self.normalise(texts), strip_accents=False, split_on_cjk=self.split_chinese)
        long = tf.strings.length(words.values, unit="UTF8_CHAR") > LONGEST_WORD
        words = words.with_values(tf.where(long, self._alias("[UNK]"), words.values))
        return self._pieces.tokenize(words).merge_dims(-2, -1)

    def options(self) -> dict[str, Any]:
        """What makes the same tokenizer of the same vocabulary: plain JSON values."""
        plain = {"lowercase": self.lowercase, "strip_accents": self.strip_accents}
        chinese = {} if self.split_chinese else {"split_chinese": False}
        return {**plain, **chinese, **({"added": [asdict(token) for token in self.added]} if self.added else {})}


def _replaced(texts: tf.Tensor, token: str, mark: str) -> tf.Tensor:
    return tf.strings.regex_replace(texts, re.escape(token).replace("\\ ", " "), f" {mark} ")


def _lines_of(path: str) -> list[str]:
    """The pieces of a vocabulary file, one a line.

    Raises:
        PresetError: It is no UTF-8 text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [line.rstrip() for line in file]
    except UnicodeDecodeError:
        raise PresetError("The vocabulary is not a text file in UTF-8.", where=path) from None


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
