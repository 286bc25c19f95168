"""Next-sentence prediction: documents cut between sentences, and pairs of neighbours or strangers drawn from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.preprocessing.batching import rounded
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.framing import Framed, Framing

SEPARATOR = "\x1e"  # between a document's sentences; the tokenizers drop it where a text has one
NEXT, STRANGER, NO_PAIR = 0, 1, -1  # as in BERT's checkpoints


class SentenceFraming(Framing):
    """Documents, their sentences parted by `SEPARATOR`, as token ids without special ids, one window a document.

    Call:
        `texts` (N,) -> `Framed` whose `flat["begins"]` is 1 on the first token of each sentence.
    """

    def __init__(self, framer: Any) -> None:
        super().__init__()
        self._framer = framer

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        sentences = tf.strings.split(texts, SEPARATOR)
        ids = self._framer.tokenize(sentences.values)
        place = tf.ragged.range(ids.row_lengths())
        begins = place.with_values(tf.cast(tf.equal(place.values, 0), tf.int32))
        whole = [tf.RaggedTensor.from_row_splits(part, sentences.row_splits).merge_dims(1, 2) for part in (ids, begins)]
        lengths = tf.cast(whole[0].row_lengths(), tf.int32)
        return Framed(whole[0], lengths, lengths, tf.range(tf.shape(texts)[0]), {"begins": whole[1].values})


def cut_between_sentences(encoded: Encoded, room: int) -> Encoded:
    """Documents cut into windows of whole sentences, as many as `room` tokens take; a longer sentence is cut."""
    begins = np.flatnonzero(encoded.flat["begins"])
    documents = np.searchsorted(encoded.offsets, begins, side="right") - 1
    ends = np.append(begins[1:], encoded.offsets[-1]) if len(begins) else begins
    offsets, owners = [], []
    start, owner = -1, -1
    for begin, end, document in zip(begins.tolist(), ends.tolist(), documents.tolist(), strict=True):
        if document != owner or end - start > room:
            offsets.append(begin)
            owners.append(document)
            start, owner = begin, document
            for further in range(begin + room, end, room):
                offsets.append(further)
                owners.append(document)
                start = further
    bounds = np.asarray([*offsets, encoded.offsets[-1]], dtype=np.int64)
    return replace(
        encoded,
        offsets=bounds,
        first_lengths=np.diff(bounds).astype(np.int32),
        full_lengths=np.diff(bounds).astype(np.int32),
        owners=encoded.owners[np.asarray(owners, dtype=np.int64)],
        max_length=room,
    )


class SentencePairs:
    """Pairs of a window's beginning with what follows it or, as often, with sentences of another document.

    A window of one sentence has no second part, and no answer; neither has any where there is but one document. A stranger has
    as many sentences as the true rest, so that neither length nor a broken end gives it away; it is cut only where it is too
    long for the window.

    Args:
        encoded: Of `cut_between_sentences`.
        framer: Whose special ids stand around the parts.
    """

    def __init__(self, encoded: Encoded, framer: Any) -> None:
        self._encoded, self._framer = encoded, framer
        self._begins = np.flatnonzero(encoded.flat["begins"])

    def __call__(
        self, rows: np.ndarray, seed: int, epoch: int, *, multiple: int | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Model inputs of windows, (B, L) int32 each, and (B,) int32 `NEXT`, `STRANGER` or `NO_PAIR`.

        `multiple` is as in `batching.pad_rows`.
        """
        drawn = [self._pair(int(row), np.random.default_rng([seed, epoch, int(row)])) for row in rows]
        longest = max(len(first) + len(second) for first, second, _ in drawn)
        specials = len(self._framer.start) + 2 * len(self._framer.end)
        width = min(rounded(longest, multiple), self._encoded.max_length + specials)
        ids = np.full((len(rows), width), self._framer.pad_id, dtype=np.int32)
        mask, segments = np.zeros_like(ids), np.zeros_like(ids)
        for i, (first, second, _) in enumerate(drawn):
            total = len(first) + len(second)
            ids[i, :total] = np.concatenate([first, second])
            mask[i, :total] = 1
            segments[i, len(first) : total] = 1
        inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}
        return inputs, np.asarray([kind for _, _, kind in drawn], dtype=np.int32)

    def _sentences(self, window: int) -> np.ndarray:
        """Where the window's sentences begin: places in `encoded.ids`, the window's own beginning first."""
        start, stop = self._encoded.offsets[window : window + 2]
        low, high = np.searchsorted(self._begins, [start + 1, stop])
        return np.concatenate([[start], self._begins[low:high]])

    def _pair(self, window: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
        encoded, framer = self._encoded, self._framer
        begins, stop = self._sentences(window), int(encoded.offsets[window + 1])
        if len(begins) == 1 or self._encoded.owners[0] == self._encoded.owners[-1]:
            return self._framed(framer.start, encoded.ids[begins[0] : stop]), np.zeros(0, np.int32), NO_PAIR
        number = int(rng.integers(1, len(begins)))
        first = encoded.ids[begins[0] : begins[number]]
        second, kind = encoded.ids[begins[number] : stop], NEXT
        if rng.random() < 0.5:
            room = encoded.max_length - len(first)
            second, kind = self._stranger(window, len(begins) - number, room, rng), STRANGER
        return self._framed(framer.start, first), self._framed([], second), kind

    def _framed(self, start: list[int], ids: np.ndarray) -> np.ndarray:
        return np.concatenate([start, ids, self._framer.end]).astype(np.int32)

    def _stranger(self, window: int, sentences: int, room: int, rng: np.random.Generator) -> np.ndarray:
        """Some sentences of a document that is not the window's."""
        encoded = self._encoded
        low, high = np.searchsorted(encoded.owners, [encoded.owners[window], encoded.owners[window] + 1])
        other = int(rng.integers(len(encoded) - (high - low)))
        other += (high - low) * (other >= low)
        begins = np.append(self._sentences(other), encoded.offsets[other + 1])
        first = int(rng.integers(len(begins) - 1))
        last = min(first + sentences, len(begins) - 1)
        while last > first + 1 and begins[last] - begins[first] > room:
            last -= 1
        return np.asarray(encoded.ids[begins[first] : min(begins[last], begins[first] + room)])
