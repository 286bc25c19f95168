"""Encoded examples -> batches: shuffled, of similar length, padded to the longest; any position can be returned to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.graphs import release_with
from kerasft.large_arrays import make_room, release
from kerasft.memory import is_out_of_memory
from kerasft.own_settings import own_settings
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.sharing import Shares

FEW_SHAPES = 8
_WINDOW = 50  # batches sorted by length together: enough to remove most padding, small enough to stay random


def plan_epoch(
    lengths: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    group: bool = True,
    together: int = 1,
    even: bool = False,
) -> list[np.ndarray]:
    """Which rows form which batch in one epoch; depends on nothing but the arguments.

    Rows are shuffled, windows of 50 batches are sorted by length, and the batches are shuffled again, so that
    a batch holds texts of similar length and the order of batches says nothing about length. Only the first epoch begins
    with its two largest batches: what does not fit into memory shows in the first step, not after hours.

    Args:
        lengths: (rows,) tokens of each row.
        batch_size: Rows a batch; one of them may be smaller.
        seed: Same seed and epoch, same plan.
        epoch: Number of the epoch, from 0.
        shuffle: False keeps the order of the rows (and still groups by length if `group`).
        group: False leaves lengths mixed.
        together: So many consecutive rows always share a batch (of `together * batch_size` rows).
        even: Grouped batches hold about as many tokens as each other instead of as many rows, of which `batch_size` is then the
            mean. A loss that is a mean over tokens would else count a token of short rows many times as much as one of long rows.

    Returns:
        One array of row numbers a batch. Every row is in exactly one batch.
    """
    if together > 1:
        longest = lengths.reshape(-1, together).max(axis=1)
        units = plan_epoch(longest, batch_size, seed=seed, epoch=epoch, shuffle=shuffle, group=group)
        return [(unit[:, None] * together + np.arange(together)).ravel() for unit in units]
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    if group:
        window = batch_size * _WINDOW if shuffle else len(lengths)
        windows = [order[i : i + window] for i in range(0, len(order), max(1, window))]
        sorted_parts = [part[np.argsort(lengths[part], kind="stable")] for part in windows]
        batches = [batch for part in sorted_parts for batch in _cut(part, lengths if even else None, batch_size)]
    else:
        batches = _cut(order, None, batch_size)
    if shuffle and group:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    if shuffle and group and epoch == 0:
        largest = np.argsort([-len(rows) * lengths[rows].max() for rows in batches], kind="stable")[:2].tolist()
        batches = [batches[i] for i in largest + [i for i in range(len(batches)) if i not in largest]]
    return batches


def _cut(order: np.ndarray, lengths: np.ndarray | None, batch_size: int) -> list[np.ndarray]:
    """Rows in an order, cut into batches of so many rows; or, by their lengths, as many batches of about as many tokens each."""
    starts = list(range(batch_size, len(order), batch_size))
    if lengths is not None:
        total = np.cumsum(lengths[order])
        wanted = np.searchsorted(total, total[-1] * np.arange(1, len(starts) + 1) / (len(starts) + 1)) if starts else []
        before = 0
        for i, start in enumerate(wanted):  # at least one row each
            before = starts[i] = min(max(int(start) + 1, before + 1), len(order) - (len(starts) - i))
    return [batch for batch in np.split(order, starts) if len(batch)]


@cache
def usual_multiple() -> int:
    """What lengths of batches are rounded up to: on a GPU 8, which suits its matrix units, else 1, so that little is padded.

    On texts of 27 tokens in batches of 32 a multiple of 8 makes 13 % of all positions padding, a multiple of 1 makes 3 %.
    """
    return FEW_SHAPES if tf.config.list_physical_devices("GPU") else 1


def pad_rows(encoded: Encoded, rows: np.ndarray, *, multiple: int | None = None) -> dict[str, np.ndarray]:
    """Model inputs of some rows, padded to the longest.

    Args:
        encoded: The examples.
        rows: (B,) row numbers.
        multiple: The length is rounded up to a multiple of this; `usual_multiple` when not given.

    Returns:
        `token_ids`, `padding_mask` (1 keeps) and, if the model takes them, `segment_ids`, each (B, L) int32.
    """
    lengths = encoded.lengths[rows]
    longest = int(lengths.max(initial=1))
    width = min(rounded(longest, multiple), max(encoded.max_length, longest))
    columns = np.arange(width)
    mask = columns[None, :] < lengths[:, None]  # (B, L)
    ids = np.full((len(rows), width), encoded.pad_id, dtype=np.int32)
    for i, row in enumerate(rows):
        ids[i, : lengths[i]] = encoded.ids[encoded.offsets[row] : encoded.offsets[row + 1]]
    inputs = {"token_ids": ids, "padding_mask": mask.astype(np.int32)}
    if encoded.has_segments:
        second = mask & (columns[None, :] >= encoded.first_lengths[rows][:, None])
        inputs["segment_ids"] = second.astype(np.int32)
    return inputs


def rounded(length: int, multiple: int | None) -> int:
    """A length rounded up to a multiple; `usual_multiple` when not given."""
    multiple = multiple or usual_multiple()
    return -(-length // multiple) * multiple


class Feed(ABC):
    """What a batch holds: model inputs and targets, from row numbers.

    Args:
        encoded: The rows.

    Attributes:
        signature: Shape and kind of each input.
        target_signature: Of the targets.
        multiple: What lengths are rounded up to, see `pad_rows`.
    """

    signature: dict[str, tf.TensorSpec]

    def __init__(self, encoded: Encoded) -> None:
        self.encoded = encoded
        self.multiple: int | None = None

    @property
    def target_signature(self) -> Any:
        if self.encoded.token_targets is not None:
            return tf.TensorSpec((None, None), tf.int32)
        assert self.encoded.targets is not None
        return tf.TensorSpec((None, *self.encoded.targets.shape[1:]), tf.as_dtype(self.encoded.targets.dtype))

    @abstractmethod
    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of some rows."""

    def batch(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], Any]:
        """Inputs and targets of some rows; targets of tokens as (B, L), -1 where there is none."""
        inputs, encoded = self(rows), self.encoded
        if encoded.token_targets is None:
            assert encoded.targets is not None
            return inputs, np.asarray(encoded.targets[rows])
        targets = np.full((len(rows), next(iter(inputs.values())).shape[1]), -1, dtype=np.int32)
        for i, row in enumerate(rows):
            found = encoded.token_targets[encoded.offsets[row] : encoded.offsets[row + 1]]
            targets[i, : len(found)] = found
        return inputs, targets


class TokenFeed(Feed):
    """Rows as token ids; see `pad_rows`."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        names = ("token_ids", "padding_mask") + (("segment_ids",) if encoded.has_segments else ())
        self.signature = dict.fromkeys(names, tf.TensorSpec((None, None), tf.int32))

    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return pad_rows(self.encoded, rows, multiple=self.multiple)


def make_batches(
    feed: Feed,
    plan: list[np.ndarray],
    *,
    passes: Callable[[], tuple[Feed, list[np.ndarray]]] | None = None,
    weights: np.ndarray | None = None,
    shares: Shares | None = None,
    with_targets: bool = True,
) -> tf.data.Dataset:
    """A `tf.data.Dataset` of `(inputs, targets)` or `(inputs, targets, sample weights)` in the order of a plan.

    Args:
        feed: What a batch holds.
        plan: Of `plan_epoch`; cut its beginning to start in the middle of an epoch.
        passes: Asked at every pass for another feed and another plan of as many batches; these two when not given.
        weights: (classes,) weight of each class, or None.
        shares: Gives in place of each batch the shares of it of this process's replicas, one after the other.
        with_targets: False gives `(inputs,)` for prediction.
    """
    signature: tuple[object, ...] = (feed.signature,)
    if with_targets:
        signature += (feed.target_signature,)
        per_token = weights is not None and feed.encoded.token_targets is not None
        if shares is not None:
            # One that is written out: a width of None could be any, and Keras would make a table of rows by rows.
            weight = tf.TensorSpec((None, None if per_token else 1), tf.float32)
            signature += (tf.nest.map_structure(lambda _: weight, feed.target_signature),)
        elif weights is not None:
            signature += (tf.TensorSpec((None, None) if per_token else (None,), tf.float32),)

    def generate() -> Iterator[tuple[object, ...]]:
        now, batches = passes() if passes else (feed, plan)
        for rows in batches:
            if not with_targets:
                yield (now(rows),)
                continue
            given, targets = now.batch(rows)
            # -1 marks what is not learned from: it takes the last class's weight here and no part in the loss.
            weighed = None if weights is None else weights[targets].astype(np.float32)
            if shares is not None:
                yield from shares.of(given, targets, weighed)
            else:
                yield (given, targets) if weighed is None else (given, targets, weighed)

    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    if shares is None:  # else Keras would take the number of shares for that of batches
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(plan)))
    options = tf.data.Options()
    # Nothing here needs tuning, and at the end of an epoch TensorFlow waits for the tuner's thread, which sleeps ever longer.
    options.autotune.enabled = False
    return dataset.prefetch(4).with_options(options)


@own_settings()
def predict_rows(
    model: Any,
    encoded: Encoded,
    batch_size: int = 64,
    *,
    feed: Feed | None = None,
    room: Callable[[tuple[int, ...]], np.ndarray] | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """The model's outputs for all windows, in their order; batches are formed by length, so padding is small.

    Args:
        model: Keras model on the inputs of `pad_rows`.
        encoded: The examples.
        batch_size: Windows a call.
        feed: What a batch holds; `TokenFeed` when not given.
        room: Makes the array of a shape that is filled; `make_room` when not given.
        progress: Called after each batch with the share of the tokens that are done, 0 to 1.

    Returns:
        (W, ...) float32 for a model with one output a text; (T, ...) float32, aligned with `encoded.ids`, for one
        with an output a token.
    """
    per_token = len(model.output_shape) == 3
    plan = plan_epoch(encoded.lengths, batch_size, seed=0, epoch=0, shuffle=False)
    restored: np.ndarray | None = None
    done, total = 0, max(1, int(np.sum(encoded.lengths)))
    feed = feed or TokenFeed(encoded)
    if plan:
        _trace_once(model, feed, plan[0])
    waiting = plan[::-1]
    while waiting:
        rows = waiting.pop()
        try:
            found = np.asarray(model.predict_on_batch(feed(rows)), dtype=np.float32)
        except Exception as error:
            if len(rows) < 2 or not is_out_of_memory(error):
                raise
            # A row's answer does not depend on its batch: halves of this one and all that follow give the same.
            waiting = [half for batch in [*waiting, rows] for half in reversed(np.array_split(batch, 2)) if len(half)]
            continue
        if restored is None:
            count = len(encoded.ids) if per_token else len(encoded)
            shape = (count, *found.shape[2 if per_token else 1 :])
            restored = (room or make_room)(shape)
        if per_token:
            for i, row in enumerate(rows):
                first, last = encoded.offsets[row : row + 2]
                restored[first:last] = found[i, : last - first]
        else:
            restored[rows] = found
            release(restored)
        done += int(encoded.lengths[rows].sum())
        if progress:
            progress(done / total)
    if restored is None:
        return np.zeros((0, model.output_shape[-1]), dtype=np.float32)
    return restored


def _trace_once(model: Any, feed: Feed, rows: np.ndarray) -> None:
    """Make the graph for any number of rows of any length; Keras makes one for the first shape, then wider ones: three in all."""
    if model.run_eagerly or getattr(model, "predict_function", None):
        return
    model.make_predict_function()
    # A scorer also takes what is not in the signature: the targets.
    any_size = {name: tf.TensorSpec([None] * value.ndim, value.dtype) for name, value in feed(rows[:1]).items()}
    model.predict_function.get_concrete_function([({**any_size, **feed.signature},)])
    release_with(model)


def batch_positions(encoded: Encoded, plan: list[np.ndarray], *, multiple: int | None = None) -> list[int]:
    """Tokens and padding of each batch of a plan; `multiple` as in `pad_rows`."""
    return [len(rows) * rounded(int(encoded.lengths[rows].max(initial=1)), multiple) for rows in plan]


def padding_share(encoded: Encoded, plan: list[np.ndarray], *, multiple: int | None = None) -> float:
    """Share of the positions in all batches that hold padding, 0 to 1; `multiple` as in `pad_rows`."""
    used = sum(int(encoded.lengths[rows].sum()) for rows in plan)
    total = sum(batch_positions(encoded, plan, multiple=multiple))
    return 1 - used / total if total else 0.0


def class_weights(targets: np.ndarray, classes: int) -> np.ndarray:
    """(classes,) `rows / (classes * rows of the class)`, as scikit-learn's `balanced`, from class numbers of any
    shape, -1 where there is none; a class without rows gets 0.
    """
    targets = targets[targets >= 0]
    counts = np.bincount(targets, minlength=classes)
    return np.where(counts > 0, len(targets) / (classes * np.maximum(counts, 1)), 0.0).astype(np.float32)
