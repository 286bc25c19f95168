"""Masking for pre-training: which tokens of a text are hidden and must be told, drawn without a state.

In all of these, B rows of L tokens; a *word* is a token with the continuations behind it; a *unit* is what is chosen at once: a
token, a word, or a span of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasft.layers.row_random import check_seeds, row_uniform

_CHOICE, _BUDGET, _FATE, _REPLACEMENT, _LENGTH, _START = range(6)  # streams of random numbers


class _Words(NamedTuple):
    """The words of rows: `number` (B, L) of the word each token is of, from 0; and by word number, (B, L) each, filled to L:
    `begins` and `ends` (the token behind its last); `count` (B,) words; `selectable` (B, L).
    """

    number: Any
    begins: Any
    ends: Any
    count: Any
    selectable: Any


@keras.saving.register_keras_serializable("kerasft")
class WholeWordMasking(keras.layers.Layer):
    """Hides whole words (`Whole Word Masking` of google-research/bert, 2019): all pieces of a chosen word share one fate.

    Of `n` words `rate * n` are chosen, without replacement; what is beyond a whole number is drawn, so that a text of three
    words loses one in 45 % of the cases and the share of chosen words is `rate` at any length. Of the chosen words `mask_rate`
    become the mask, `random_rate` other tokens (each piece one of its own), the rest stays as it is and must be told, too.

    Args:
        mask_id: Id of the mask; is never chosen and never drawn.
        vocabulary_size: V; replacements are drawn evenly from the ids below it that are not special.
        special_ids: Ids that are never chosen and never drawn: begin, separator, padding, unknown.
        rate: Share of the words that is chosen.
        mask_rate: Share of the chosen ones that becomes the mask.
        random_rate: Share of the chosen ones that becomes another token.
        **kwargs: Of `keras.layers.Layer`.

    Call:
        `token_ids` (B, L) int; `seeds` (B,) int of `row_seeds`; `word_starts` (B, L), 1 where a token begins a word (every
        token does when it is not given); `padding_mask` (B, L), 1 keeps, where padding has no id of its own -> (B, L) int32
        each: `token_ids` after masking, `chosen` (1 where a token must be told), `starts` and `stops` of the chosen token's
        unit (its first token, and the one behind its last).

    Raises:
        ValueError: A rate is impossible.
    """

    def __init__(
        self,
        *,
        mask_id: int,
        vocabulary_size: int,
        special_ids: Sequence[int] = (),
        rate: float = 0.15,
        mask_rate: float = 0.8,
        random_rate: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"`rate` must be from 0 to 1. Received: rate={rate!r}")
        if mask_rate < 0 or random_rate < 0 or mask_rate + random_rate > 1 + 1e-9:
            raise ValueError(
                "`mask_rate` and `random_rate` must be at least 0 and at most 1 together. "
                f"Received: mask_rate={mask_rate!r}, random_rate={random_rate!r}"
            )
        self.mask_id, self.vocabulary_size = int(mask_id), int(vocabulary_size)
        self.special_ids = sorted({int(number) for number in special_ids} | {self.mask_id})
        self.rate, self.mask_rate, self.random_rate = rate, mask_rate, random_rate
        ordinary = np.setdiff1d(np.arange(self.vocabulary_size), self.special_ids)
        if random_rate and not len(ordinary):
            raise ValueError("The vocabulary has no tokens but special ones, so none can be drawn as a replacement.")
        self._ordinary = ordinary.astype(np.int32)

    def call(self, token_ids: Any, seeds: Any, word_starts: Any = None, padding_mask: Any = None) -> dict[str, Any]:
        token_ids, seeds = ops.cast(token_ids, "int32"), check_seeds(seeds)
        words = self._words(token_ids, word_starts, padding_mask)
        starts, stops = self._choose(words, seeds)  # (B, L), of each chosen token's unit; stop 0 where nothing is chosen
        chosen = stops > 0
        return {
            "token_ids": ops.where(chosen, self._replaced(token_ids, starts, seeds), token_ids),
            "chosen": ops.cast(chosen, "int32"),
            "starts": ops.where(chosen, starts, 0),
            "stops": stops,
        }

    def _words(self, token_ids: Any, word_starts: Any, padding_mask: Any) -> _Words:
        length = ops.shape(token_ids)[1]
        places = ops.arange(length, dtype="int32")[None, :]
        selectable = ops.all(token_ids[:, :, None] != ops.convert_to_tensor(self.special_ids, dtype="int32"), axis=-1)
        if padding_mask is not None:
            selectable = ops.logical_and(selectable, ops.cast(padding_mask, "bool"))
        begins = selectable
        if word_starts is not None:
            # A text that was cut may begin within a word: what is left of it is one.
            before = ops.pad(selectable, [[0, 0], [1, 0]])[:, :-1]
            begins = ops.logical_and(selectable, ops.logical_or(ops.cast(word_starts, "bool"), ops.logical_not(before)))
        behind = ops.pad(ops.logical_or(begins, ops.logical_not(selectable)), [[0, 0], [0, 1]], constant_values=True)[:, 1:]
        ends = ops.logical_and(selectable, behind)
        counted = ops.cumsum(ops.cast(begins, "int32"), axis=1)
        return _Words(
            number=ops.maximum(counted - 1, 0),
            begins=ops.sort(ops.where(begins, places, length), axis=1),
            ends=ops.sort(ops.where(ends, places + 1, length), axis=1),
            count=ops.sum(ops.cast(begins, "int32"), axis=1),
            selectable=selectable,
        )

    def _choose(self, words: _Words, seeds: Any) -> tuple[Any, Any]:
        """(B, L) each: the first token of the chosen unit a token is of, and the token behind its last; 0 where none is."""
        length = ops.shape(words.number)[1]
        here = ops.arange(length, dtype="int32")[None, :] < words.count[:, None]  # by word number
        drawn = ops.where(here, row_uniform(seeds, length, stream=_CHOICE), 2.0)
        rank = ops.argsort(ops.argsort(drawn, axis=1), axis=1)
        wanted = self.rate * ops.cast(words.count, "float32") + row_uniform(seeds, 1, stream=_BUDGET)[:, 0]
        chosen = ops.logical_and(here, ops.cast(rank, "int32") < ops.cast(ops.floor(wanted), "int32")[:, None])
        starts, stops = (_of_tokens(values, words) for values in (words.begins, ops.where(chosen, words.ends, 0)))
        return starts, stops

    def _replaced(self, token_ids: Any, starts: Any, seeds: Any) -> Any:
        """What stands in place of each token, were it chosen; the tokens of a unit share one fate."""
        length = ops.shape(token_ids)[1]
        fate = ops.take_along_axis(row_uniform(seeds, length, stream=_FATE), starts, axis=1)
        drawn = row_uniform(seeds, length, stream=_REPLACEMENT) * float(len(self._ordinary))
        number = ops.minimum(ops.cast(drawn, "int32"), len(self._ordinary) - 1)
        other = ops.take(ops.convert_to_tensor(self._ordinary), number, axis=0) if len(self._ordinary) else token_ids
        kept = ops.where(fate < self.mask_rate + self.random_rate, other, token_ids)
        return ops.where(fate < self.mask_rate, self.mask_id, kept)

    def get_config(self) -> dict[str, Any]:
        names = ("mask_id", "vocabulary_size", "special_ids", "rate", "mask_rate", "random_rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasft")
class TokenMasking(WholeWordMasking):
    """Hides single tokens (Devlin et al. 2018): 15 %, of which 80 % become the mask, 10 % another token, 10 % stay.

    As `WholeWordMasking` with every token a word of its own; `word_starts` has no meaning for it.

    Example:
        >>> masking = TokenMasking(mask_id=4, vocabulary_size=100, special_ids=[0, 1, 2, 3])
        >>> masking(keras.ops.full((1, 6), 7), row_seeds([0], seed=1))["token_ids"].shape
        TensorShape([1, 6])
    """

    def _words(self, token_ids: Any, word_starts: Any, padding_mask: Any) -> _Words:
        return super()._words(token_ids, None, padding_mask)


@keras.saving.register_keras_serializable("kerasft")
class SpanMasking(WholeWordMasking):
    """Hides spans of words (SpanBERT, Joshi et al. 2020); one fate a span.

    Lengths, in whole words, follow the paper's geometric distribution cut at `longest` (p 0.2, 10: 3.8 words on average); a
    span's start is even over all places where it fits without meeting another; nothing crosses a special token. Spans are
    drawn until `rate` of the words is used. So that neither the rate nor the lengths are bent by the last span (the paper cuts
    it), the count begins somewhere within an imagined span before, as a renewal process in its steady state does: then the
    share of chosen words is `rate` and every length occurs as often as it should. In short texts no span is longer than half
    of the words, rounded up. At rates beyond 0.4 or so free places run out, and fewer words are chosen (0.67 of 126 at 0.7).

    Args:
        p: Of the geometric distribution, above 0 and below 1.
        longest: Most words of a span.
        **kwargs: As for `WholeWordMasking`, whose call it shares; `starts - 1` and `stops` are the span's boundary tokens.

    Raises:
        ValueError: A rate or a length is impossible.
    """

    def __init__(self, *, p: float = 0.2, longest: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < p < 1 or longest < 1:
            raise ValueError(f"`p` must be between 0 and 1, `longest` at least 1. Received: p={p!r}, longest={longest!r}")
        self.p, self.longest = p, longest
        # Row m - 1: for spans of at most m words, how likely a length is at most 1, 2, ...; and where in a span one stands that
        # stands somewhere in a long line of them.
        self._lengths = np.stack([_cumulated(self._shares(most)) for most in range(1, longest + 1)])
        self._residuals = np.stack([_cumulated(self._shares(most)[::-1].cumsum()[::-1]) for most in range(1, longest + 1)])

    def _shares(self, most: int) -> np.ndarray:
        """(longest,) how likely each length is when none is above `most`."""
        shares = self.p * (1 - self.p) ** np.arange(self.longest)
        shares[most:] = 0
        return np.asarray(shares / shares.sum())

    def _choose(self, words: _Words, seeds: Any) -> tuple[Any, Any]:
        length = ops.shape(words.number)[1]
        numbers = ops.arange(length, dtype="int32")[None, :]
        budget = self.rate * ops.cast(words.count, "float32")  # (B,)
        most = ops.clip((words.count + 1) // 2, 1, self.longest)
        lengths = 1 + _drawn(self._lengths, most, row_uniform(seeds, length, stream=_LENGTH))  # (B, L), those of the next spans
        places = row_uniform(seeds, length, stream=_START)
        phase = row_uniform(seeds, 2, stream=_BUDGET)
        used = ops.cast(_drawn(self._residuals, most, phase[:, :1])[:, 0], "float32") + phase[:, 1]
        sizes = ops.where(numbers < words.count[:, None], words.ends - words.begins, 0)
        tokens = _before(sizes)  # (B, L + 1) of the words before each

        def more(i: Any, used: Any, starts: Any, stops: Any) -> Any:
            return ops.logical_and(i < length, ops.any(used < budget))

        def place(i: Any, used: Any, starts: Any, stops: Any) -> tuple[Any, ...]:
            size = ops.take(lengths, ops.minimum(i, length - 1), axis=1)[:, None]  # (B, 1) words of this span
            last = ops.minimum(numbers + size, length)  # the word behind it, were it to begin at each
            taken = _before(ops.cast(stops > 0, "int32"))
            free = ops.take_along_axis(taken, last, axis=1) == taken[:, :-1]
            ends = ops.take_along_axis(words.ends, last - 1, axis=1)
            whole = ends - words.begins == ops.take_along_axis(tokens, last, axis=1) - tokens[:, :-1]
            fits = ops.logical_and(ops.logical_and(numbers + size <= words.count[:, None], free), whole)
            fits = ops.logical_and(fits, (used < budget)[:, None])
            order = ops.cumsum(ops.cast(fits, "int32"), axis=1)  # (B, L) 1, 2, ... of the words where it fits
            drawn = ops.take(places, ops.minimum(i, length - 1), axis=1)[:, None] * ops.cast(order[:, -1:], "float32")
            here = ops.logical_and(fits, order == 1 + ops.cast(drawn, "int32"))
            begin = ops.sum(ops.where(here, numbers, 0), axis=1, keepdims=True)
            inside = ops.logical_and(numbers >= begin, numbers < begin + size)
            inside = ops.logical_and(inside, ops.any(here, axis=1, keepdims=True))
            starts = ops.where(inside, ops.take_along_axis(words.begins, begin, axis=1), starts)
            behind = ops.minimum(begin + size, length) - 1
            stops = ops.where(inside, ops.take_along_axis(words.ends, behind, axis=1), stops)
            return i + 1, used + ops.cast(size[:, 0], "float32"), starts, stops

        nothing = ops.zeros_like(words.begins)
        start = (ops.convert_to_tensor(0, dtype="int32"), used, nothing, nothing)
        _, _, starts, stops = ops.while_loop(more, place, start)
        return _of_tokens(starts, words), _of_tokens(stops, words)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p, "longest": self.longest}


def masked_places(chosen: Any, count: Any) -> tuple[Any, Any]:
    """Where the chosen tokens of each row stand, in order, so that a head computes only those.

    Args:
        chosen: (B, L), of a masking layer.
        count: K, places a row; a row with more chosen tokens loses its last.

    Returns:
        (B, K) int32 places, 0 where a row has fewer; and (B, K) int32, 1 where there is one.
    """
    length = ops.shape(chosen)[1]
    places = ops.arange(length, dtype="int32")[None, :]
    order = ops.sort(ops.where(ops.cast(chosen, "bool"), places, length), axis=1)[:, :count]
    there = order < length
    return ops.where(there, order, 0), ops.cast(there, "int32")


def _of_tokens(values: Any, words: _Words) -> Any:
    """Values by word number (B, L) as values of tokens (B, L), 0 where a token may not be chosen."""
    return ops.where(words.selectable, ops.take_along_axis(values, words.number, axis=1), 0)


def _before(values: Any) -> Any:
    """(B, L + 1) sums of what stands before each place of (B, L)."""
    return ops.pad(ops.cumsum(values, axis=1), [[0, 0], [1, 0]])


def _cumulated(shares: np.ndarray) -> np.ndarray:
    return np.asarray(np.cumsum(shares / shares.sum()), dtype=np.float32)


def _drawn(tables: np.ndarray, most: Any, uniform: Any) -> Any:
    """(B, n) numbers from 0 drawn by the cumulated shares in row `most - 1` (B,) of tables, with uniform numbers (B, n)."""
    table = ops.take(ops.convert_to_tensor(tables), most - 1, axis=0)  # (B, longest)
    numbers = ops.sum(ops.cast(uniform[:, :, None] >= table[:, None, :], "int32"), axis=-1)
    return ops.minimum(numbers, most[:, None] - 1)  # rounding of the last cumulated share, which is 1
