"""Scores of generated text: BLEU and chrF against references, distinct n-grams, perplexity."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kerasft.errors import DataError


def bleu(predicted: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU of SacreBLEU, 0 to 100 (Papineni et al. 2002; Post 2018, "A Call for Clarity in Reporting BLEU Scores").

    Signature `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp`. Corpus BLEU is not the mean of the sentences' BLEU, and is 0 where
    no prediction is four words long. The 13a tokenizer splits at blanks: for Chinese or Japanese use `chrf`.

    Args:
        predicted: Generated texts.
        references: The right text of each.

    Returns:
        The score; nan if there are no texts.

    Raises:
        DataError: If there are not as many references as predictions; SacreBLEU itself would leave out the rest unsaid.
    """
    import sacrebleu

    if _paired(predicted, references) == 0:
        return float("nan")
    # Four precisions of 1 multiply to a hair above 100 in SacreBLEU.
    return min(100.0, float(sacrebleu.corpus_bleu(predicted, [references]).score))


def chrf(predicted: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF2 of SacreBLEU, 0 to 100: F-score of character n-grams up to six, recall weighing double (Popović 2015).

    Args:
        predicted: Generated texts.
        references: The right text of each.

    Returns:
        The score; nan if there are no texts.

    Raises:
        DataError: If there are not as many references as predictions.
    """
    import sacrebleu

    if _paired(predicted, references) == 0:
        return float("nan")
    return min(100.0, float(sacrebleu.corpus_chrf(predicted, [references]).score))


def distinct(texts: Sequence[str], n: int) -> float:
    """Share of the n-grams of all texts that are different from each other (Li et al. 2016): low where a model repeats itself.

    Words are what blanks separate; no n-gram runs from one text into the next. The paper divides by words, its followers and this
    function by n-grams, so that 1 is reached for every n. More text has a lower share: compare only samples of equal size.

    Args:
        texts: Generated texts.
        n: Words in an n-gram, 1 or more.

    Returns:
        0 to 1; 0 if no text has n words.
    """
    words = [text.split() for text in texts]
    grams = [tuple(row[i : i + n]) for row in words for i in range(len(row) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def perplexity(mean_nats: float) -> float:
    """The number e to the mean negative log-likelihood of a token; inf where no float is that large, nan for nan."""
    try:
        return math.exp(mean_nats)
    except OverflowError:
        return math.inf


def _paired(predicted: Sequence[str], references: Sequence[str]) -> int:
    if len(predicted) != len(references):
        raise DataError(f"Every prediction needs a reference; got {len(predicted)} predictions and {len(references)} references.")
    return len(predicted)
