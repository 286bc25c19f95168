"""What a person meets when the data or the options do not suit the task: what is wrong, where, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft import events
from kerasft.preprocessing.cloze_framing import ClozeFraming
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.tasks import Learned, Task
from kerasft.tasks.answer_cells import locate, read_answers
from kerasft.tasks.tag_cells import read_tags
from tests.task_data import examples, options
from tests.tasks.models import data_of, model_of, task_data

FAST = kft.TrainConfig(epochs=1, batch_size=8, tensorboard=False)


def split_of(rows: list[dict[str, Any]], **roles: str) -> Any:
    return data_of(rows, **roles)["train"]


def tagged(*rows: tuple[Any, Any]) -> Any:
    return split_of([{"tokens": tokens, "tags": tags} for tokens, tags in rows], text="tokens", label="tags")


def spans(*rows: tuple[str, Any]) -> Any:
    return split_of([{"text": text, "entities": cell} for text, cell in rows], text="text", label="entities")


def asked(*rows: tuple[str, str, Any]) -> Any:
    return split_of([{"q": q, "c": c, "a": a} for q, c, a in rows], text="q", text_pair="c", label="a")


def refused(error: type[kft.KerasFTError], what: str, call: Any) -> str:
    with pytest.raises(error, match=what) as caught:
        call()
    return str(caught.value)


# --- Tags ---


def test_a_tag_outside_its_scheme_is_named() -> None:
    rows = tagged((["a", "b"], ["O", "B-PER"]), (["c"], ["B_PER"]), (["d"], ["I-PER"]))
    said = refused(
        kft.DataError, "Tags of scheme BIO are O and tags such as B-PER", lambda: kft.TokenClassification().learn(rows)
    )
    assert "'B_PER'" in said
    assert "'tags'" in said


def test_a_tag_outside_its_scheme_in_validation_is_named_with_its_place() -> None:
    task = kft.TokenClassification()
    learned = task.learn(tagged((["a", "b"], ["O", "B-PER"])))
    odd = tagged((["a", "b", "c"], ["O", "B-PER", "I-PER"]), (["c"], ["B_PER"]))
    said = refused(kft.DataError, "B_PER", lambda: task.gold(odd, learned))
    assert "where:" in said
    assert "row" in said


def test_a_tag_the_model_has_never_seen_is_named_or_left_out() -> None:
    learned = kft.TokenClassification().learn(tagged((["a", "b"], ["O", "B-PER"])))
    new = tagged((["a"], ["B-PER"]), (["b"], ["B-LOC"]))
    said = refused(kft.DataError, "tags the model has never seen: 'B-LOC'", lambda: kft.TokenClassification().gold(new, learned))
    assert "drop_unknown=True" in said
    lenient = kft.TokenClassification(drop_unknown=True)
    assert lenient.unknown(lenient.gold(new, learned)).tolist() == [False, True]


def test_tags_and_words_must_be_as_many() -> None:
    rows = tagged((["a"], ["O"]), (["a", "b"], ["O"]), (["a"], ["O", "B-A"]))
    said = refused(
        kft.DataError, "2 rows have not as many tags as words; the first has 2 words and 1 tags", lambda: read_tags(rows)
    )
    assert "rows 2, 3" in said
    assert "each word one tag" in said


def test_one_kind_of_tag_is_too_few() -> None:
    refused(
        kft.DataError, "at least two different tags", lambda: kft.TokenClassification().learn(tagged((["a", "b"], ["O", "O"])))
    )


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ('[{"start": 0, "end": 99, "label": "PER"}]', "lies outside its text: 0 to 99 in a text of 11 characters"),
        ('[{"start": -1, "end": 3, "label": "PER"}]', "lies outside its text"),
        ('[{"start": 3, "end": 3, "label": "PER"}]', "lies outside its text"),
        ('[{"start": 5, "end": 3, "label": "PER"}]', "lies outside its text"),
        ('[{"start": 0, "label": "PER"}]', "lacks start, end or label"),
        ('[{"start": "zero", "end": 3, "label": "PER"}]', "lacks start, end or label"),
        ("[[0, 3]]", "lacks start, end or label"),
        ("[5]", "lacks start, end or label"),
        ("PER", "no list of tags or spans"),
    ],
)
def test_a_span_that_is_none_is_told_with_its_row(cell: str, what: str) -> None:
    rows = spans(("Ana Lopez..", '[{"start": 0, "end": 3, "label": "PER"}]'), ("Ana came by", cell))
    said = refused(kft.DataError, what, lambda: kft.TokenClassification().learn(rows))
    assert "row 2" in said
    assert "hint:" in said


def test_tags_of_a_plain_text_are_told_as_such() -> None:
    rows = split_of([{"text": "Ana came by", "tags": ["B-PER", "O", "O"]}], text="text", label="tags")
    said = refused(kft.DataError, "holds tags of words", lambda: kft.TokenClassification().learn(rows))
    assert "row 1" in said


def test_spans_that_cut_words_are_widened_and_those_that_overlap_left_out() -> None:
    text = "Ana Lopez met Bo"
    rows = spans(
        (text, [{"start": 0, "end": 6, "label": "PER"}, {"start": 4, "end": 9, "label": "LOC"}]),
        (text, [{"start": 3, "end": 9, "label": "PER"}, {"start": 14, "end": 16, "label": "PER"}]),  # a space before: no word cut
        (text, [{"start": 0, "end": 9, "label": "PER"}, {"start": 0, "end": 3, "label": "LOC"}]),
    )
    task = kft.TokenClassification()
    learned = task.learn(rows)
    names = [[learned.labels[tag] for tag in row] for row in task.gold(rows, learned)]
    assert names == [
        ["B-PER", "I-PER", "O", "O"],
        ["O", "B-PER", "O", "B-PER"],
        ["B-PER", "I-PER", "O", "O"],
    ]
    widened, overlapping = task.remarks(rows, learned)
    assert widened.startswith("1 spans begin or end inside a word")
    assert overlapping.startswith("2 spans overlap a longer one")


def test_a_span_without_a_word_is_told() -> None:
    cell = [{"start": 0, "end": 3, "label": "PER"}, {"start": 3, "end": 4, "label": "LOC"}]
    rows = spans(("Ana came", cell))
    task = kft.TokenClassification()
    assert task.remarks(rows, task.learn(rows))


def test_a_quotation_mark_is_no_part_of_a_short_name() -> None:
    rows = spans(("'Li' came", [{"start": 1, "end": 3, "label": "PER"}]))
    task = kft.TokenClassification()
    assert task.remarks(rows, task.learn(rows)) == []


# --- Answers ---


def test_an_answer_that_is_nowhere_is_remarked_not_learned_and_still_scored() -> None:
    rows = asked(
        ("what", "a good film", {"text": ["good"], "answer_start": [2]}),
        ("what", "a good film", {"text": ["bad"], "answer_start": [0]}),
    )
    gold, [remark] = read_answers(rows)
    assert [row.learnable for row in gold] == [True, False]
    assert gold[1].texts == ("bad",)
    assert remark.startswith("1 answers do not occur in their context")
    assert "row 2" in remark


@pytest.mark.parametrize(
    ("context", "answer", "start", "found", "how"),
    [
        ("a good film", "good", 2, 2, ""),
        ("a good film", "good", 0, 2, "moved"),
        ("a good film", "good", 999, 2, "moved"),
        ("a good film", "good", -1, 2, "found"),
        ("a good film", "GOOD", -1, 2, "found"),
        ("good or good", "good", 7, 8, "first"),
        ("good or good", "good", -1, 0, "first"),
        ("good or good", "good", 8, 8, ""),
        ("a good film", "bad", 2, -1, "absent"),
        ("", "bad", 0, -1, "absent"),
    ],
)
def test_wrong_offsets_are_mended(context: str, answer: str, start: int, found: int, how: str) -> None:
    assert locate(context, answer, start) == (found, how)


def test_letters_that_grow_in_lower_case_do_not_shift_an_answer() -> None:
    place, _ = locate("İn İzmir: Paris", "paris", -1)
    assert "İn İzmir: Paris"[place : place + 5] == "Paris"


@pytest.mark.parametrize("cell", ['{"answer": "good"}', "[]  ", '["good"]', '{"text": 5}', '{"text": {"a": 1}}'])
def test_an_answer_that_cannot_be_understood_is_told_with_its_row(cell: str) -> None:
    rows = asked(("what", "a good film", "good"), ("what", "a good film", cell))
    said = refused(kft.DataError, "cannot be understood", lambda: read_answers(rows))
    assert "row 2" in said
    assert '"answer_start"' in said


def test_an_offset_that_is_no_number_is_told_with_its_row() -> None:
    rows = asked(("what", "a good film", '{"text": ["good"], "answer_start": ["two"]}'))
    assert "row 1" in refused(kft.DataError, "offset is no whole number", lambda: read_answers(rows))


@pytest.mark.parametrize("start", [None, 2.0])
def test_an_offset_that_is_missing_is_looked_for(start: Any) -> None:
    gold, _ = read_answers(asked(("what", "a good film", {"text": ["good"], "answer_start": start})))
    assert gold[0].start == 2


def test_an_answer_may_be_plain_text_a_number_or_none() -> None:
    rows = asked(
        ("what", "in 1912 a good film", "1912"),
        ("what", "a good film", "a good"),
        ("what", "a", {"text": [], "answer_start": []}),
    )
    gold, remarks = read_answers(rows)
    assert [(row.texts, row.start) for row in gold] == [(("1912",), 3), (("a good",), 0), ((), -1)]
    assert len(remarks) == 1


def test_answers_none_of_which_is_in_its_context_are_refused() -> None:
    rows = asked(("what", "a good film", "yes"), ("what", "a film", "no"))
    assert "copied exactly" in refused(kft.DataError, "No training answer was found", lambda: kft.QuestionAnswering().learn(rows))


def test_a_run_tells_what_was_mended_and_evaluates_the_rest(presets: dict[str, str], tmp_path: Path) -> None:
    rows = [
        {"q": "what", "c": "a good film", "a": {"text": ["good"], "answer_start": [0]}},
        {"q": "what", "c": "a good film", "a": {"text": ["elsewhere"], "answer_start": [0]}},
    ] * 3
    data = data_of(rows, text="q", text_pair="c", label="a")
    told: list[events.Event] = []
    run = RunConfig(preset=presets["bert"], task=kft.QuestionAnswering(max_length=32), train=FAST)
    model = start(run, tmp_path / "run", dataset=data, on_event=told.append)
    remarks = [event.message for event in told if isinstance(event, events.Warned) and event.code == "repaired"]
    assert sum("moved there" in remark for remark in remarks) == 2  # of train and of validation
    assert sum("do not occur" in remark for remark in remarks) == 2
    report = model.evaluate(data["validation"])
    assert report.examples == 6
    assert any("do not occur" in note for note in report.notes)
    assert report.metrics["exact_match"] <= 0.5


# --- Labels and numbers ---


def test_labels_never_seen_are_told_for_multi_label() -> None:
    task = kft.MultiLabelClassification()
    learned = task.learn(split_of([{"text": "a", "label": "joy;fear"}, {"text": "b", "label": "joy"}]))
    new = split_of([{"text": "a", "label": "joy"}, {"text": "b", "label": "joy;hope"}, {"text": "c", "label": "rage"}])
    said = refused(kft.DataError, "labels the model has never seen: 'hope', 'rage'", lambda: task.gold(new, learned))
    assert "rows 2, 3" in said
    assert "drop_unknown=True" in said
    found = kft.MultiLabelClassification(drop_unknown=True).gold(new, learned)
    assert found.tolist() == [[0, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("separator", "cells"),
    [
        (";", ["joy;anger", "joy; anger ;", "anger"]),
        ("|", ["joy|anger", "anger | joy", "anger"]),
        (",", ["joy, anger", "anger,joy", "anger"]),
        ("space", ["joy anger", " joy  anger", "anger"]),
        ("auto", ["joy;anger", "joy ;anger", "anger"]),
        ("auto", ["joy|anger", "joy| anger", "anger"]),
        ("auto", ["joy, anger", "joy,anger", "anger"]),
        ("auto", ['["joy", "anger"]', '["anger", "joy", "joy"]', '["anger"]']),
        (";", ['["joy", "anger"]', "joy;anger", "anger"]),
    ],
)
def test_labels_are_parted_as_asked_or_as_found(separator: str, cells: list[str]) -> None:
    task = kft.MultiLabelClassification(separator=separator)
    rows = split_of([{"text": f"t{i}", "label": cell} for i, cell in enumerate(cells)], text="text", label="label")
    learned = task.learn(rows)
    assert learned.labels == ("anger", "joy")
    assert task.gold(rows, learned).tolist() == [[1, 1], [1, 1], [1, 0]]


def test_a_label_with_a_comma_in_it_stays_whole() -> None:
    rows = split_of([{"text": f"t{i}", "label": name} for i, name in enumerate(["Smith, John", "Doe, Jane", "Roe, Ann"])])
    assert kft.MultiLabelClassification().learn(rows).labels == ("Doe, Jane", "Roe, Ann", "Smith, John")


@pytest.mark.parametrize("cell", ["three", "3,5", "nan", "inf", "5 kg", "--1"])
def test_numbers_that_are_none_are_told_with_their_rows(cell: str) -> None:
    rows = split_of([{"text": "a", "label": "1.5"}, {"text": "b", "label": cell}, {"text": "c", "label": "-2"}])
    said = refused(kft.DataError, "1 cells that are no numbers", lambda: kft.Regression().learn(rows))
    assert "row 2" in said
    assert repr(cell) in said
    assert "3.5" in said


def test_numbers_that_are_all_equal_are_refused() -> None:
    rows = split_of([{"text": "a", "label": "2.0"}, {"text": "b", "label": "2"}])
    assert "'label'" in refused(kft.DataError, "the same number, 2", lambda: kft.Regression().learn(rows))


# --- What does not fit together is refused before anything large is loaded ---


@pytest.mark.parametrize(
    ("task", "family", "tuning", "train", "what"),
    [
        ("causal_lm", "bert", kft.Full(), FAST, "needs a model of family gpt2, such as kerasft_gpt2_mini_en. Received: bert"),
        ("causal_lm", "gpt2", kft.FrozenFeatures(), FAST, "nothing would learn"),
        (
            "regression",
            "bert",
            kft.Full(),
            kft.TrainConfig(class_weights="balanced"),
            "'class_weights' has no meaning for task 'reg",
        ),
        ("regression", "bert", kft.Full(), kft.TrainConfig(label_smoothing=0.1), "'label_smoothing' has no meaning"),
        ("multi_label_classification", "bert", kft.Full(), kft.TrainConfig(class_weights="balanced"), "has no meaning"),
    ],
)
def test_what_does_not_fit_is_refused_before_loading(
    task: str,
    family: str,
    tuning: Any,
    train: Any,
    what: str,
    presets: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kerasft.execution.load_backbone", lambda *_, **__: pytest.fail("the weights were loaded"))
    run = RunConfig(preset=presets[family], task=options(task, family), tuning=tuning, train=train)
    refused(kft.ConfigError, what, lambda: start(run, tmp_path / "run", dataset=task_data(task)))


@pytest.mark.parametrize(
    ("task", "rows", "what"),
    [
        (kft.TokenClassification(), [{"text": "a b"}], "needs a label column"),
        (kft.QuestionAnswering(), [{"text": "a", "label": "b"}], "a column of questions"),
        (kft.ClozeClassification(template="{text} {text_pair} [MASK]"), [{"text": "a", "label": "b"}], "no second text column"),
    ],
)
def test_columns_a_task_needs_are_asked_for(
    task: Task, rows: list[dict[str, str]], what: str, presets: dict[str, str], tmp_path: Path
) -> None:
    run = RunConfig(preset=presets["bert"], task=task, train=FAST)
    refused(kft.ConfigError, what, lambda: start(run, tmp_path / "run", dataset=kft.load_data({"train": rows}, validation=0)))


# --- Clozes ---


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{text} it was.", "needs one gap"),
        ("{text} [MASK] [MASK]", "needs one gap"),
        ("It was [MASK].", "needs {text} once"),
        ("{text} {text} [MASK]", "needs {text} once"),
        ("{text} {text_pair} {text_pair} [MASK]", "at most once"),
    ],
)
def test_a_template_must_have_its_fields(template: str, what: str) -> None:
    refused(kft.ConfigError, what, lambda: kft.ClozeClassification(template=template))


@pytest.mark.parametrize("words", ["gut=good;schlecht=bad", "good=good", "good=good;bad=", "good", "good=a;bad=b;so=c"])
def test_words_must_be_for_the_labels_there_are(words: str) -> None:
    rows = split_of(examples("cloze_classification")["rows"])
    said = refused(
        kft.ConfigError, "'words' must give words for each label", lambda: kft.ClozeClassification(words=words).learn(rows)
    )
    assert "The labels are: bad, good" in said


@pytest.mark.parametrize(
    ("family", "options", "what"),
    [
        ("bert", {"words": "good=wonderful;bad=bad"}, "'wonderful' of label 'good' is not one piece"),
        ("bert", {"words": "good=漢;bad=bad"}, "'漢' of label 'good' is not one piece"),
        ("bert", {"words": "good=fine;bad=fine"}, "'fine' stands for two labels"),
        ("gpt2", {"words": "good=good;bad=g", "template": "It was [MASK]. {text}"}, "needs \\[MASK\\] last"),
        ("gpt2", {"words": "good=film;bad=g", "template": "{text} it was [MASK]"}, "'film' of label 'good' is not one piece"),
    ],
)
def test_words_and_templates_must_suit_the_model(
    family: str, options: dict[str, str], what: str, presets: dict[str, str]
) -> None:
    task = kft.ClozeClassification(**options)
    refused(kft.ConfigError, what, lambda: model_of(presets[family], task, task_data("cloze_classification")))


def test_a_template_that_is_too_long_is_refused(presets: dict[str, str]) -> None:
    task = kft.ClozeClassification(template="{text} " + "it was " * 40 + "[MASK].", max_length=64)
    refused(kft.ConfigError, "template", lambda: model_of(presets["bert"], task, task_data("cloze_classification")).predict("a"))


def test_the_words_of_a_template_are_never_cut(presets: dict[str, str]) -> None:
    task = kft.ClozeClassification(template="a {text} it was [MASK].", max_length=12)
    model = model_of(presets["bert"], task, task_data("cloze_classification"))
    assert isinstance(model.framing, ClozeFraming)
    framed = model.framing.frame([b"good film " * 9, b""], None)
    assert framed.lengths.tolist() == [12, 7]
    assert (framed.ids == model.framer.mask_id).sum() == 2


# --- Prompts ---


def test_prompts_that_are_empty_are_told() -> None:
    rows = split_of(
        [{"text": "a", "label": "b"}, {"text": " ", "label": "c"}, {"text": "", "label": "d"}], text="text", label="label"
    )
    said = refused(kft.DataError, "2 prompts are empty", lambda: kft.CausalLM().gold(rows, Learned((), {"completions": True})))
    assert "rows 2, 3" in said
    assert "Remove the rows" in said


def test_a_prompt_that_is_no_text_is_told(presets: dict[str, str]) -> None:
    model = model_of(presets["gpt2"], options("causal_lm", "gpt2"), task_data("causal_lm"))
    refused(kft.DataError, "text", lambda: model.generate(5))


def test_only_a_language_model_generates(presets: dict[str, str]) -> None:
    model = model_of(presets["bert"], kft.TextClassification(), task_data("text_classification"))
    assert "causal_lm" in refused(kft.ConfigError, "does not generate text", lambda: model.generate("a"))


# --- Long and odd texts ---


@pytest.mark.slow
def test_a_very_long_context_is_answered_and_exported(presets: dict[str, str], tmp_path: Path) -> None:
    import tensorflow as tf

    model = model_of(presets["bert"], options("question_answering", "bert"), task_data("question_answering"))
    context = "a " * 50_000 + "good film " + "the " * 50_000
    found = model.predict(("what film", context))
    assert found.answer == context[found.start : found.end]
    path = model.export(tmp_path / "1")
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    served = serve(text=tf.constant(["what film"]), text_pair=tf.constant([context]))
    assert (served["start"].numpy()[0], served["end"].numpy()[0]) == (found.start, found.end)
    assert served["score"].numpy()[0] == pytest.approx(found.score, abs=1e-4)


def test_served_tags_are_also_there_without_filling_up(presets: dict[str, str], tmp_path: Path) -> None:
    """A long text among short ones does not make all answers as long."""
    import tensorflow as tf

    model = model_of(presets["bert"], options("token_classification", "bert"), task_data("token_classification"))
    texts = tf.constant(["good film", "the film " * 1_000, "", "bad"])
    signatures = tf.saved_model.load(str(model.export(tmp_path / "1"))).signatures
    filled, flat = signatures["serving_default"](text=texts), signatures["flat"](text=texts)
    assert filled["word_texts"].shape == (4, 2_000)
    assert flat["word_rows"].numpy().tolist() == [0, 0, *[1] * 2_000, 3]
    for kind in ("word", "entity"):
        there = filled[f"{kind}_starts"].numpy() >= 0
        assert flat[f"{kind}_rows"].numpy().tolist() == there.nonzero()[0].tolist()
        for part in ("texts", "types", "starts", "ends", "scores"):
            assert flat[f"{kind}_{part}"].numpy().tolist() == filled[f"{kind}_{part}"].numpy()[there].tolist()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_words_of_a_tagged_text_are_all_answered_however_odd(family: str, presets: dict[str, str]) -> None:
    model = model_of(presets[family], options("token_classification", family), task_data("token_classification"))
    words = ["", "\x00", "a b", "🙂", "\u200b", "film" * 40, "\ud800"]
    [found] = model.predict([words])
    assert [word.text for word in found.words] == words
    assert len(model.predict("good film " * 200).words) == 400
    np.testing.assert_array_equal([len(made.words) for made in model.predict([[], ["a"]])], [0, 1])
    assert json.dumps(model.task.cells(found, model.learned), ensure_ascii=True)
