"""Which column is the text and which the label: as said, else by name, else by content, else a refusal that lists them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from kerasft.data.columns import Columns, find_columns
from kerasft.data.dataset import load_data

LONG = [f"{text}, number {i}" for i, text in enumerate(["a fine evening out", "a waste of everything", "so so on the whole"] * 4)]


def table(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(cells, pa.large_string()) for name, cells in columns.items()})


SHORT = ["pos", "neg", "pos", "neg"] * 3
NUMBERED = [str(i) for i in range(12)]
LISTS = [f'["a", "b{i}"]' for i in range(12)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({"text": SHORT, "label": LONG}, Columns("text", label="label"), id="names go before content"),
        pytest.param({"Review Text": SHORT, "STARS": SHORT}, Columns("Review Text", label="STARS"), id="case and spaces"),
        pytest.param({"text-a": LONG, "text-b": LONG, "y": SHORT}, Columns("text-a", "text-b", "y"), id="pair"),
        pytest.param({"premise": LONG, "hypothesis": LONG, "label": SHORT}, Columns("premise", "hypothesis", "label"), id="NLI"),
        pytest.param({"split": SHORT, "text": LONG, "label": SHORT}, Columns("text", None, "label", "split"), id="split"),
        pytest.param({"a": NUMBERED, "b": LONG, "c": SHORT}, Columns("b", label="c"), id="by content"),
        pytest.param({"b": LONG, "c": ["one"] * 12}, Columns("b", label="c"), id="one class"),
        pytest.param({"c": SHORT, "d": ["one"] * 12, "b": LONG}, Columns("b", label="c"), id="a constant is no label"),
        pytest.param({"words": NUMBERED, "label": SHORT}, Columns("words", label="label"), id="the only other column"),
        pytest.param({"first": LONG, "second": [t[:-3] for t in LONG], "kind": SHORT}, Columns("first", label="kind"),
                     id="two texts of unknown names: the longer"),
        pytest.param({"text": [None, *LONG[1:]], "label": [None] * 12}, Columns("text", label="label"), id="missing cells"),
        pytest.param({"id": NUMBERED, "tokens": LISTS, "pos_tags": LISTS, "ner_tags": LISTS},
                     Columns("tokens", label="ner_tags"), id="tokens"),
        pytest.param({"text": LONG, "tokens": LISTS, "tags": LISTS}, Columns("tokens", label="tags"), id="tokens beside a text"),
        pytest.param({"text": LONG, "tokens": NUMBERED, "label": SHORT}, Columns("text", label="label"), id="counts of tokens"),
        pytest.param({"text": LONG, "tokens": LISTS, "label": SHORT}, Columns("text", label="label"), id="tokens and a class"),
        pytest.param({"tokens": LISTS, "label": SHORT}, Columns("tokens", label="label"), id="tokens alone and a class"),
        pytest.param({"title": SHORT, "question": LONG, "context": LONG, "answers": NUMBERED},
                     Columns("question", "context", "answers"), id="questions"),
        pytest.param({"question": LONG, "context": LONG, "label": SHORT}, Columns("question", "context", "label"),
                     id="questions to be judged"),
        pytest.param({"Completion": LONG, "prompt": LONG}, Columns("prompt", label="Completion"), id="prompts"),
        pytest.param({"instruction": LONG, "response": LONG}, Columns("instruction", label="response"), id="instructions"),
        pytest.param({"input": LONG, "output": LONG}, Columns("input", label="output"), id="input and output"),
        pytest.param({"input": LONG, "label": SHORT}, Columns("input", label="label"), id="input alone"),
        pytest.param({"input": LONG, "output": NUMBERED, "label": SHORT}, Columns("input", label="label"), id="a label, too"),
        pytest.param({"sentence1": LONG, "sentence2": LONG, "score": NUMBERED}, Columns("sentence1", "sentence2", "score"),
                     id="score"),
        pytest.param({"text1": LONG, "text2": LONG, "similarity": NUMBERED}, Columns("text1", "text2", "similarity"),
                     id="similarity"),
        pytest.param({"text": LONG, "entities": ["[]"] * 12}, Columns("text", label="entities"), id="no entities"),
    ],
)  # fmt: skip
def test_what_is_not_said_is_found(columns: dict[str, list[str | None]], expected: Columns) -> None:
    assert find_columns(table(**columns), "a.csv") == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"text": "b"}, Columns("b", label="label")),
        ({"label": "b"}, Columns("text", label="b")),
        ({"text": "b", "label": "label"}, Columns("b", label="label")),
        ({"text": "text", "text_pair": "b"}, Columns("text", "b", "label")),
        ({"split": "b"}, Columns("text", None, "label", "b")),
        ({"text": "label", "label": "text"}, Columns("label", label="text")),
        ({"text": "", "label": None}, Columns("text", label="label")),
    ],
)
def test_what_is_said_holds(said: dict[str, str], expected: Columns) -> None:
    assert find_columns(table(text=LONG, label=SHORT, b=LONG), "a.csv", **said) == expected


def test_a_second_text_is_not_taken_when_the_text_is_said() -> None:
    columns = table(sentence1=LONG, sentence2=LONG, label=SHORT)
    assert find_columns(columns, "a.csv", text="sentence1") == Columns("sentence1", label="label")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"text": "tokens"}, Columns("tokens", label="tags")),
        ({"label": "tokens"}, Columns("text", label="tokens")),
        ({"label": "tags"}, Columns("tokens", label="tags")),
    ],
)
def test_what_is_said_of_tokens(said: dict[str, str], expected: Columns) -> None:
    assert find_columns(table(text=LONG, tokens=LISTS, tags=LISTS), "a.csv", **said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"text": "question"}, Columns("question", "context", "answers")),
        ({"label": "answers"}, Columns("question", "context", "answers")),
        ({"text": "context", "label": "answers"}, Columns("context", label="answers")),
        ({"text": "question", "text_pair": "context", "label": "answers"}, Columns("question", "context", "answers")),
    ],
)
def test_what_is_said_of_questions(said: dict[str, str], expected: Columns) -> None:
    assert find_columns(table(question=LONG, context=LONG, answers=NUMBERED), "a.csv", **said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"label": "completion"}, Columns("prompt", label="completion")),
        ({"text": "prompt"}, Columns("prompt", label="completion")),
        ({"text": "completion", "label": "prompt"}, Columns("completion", label="prompt")),
        ({"text": "prompt", "label": "kind"}, Columns("prompt", label="kind")),
    ],
)
def test_what_is_said_of_prompts(said: dict[str, str], expected: Columns) -> None:
    assert find_columns(table(prompt=LONG, completion=LONG, kind=SHORT), "a.csv", **said) == expected


def test_no_label_needed() -> None:
    assert find_columns(table(text=LONG), "a.csv", need_label=False) == Columns("text")


TWO = {"text": LONG, "label": SHORT}
NO_LABEL = "No column looks like a label"


@pytest.mark.parametrize(
    ("columns", "said", "parts"),
    [
        pytest.param(TWO, {"text": "Text"}, ("no column 'Text' for text", "'text', 'label'"), id="absent"),
        pytest.param(TWO, {"label": "y"}, ("no column 'y' for label",), id="absent label"),
        pytest.param(TWO, {"text": "text", "label": "text"}, ("two roles",), id="two roles"),
        pytest.param({**TWO, "text (2)": LONG}, {"text": "text"}, ("Two columns are named 'text'",), id="double"),
        pytest.param({"text": LONG, "a": NUMBERED}, {}, (NO_LABEL, "'text', 'a'", "label='...'"), id="no label"),
        pytest.param({"text": LONG, "a": SHORT, "b": SHORT}, {}, (NO_LABEL, "'a', 'b'"), id="two labels"),
        pytest.param({"text": LONG, "c": [None] * 12}, {}, (NO_LABEL,), id="a column of nothing"),
        pytest.param({"a": SHORT, "b": NUMBERED, "c": SHORT}, {}, ("like a text", "'a', 'b', 'c'", "text='...'"), id="no text"),
        pytest.param({f"c{i}": NUMBERED for i in range(5000)}, {}, ("like a text", "and 4,980 more"), id="5,000 columns"),
    ],
)
def test_what_is_not_clear_is_refused(refused, columns: dict[str, list[str]], said: dict[str, str], parts: tuple[str]) -> None:
    refused(lambda source: find_columns(table(**columns), source, **said), "a.csv", *parts, "where: a.csv")


def test_the_whole_way_from_a_file(write, refused) -> None:
    doubled = write("doubled.csv", "text,label,text\nfine,pos,x\nbad,neg,y\n")
    refused(load_data, doubled, "Two columns are named 'text'", text="text")
    refused(load_data, doubled, "no column 'stars' for label", "'text', 'label', 'text (2)'", label="stars")
    assert load_data(doubled, text="text (2)").columns == Columns("text (2)", label="label")
    wrong = write("wrong.csv", "text,label\nfine,pos\nbad,neg\n")
    refused(load_data, wrong, "No column looks like a label. The columns are: 'text,label'", delimiter=";", need_label=True)
