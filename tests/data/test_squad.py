"""Questions with answers, nested as in SQuAD or in any shape of a table: one shape comes out, or a refusal with its place."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pytest

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.readers import read_table
from kerasft.data.splitting import normalise

CONTEXT = "The lighthouse of Varn was built in 1811 by Ada Holm."
SQUAD: dict[str, Any] = {
    "version": "2.0",
    "data": [
        {
            "title": "Varn",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {"id": "a", "question": "When?", "is_impossible": False,
                         "answers": [{"text": "1811", "answer_start": 36}, {"text": "in 1811", "answer_start": 33}]},
                        {"id": "b", "question": "How high?", "is_impossible": True, "answers": [],
                         "plausible_answers": [{"text": "1811", "answer_start": 36}]},
                    ],
                },
                {"context": "No more is known.", "qas": []},
            ],
        },
        {"paragraphs": [{"context": CONTEXT, "qas": [{"id": 7, "question": "Who?", "answers": [{"text": "Ada Holm"}]}]}]},
    ],
}  # fmt: skip
ROWS = [
    ("a", "Varn", "When?", CONTEXT, '{"text": ["1811", "in 1811"], "answer_start": [36, 33]}'),
    ("b", "Varn", "How high?", CONTEXT, '{"text": [], "answer_start": []}'),
    ("7", None, "Who?", CONTEXT, '{"text": ["Ada Holm"], "answer_start": [-1]}'),
]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n  "])
@pytest.mark.parametrize("name", ["dev-v2.0.json", "dev.json.gz"])
def test_squad_files(write, rows, name: str, start: str, indent: int | None) -> None:
    content = (start + json.dumps(SQUAD, indent=indent)).encode()
    table = read_table(write(name, gzip.compress(content) if name.endswith("gz") else content))
    assert table.names == ["id", "title", "question", "context", "answers"]
    assert rows(table) == ROWS
    assert table.rows.tolist() == [1, 2, 3]


def test_squad_of_utf_16_and_crlf(write) -> None:
    content = json.dumps(SQUAD, indent=2).replace("\n", "\r\n").replace("Ada", "Åda")
    assert "Åda Holm" in read_table(write("dev.json", content.encode("utf-16"))).columns["answers"][2].as_py()


def test_a_squad_file_without_answers(write) -> None:
    content = copy.deepcopy(SQUAD)
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            paragraph["qas"] = [{"id": q["id"], "question": q["question"]} for q in paragraph["qas"]]
    data = load_data(write("test.json", json.dumps(content)), validation=0)
    assert data.columns == Columns("question", "context")


def test_roles_and_usable_rows(write) -> None:
    data = load_data(write("train-v2.0.json", json.dumps(SQUAD)), validation=0)
    assert data.columns == Columns("question", "context", "answers")
    usable, notes = data["train"].usable()
    assert (len(usable), notes) == (3, [])


def broken(path: str, value: Any) -> str:
    content = copy.deepcopy(SQUAD)
    *keys, last = (int(key) if key.isdigit() else key for key in path.split("."))
    place: Any = content
    for key in keys:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content)


FIRST = "data.0.paragraphs.0"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        pytest.param('{\n"version": "2.0"}', ("no rows can be found", "Its keys: 'version'"), id="no data, nothing else"),
        pytest.param(json.dumps({"versions": ["a"]}, indent=1), ("no rows can be found", "'versions'"), id="an object of lines"),
        pytest.param('{"data": []}', ("no rows can be found",), id="empty data"),
        pytest.param('{"data": [{"paragraphs": []}]}', ("no question",), id="no paragraphs"),
        pytest.param(broken("data.1.paragraphs", None), ("'paragraphs' is expected", "article 2"), id="no paragraphs in one"),
        pytest.param(broken("data.1", "Varn"), ("'paragraphs' is expected", "article 2"), id="an article is a text"),
        pytest.param(broken(f"{FIRST}.qas", None), ("'qas' is expected", "article 1, paragraph 1"), id="no questions"),
        pytest.param(broken(f"{FIRST}.context", 7), ("no text 'context'", "Received: 7", "paragraph 1"), id="context"),
        pytest.param(broken(f"{FIRST}.qas.1", "x"), ("not an object", "paragraph 1, question 2"), id="a question is a text"),
        pytest.param(broken(f"{FIRST}.qas.1.question", None), ("no text 'question'", "row 2", "id 'b'"), id="no question"),
        pytest.param(broken(f"{FIRST}.qas.0.answers.1.text", None), ("an answer is no text", "row 1", "id 'a'"), id="no text"),
        pytest.param(broken(f"{FIRST}.qas.0.answers.1.answer_start", "x"), ("no whole number", "row 1", "id 'a'"), id="place"),
        pytest.param(broken(f"{FIRST}.qas.0.answers", [7]), ("an answer is no text", "row 1"), id="answers are numbers"),
        pytest.param(json.dumps(SQUAD, indent=1)[:-30], ("not valid JSON", "line"), id="cut short"),
    ],
)  # fmt: skip
def test_squad_files_that_are_refused(write, refused, content: str, parts: tuple[str, ...]) -> None:
    refused(read_table, write("dev.json", content), *parts)


def test_rows_under_the_key_data(write) -> None:
    row = {"question": "Who?", "context": CONTEXT, "answers": {"text": ["Ada Holm"], "answer_start": [44]}}
    table = read_table(write("a.json", json.dumps({"version": 1, "data": [row, row]})))
    assert (table.names, len(table)) == (["question", "context", "answers"], 2)


def test_lines_of_one_object_stay_lines(write, rows) -> None:
    assert rows(read_table(write("a.json", '{"text": "fine", "label": "pos"}'))) == [("fine", "pos")]
    assert len(read_table(write("a.json", '{"text": "fine"}\n{"text": "bad"}'))) == 2


# --- Tables

NONE = {"text": [], "answer_start": []}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"answers": {"text": ["1811"], "answer_start": [36]}}, {"text": ["1811"], "answer_start": [36]}),
        ({"answers": {"text": "1811", "answer_start": 36}}, {"text": ["1811"], "answer_start": [36]}),
        ({"answers": {"text": ["1811", "in 1811"]}}, {"text": ["1811", "in 1811"], "answer_start": [-1, -1]}),
        ({"answers": {"text": ["1811"], "answer_start": []}}, {"text": ["1811"], "answer_start": [-1]}),
        ({"answers": [{"text": "1811", "answer_start": 36}, {"text": "in"}]}, {"text": ["1811", "in"], "answer_start": [36, -1]}),
        ({"answers": ["1811", "in 1811"]}, {"text": ["1811", "in 1811"], "answer_start": [-1, -1]}),
        ({"answers": {"text": ["1811"], "answer_start": ["36"]}}, {"text": ["1811"], "answer_start": [36]}),
        ({"answers": {"text": ["1811"], "answer_start": [36.0]}}, {"text": ["1811"], "answer_start": [36]}),
        ({"answers": "{'text': ['1811'], 'answer_start': [36]}"}, {"text": ["1811"], "answer_start": [36]}),
        ({"answers": "Ada Holm"}, {"text": ["Ada Holm"], "answer_start": [-1]}),
        ({"answers": NONE}, NONE),
        ({"answers": []}, NONE),
        ({"answers": ""}, NONE),
        ({"answers": None}, NONE),
        ({"answers": {"text": ["1811"]}, "is_impossible": True}, NONE),
        ({"answer": "1811"}, {"text": ["1811"], "answer_start": [-1]}),
        ({"answer": 1811, "answer_start": 36}, {"text": ["1811"], "answer_start": [36]}),
        ({"answer": "1811", "start": "36"}, {"text": ["1811"], "answer_start": [36]}),
        ({"answer": "1811", "start": ""}, {"text": ["1811"], "answer_start": [-1]}),
        ({"answer": "1811", "start": -5}, {"text": ["1811"], "answer_start": [-1]}),
        ({"answer": "[sic] it"}, {"text": ["[sic] it"], "answer_start": [-1]}),
        ({"answer": ""}, NONE),
    ],
)
def test_answers_of_any_shape(row: dict[str, Any], expected: dict[str, list[Any]]) -> None:
    other = {"question": "Who?", "context": CONTEXT, next(iter(row)): "Ada Holm"}
    data = load_data([{"question": "When?", "context": CONTEXT, **row}, other], validation=0)
    assert data.columns == Columns("question", "context", "answers")
    first, second = map(json.loads, data["train"].cells("label"))
    assert first == expected
    assert second == {"text": ["Ada Holm"], "answer_start": [-1]}


def test_csv_and_arrow(write, rows) -> None:
    buffer = io.StringIO()
    answers = '{"text": ["1811"], "answer_start": [36]}'
    csv.writer(buffer).writerows([("question", "context", "answers"), ("When?", CONTEXT, answers), ("Who?", CONTEXT, "")])
    table = read_table(write("qa.csv", buffer.getvalue()))
    assert [cells[2] for cells in rows(table)] == [answers, '{"text": [], "answer_start": []}']
    made = {"question": ["When?"], "context": [CONTEXT], "answers": [{"text": ["1811"], "answer_start": [36]}]}
    assert read_table(pa.table(made)).columns["answers"].to_pylist() == [answers]
    assert load_data(write("qa.csv", buffer.getvalue()), label="answers", validation=0).columns.text_pair == "context"


def test_a_label_said_by_its_old_name() -> None:
    rows = [{"question": "When?", "context": CONTEXT, "answer": "1811", "start": 36}]
    data = load_data(rows, text="question", text_pair="context", label="answer", validation=0)
    assert data.columns == Columns("question", "context", "answers")
    kept = load_data({"train": data["train"].table.columns}, data.config)
    assert kept.fingerprint() == data.fingerprint()


def test_what_is_not_questions_on_texts_stays() -> None:
    judged = [{"question": f"Is it {i}?", "context": CONTEXT, "answer": answer} for i, answer in enumerate(["yes", "no"] * 3)]
    assert load_data(judged, validation=0).columns == Columns("question", "context", "answer")
    classed = [{"question": f"{i}?", "context": CONTEXT, "answers": "{", "label": "ab"[i % 2]} for i in range(6)]
    assert load_data(classed, label="label", validation=0).columns.label == "label"
    assert read_table([{"question": "a", "answers": "{"}]).columns["answers"].to_pylist() == ["{"]


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ({"answers": '{"text": ["1811"'}, ("'answers' holds 2 answers that cannot be read", "JSON is not valid", "rows 2, 3")),
        ({"answers": "{'text': array(['1811'])}"}, ("JSON is not valid",)),
        ({"answers": "[" * 100_000}, ("JSON is not valid",)),
        ({"answers": {"texts": ["1811"]}}, ("'text' is missing",)),
        ({"answers": {"text": ["1811"], "answer_start": [1, 2]}}, ("1 texts and 2 places",)),
        ({"answers": {"text": [1811]}}, ("an answer is no text",)),
        ({"answers": {"text": ["1811"], "answer_start": [True]}}, ("no whole number",)),
        ({"answers": {"text": ["1811"], "answer_start": [1.5]}}, ("no whole number",)),
        ({"answer": "1811", "start": "here"}, ("Column 'answer' holds", "no whole number")),
    ],
)
def test_answers_that_cannot_be_read(refused, row: dict[str, Any], parts: tuple[str, ...]) -> None:
    base = {"question": "When?", "context": CONTEXT}
    refused(read_table, [{**base, next(iter(row)): "1811"}, {**base, **row}, {**base, **row}], *parts, "rows 2, 3", "the list")


# --- Splits


def test_no_paragraph_is_on_both_sides() -> None:
    rows = [
        {"question": f"Question {i} of {c}?", "context": f"Paragraph number {c}.", "answer": f"number {c}"}
        for c in range(20)
        for i in range(5)
    ]
    data = load_data(rows, validation=0.2, test=0.1)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 70, "validation": 20, "test": 10}
    contexts = [{normalise(text or "") for text in split.cells("text_pair")} for split in data.splits.values()]
    assert sum(map(len, contexts)) == len(set.union(*contexts)) == 20
