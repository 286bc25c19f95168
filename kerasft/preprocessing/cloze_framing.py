"""Framing for clozes: the text set into a template with one gap."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf

from kerasft.errors import ConfigError
from kerasft.preprocessing.framing import Framed, Framing, longest_first, repeat_ids, trim

_FIELDS = re.compile(r"(\{text\}|\{text_pair\}|\[MASK\])")


class ClozeFraming(Framing):
    """Texts in a template such as `{text} It was [MASK].`; the words of the template are never cut.

    Args:
        framer: `backbones.tokenization.Framer`: tokenizer, special ids, longest example.
        template: Text with `{text}`, perhaps `{text_pair}`, and `[MASK]`. A left-to-right model reads up to the gap,
            so nothing behind it, and a field behind it is an error of the caller.

    Raises:
        ConfigError: The template alone is as long as an example may be.

    Call:
        `texts` (N,) and, where the template has the second field, `pairs` (N,) -> `Framed` of one window a row.
    """

    def __init__(self, framer: Any, template: str) -> None:
        super().__init__()
        self._framer = framer
        parts = [part for part in _FIELDS.split(template) if part]
        if framer.family.causal:
            parts = parts[: parts.index("[MASK]")]
            parts = [*parts[:-1], parts[-1].rstrip()] if parts else parts  # the word brings its own space
        # Of each part its field, or the ids of its words.
        self._parts = [(part, []) if part[:1] == "{" else ("", self._ids(part)) for part in parts]
        self._end = [] if framer.family.causal else framer.end
        self._fixed = len(framer.start) + len(self._end) + sum(len(ids) for _, ids in self._parts)
        if framer.max_length - self._fixed < 2:
            message = f"'template' takes {self._fixed} of {framer.max_length} tokens, which leaves no room for a text."
            raise ConfigError(message, hint="Shorten the template, or raise max_length if the model takes more.")

    def _ids(self, text: str) -> list[int]:
        if text == "[MASK]":
            return [int(self._framer.mask_id)]
        if not text.strip() and not self._framer.family.causal:
            return []
        return [int(number) for number in self._framer.tokenize(tf.constant([text])).values.numpy()]

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        framer, count = self._framer, tf.shape(texts)[0]
        room = framer.max_length - self._fixed
        first = framer.tokenize(texts)
        second = framer.tokenize(texts if pairs is None else pairs)
        long, other = first.row_lengths(), second.row_lengths() * int(pairs is not None)
        full = tf.cast(long + other, tf.int32) + self._fixed
        kept, kept_other = longest_first(long, other, room)
        fields = {"{text}": trim(first, kept), "{text_pair}": trim(second, kept_other)}
        pieces = [repeat_ids(framer.start, count)]
        pieces += [fields[field] if field else repeat_ids(ids, count) for field, ids in self._parts]
        ids = tf.concat([*pieces, repeat_ids(self._end, count)], axis=1)
        return Framed(ids, tf.cast(ids.row_lengths(), tf.int32), full, tf.range(count), {})
