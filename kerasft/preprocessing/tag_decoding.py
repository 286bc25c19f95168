"""Scores of tags -> tags and entities, in the graph: BIO sequences repaired or found by Viterbi.

Shapes: N texts, M words in all of them, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kerasft.evaluation.tag_spelling import label_parts


class TagTable(NamedTuple):
    """What the decoder knows of C tags.

    `types` (C,) number of the type, -1 for O or plain tags; `begins` (C,) and `ends` (C,) bool,
    True where a tag always begins or ends an entity; `begin_of` (C,) the B- tag of the same type; `follows` (C, C) bool, True
    where the second may follow the first; `opens` (C,) bool, True where a text may begin with it.
    """

    types: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    begin_of: np.ndarray
    follows: np.ndarray
    opens: np.ndarray


def tag_table(labels: Sequence[str]) -> TagTable:
    """The table of tags. Only those of BIO have rules on what may follow; others (BIOES, IO, plain) may follow in any way."""
    count = len(labels)
    parts = label_parts(labels)
    numbers = {kind: i for i, kind in enumerate(entity_types(labels))}
    types = np.asarray([numbers[kind] if kind is not None else -1 for kind in parts.types], dtype=np.int32)
    begins, ends = np.asarray(parts.opens) & (types >= 0), np.asarray(parts.closes) & (types >= 0)
    inside = (types >= 0) & ~begins
    begin_of = np.arange(count, dtype=np.int32)
    if ends.any() or any(not (begins & (types == kind)).any() for kind in types[inside]):
        anything = np.ones((count, count), dtype=bool)
        return TagTable(types, begins, ends, begin_of, anything, np.ones(count, dtype=bool))
    for i in np.flatnonzero(inside):
        begin_of[i] = next(j for j in range(count) if begins[j] and types[j] == types[i])
    follows = ~inside[None, :] | (types[:, None] == types[None, :])
    return TagTable(types, begins, ends, begin_of, follows, ~inside)


def entity_types(labels: Sequence[str]) -> list[str]:
    """The types of entity that tags make, in order; none where the tags are plain, though one of them may look like `I-X`."""
    return list(dict.fromkeys(kind for kind in label_parts(labels).types if kind is not None))


def repair(tags: tf.RaggedTensor, table: TagTable) -> tf.RaggedTensor:
    """Tags in which an `I-X` that follows neither `B-X` nor `I-X` has become `B-X` (ragged (N, None) int32)."""
    flat = tags.values
    types = tf.gather(tf.constant(table.types), flat)
    same = tf.concat([[False], tf.equal(types[1:], types[:-1])], axis=0)[: tf.size(flat)]
    same = tf.logical_and(same, tf.logical_not(_is_first(tags)))
    return tags.with_values(tf.where(same, flat, tf.gather(tf.constant(table.begin_of), flat)))


def viterbi(scores: tf.RaggedTensor, table: TagTable) -> tf.RaggedTensor:
    """The likeliest sequence of tags that breaks no rule of BIO.

    Args:
        scores: Ragged (N, None, C) logits or log-probabilities.
        table: Which tag may follow which.

    Returns:
        Ragged (N, None) int32 tags.
    """
    count = len(table.types)
    lengths = tf.cast(scores.row_lengths(), tf.int32)
    dense = tf.nn.log_softmax(tf.cast(scores.to_tensor(shape=[None, None, count]), tf.float32))
    dense = tf.pad(dense, [[0, 0], [0, tf.cast(tf.equal(tf.shape(dense)[1], 0), tf.int32)], [0, 0]])
    forbidden = tf.constant(np.where(table.follows, 0.0, -1e9).astype(np.float32))
    best = dense[:, 0] + tf.constant(np.where(table.opens, 0.0, -1e9).astype(np.float32))  # (N, C)
    width = tf.shape(dense)[1]
    back = tf.TensorArray(tf.int32, size=width, element_shape=[None, count])
    back = back.write(0, tf.zeros_like(best, tf.int32))
    stay = tf.range(count)[None, :]

    def forward(place: Any, best: Any, back: Any) -> Any:
        paths = best[:, :, None] + forbidden[None]  # (N, C before, C)
        running = (place < lengths)[:, None]
        back = back.write(place, tf.where(running, tf.argmax(paths, axis=1, output_type=tf.int32), stay))
        return place + 1, tf.where(running, tf.reduce_max(paths, axis=1) + dense[:, place], best), back

    shapes = [tf.TensorShape([]), tf.TensorShape([None, count]), tf.TensorShape(None)]
    _, best, back = tf.while_loop(lambda place, *_: place < width, forward, [1, best, back], shape_invariants=shapes)
    last = tf.argmax(best, axis=-1, output_type=tf.int32)  # (N,)
    chosen = tf.TensorArray(tf.int32, size=width, element_shape=[None])

    def backward(place: Any, tag: Any, chosen: Any) -> Any:
        chosen = chosen.write(place, tag)
        return place - 1, tf.gather(back.read(place), tag, batch_dims=1), chosen

    shapes = [tf.TensorShape([]), tf.TensorShape([None]), tf.TensorShape(None)]
    chosen = tf.while_loop(lambda place, *_: place >= 0, backward, [width - 1, last, chosen], shape_invariants=shapes)[2]
    return tf.RaggedTensor.from_tensor(tf.transpose(chosen.stack()), lengths=lengths, row_splits_dtype=scores.row_splits.dtype)


class Entities(NamedTuple):
    """Entities of N texts: ragged (N, None) `types` (number of the type), `first` and `last` word (numbers among all
    M words), and `scores`, the mean probability of their words' tags.
    """

    types: tf.RaggedTensor
    first: tf.RaggedTensor
    last: tf.RaggedTensor
    scores: tf.RaggedTensor


def find_entities(tags: tf.RaggedTensor, probabilities: tf.Tensor, table: TagTable) -> Entities:
    """Entities of sequences of tags; those of BIO are to be valid.

    Args:
        tags: Ragged (N, None) int32, of `repair` or `viterbi`.
        probabilities: (M,) probability of each word's tag.
        table: Of the tags.
    """
    flat = tags.values
    types = tf.gather(tf.constant(table.types), flat)
    inside = types >= 0
    first_of_text = _is_first(tags)
    size = tf.size(flat)
    same = tf.concat([[False], tf.equal(types[1:], types[:-1])], axis=0)[:size]
    closed = tf.concat([[True], tf.gather(tf.constant(table.ends), flat)[:-1]], axis=0)[:size]
    goes_on = tf.logical_and(same, tf.logical_not(tf.logical_or(closed, first_of_text)))
    opens = tf.logical_or(tf.gather(tf.constant(table.begins), flat), tf.logical_not(goes_on))
    begins = tf.logical_and(opens, inside)
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # of the entity each word belongs to
    words = tf.range(tf.size(flat))
    first = tf.boolean_mask(words, begins)
    count = tf.size(first)
    of_entities = tf.boolean_mask(number, inside)
    last = tf.math.unsorted_segment_max(tf.boolean_mask(words, inside), of_entities, count)
    scores = tf.math.unsorted_segment_mean(tf.boolean_mask(probabilities, inside), of_entities, count)
    rows = tf.gather(tags.value_rowids(), first)

    def ragged(values: tf.Tensor) -> tf.RaggedTensor:
        return tf.RaggedTensor.from_value_rowids(values, rows, nrows=tags.nrows())

    return Entities(ragged(tf.gather(types, first)), ragged(first), ragged(last), ragged(scores))


def _is_first(tags: tf.RaggedTensor) -> tf.Tensor:
    """(M,) True for the first word of each text."""
    return tf.equal(tf.ragged.range(tags.row_lengths()).values, 0)
