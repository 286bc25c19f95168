"""Characters <-> words <-> sub-words, in the graph, with offsets into the original text.

Shapes: N texts, M words in all of them, T sub-words in all of them. Offsets count characters (code points) as
Python's `str` does; the end is exclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Words much as annotators cut them (CoNLL, Universal Dependencies): letters and digits with signs inside (U.S, e-mail,
# 3.14, O'Brien), one sign, one character of a script without spaces. RE2 has no look-behind and its \b knows ASCII only, so an
# apostrophe that may be a quotation mark is a word of its own: John 's is read as John ' s.
_SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}\x{30fc}\x{ff70}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"(?:[^\P{{L}}{_SCRIPTS}]|\p{{M}}|\p{{N}})"
# Scripts without spaces between words: every character (with its marks) is a word of its own.
_ALONE = rf"[{_SCRIPTS}]\p{{M}}*"
WORDS = (
    rf"{_ALONE}|{_LETTER}+(?:[.\-_@&/:+]{_LETTER}+|['’]\p{{Lu}}\p{{L}}+|['’]\p{{L}}{{3,}})*"
    r"|[^\s\p{Z}]"
)
# Every sign is a word of its own: for marked parts of texts that end within a word as cut above (Rome/Paris).
FINE_WORDS = rf"{_ALONE}|{_LETTER}+|[^\s\p{{Z}}]"
# Runs without white space or punctuation, and single signs and Chinese characters: what BERT's own tokenizer cuts before
# WordPiece.
RUNS = r"[^\s\p{Z}\p{P}$+<=>^`|~\p{Han}]+|[^\s\p{Z}]"
_SPACE = r"[\s\p{Z}]+"


class Words(NamedTuple):
    """Words of N texts.

    Attributes:
        strings: Ragged (N, None) strings.
        starts: (M,) int32, offset of each word's first character in its text.
        ends: (M,) int32, offset after its last.
        spaced: (M,) bool, True where white space stands before the word.
    """

    strings: tf.RaggedTensor
    starts: tf.Tensor
    ends: tf.Tensor
    spaced: tf.Tensor


def split_words(texts: tf.Tensor, pattern: str) -> Words:
    """Cut texts into words.

    Args:
        texts: (N,) strings.
        pattern: Regular expression (RE2) of a word, `WORDS` or `RUNS`; what it leaves over must be white space.
    """
    import tensorflow_text as tf_text

    texts = tf.strings.regex_replace(texts, r"\x00", " ")  # TF-Text takes NUL for the end of the text
    everything = rf"{pattern}|{_SPACE}"
    parts = tf_text.regex_split(texts, everything, everything)  # the text in pieces, white space too: nothing is lost
    lengths = tf.strings.length(parts.values, unit="UTF8_CHAR")
    total = tf.cumsum(lengths)
    offset = tf.gather(tf.concat([[0], total], axis=0), tf.cast(parts.row_starts(), tf.int32))
    ends = total - tf.repeat(offset, parts.row_lengths())
    blank = tf.strings.regex_full_match(parts.values, _SPACE)
    # White space before a word is the piece before it; the first piece of a text has the end of another before it.
    first = tf.equal(ends - lengths, 0)
    spaced = tf.logical_and(tf.concat([[False], blank[:-1]], axis=0)[: tf.size(blank)], tf.logical_not(first))
    keep = parts.with_values(tf.logical_not(blank))
    strings = tf.ragged.boolean_mask(parts, keep)
    return Words(
        strings,
        tf.boolean_mask(ends - lengths, keep.values),
        tf.boolean_mask(ends, keep.values),
        tf.boolean_mask(spaced, keep.values),
    )


class SubWords(NamedTuple):
    """Sub-words of N texts.

    Attributes:
        ids: Ragged (N, None) int32.
        words: (T,) int32, number of the word within its text.
        first: (T,) bool, True for a word's first sub-word.
        starts: (T,) int32, offset in the text; of the whole word where its sub-words cannot be told apart.
        ends: (T,) int32.
    """

    ids: tf.RaggedTensor
    words: tf.Tensor
    first: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


def to_sub_words(words: Words, tokenize: Callable[[Any], tf.RaggedTensor], *, causal: bool, empty: int, lengths: Any) -> SubWords:
    """Tokenise word by word, so that alignment is a matter of counting.

    Args:
        words: Of `split_words`, or given words.
        tokenize: From (M,) strings to ragged ids.
        causal: A byte-level vocabulary that writes a space at the beginning of a word.
        empty: Id of a word without any sub-word (a zero-width character, an empty string).
        lengths: (vocabulary,) int32 length of each id's text, in characters, or bytes if `causal`.
    """
    strings = words.strings.values
    spaced = tf.logical_and(words.spaced, causal)
    pieces = tokenize(tf.where(spaced, tf.strings.join([tf.fill(tf.shape(strings), " "), strings]), strings))  # (M, None)
    none = tf.cast(tf.equal(pieces.row_lengths(), 0), tf.int64)
    pieces = tf.concat([pieces, tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(none)], empty), none)], axis=1)
    per_word = pieces.row_lengths()
    in_text = tf.RaggedTensor.from_row_lengths(per_word, words.strings.row_lengths())
    ids = tf.RaggedTensor.from_row_lengths(pieces.values, tf.reduce_sum(in_text, axis=1))
    number = tf.ragged.range(words.strings.row_lengths()).values
    first = tf.equal(tf.ragged.range(per_word).values, 0)

    # Offsets inside a word: exact where its sub-words' lengths add up to the word's, as they do unless the
    # vocabulary lacks a character, accents were stripped, or a character has several bytes.
    long = tf.gather(lengths, pieces.values)
    summed = tf.cumsum(long)
    leading = tf.repeat(tf.cast(spaced, tf.int32), per_word)
    begun = tf.gather(tf.concat([[0], summed], axis=0), tf.cast(pieces.row_starts(), tf.int32))
    last = summed - tf.repeat(begun, per_word) - leading
    before = tf.maximum(last - long, 0)
    characters = words.ends - words.starts
    total = tf.reduce_sum(pieces.with_values(long), axis=1) - tf.cast(spaced, tf.int32)
    plain = tf.logical_or(not causal, tf.equal(tf.strings.length(strings), characters))
    exact = tf.repeat(tf.logical_and(tf.equal(total, characters), plain), per_word)
    starts, ends = tf.repeat(words.starts, per_word), tf.repeat(words.ends, per_word)
    return SubWords(
        ids,
        tf.cast(tf.repeat(number, per_word), tf.int32),
        first,
        tf.where(exact, starts + before, starts),
        tf.where(exact, starts + last, ends),
    )
