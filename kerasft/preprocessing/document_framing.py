"""Framing for causal language models: whole documents in windows, or a prompt with its completion."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerasft.preprocessing.framing import Framed, Framing, repeat_ids
from kerasft.preprocessing.windows import cover, gather_windows


class DocumentFraming(Framing):
    """Documents as `<|endoftext|> document <|endoftext|>` in windows, so that also the first token is predicted.

    Args:
        framer: `backbones.tokenization.Framer`: tokenizer, special ids, longest window.
        overlap: Tokens a window repeats of the one before; only its new tokens are scored.
        separator: What stands between a prompt and its completion.

    Call:
        `texts` (N,) -> `Framed` whose `flat["scored"]` is 1 on each token that is predicted, once in all windows.
        With `pairs` (N,) `texts` are prompts and `pairs` completions: one window a row, only the completion and its
        end are scored; a row that is too long loses the beginning of its prompt, then the end of its completion.
    """

    def __init__(self, framer: Any, overlap: int, separator: str) -> None:
        super().__init__()
        self._framer, self._overlap, self._separator = framer, overlap, separator

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        return self._documents(texts) if pairs is None else self._completions(texts, pairs)

    def _documents(self, texts: tf.Tensor) -> Framed:
        framer = self._framer
        end = repeat_ids(framer.end, tf.shape(texts)[0])
        ids = tf.concat([end, framer.tokenize(texts), end], axis=1)
        # A window shares at least one token with the one before: its own first token has nothing to be predicted from.
        overlap = min(max(1, self._overlap), framer.max_length // 2)
        windows = cover(ids.row_lengths(), framer.max_length, overlap, causal=True)
        framed = gather_windows(ids, windows)
        lengths = tf.cast(framed.row_lengths(), tf.int32)
        place = tf.ragged.range(lengths).values + tf.repeat(windows.starts, lengths)
        # The very first token has nothing before it from which it could be predicted.
        scored = (place >= tf.repeat(tf.maximum(windows.scored_starts, 1), lengths)) & (
            place < tf.repeat(windows.scored_stops, lengths)
        )
        return Framed(framed, lengths, lengths, windows.owners, {"scored": tf.cast(scored, tf.int32)})

    def _completions(self, prompts: tf.Tensor, completions: tf.Tensor) -> Framed:
        framer = self._framer
        count = tf.shape(prompts)[0]
        end = repeat_ids(framer.end, count)
        prompt = framer.tokenize(tf.strings.join([prompts, tf.fill([count], self._separator)]))
        completion = framer.tokenize(completions)
        long, new = tf.cast(prompt.row_lengths(), tf.int32), tf.cast(completion.row_lengths(), tf.int32)
        room = framer.max_length - 2
        kept_new = tf.minimum(new, room)
        kept = tf.minimum(long, room - kept_new)
        begun = tf.cast(prompt.row_starts(), tf.int32)
        prompt = tf.gather(prompt.values, tf.ragged.range(begun + long - kept, begun + long))
        begun = tf.cast(completion.row_starts(), tf.int32)
        completion = tf.gather(completion.values, tf.ragged.range(begun, begun + kept_new))
        ids = tf.concat([end, prompt, completion, end], axis=1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        place = tf.ragged.range(lengths).values
        scored = tf.cast(place > tf.repeat(kept, lengths), tf.int32)
        return Framed(ids, lengths, long + new + 2, tf.range(count), {"scored": scored})
