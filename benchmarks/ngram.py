"""Perplexity of an n-gram model with Kneser-Ney smoothing on a preset's own tokens: what a causal language model must beat.

    python benchmarks/ngram.py saved_models/mini_gpt2 --train corpus.txt --test held_out.txt --order 4

Interpolated Kneser-Ney with one discount an order, `n1 / (n1 + 2 n2)` (Ney, Essen & Kneser 1994; Chen & Goodman 1999): the
highest order counts occurrences, the lower ones in how many contexts a token was seen, the lowest is mixed with the even
distribution over the vocabulary. Documents stand between the tokens that end them, as `CausalLM` reads them, and every token
but the first is predicted, so that both perplexities are of the same tokens.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
from workers.common import machine, table

import kerasft as kft
from kerasft.backbones.loading import load_framer
from kerasft.preprocessing.document_framing import DocumentFraming
from kerasft.preprocessing.encoding import encode
from kerasft.presets import fetch, find_preset


class Counts:
    """How often each n-gram of one order was seen, by key; and of each context its total and how many tokens follow it."""

    def __init__(self, keys: np.ndarray, weights: np.ndarray, vocabulary: int) -> None:
        self.keys, index = np.unique(keys, return_inverse=True)
        self.counts = np.bincount(index, weights=weights)
        once, twice = (self.counts == 1).sum(), (self.counts == 2).sum()
        self.discount = once / (once + 2 * twice) if once else 0.5
        self.contexts, place = np.unique(self.keys // vocabulary, return_inverse=True)
        self.totals = np.bincount(place, weights=self.counts)
        self.followers = np.bincount(place).astype(float)


class KneserNey:
    """The model of one token stream.

    Args:
        documents: Token ids of each document, from the token that begins it.
        vocabulary: V.
        order: n; `V ** n` must fit in 64 bits.
    """

    def __init__(self, documents: list[np.ndarray], vocabulary: int, order: int) -> None:
        assert vocabulary**order < 2**63, "keys of 64 bits do not hold so long n-grams; take a lower order"
        self.vocabulary, self.order = vocabulary, order
        self.levels: list[Counts] = []
        keys = np.concatenate([self._keys(ids, order) for ids in documents])
        level = Counts(keys, np.ones(len(keys)), vocabulary)
        self.levels.append(level)
        for length in range(order - 1, 0, -1):
            # Documents begin with n-grams that have no token before them; they count as seen in one context more.
            begun = np.concatenate([self._first(ids, length) for ids in documents])
            shorter = np.concatenate([level.keys % vocabulary**length, np.unique(begun)])
            level = Counts(shorter, np.ones(len(shorter)), vocabulary)
            self.levels.append(level)

    def _keys(self, ids: np.ndarray, length: int) -> np.ndarray:
        """(T - length + 1,) keys of all n-grams."""
        if len(ids) < length:
            return np.zeros(0, np.int64)
        windows = np.lib.stride_tricks.sliding_window_view(ids.astype(np.int64), length)
        return windows @ (self.vocabulary ** np.arange(length - 1, -1, -1, dtype=np.int64))

    def _first(self, ids: np.ndarray, length: int) -> np.ndarray:
        return self._keys(ids[:length], length)

    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(T - 1,) natural logarithms of the probability of each token but the first, given those before it."""
        shares = np.full(len(ids) - 1, 1.0 / self.vocabulary)
        for length, level in zip(range(1, self.order + 1), reversed(self.levels), strict=True):
            keys = self._keys(ids[1:] if length == 1 else ids, length)
            where = slice(0, None) if length == 1 else slice(length - 2, None)  # the first tokens have shorter contexts
            shares[where] = self._mixed(level, keys, shares[where])
        return np.log(shares)

    def _mixed(self, level: Counts, keys: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Probabilities of n-grams by their key, where a context was seen; those of the lower order otherwise."""
        count = _found(level.keys, level.counts, keys)
        total = _found(level.contexts, level.totals, keys // self.vocabulary)
        followers = _found(level.contexts, level.followers, keys // self.vocabulary)
        with np.errstate(divide="ignore", invalid="ignore"):
            mixed = (np.maximum(count - level.discount, 0) + level.discount * followers * lower) / total
        return np.where(total > 0, mixed, lower)


def _found(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--order", type=int, default=4)
    given = parser.parse_args()
    framer = load_framer(fetch(find_preset(given.preset)), 10**9)
    framer.max_length = 10**9  # documents as they are, in one window each
    train, test = (_documents(framer, path) for path in (given.train, given.test))
    vocabulary = len(framer.piece_lengths)
    model = KneserNey(train, vocabulary, given.order)
    check(model, test[0])
    nats = -sum(float(model.log_probabilities(ids).sum()) for ids in test)
    tokens = sum(len(ids) - 1 for ids in test)
    head = ("model", "vocabulary", "training tokens", "test tokens", "perplexity of a token")
    sizes = (f"{vocabulary:,}", f"{sum(map(len, train)):,}", f"{tokens:,}")
    row = (f"{given.order}-gram, Kneser-Ney", *sizes, f"{math.exp(nats / tokens):.2f}")
    print(f"{machine()}\n\n{table(head, [row])}")


def _documents(framer: Any, path: str) -> list[np.ndarray]:
    split = kft.load_data({"train": path}, validation=0)["train"]
    rows = ((texts, pairs) for texts, pairs, _ in split.batches())
    encoded = encode(framer, rows, paired=False, framing=DocumentFraming(framer, 0, ""))
    return [np.asarray(encoded.ids[a:b]) for a, b in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)]


def check(model: KneserNey, ids: np.ndarray) -> None:
    """The probabilities of all tokens after some contexts add up to one."""
    for place in range(model.order, min(len(ids), 200), 40):
        stem = ids[place - model.order + 1 : place]
        total = sum(math.exp(model.log_probabilities(np.append(stem, token))[-1]) for token in range(model.vocabulary))
        assert abs(total - 1) < 1e-6, total


if __name__ == "__main__":
    main()
