"""Generation with a key-value cache, in the graph: the same functions answer in Python, stream, and are served.

Shapes: B prompts, T positions, V tokens. All rows fill the same position at the same step; a row whose prompt is longer
keeps its own token there, so nothing is padded on the left and no row's text depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kerasft.errors import ConfigError
from kerasft.own_settings import own_settings
from kerasft.preprocessing.framing import repeat_ids
from kerasft.sampling import Sampling

_STRIDE = 16  # tokens between two looks for a stop string


class Choice(NamedTuple):
    """The options of B prompts, each (B,): see `Sampling`."""

    max_new_tokens: tf.Tensor
    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor
    repetition_penalty: tf.Tensor
    seed: tf.Tensor


class State(NamedTuple):
    """Where generation stands.

    Attributes:
        ids: (B, T) int32, prompts and what was added.
        starts: (B,) int32, the first position that is not of the prompt.
        ends: (B,) int32, the position after the text.
        limits: (B,) int32, the position no text goes beyond.
        done: (B,) bool.
        place: Scalar int32, the position to fill next.
        cache: (B, layers, 2, T, heads, head size).
        seen: (B, V) bool, tokens in the text so far.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    limits: tf.Tensor
    done: tf.Tensor
    place: tf.Tensor
    cache: tf.Tensor
    seen: tf.Tensor


class Generator:
    """Generates text with the tuned parts of a left-to-right backbone.

    Args:
        framer: `backbones.tokenization.Framer`.
        backbone: Sizes and tokenizer.
        parts: The tuned parts, as they were wired.
        separator: What is added to every prompt.
    """

    def __init__(self, framer: Any, backbone: Any, parts: Any, separator: str = "") -> None:
        self._framer, self._backbone, self._parts, self._separator = framer, backbone, parts, separator
        self._end = int(framer.end[0])
        self._vocabulary = len(framer.piece_lengths)
        self._pieces = tf.constant(framer.family.piece_texts(framer.tokenizer))
        self.searches: dict[tuple[Any, ...], Any] = {}  # traced beam searches by their options
        strings = tf.TensorSpec((None,), tf.string)
        choice = Choice(*(tf.TensorSpec((None,), kind) for kind in _KINDS))
        self.begin = tf.function(self._begin, input_signature=[strings, choice])
        self.advance = tf.function(self._advance, reduce_retracing=True)
        self.text = tf.function(self._text, reduce_retracing=True)
        self.lost = tf.function(self._lost, input_signature=[strings, tf.TensorSpec((None,), tf.int32)])

    @property
    def most_new_tokens(self) -> int:
        """The most tokens a text can get: at least one position is the prompt's."""
        return int(self._backbone.max_length) - 1

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> list[tuple[str, str]]:
        """Text for each prompt, without the prompt, and why it ended: `end`, `length` or `stop`."""
        *_, last = self.stream(prompts, sampling, stride=_STRIDE)
        return last

    def stream(self, prompts: Sequence[str], sampling: Sampling, *, stride: int = 1) -> Iterator[list[tuple[str, str]]]:
        """The texts so far after every `stride` tokens; the reason is empty until a text has ended."""
        encoded = [prompt.encode("utf-8", errors="replace") for prompt in prompts]
        if sampling.beams > 1:
            from kerasft.backbones.beam_search import beam_search

            with own_settings():
                ids, starts, ends = beam_search(self, tf.constant(encoded), sampling)
                texts = self.text(ids, starts, ends).numpy()
            limits = starts + sampling.max_new_tokens
            yield self._told(texts, (ends >= limits).numpy(), np.ones(len(texts), bool), sampling.stop)
            return
        choice = as_choice(sampling, len(encoded))
        with own_settings():
            state = self.begin(tf.constant(encoded), choice)
        while True:
            with own_settings():
                state = self.advance(state, choice, tf.constant(stride))
                texts = self.text(state.ids, state.starts, state.ends).numpy()
            told = self._told(texts, (state.ends >= state.limits).numpy(), state.done.numpy(), sampling.stop)
            yield told
            if all(reason for _, reason in told):
                return

    def cut(self, prompts: Sequence[str], sampling: Sampling) -> list[int]:
        """How many tokens of each prompt are not read, since the new text needs their room; they are those at its beginning.

        Raises:
            ConfigError: The new text leaves no room for any prompt.
        """
        encoded = tf.constant([prompt.encode("utf-8", errors="replace") for prompt in prompts])
        limits = tf.fill([len(prompts)], sampling.max_new_tokens)
        lost = [int(number) for number in self.lost(encoded, limits).numpy()]
        if any(lost) and sampling.max_new_tokens >= self.most_new_tokens:
            what = f"'max_new_tokens' of {sampling.max_new_tokens} leaves no room for the prompt"
            raise ConfigError(
                f"{what}: the model reads {self._backbone.max_length} tokens of both.", hint="Ask for fewer tokens."
            )
        return lost

    def _lost(self, prompts: tf.Tensor, max_new_tokens: tf.Tensor) -> tf.Tensor:
        tokens = self._framer.tokenize(tf.strings.join([prompts, tf.fill(tf.shape(prompts), self._separator)]))
        room = self._backbone.max_length - tf.clip_by_value(max_new_tokens, 1, self.most_new_tokens) - 1
        return tf.maximum(tf.cast(tokens.row_lengths(), tf.int32) - room, 0)

    def _told(self, texts: np.ndarray, full: np.ndarray, done: np.ndarray, stop: str | None) -> list[tuple[str, str]]:
        told = []
        for raw, is_full, is_done in zip(texts, full, done, strict=True):
            text = raw.decode("utf-8")
            reason = ("length" if is_full else "end") if is_done else ""
            if stop and stop in text:
                text, reason = text.partition(stop)[0], "stop"
            elif not reason:
                text = _certain(text, stop or "")
            told.append((text, reason))
        return told

    def serve(self, prompts: tf.Tensor, choice: Choice, stop: tf.Tensor) -> dict[str, tf.Tensor]:
        """The served graph: all tokens, then the texts, cut before their stop strings ("" for none)."""
        state = self._begin(prompts, choice)
        state = self._advance(
            state, choice, tf.reduce_max(tf.concat([choice.max_new_tokens, [0]], axis=0)) + tf.shape(state.ids)[1]
        )
        texts = self._text(state.ids, state.starts, state.ends)
        cut = tf.map_fn(_before, (texts, stop), fn_output_signature=tf.string)
        stopped = tf.not_equal(tf.strings.length(cut), tf.strings.length(texts))
        ended = tf.where(state.ends >= state.limits, "length", "end")
        lost = self._lost(prompts, choice.max_new_tokens)
        return {"text": cut, "finish_reason": tf.where(stopped, "stop", ended), "prompt_tokens_cut": lost}

    def prompt_ids(self, prompts: tf.Tensor, room: tf.Tensor) -> tf.RaggedTensor:
        """Ids of prompts behind the token that begins a text; a prompt that is too long loses its beginning."""
        tokens = self._framer.tokenize(tf.strings.join([prompts, tf.fill(tf.shape(prompts), self._separator)]))
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        kept = tf.minimum(lengths, tf.maximum(room - 1, 0))
        starts = tf.cast(tokens.row_starts(), tf.int32)
        tokens = tf.gather(tokens.values, tf.ragged.range(starts + lengths - kept, starts + lengths))
        begin = repeat_ids([self._end], tf.size(lengths))
        return tf.concat([begin, tf.cast(tokens, tf.int32)], axis=1)

    def logits(self, ids: tf.Tensor, cache: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(B, S, V) float32 logits of (B, S) ids that stand at `place`, and the cache with them."""
        logits, cache = self._backbone.family.step(self._parts, ids, cache, place)
        return tf.cast(logits, tf.float32), cache

    def empty_cache(self, rows: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """A cache of zeros."""
        model = self._backbone.model
        heads = model.num_heads
        shape = [len(self._parts.blocks), 2, rows, heads, width, model.hidden_dim // heads]
        return tf.zeros(shape, model.token_embedding.compute_dtype)

    def _begin(self, prompts: tf.Tensor, choice: Choice) -> State:
        most = self._backbone.max_length
        new = tf.clip_by_value(choice.max_new_tokens, 1, most - 1)
        given = self.prompt_ids(prompts, most - new)
        starts = tf.cast(given.row_lengths(), tf.int32)
        limits = starts + new
        rows, width = tf.shape(starts)[0], tf.reduce_max(tf.concat([limits, [1]], axis=0))
        ids = given.to_tensor(self._end, shape=[None, None])
        ids = tf.pad(ids, [[0, 0], [0, width - tf.shape(ids)[1]]], constant_values=self._end)
        first = tf.reduce_min(tf.concat([starts, [width]], axis=0))
        _, cache = self.logits(ids[:, :first], self.empty_cache(rows, width), tf.constant(0))
        pairs = tf.stack([tf.cast(given.value_rowids(), tf.int32), given.values], axis=1)
        seen = tf.scatter_nd(pairs, tf.ones_like(given.values), [rows, self._vocabulary]) > 0
        return State(ids, starts, starts, limits, tf.zeros([rows], tf.bool), first, cache, seen)

    def _advance(self, state: State, choice: Choice, steps: tf.Tensor) -> State:
        """Up to so many tokens more for every row that is not done."""
        final = tf.minimum(state.place + steps, tf.shape(state.ids)[1])
        # Steps inside the longer prompts give no new text and are not counted.
        final = tf.maximum(final, tf.minimum(tf.reduce_max(tf.concat([state.starts, [0]], 0)), tf.shape(state.ids)[1]))

        def unfinished(*values: Any) -> tf.Tensor:
            now = State(*values)
            return tf.logical_and(now.place < final, tf.logical_not(tf.reduce_all(now.done)))

        def step(*values: Any) -> tuple[tf.Tensor, ...]:
            return tuple(self._step(State(*values), choice))

        shapes = [tf.TensorShape(value.shape) for value in state]
        return State(*tf.while_loop(unfinished, step, tuple(state), shape_invariants=tuple(shapes)))

    def _step(self, now: State, choice: Choice) -> State:
        last = tf.expand_dims(tf.gather(now.ids, now.place - 1, axis=1), 1)
        logits, cache = self.logits(last, now.cache, now.place - 1)
        picked = pick(logits[:, 0], now.seen, choice, now.place)
        in_prompt = now.place < now.starts
        token = tf.where(in_prompt, tf.gather(now.ids, now.place, axis=1), tf.where(now.done, self._end, picked))
        grows = tf.logical_not(tf.logical_or(in_prompt, tf.logical_or(now.done, tf.equal(token, self._end))))
        ends = tf.where(grows, now.place + 1, now.ends)
        here = tf.equal(tf.range(tf.shape(now.ids)[1]), now.place)
        ids = tf.where(here[None, :], token[:, None], now.ids)
        seen = tf.logical_or(now.seen, tf.one_hot(token, self._vocabulary, on_value=True, off_value=False, dtype=tf.bool))
        stopped = tf.logical_and(tf.logical_not(in_prompt), tf.logical_not(grows))
        done = tf.logical_or(now.done, tf.logical_or(stopped, tf.logical_and(grows, now.place + 1 >= now.limits)))
        kept = tf.ensure_shape(cache, now.cache.shape)
        return State(ids, now.starts, ends, now.limits, done, now.place + 1, kept, seen)

    def _text(self, ids: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
        """(B,) texts of positions `starts` to `ends`; half characters become U+FFFD."""
        width = tf.shape(ids)[1]
        rows = tf.range(tf.size(starts)) * width
        new = tf.gather(tf.reshape(ids, [-1]), tf.ragged.range(rows + starts, rows + ends))
        texts = tf.strings.reduce_join(tf.ragged.map_flat_values(tf.gather, self._pieces, new), axis=1)
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def _certain(text: str, stop: str) -> str:
    """The part of an unfinished text that stays whatever comes: no half character, and nothing that may begin a stop string."""
    text = text.rstrip("\ufffd")
    held = next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)
    return text[: len(text) - held]


_KINDS = (tf.int32, tf.float32, tf.int32, tf.float32, tf.float32, tf.int32)


def as_choice(sampling: Sampling, rows: int) -> Choice:
    """The same options for each of B prompts."""
    return Choice(
        *(tf.fill([rows], tf.cast(getattr(sampling, name), kind)) for name, kind in zip(Choice._fields, _KINDS, strict=True))
    )


def pick(logits: tf.Tensor, seen: tf.Tensor, choice: Choice, place: tf.Tensor) -> tf.Tensor:
    """(B,) int32, the next token of each row.

    A row's draw depends on its own seed and the position only, so a prompt gets the same text alone and in a batch.
    """
    penalty = choice.repetition_penalty[:, None]
    logits = tf.where(seen, tf.where(logits > 0, logits / penalty, logits * penalty), logits)
    likeliest = tf.argmax(logits, axis=-1, output_type=tf.int32)

    def drawn() -> tf.Tensor:
        scaled = logits / tf.maximum(choice.temperature, 1e-6)[:, None]
        values, order = tf.math.top_k(scaled, k=tf.shape(scaled)[1])
        shares = tf.nn.softmax(values)
        before = tf.cumsum(shares, axis=1, exclusive=True)
        rank = tf.range(tf.shape(scaled)[1])[None, :]
        among = tf.where(choice.top_k > 0, choice.top_k, tf.shape(scaled)[1])[:, None]
        # A request may hold anything: the likeliest token always stays, or one row would fail the whole batch.
        keep = tf.logical_or(rank == 0, tf.logical_and(rank < among, before < choice.top_p[:, None]))
        shares = tf.where(keep, shares, 0.0)
        total = tf.cumsum(shares, axis=1)
        points = tf.map_fn(
            lambda seed: tf.random.stateless_uniform([], tf.stack([seed, place])), choice.seed, fn_output_signature=tf.float32
        )
        chosen = tf.reduce_sum(tf.cast(total <= points[:, None] * total[:, -1:], tf.int32), axis=1)
        last = tf.reduce_sum(tf.cast(keep, tf.int32), axis=1) - 1
        return tf.gather(order, tf.minimum(chosen, last), batch_dims=1)

    anything = tf.reduce_any(choice.temperature > 0)
    return tf.where(choice.temperature > 0, tf.cond(anything, drawn, lambda: likeliest), likeliest)


def _before(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    text, stop = pair
    return tf.cond(tf.equal(stop, ""), lambda: text, lambda: tf.strings.split(tf.expand_dims(text, 0), stop).values[0])
