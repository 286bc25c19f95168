"""Eight small examples for every task, and options that suit them: enough to fit, small enough to fit fast."""

from __future__ import annotations

from typing import Any

from kerasft.tasks import TASKS, Task
from tests.conftest import BAD, GOOD

# Texts in which a phrase is a film or a book, for taggers and questions.
_TAGGED = [
    (["a", "good", "film"], ["O", "B-ART", "I-ART"]),
    (["the", "book", "was", "fine"], ["O", "B-ART", "O", "O"]),
    (["love", "the", "plot", "!"], ["O", "O", "B-PART", "O"]),
    (["it", "is", "dull"], ["O", "O", "O"]),
]
_ASKED = [
    ("what film", "a good film it is", "good film"),
    ("what book", "the book was fine", "the book"),
    ("what is dull", "it is the plot", "plot"),
    ("what is great", "hate it", None),
]
# Documents of several sentences.
_DOCUMENTS = [tuple(words[(i + j) % 4].capitalize() for j in range(3)) for i in range(4) for words in (GOOD, BAD)]


def examples(task: str) -> dict[str, Any]:
    """Rows and how `load_data` is to read them."""
    texts, labels = [*GOOD[:4], *BAD[:4]], ["good"] * 4 + ["bad"] * 4
    if task == "multi_label_classification":
        rows = [{"text": t, "label": f"{label};long" if len(t) > 14 else label} for t, label in zip(texts, labels, strict=True)]
    elif task == "regression":
        rows = [{"text": t, "label": 3.5 if label == "good" else -1.0} for t, label in zip(texts, labels, strict=True)]
    elif task == "token_classification":
        return {"rows": [{"tokens": words, "tags": tags} for words, tags in _TAGGED * 2], "text": "tokens", "label": "tags"}
    elif task == "question_answering":
        rows = [
            {"q": q, "c": c, "a": {"text": [a], "answer_start": [c.index(a)]} if a else {"text": [], "answer_start": []}}
            for q, c, a in _ASKED * 2
        ]
        return {"rows": rows, "text": "q", "text_pair": "c", "label": "a"}
    elif task == "causal_lm":
        rows = [{"prompt": t, "completion": label} for t, label in zip(texts, labels, strict=True)]
        return {"rows": rows, "text": "prompt", "label": "completion"}
    elif task == "masked_lm":
        return {"rows": [{"text": f"{a}. {b}. {c} {i}"} for i, (a, b, c) in enumerate(_DOCUMENTS)], "text": "text"}
    elif task == "text_embedding":
        return {"rows": [{"text": a, "text_pair": b} for a, b in zip(GOOD + BAD, BAD[::-1] + GOOD[::-1], strict=True)][:8],
                "text": "text", "text_pair": "text_pair"}  # fmt: skip
    else:
        rows = [{"text": t, "label": label} for t, label in zip(texts, labels, strict=True)]
    return {"rows": rows, "text": "text", "label": "label"}


def options(task: str, family: str) -> Task:
    """The task with options that suit a tiny vocabulary and 64 positions."""
    given: dict[str, Any] = {}
    if task == "cloze_classification" and family == "gpt2":
        given = {"template": "{text} it was [MASK]", "words": "good=good;bad=g"}  # words its few merges make one piece
    if task == "token_classification":
        given = {"max_length": 16, "overlap": 4}
    if task == "question_answering":
        given = {"max_length": 32, "overlap": 4, "max_answer": 8}
    if task == "causal_lm":
        given = {"max_length": 32, "max_new_tokens": 8}
    if task == "masked_lm":
        given = {"masking": "span", "rate": 0.3, "span_boundary_objective": True, "next_sentence": True, "max_length": 32}
    return TASKS.get(task)(**given)


def askable(task: str) -> list[Any]:
    """Things to predict, odd ones and long ones among them."""
    odd = ["", "Élan 漢字 🙂\t\n\u200b zero", "word good film " * 60]
    if task == "question_answering":
        return [("what film", "a good film it is"), *((text, text) for text in odd)]
    if task == "masked_lm":
        return ["[MASK]", "a [MASK] film", "[MASK][MASK] ##s [mask] [MASK] book", *(f"{text} [MASK] {text}" for text in odd)]
    return [*GOOD[:3], *BAD[:3], *odd]
