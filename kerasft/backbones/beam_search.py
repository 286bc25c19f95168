"""Beam search: several likely texts side by side, the best one given."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerasft.sampling import Sampling

_NEVER = -1e9
_KEPT = 8  # searches, of the options asked for last


def beam_search(generator: Any, prompts: tf.Tensor, sampling: Sampling) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The best of `sampling.beams` texts for each prompt.

    A text's score is its log-probability divided by its length (with its end) to the power of `length_penalty`. A
    finished text keeps its place among the beams until all are finished or full.

    Args:
        generator: `backbones.generation.Generator`.
        prompts: (B,) strings.
        sampling: The options.

    Returns:
        (B, T) ids, (B,) first position after the prompt, (B,) position after the text.
    """
    key = (sampling.beams, sampling.max_new_tokens, sampling.length_penalty)
    if key not in generator.searches:  # tracing takes seconds, a search milliseconds
        if len(generator.searches) == _KEPT:
            del generator.searches[next(iter(generator.searches))]  # a server whose callers choose freely must not grow for ever
        strings = tf.TensorSpec((None,), tf.string)
        generator.searches[key] = tf.function(_Search(generator, sampling).run, input_signature=[strings])
    found: tuple[tf.Tensor, tf.Tensor, tf.Tensor] = generator.searches[key](prompts)
    return found


class _Search:
    """K beams of each of B rows; arrays hold B * K rows, the beams of a row together."""

    def __init__(self, generator: Any, sampling: Sampling) -> None:
        self.generator, self.sampling, self.beams = generator, sampling, sampling.beams

    def run(self, prompts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        generator, beams = self.generator, self.beams
        most = generator._backbone.max_length
        new = min(self.sampling.max_new_tokens, most - 1)
        given = generator.prompt_ids(prompts, tf.constant(most - new))
        starts = tf.cast(given.row_lengths(), tf.int32)
        rows = tf.size(starts)
        starts = tf.repeat(starts, beams)
        width = tf.reduce_max(starts) + new
        ids = tf.repeat(given.to_tensor(generator._end, shape=[None, None]), beams, axis=0)
        ids = tf.pad(ids, [[0, 0], [0, width - tf.shape(ids)[1]]], constant_values=generator._end)
        first = tf.reduce_min(starts)
        _, cache = generator.logits(ids[:, :first], generator.empty_cache(rows * beams, width), tf.constant(0))
        # At the beginning the beams are equal: only the first counts.
        scores = tf.tile(tf.constant([0.0] + [_NEVER] * (beams - 1)), [rows])
        done = tf.zeros([rows * beams], tf.bool)

        def unfinished(place: Any, ids: Any, ends: Any, scores: Any, done: Any, cache: Any) -> Any:
            return tf.logical_and(place < width, tf.logical_not(tf.reduce_all(done)))

        def step(place: Any, ids: Any, ends: Any, scores: Any, done: Any, cache: Any) -> Any:
            return self._step(place, ids, ends, scores, done, cache, starts, starts + new)

        values = (first, ids, starts, scores, done, cache)
        shapes = tuple(tf.TensorShape(value.shape) for value in values)
        _, ids, ends, scores, done, _ = tf.while_loop(unfinished, step, values, shape_invariants=shapes)
        ended = tf.cast(tf.logical_and(done, ends < starts + new), tf.int32)  # its end is a token too
        lengths = tf.cast(tf.maximum(ends - starts + ended, 1), tf.float32)
        normal = tf.reshape(scores / tf.pow(lengths, self.sampling.length_penalty), [rows, beams])
        best = tf.range(rows) * beams + tf.argmax(normal, axis=1, output_type=tf.int32)
        return tf.gather(ids, best), tf.gather(starts, best), tf.gather(ends, best)

    def _step(
        self, place: Any, ids: Any, ends: Any, scores: Any, done: Any, cache: Any, starts: Any, limits: Any
    ) -> tuple[Any, ...]:
        generator, beams = self.generator, self.beams
        last = tf.expand_dims(tf.gather(ids, place - 1, axis=1), 1)
        logits, cache = generator.logits(last, cache, place - 1)
        cache = tf.ensure_shape(cache, [*cache.shape[:2], None, *cache.shape[3:]])
        shares = tf.nn.log_softmax(logits[:, 0])  # (B * K, V)
        many = tf.shape(shares)[1]
        # A row inside its prompt, and a finished text, go on in one way, at no cost.
        forced = tf.where(place < starts, tf.gather(ids, place, axis=1), generator._end)
        fixed = tf.logical_or(place < starts, done)
        only = tf.where(tf.one_hot(forced, many, on_value=True, off_value=False, dtype=tf.bool), 0.0, _NEVER)
        totals = scores[:, None] + tf.where(fixed[:, None], only, shares)
        best, flat = tf.math.top_k(tf.reshape(totals, [-1, beams * many]), k=beams)  # (B, K)
        parents = tf.reshape(tf.range(tf.shape(best)[0])[:, None] * beams + flat // many, [-1])
        token = tf.reshape(flat % many, [-1])
        ids, ends, done = (tf.gather(value, parents) for value in (ids, ends, done))
        cache = tf.gather(cache, parents, axis=2)
        here = tf.equal(tf.range(tf.shape(ids)[1]), place)
        ids = tf.where(here[None, :], token[:, None], ids)
        in_prompt = place < starts
        grows = tf.logical_not(tf.logical_or(in_prompt, tf.logical_or(done, tf.equal(token, generator._end))))
        ends = tf.where(grows, place + 1, ends)
        ended = tf.logical_and(tf.logical_not(in_prompt), tf.logical_not(grows))
        done = tf.logical_or(done, tf.logical_or(ended, tf.logical_and(grows, place + 1 >= limits)))
        return place + 1, ids, ends, tf.reshape(best, [-1]), done, cache
