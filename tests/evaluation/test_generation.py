"""Generated text: SacreBLEU's figures (a fixture), BLEU worked out by hand, repetition, perplexity."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from kerasft.errors import DataError
from kerasft.evaluation.generation import bleu, chrf, distinct, perplexity

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "metrics_sacrebleu.json").read_text(encoding="ascii"))


@pytest.mark.parametrize("case", FIXTURE["texts"], ids=lambda case: case["name"])
def test_scores_are_sacrebleus(case: dict[str, Any]) -> None:
    """A later SacreBLEU that counts otherwise would make new reports incomparable with old ones."""
    assert bleu(case["predicted"], case["references"]) == pytest.approx(case["bleu"], abs=1e-9)
    assert chrf(case["predicted"], case["references"]) == pytest.approx(case["chrf"], abs=1e-9)


def test_bleu_by_hand() -> None:
    # Papineni et al. 2002: precisions of 1 to 4 words 5/6, 4/5, 3/4, 2/3; 6 words against 8: brevity exp(1 - 8 / 6).
    predicted, reference = "one two three four five SIX", "one two three four five six seven eight"
    wanted = 100 * math.exp(1 - 8 / 6) * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert bleu([predicted], [reference]) == pytest.approx(wanted)


def test_bleu_is_of_the_corpus_not_the_mean_of_texts() -> None:
    # All n-grams counted together: 7/8, 5/6, 3/4, 1/2.
    predicted, references = ["a b c d", "a b c x"], ["a b c d", "a b c e"]
    assert bleu(predicted, references) == pytest.approx(100 * (7 / 8 * 5 / 6 * 3 / 4 * 1 / 2) ** 0.25)
    each = [bleu([given], [wanted]) for given, wanted in zip(predicted, references, strict=True)]
    assert bleu(predicted, references) != pytest.approx(sum(each) / 2, rel=0.01)


def test_scores_never_pass_a_hundred() -> None:
    assert bleu(["the cat sat on the mat"], ["the cat sat on the mat"]) == 100.0


@pytest.mark.parametrize("score", [bleu, chrf])
def test_texts_must_pair(score: Any) -> None:
    with pytest.raises(DataError, match="got 2 predictions and 1 references"):
        score(["a", "b"], ["a"])
    assert math.isnan(score([], []))


@pytest.mark.parametrize(
    ("texts", "n", "share"),
    [
        (["a b a b"], 1, 2 / 4),
        (["a b a b"], 2, 2 / 3),
        (["a b", "b a"], 2, 1.0),  # no n-gram runs across texts
        (["a b c", "a b c"], 3, 1 / 2),
        (["a\tb\n a"], 1, 2 / 3),
        (["A a"], 1, 1.0),
        (["a b"], 3, 0.0),
        (["", " "], 1, 0.0),
        ([], 1, 0.0),
    ],
)
def test_distinct_by_hand(texts: list[str], n: int, share: float) -> None:
    assert distinct(texts, n) == pytest.approx(share)


def test_perplexity() -> None:
    assert perplexity(math.log(50257)) == pytest.approx(50257)  # a model that guesses among GPT-2's tokens
    assert perplexity(0.0) == 1.0
    assert perplexity(1e4) == perplexity(math.inf) == math.inf
    assert math.isnan(perplexity(math.nan))
