"""Scores of extracted answers, as the official scripts of SQuAD 1.1 and 2.0 count them.

Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text"; Rajpurkar, Jia & Liang 2018, "Know What
You Don't Know". The rules here are those of `evaluate-v2.0.py`. `evaluate-v1.1.py` gives the same figures unless a text is
nothing but articles and punctuation ("The!"): there its F1 is 0, even against itself.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and superfluous blanks: what counts of an answer.

    Punctuation goes first and leaves no blank: "the-end" becomes "theend". Dashes, quotation marks and other punctuation beyond
    ASCII stay, as in the official script.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split())


def exact_match(predicted: str, golds: Sequence[str]) -> float:
    """1.0 if the prediction is one of the right answers, normalised, else 0.0.

    Args:
        predicted: The answer given; "" for none.
        golds: The right answers. None at all, or none that is more than articles and punctuation: the question has no answer.
    """
    given = normalise_answer(predicted)
    return float(any(given == wanted for wanted in _normalised(golds)))


def answer_f1(predicted: str, golds: Sequence[str]) -> float:
    """F1 of the prediction's words (as a bag) with those of the right answer nearest to it; 1.0 if both have no words.

    Args:
        predicted: The answer given; "" for none.
        golds: As in `exact_match`.
    """
    words = normalise_answer(predicted).split()
    return max(_overlap(words, wanted.split()) for wanted in _normalised(golds))


def _normalised(golds: Sequence[str]) -> list[str]:
    return [wanted for wanted in map(normalise_answer, golds) if wanted] or [""]


def _overlap(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    same = (Counter(given) & Counter(wanted)).total()
    if not same:
        return 0.0
    # Not 2 * same / (given + wanted): the script's own steps, so that figures agree to the last bit and ties stay ties.
    precision, recall = same / len(given), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def best_no_answer_threshold(
    no_answer_scores: Sequence[float] | np.ndarray,
    em_or_f1_if_answered: Sequence[float] | np.ndarray,
    has_answer: Sequence[bool] | np.ndarray,
) -> tuple[float, float]:
    """The threshold of "no answer" that gives the best mean score: `find_best_thresh` of the official script.

    A question is answered if its score is at most the threshold. It differs from the script where the script's threshold does
    not give the score it promises: of questions with equal scores all or none are answered, and if answering nothing is best
    while scores are zero or less (log-odds can be), the threshold lies below all of them instead of at 0.

    Args:
        no_answer_scores: (N,) higher is surer that there is no answer. Finite.
        em_or_f1_if_answered: (N,) score of the answer the model would give; for a question without an answer that is 0, or 1 if
            the given answer is empty as well.
        has_answer: (N,) whether the question has an answer.

    Returns:
        The threshold, and the mean score (0 to 1) it gives on these questions; (0.0, nan) if there are none. Among equals the
        lowest threshold, the one that answers least.
    """
    scores = np.asarray(no_answer_scores, dtype=np.float64)
    values = np.asarray(em_or_f1_if_answered, dtype=np.float64)
    answerable = np.asarray(has_answer, dtype=bool)
    if not len(scores):
        return 0.0, float("nan")
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    # A question without an answer counts 1 as long as none is given; from the threshold on it counts what the answer does.
    changes = np.where(answerable, values, values - 1.0)[order]
    totals = np.cumsum(np.concatenate([[float((~answerable).sum())], changes]))
    last_of_equals = np.append(np.flatnonzero(np.diff(ascending)), len(scores) - 1)
    reachable = totals[np.concatenate([[0], last_of_equals + 1])]
    best = int(reachable.argmax())
    # A whole step below all, not the next number: it must stay below when somebody rounds to float32.
    answers_nothing = 0.0 if ascending[0] > 0 else float(ascending[0]) - 1.0
    threshold = float(ascending[last_of_equals[best - 1]]) if best else answers_nothing
    return threshold, float(reachable[best] / len(scores))
