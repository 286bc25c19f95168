"""Answers as JSON lines: one line out for each line in, whatever comes in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.lines import answer_lines
from kerasft.recipe import RunConfig
from kerasft.run import start
from tests.tasks.models import example_model, task_data, tuned_model


def say(model: kft.FineTunedModel, *rows: Any) -> list[dict[str, Any]]:
    """What comes back for lines, written to a file of UTF-8 as a pipe is; the ready line is left out."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    answer_lines(model, [row if isinstance(row, str) else json.dumps(row) for row in rows], out)
    lines = raw.getvalue().decode().splitlines()
    return [json.loads(line) for line in lines][1:]


@pytest.fixture(scope="module")
def classifier(presets: dict[str, str]) -> kft.FineTunedModel:
    return example_model(presets["bert"], "text_classification")


@pytest.fixture(scope="module")
def writer(presets: dict[str, str]) -> kft.FineTunedModel:
    return example_model(presets["gpt2"], "causal_lm")


@pytest.mark.parametrize(
    ("task", "family", "shows", "paired"),
    [
        ("text_classification", "bert", "label", False),
        ("question_answering", "bert", "answer", True),
        ("token_classification", "bert", "entities", False),
        ("text_embedding", "bert", "vector", False),
        ("causal_lm", "gpt2", "text", False),
    ],
)
def test_the_first_line_says_what_is_answered(task: str, family: str, shows: str, paired: bool, presets: dict[str, str]) -> None:
    model, out = example_model(presets[family], task), io.StringIO()
    answer_lines(model, [], out)
    [ready] = out.getvalue().splitlines()
    assert json.loads(ready) == {
        "ready": True, "task": task, "shows": shows, "labels": list(model.labels), "paired": paired}  # fmt: skip


def test_each_line_gets_one_line_at_once(classifier: kft.FineTunedModel) -> None:
    out = io.StringIO()

    def lines() -> Any:
        for number in range(3):
            assert out.getvalue().count("\n") == number + 1  # ready, and an answer for each line before
            yield json.dumps({"text": f"film {number}"})
            yield "  \n"  # blank lines are passed over

    answer_lines(classifier, lines(), out)
    answers = [json.loads(line) for line in out.getvalue().splitlines()[1:]]
    assert [answer["label"] for answer in answers] == [made.label for made in classifier.predict([f"film {i}" for i in range(3)])]
    assert set(answers[0]) == {"label", "score", "probabilities"}


FAULTY = [
    "no json",
    "null",
    "3",
    '"text"',
    "[]",
    "{}",
    '{"txt": "a"}',
    '{"text": 5}',
    '{"text": null}',
    '{"text": ["a"]}',
    '{"text": "a", "explain": true, "target": "gut"}',
    '{"text": "a", "sampling": {}}',
    '{"text": "a", "sampling": {}, "stream": true}',
    '{"text": "a", "neighbours": 3}',
    '{"text": "a", "neighbours": "many"}',
    '{"text": "a"',
]


def test_a_faulty_line_gets_an_error_and_the_next_its_answer(classifier: kft.FineTunedModel) -> None:
    good = {"text": "a good film"}
    for line, (fault, answer) in ((line, say(classifier, line, good)) for line in FAULTY):
        assert list(fault) == ["error"], line
        assert fault["error"], line
        assert answer["label"] == classifier.predict("a good film").label


def test_an_error_of_form_says_what_a_line_is(classifier: kft.FineTunedModel) -> None:
    [fault] = say(classifier, '{"txt": "a"}')
    assert "A line is a JSON object with 'text'" in fault["error"]
    assert "'text'" in fault["error"].partition("(and")[0]


def test_deeply_nested_json_is_a_faulty_line(classifier: kft.FineTunedModel) -> None:
    assert list(say(classifier, "[" * 100_000)[0]) == ["error"]


def test_a_stream_of_what_is_no_text_is_a_faulty_line(writer: kft.FineTunedModel) -> None:
    assert list(say(writer, {"text": 5, "sampling": {}, "stream": True})[0]) == ["error"]


def test_half_a_character_is_answered_like_any_text(writer: kft.FineTunedModel) -> None:
    [answer] = say(writer, r'{"text": "a \ud800 b"}')
    assert "error" not in answer


def test_pairs_are_answered_and_must_be_pairs(presets: dict[str, str]) -> None:
    model = example_model(presets["bert"], "question_answering")
    answer, fault = say(model, {"text": "what", "text_pair": "a good film"}, {"text": "what"})
    found = model.predict(("what", "a good film"))
    assert (answer["answer"], answer["start"], answer["end"]) == (found.answer, found.start, found.end)
    assert "text_pair" in fault["error"]


def test_an_explanation_comes_with_the_answer(classifier: kft.FineTunedModel) -> None:
    plain, named = say(
        classifier, {"text": "a good film", "explain": True}, {"text": "a good film", "explain": True, "target": "bad"}
    )
    assert plain["label"] == classifier.predict("a good film").label
    assert [word["text"] for word in plain["explanation"]["words"]] == ["a", "good", "film"]
    assert named["explanation"]["target"] == "logit of 'bad'"


@pytest.mark.parametrize("task", ["text_classification", "token_classification"])
def test_a_text_of_which_the_end_is_not_read_says_so(task: str, presets: dict[str, str]) -> None:
    model = example_model(presets["bert"], task)
    room = model.framer.max_length
    short, long = say(model, {"text": "good"}, {"text": "good " * (3 * room)})
    assert "cut" not in short
    if task == "token_classification":  # read in windows, whole
        assert "cut" not in long
    else:
        assert long["cut"]["read"] == room < 3 * room <= long["cut"]["tokens"]


def test_texts_are_written_with_options_and_streamed(writer: kft.FineTunedModel) -> None:
    sampling = {"temperature": 1.0, "seed": 4, "max_new_tokens": 6}
    made = writer.generate("the film", **sampling)
    whole = {"text": made.text, "prompt": "the film", "finish_reason": made.finish_reason, "prompt_tokens_cut": 0}
    assert say(writer, {"text": "the film", "sampling": sampling}) == [whole]
    *partial, last = say(writer, {"text": "the film", "sampling": sampling, "stream": True})
    assert last == whole
    assert [list(line) for line in partial] == [["partial"]] * len(partial)
    assert partial[-1]["partial"] == made.text
    assert len(partial) > 1


@pytest.mark.parametrize("sampling", [{"top_p": "x"}, {"tempreature": 1}, {"max_new_tokens": 9999}, 5, [1]])
def test_impossible_options_are_told(writer: kft.FineTunedModel, sampling: Any) -> None:
    for stream in (False, True):
        fault, answer = say(
            writer, {"text": "a", "sampling": sampling, "stream": stream}, {"text": "a", "sampling": {"max_new_tokens": 1}}
        )
        assert list(fault) == ["error"]
        assert answer["finish_reason"] in ("length", "end")


def test_neighbours_are_the_nearest_texts_of_the_training_data(presets: dict[str, str], tmp_path: Path) -> None:
    data = task_data("text_embedding")
    rows = [{"text": text} for text in dict.fromkeys(data["train"].cells("text"))]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    run = RunConfig(
        preset=presets["bert"],
        data=kft.DataConfig(path=str(path), validation=0.0),
        task=kft.TextEmbedding(),
        tuning=kft.FrozenFeatures(),
    )
    model = start(run, tmp_path / "run")
    known = rows[3]["text"]
    near, none, many = say(
        model, {"text": known, "neighbours": 2}, {"text": known, "neighbours": 0}, {"text": known, "neighbours": 999}
    )
    assert len(near["neighbours"]) == 2
    assert near["neighbours"][0]["text"] == known
    assert near["neighbours"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert near["neighbours"][0]["cosine"] >= near["neighbours"][1]["cosine"]
    assert "neighbours" not in none
    assert sorted(found["text"] for found in many["neighbours"]) == sorted(row["text"] for row in rows)


def test_a_line_switches_to_another_run_over_the_same_base(presets: dict[str, str], tmp_path: Path) -> None:
    for name, tuning in {"one": kft.LoRA(rank=2), "two": kft.Adapters(size=4)}.items():
        tuned_model(presets["bert"], "text_classification", tuning, shake=0.3).save(tmp_path / name)
    model = kft.load(tmp_path / "one")
    text = json.dumps({"text": "a good film"})
    out = io.StringIO()
    answer_lines(model, [text, json.dumps({"use": str(tmp_path / "two")}), text, json.dumps({"use": "nothing"}), text], out)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [("ready" in line, "error" in line) for line in told] == [
        (True, False), (False, False), (True, False), (False, False), (False, True), (False, False),
    ]  # fmt: skip
    assert told[1] != told[3]
    assert told[3] == told[5]
