"""In-graph answers that need more than a line: tags and entities of the words of plain texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def window_rows(framed: Any) -> Any:
    """Number of texts; each has at least one window."""
    import tensorflow as tf

    return tf.reduce_max(tf.concat([framed.owners, [-1]], axis=0)) + 1


def flatten(outputs: Any, framed: Any) -> Any:
    """(T, ...) outputs aligned with `framed.ids.values`, from padded (W, L, ...)."""
    import tensorflow as tf

    return tf.boolean_mask(outputs, tf.sequence_mask(framed.ids.row_lengths(), tf.shape(outputs)[1]))


_FILLING = {"texts": "", "types": "", "scores": 0.0, "starts": -1, "ends": -1}


def serve_tags(
    outputs: Any, framed: Any, labels: Sequence[str], texts: Any, *, constrained: bool, flat: bool = False
) -> dict[str, Any]:
    """Words with tags and entities of each text.

    They are filled up with "" and -1 to the longest of the batch, (N, longest); with `flat` one value a word or entity of all
    texts, (M,), beside the number of its text, `word_rows` and `entity_rows`.
    """
    import tensorflow as tf

    from kerasft.preprocessing.tag_decoding import entity_types, find_entities, repair, tag_table, viterbi

    table = tag_table(labels)
    scored = tf.cast(framed.flat["scored"], tf.bool)
    logits = tf.cast(tf.boolean_mask(flatten(outputs, framed), scored), tf.float32)  # (M, C)
    owners = tf.boolean_mask(tf.repeat(framed.owners, framed.ids.row_lengths()), scored)
    scores = tf.RaggedTensor.from_value_rowids(logits, tf.cast(owners, tf.int64), nrows=tf.cast(tf.size(texts), tf.int64))
    if constrained:
        tags = viterbi(scores, table)
    else:
        tags = repair(scores.with_values(tf.argmax(logits, axis=-1, output_type=tf.int32)), table)
    sure = tf.gather(tf.nn.softmax(logits), tags.values, batch_dims=1)
    starts, ends = (tf.boolean_mask(framed.flat[name], scored) for name in ("starts", "ends"))
    entities = find_entities(tags, sure, table)
    kinds = entity_types(labels)

    def columns(name: str, of: Any, types: Any, scores: Any, starts: Any, ends: Any) -> dict[str, Any]:
        text = tf.repeat(texts, of.row_lengths())
        strings = tf.strings.substr(text, starts, ends - starts, unit="UTF8_CHAR")
        found = {"texts": strings, "types": types, "scores": scores, "starts": starts, "ends": ends}
        if flat:
            return {f"{name}_rows": tf.cast(of.value_rowids(), tf.int32), **{f"{name}_{part}": found[part] for part in found}}
        return {f"{name}_{part}": of.with_values(found[part]).to_tensor(_FILLING[part]) for part in found}

    first, last = tf.gather(starts, entities.first.values), tf.gather(ends, entities.last.values)
    named = tf.gather(tf.constant(kinds or [""]), entities.types.values)
    return {
        **columns("word", tags, tf.gather(tf.constant(list(labels)), tags.values), sure, starts, ends),
        **columns("entity", entities.first, named, entities.scores.values, first, last),
    }


def serve_spans(outputs: Any, framed: Any, contexts: Any, *, longest: int, threshold: float | None) -> dict[str, Any]:
    """The best span of each context's windows; `threshold` None never says that there is no answer."""
    import tensorflow as tf

    from kerasft.layers.spans import best_spans

    def dense(name: str, fill: int) -> Any:
        return framed.ids.with_values(framed.flat[name]).to_tensor(fill, shape=[None, None])

    figures = tf.cast(outputs, tf.float32)
    starts, ends = dense("starts", -1), dense("ends", -1)
    empty = tf.shape(figures)[1] - tf.shape(starts)[1]  # a batch without rows has one column of padding
    starts, ends = (tf.pad(value, [[0, 0], [0, empty]], constant_values=-1) for value in (starts, ends))
    null = tf.pad(dense("null", 0), [[0, 0], [0, empty]])
    first, last, score, total = best_spans(figures, starts >= 0, longest)
    at_null = tf.gather(figures, tf.argmax(null, axis=1), batch_dims=1)  # (W, F)
    count = tf.size(contexts)
    best = tf.math.unsorted_segment_max(score, framed.owners, count)
    nulls = -tf.math.unsorted_segment_max(-tf.reduce_sum(at_null, axis=1), framed.owners, count)
    # The first window that has the best score; then what it found.
    is_best = tf.equal(score, tf.gather(best, framed.owners))
    numbers = tf.range(tf.size(framed.owners))
    window = tf.math.unsorted_segment_min(tf.where(is_best, numbers, tf.size(numbers)), framed.owners, count)
    start = tf.gather(tf.gather(starts, first, batch_dims=1), window)
    end = tf.gather(tf.gather(ends, last, batch_dims=1), window)
    shifted = tf.exp(total - tf.gather(best, framed.owners))
    sums = tf.math.log(tf.math.unsorted_segment_sum(shifted, framed.owners, count)) + best
    words = best > -1e8
    if threshold is None:
        answered, share_none = words, tf.ones_like(best)
    else:
        answered = tf.logical_and(words, nulls - best <= threshold)
        highest = tf.maximum(sums, nulls)
        sums = highest + tf.math.log(tf.exp(sums - highest) + tf.exp(nulls - highest))
        share_none = tf.exp(nulls - sums)
    start, end = tf.where(answered, start, -1), tf.where(answered, end, -1)
    long = tf.where(answered, end - start, 0)
    text = tf.strings.substr(contexts, tf.maximum(start, 0), long, unit="UTF8_CHAR")
    return {"answer": text, "score": tf.where(answered, tf.exp(best - sums), share_none), "start": start, "end": end}
