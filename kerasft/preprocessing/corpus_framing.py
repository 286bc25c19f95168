"""Framing for masked language models: whole documents in windows; and texts with gaps to be filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.preprocessing.batching import TokenFeed
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.framing import Framed, Framing, repeat_ids, trim
from kerasft.preprocessing.windows import Windows, cover, gather_windows

GAP = "[MASK]"  # how a gap is written, whatever the vocabulary calls it


class CorpusFraming(Framing):
    """Documents in windows `[CLS] tokens [SEP]` that meet and do not overlap; nothing is cut.

    Args:
        framer: `backbones.tokenization.Framer`: tokenizer, special ids, longest window.

    Call:
        `texts` (N,) -> `Framed`; a document of no tokens has one window of special ids only.
    """

    def __init__(self, framer: Any) -> None:
        super().__init__()
        self._framer = framer

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        framer = self._framer
        ids = framer.tokenize(texts)
        windows = cover(ids.row_lengths(), framer.max_length - len(framer.start) - len(framer.end), 0)
        return _surrounded(framer, gather_windows(ids, windows), windows.owners, {})


class GapFraming(Framing):
    """Texts with gaps written `[MASK]`: one window for each gap, with the gap as near its middle as the text allows.

    Args:
        framer: `backbones.tokenization.Framer`: tokenizer, special ids, longest window.

    Call:
        `texts` (N,) -> `Framed` whose `flat["asked"]` is 1 on the gap the window is for; a text without gaps has no window.
    """

    def __init__(self, framer: Any) -> None:
        super().__init__()
        self._framer = framer

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> Framed:
        framer = self._framer
        pieces = tf.strings.split(texts, GAP)  # (N, gaps + 1)
        ids = framer.tokenize(pieces.values)
        ids = tf.concat([ids, repeat_ids([framer.mask_id], ids.nrows())], axis=1)
        ids = tf.RaggedTensor.from_row_splits(ids, pieces.row_splits).merge_dims(1, 2)  # a gap behind every piece
        ids = trim(ids, ids.row_lengths() - 1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        gaps = ids.with_values(tf.equal(ids.values, framer.mask_id))
        owners = tf.cast(tf.boolean_mask(ids.value_rowids(), gaps.values), tf.int32)  # (W,)
        places = tf.boolean_mask(tf.ragged.range(lengths).values, gaps.values)
        room = framer.max_length - len(framer.start) - len(framer.end)
        starts = tf.clip_by_value(places - room // 2, 0, tf.maximum(tf.gather(lengths, owners) - room, 0))
        stops = tf.minimum(starts + room, tf.gather(lengths, owners))
        framed = gather_windows(ids, Windows(owners, starts, stops, starts, stops))
        place = tf.ragged.range(tf.cast(framed.row_lengths(), tf.int32))
        asked = tf.equal(place.values, tf.repeat(places - starts, framed.row_lengths()))
        here = place.with_values(tf.cast(asked, tf.int32))
        none = [repeat_ids([0] * len(part), framed.nrows()) for part in (framer.start, framer.end)]
        return _surrounded(framer, framed, owners, {"asked": tf.concat([none[0], here, none[1]], axis=1).values})


def asked_places(framed: Framed) -> tf.Tensor:
    """(W, 1) int32, where in each window of a `GapFraming` its gap stands."""
    asked = framed.ids.with_values(framed.flat["asked"]).to_tensor()
    asked = tf.pad(asked, [[0, 0], [0, 1]])  # a served batch may have no gap at all, and so no column
    return tf.argmax(asked, axis=1, output_type=tf.int32)[:, None]


class GapFeed(TokenFeed):
    """Windows of a `GapFraming` as token ids, with the place of the gap."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        self.signature["places"] = tf.TensorSpec((None, 1), tf.int32)
        self._places = np.flatnonzero(encoded.flat["asked"]) - encoded.offsets[:-1]

    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {**super().__call__(rows), "places": self._places[rows, None].astype(np.int32)}


def _surrounded(framer: Any, windows: tf.RaggedTensor, owners: tf.Tensor, flat: dict[str, tf.Tensor]) -> Framed:
    """Windows between the special ids that begin and end a text."""
    count = windows.nrows()
    framed = tf.concat([repeat_ids(framer.start, count), windows, repeat_ids(framer.end, count)], axis=1)
    lengths = tf.cast(framed.row_lengths(), tf.int32)
    return Framed(framed, lengths, lengths, owners, flat)
