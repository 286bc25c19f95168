"""Explanations: contributions of words add up to the score, and nothing is explained that is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.explain import Explanation
from tests.task_data import examples
from tests.tasks.models import data_of, example_model, model_of

TEXTS = {"question_answering": ("what film", "the film is loved"), "token_classification": "a good film, loved"}
TASKS = [
    "text_classification",
    "token_classification",
    "question_answering",
    "multi_label_classification",
    "regression",
    "cloze_classification",
]
CASES = [
    pytest.param("text_classification", "gpt2", id="text_classification-gpt2"),
    *(pytest.param(task, "bert", id=f"{task}-bert") for task in TASKS),
    *(pytest.param(task, "gpt2", id=f"{task}-gpt2", marks=pytest.mark.slow) for task in TASKS[1:]),
]


def text_of(task: str) -> Any:
    return TEXTS.get(task, "a good film, loved")


def assert_complete(found: Explanation) -> None:
    moved = found.score - found.baseline
    total = sum(word.score for word in found.words)
    assert total == pytest.approx(moved, abs=found.gap + 1e-5)
    assert found.gap <= 0.01 * max(abs(moved), 0.1)
    assert any(abs(word.score) > 1e-4 for word in found.words)


@pytest.mark.parametrize(("task", "family"), CASES)
def test_contributions_add_up_to_what_the_words_change(task: str, family: str, presets: dict[str, str]) -> None:
    model = example_model(presets[family], task)
    found = model.explain(text_of(task))
    assert_complete(found)
    assert_whole_words(task, found)


def assert_whole_words(task: str, found: Explanation) -> None:
    texts = [word.text for word in found.words]
    read = " ".join(text_of(task)) if isinstance(text_of(task), tuple) else text_of(task)
    joined = "".join(texts)
    assert "##" not in joined
    assert "Ġ" not in joined
    assert "[SEP]" not in joined
    assert "<|" not in joined
    assert read.replace(" ", "") in joined  # nothing is left out; a cloze has the words of its template besides
    assert "loved" in " ".join(texts).replace(",", "").split()  # one word of two or more pieces
    assert str(found).startswith(found.target)


def test_the_next_token_is_explained_completely(presets: dict[str, str]) -> None:
    text = "a good film, loved and not dull"
    assert_complete(example_model(presets["gpt2"], "causal_lm").explain(text))


def test_any_next_token_can_be_explained(presets: dict[str, str]) -> None:
    model, text = example_model(presets["gpt2"], "causal_lm"), "a good film, loved and"
    likeliest, other = model.explain(text), model.explain(text, target=" not")
    piece = model.framer.pieces[int(model.framer.frame([b" not"], None).ids[0])]  # the vocabulary may know no more of it
    assert piece.startswith("␣")
    assert other.target == f"log-probability of {piece!r} as the next token"
    assert other.score <= likeliest.score  # both of the same distribution
    assert likeliest.target.startswith("log-probability of ")
    assert_complete(other)
    with pytest.raises(kft.ConfigError, match="target is empty"):
        model.explain(text, target="")


@pytest.mark.parametrize("task", ["regression", "question_answering"])
def test_a_single_score_has_no_target(task: str, presets: dict[str, str]) -> None:
    with pytest.raises(kft.ConfigError, match=f"'{task}' has one score, so there is no target to choose. Received: 'x'"):
        example_model(presets["bert"], task).explain(text_of(task), target="x")


def test_the_next_token_is_explained_by_whole_words(presets: dict[str, str]) -> None:
    found = example_model(presets["gpt2"], "causal_lm").explain(text_of("causal_lm"))
    assert sum(word.score for word in found.words) == pytest.approx(found.score - found.baseline, abs=found.gap + 1e-5)
    assert_whole_words("causal_lm", found)


@pytest.mark.parametrize("task", ["text_classification", "multi_label_classification"])
def test_any_label_can_be_explained(task: str, presets: dict[str, str]) -> None:
    model = example_model(presets["bert"], task)
    one, other = (model.explain("a good film", target=label) for label in model.labels[:2])
    assert [one.target, other.target] == [f"logit of {label!r}" for label in model.labels[:2]]
    assert one.score != other.score
    assert_complete(other)
    best = model.predict("a good film").probabilities
    wanted = max(best, key=lambda label: best[label])
    assert model.explain("a good film").target == f"logit of {wanted!r}"
    with pytest.raises(kft.ConfigError, match="no label 'gut' to explain") as error:
        model.explain("a good film", target="gut")
    assert all(label in str(error.value) for label in model.labels)


@pytest.mark.parametrize("family", ["bert", pytest.param("gpt2", marks=pytest.mark.slow)])
def test_any_word_of_a_tagger_can_be_explained_also_of_a_long_text(family: str, presets: dict[str, str]) -> None:
    model = example_model(presets[family], "token_classification")
    text = " ".join("abcdefghijklmnopqrstuvwxyz")
    for word in (0, 25):
        found = model.explain(text, target=word)
        assert found.target.endswith(f"for word {word + 1}")
        assert "abcdefghijklmnopqrstuvwxyz"[word] in [part.text for part in found.words]  # the window that scores it
        assert_complete(found)
    for odd in (26, -1):
        with pytest.raises(kft.ConfigError, match=f"no word {odd} to explain; the text has 26"):
            model.explain(text, target=odd)


def test_a_taggers_target_must_be_the_number_of_a_word(presets: dict[str, str]) -> None:
    with pytest.raises(kft.ConfigError, match="word"):
        example_model(presets["bert"], "token_classification").explain("a good film", target="film")


@pytest.mark.parametrize(("task", "text"), [("token_classification", ""), ("question_answering", ("what", ""))])
def test_a_text_without_words_is_not_mistaken_for_a_task_that_cannot_be_explained(
    task: str, text: Any, presets: dict[str, str]
) -> None:
    with pytest.raises(kft.KerasFTError) as error:
        example_model(presets["bert"], task).explain(text)
    assert "have no single score" not in str(error.value)


def test_vectors_are_not_explained(presets: dict[str, str]) -> None:
    with pytest.raises(kft.ConfigError, match="no single score to explain") as error:
        example_model(presets["bert"], "text_embedding").explain("a good film")
    assert "classifier" in str(error.value)


def test_what_is_no_text_is_not_explained(presets: dict[str, str]) -> None:
    with pytest.raises(kft.DataError, match="reads texts"):
        example_model(presets["bert"], "text_classification").explain(5)
    with pytest.raises(kft.DataError, match="reads pairs"):
        example_model(presets["bert"], "question_answering").explain("a good film")


@pytest.mark.parametrize("family", ["bert", pytest.param("gpt2", marks=pytest.mark.slow)])
def test_pairs_are_explained_in_both_texts(family: str, presets: dict[str, str]) -> None:
    rows = [
        {"text": row["text"], "text_pair": f"the {row['label']} plot", "label": row["label"]} for row in examples("x")["rows"]
    ]
    data = data_of(rows, text="text", text_pair="text_pair", label="label")
    found = model_of(presets[family], kft.TextClassification(), data).explain(("good film", "the plot"))
    assert [word.text for word in found.words] == ["good", "film", "the", "plot"]
    assert_complete(found)


def test_the_number_that_is_explained_is_the_number_that_is_predicted(presets: dict[str, str]) -> None:
    model = example_model(presets["bert"], "regression")
    assert model.explain("a good film").score == pytest.approx(model.predict("a good film").value, abs=1e-4)


def test_an_empty_text_moves_nothing(presets: dict[str, str]) -> None:
    found = example_model(presets["bert"], "text_classification").explain("")
    assert found.words == ()
    np.testing.assert_allclose(found.score, found.baseline, atol=1e-5)


def test_a_cut_text_is_explained_as_far_as_it_was_read(presets: dict[str, str]) -> None:
    data = data_of(examples("x")["rows"], text="text", label="label")
    model = model_of(presets["bert"], kft.TextClassification(max_length=8), data)
    assert len(model.explain("good bad film book plot a the is was it").words) == 6


def test_words_of_several_bytes_a_letter_are_shown_as_they_are(presets: dict[str, str]) -> None:
    found = example_model(presets["gpt2"], "text_classification").explain("a 🙂 film")
    assert [word.text for word in found.words] == ["a", "🙂", "film"]
