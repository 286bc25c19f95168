"""Encoding: the same ids as framing each text by itself, in order, kept on disk no longer than they are used."""

from __future__ import annotations

import gc
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

import kerasft  # noqa: F401  chooses the backend before Keras is imported
from kerasft.backbones.loading import load_framer
from kerasft.backbones.tokenization import Framer
from kerasft.preprocessing import encoding
from kerasft.preprocessing.encoding import Encoded, encode

TEXTS = [
    "a good film",
    "",
    "the book was awful, not fine",
    "élan 漢字 🙂",
    "hate it!",
    "x" * 80,
    "good " * 30,
    "a",
    "plots and films",
    "?",
]
PAIRS = ["it is great", "a pair", "", "dull", "love " * 40, "y", "bad " * 9, "b", "a book", "!"]
ROOM = 24


@pytest.fixture(scope="module")
def framer(presets: dict[str, str]) -> Framer:
    return load_framer(Path(presets["bert"]), ROOM)


@pytest.fixture(autouse=True)
def ids_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files go to a folder of the test's own, where they can be counted."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def row(encoded: Encoded, i: int) -> list[int]:
    return encoded.ids[encoded.offsets[i] : encoded.offsets[i + 1]].tolist()


def one_by_one(framer: Framer, texts: list[str], pairs: list[str] | None) -> list[tuple[list[int], int, int]]:
    """Ids, length of the first segment and length before cutting of each row, framed alone."""
    found = []
    for i, text in enumerate(texts):
        ids, _, first, full, *_ = framer.frame([text.encode()], [pairs[i].encode()] if pairs else None)
        found.append((ids.tolist(), int(first[0]), int(full[0])))
    return found


@pytest.mark.parametrize(("family", "paired"), [("bert", False), ("bert", True), ("gpt2", False)])
def test_ids_are_those_of_each_row_framed_alone_in_order_over_many_pieces(
    family: str, paired: bool, presets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BATCH", 3)
    framer = load_framer(Path(presets[family]), ROOM)
    repeats = 9  # more pieces than may wait at once
    chunks = [(TEXTS, PAIRS)] * repeats
    encoded = encode(framer, chunks, paired=paired)
    expected = one_by_one(framer, TEXTS, PAIRS if paired else None) * repeats
    assert len(encoded) == len(expected)
    for i, (ids, first, full) in enumerate(expected):
        assert row(encoded, i) == ids
        assert (encoded.first_lengths[i], encoded.full_lengths[i]) == (first, full)
    assert (encoded.pad_id, encoded.has_segments, encoded.max_length) == (framer.pad_id, framer.has_segments, ROOM)
    assert encoded.ids.dtype == np.int32
    np.testing.assert_array_equal(encoded.owners, np.arange(len(expected)))
    assert encoded.rows == len(expected)


def test_rows_that_lost_tokens_are_counted(framer: Framer) -> None:
    encoded = encode(framer, [(TEXTS, PAIRS)], paired=False)
    assert encoded.lengths.max() == ROOM
    assert encoded.cut == sum(full > ROOM for _, _, full in one_by_one(framer, TEXTS, None)) > 0
    short = encode(framer, [(["a good film"], [None])], paired=False)
    assert short.cut == 0


def test_a_row_that_just_fits_is_not_cut(presets: dict[str, str]) -> None:
    exact = load_framer(Path(presets["bert"]), 5)
    encoded = encode(exact, [(["a good film", "a good film is"], [None, None])], paired=False)
    assert encoded.lengths.tolist() == [5, 5]  # [CLS] a good film [SEP]
    assert encoded.full_lengths.tolist() == [5, 6]
    assert encoded.cut == 1


def test_none_is_an_empty_text(framer: Framer) -> None:
    encoded = encode(framer, [([None, ""], ["a", None])], paired=False)
    assert row(encoded, 0) == row(encoded, 1)
    pairs = encode(framer, [(["good", "good"], [None, ""])], paired=True)
    assert row(pairs, 0) == row(pairs, 1)


def test_a_lone_surrogate_costs_one_sign_not_the_text(framer: Framer) -> None:
    encoded = encode(framer, [(["good \ud83d film", "good ? film"], [None, None])], paired=False)
    assert row(encoded, 0) == row(encoded, 1)  # Python writes what it cannot encode as a question mark


def test_no_rows_are_no_error(framer: Framer) -> None:
    for rows in ([], [([], [])]):
        encoded = encode(framer, rows, paired=False)
        assert len(encoded) == 0
        assert encoded.cut == 0
        assert encoded.lengths.shape == (0,)


def test_progress_counts_the_rows_done(framer: Framer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 4)
    told: list[int] = []
    encode(framer, [(TEXTS, PAIRS), (TEXTS[:3], PAIRS[:3])], paired=False, progress=told.append)
    assert told == [4, 8, 10, 13]


def test_the_file_of_ids_has_no_name_while_it_is_used(framer: Framer, ids_folder: Path) -> None:
    encoded = encode(framer, [(TEXTS, PAIRS)], paired=False)
    assert isinstance(encoded.ids, np.memmap)
    if os.name == "posix":  # a process that is killed, or a machine that loses its power, leaves nothing behind
        assert list(ids_folder.iterdir()) == []
    assert len(encoded.ids) == encoded.offsets[-1]
    assert len(set(encoded.ids[encoded.offsets[:-1]].tolist())) == 1  # every text begins with [CLS]
    del encoded
    gc.collect()
    assert list(ids_folder.iterdir()) == []


def test_a_failure_leaves_no_file_behind(framer: Framer, ids_folder: Path) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(framer, [(TEXTS, PAIRS)], paired=False, progress=fail)
    assert list(ids_folder.iterdir()) == []


def test_texts_from_json_reach_the_tokenizer_whole(framer: Framer) -> None:
    """A text with a NUL, and one with a surrogate pair that JSON wrote in two halves."""
    texts = json.loads('["good\\u0000 film", "good \\ud83d\\ude42 film"]')
    encoded = encode(framer, [(texts, [None, None])], paired=False)
    assert row(encoded, 0) == one_by_one(framer, ["good film"], None)[0][0]
    assert row(encoded, 1) == one_by_one(framer, ["good 🙂 film"], None)[0][0]
