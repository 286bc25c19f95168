"""Documents in windows and prompts with completions: what is predicted, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kerasft  # noqa: F401  chooses the backend before Keras is imported
from kerasft.backbones.loading import load_framer
from kerasft.backbones.tokenization import Framer
from kerasft.preprocessing.document_framing import DocumentFraming
from kerasft.preprocessing.encoding import Encoded, encode
from kerasft.tasks import Learned
from kerasft.tasks.causal_lm import CausalLM

ROOM = 12
TEXT = st.text(st.sampled_from("agod the bad.\n漢é🙂\x00"), max_size=30)


@pytest.fixture(scope="module")
def framer(presets: dict[str, str]) -> Framer:
    return load_framer(Path(presets["gpt2"]), ROOM)


@pytest.fixture(scope="module")
def framings(framer: Framer) -> dict[int, DocumentFraming]:
    """By overlap."""
    return {overlap: DocumentFraming(framer, overlap, "\n") for overlap in (0, 1, 5)}


def framed(framer: Framer, framing: Any, texts: list[str], pairs: list[str] | None = None) -> Encoded:
    encoded = encode(framer, [(texts, pairs or texts)], paired=pairs is not None, framing=framing)
    return CausalLM().targets(encoded, None, Learned((), {"completions": pairs is not None}))


def predicted(encoded: Encoded, row: int) -> list[int]:
    """The ids that are predicted for a row, in order."""
    known = (encoded.owners[encoded.token_windows] == row) & (encoded.token_targets >= 0)
    return encoded.token_targets[known].tolist()


def ids_of(framer: Framer, text: str) -> list[int]:
    return framer.tokenize([text]).to_list()[0]


def assert_all_predicted_once(framer: Framer, framing: DocumentFraming, texts: list[str]) -> None:
    encoded = framed(framer, framing, texts)
    assert encoded.lengths.max() <= ROOM
    for row, text in enumerate(texts):
        assert predicted(encoded, row) == [*ids_of(framer, text), framer.end[0]]


@pytest.mark.parametrize("overlap", [0, 1, 5])
@settings(deadline=None, max_examples=25)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
@example(texts=["", "a", "g" * 10, "g" * 11, "g" * 50])
def test_every_token_and_the_end_are_predicted_once(
    framer: Framer, framings: dict[int, DocumentFraming], overlap: int, texts: list[str]
) -> None:
    assert_all_predicted_once(framer, framings[overlap], texts)


def test_a_text_of_one_window_is_predicted_whole_without_overlap(framer: Framer, framings: dict[int, DocumentFraming]) -> None:
    assert_all_predicted_once(framer, framings[0], ["", "a", "g" * (ROOM - 2)])


def test_a_target_is_the_token_that_follows(framer: Framer, framings: dict[int, DocumentFraming]) -> None:
    encoded = framed(framer, framings[5], ["the good bad thing " * 4, "a"])
    for place in np.flatnonzero(encoded.token_targets >= 0):
        assert encoded.token_targets[place] == encoded.ids[place + 1]
        assert encoded.token_windows[place] == encoded.token_windows[place + 1]


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@example(rows=[("", ""), ("g" * 40, "a"), ("a", "g" * 40), ("g" * 40, "g" * 40), ("", "g" * 9), ("", "g" * 10)])
def test_only_completions_and_their_end_are_predicted(
    framer: Framer, framings: dict[int, DocumentFraming], rows: list[tuple[str, str]]
) -> None:
    prompts, completions = map(list, zip(*rows, strict=True))
    encoded = framed(framer, framings[0], prompts, completions)
    assert len(encoded) == len(rows)
    for row, (prompt, completion) in enumerate(rows):
        asked, answer = ids_of(framer, prompt + "\n"), ids_of(framer, completion)
        kept = answer[: ROOM - 2]
        room = ROOM - 2 - len(kept)
        asked_kept = asked[len(asked) - room :] if len(asked) > room else asked  # the beginning of the prompt gives way first
        ids = encoded.ids[encoded.offsets[row] : encoded.offsets[row + 1]].tolist()
        assert ids == [framer.end[0], *asked_kept, *kept, framer.end[0]]
        assert predicted(encoded, row) == [*kept, framer.end[0]]
        assert encoded.full_lengths[row] == len(asked) + len(answer) + 2
