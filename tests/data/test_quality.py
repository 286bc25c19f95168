"""`check_data`: every oddity is found, with exactly the rows that have it, and nothing is found in clean rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import kerasft.data
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.quality import Finding, QualityReport, check_data
from kerasft.tasks.classification import TextClassification

Rows = list[tuple[str | None, str | None]]


def clean(count: int = 12, start: int = 0) -> Rows:
    return [(f"text number {i}", ["neg", "pos"][i % 2]) for i in range(start, start + count)]


def made(train: Rows, **others: Rows) -> Dataset:
    parts = {"train": train, **others}
    tables = {name: [{"text": text, "label": label} for text, label in rows] for name, rows in parts.items()}
    return load_data(tables, text="text", label="label", validation=0)


SMALL = ("few_rows", "few_validation_rows", "cross_validation")


def found(report: QualityReport) -> list[tuple[str, str, str, tuple[int, ...]]]:
    """What was found, but for what is said of any table as small as those here."""
    return [(one.code, one.severity, one.split, one.rows) for one in report.findings if one.code not in SMALL]


class Case(NamedTuple):
    data: Dataset | str  # a string is the content of a CSV file
    findings: list[tuple[str, str, str, tuple[int, ...]]]
    said: str = ""
    options: dict[str, Any] = {}
    file: str = "reviews.csv"


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


LONG = [("one two three four five six", "pos")]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in clean())
CASES = {
    "empty text": Case(
        made([*clean(), ("", "pos"), (" \n", "neg"), (None, "pos")]),
        [("empty_text", "warning", "train", (13, 14, 15))],
        "3 rows of train with empty text",
    ),
    "mostly empty texts": Case(made([*clean(4), *[("", "pos")] * 5]), [("empty_text", "problem", "train", (5, 6, 7, 8, 9))]),
    "no label": Case(
        made([*clean(), ("x", None), ("y", " ")], test=[("z", "")]),
        [("missing_label", "warning", "train", (13, 14)), ("no_test_labels", "note", "test", ())],
        "2 rows of train with no label",
    ),
    "no labels at all": Case(
        made([("a", None), ("b", ""), ("c", None)]),
        [("missing_label", "problem", "train", (1, 2, 3)), ("one_label", "problem", "train", ())],
        "No training row has a label",
    ),
    "neither text nor label": Case(made([*clean(), ("", None)]), [("empty_text", "warning", "train", (13,))]),
    "one text": Case(
        load_data([{"text": "X23", "label": str(i % 2)} for i in range(4)], validation=0),
        [
            ("constant_text", "problem", "train", ()),
            ("duplicate_texts", "warning", "train", (3,)),
            ("contradictory_labels", "warning", "train", (1, 2, 4)),
        ],
        "Column 'text' says 'X23' in every row",
    ),
    "equal texts": Case(
        made([*clean(), ("text number 3", "pos"), ("  TEXT number\t3", "pos"), ("Text Number 4", "neg")]),
        [("duplicate_texts", "warning", "train", (13, 14, 15))],
        "3 rows of train repeat",
    ),
    "equal texts of one split only": Case(
        made(clean(), test=[("new", "pos"), ("New", "pos"), ("newer", "neg")]), [("duplicate_texts", "warning", "test", (2,))]
    ),
    "two labels of a text": Case(
        made([*clean(), ("Text  number 3", "neg"), ("text number 6", "pos"), ("text number 3", "pos")]),
        [("duplicate_texts", "warning", "train", (15,)), ("contradictory_labels", "warning", "train", (4, 7, 13, 14))],
        "2 texts of train stand under two labels",
    ),
    "two labels of a text that first stands without": Case(
        made([*clean(), ("x", None), ("x", "pos"), ("x", "neg")]),
        [
            ("missing_label", "warning", "train", (13,)),
            ("duplicate_texts", "warning", "train", (14,)),
            ("contradictory_labels", "warning", "train", (14, 15)),
        ],
    ),
    "a text of train in validation": Case(
        made(clean(40), validation=[*clean(30, start=100), ("TEXT  number 7", "pos")]),
        [("leak", "warning", "validation", (31,))],
        "Remove them from validation.",
    ),
    "many texts of train in test": Case(
        made(clean(40), test=clean(4, start=38)), [("leak", "problem", "test", (1, 2))], "2 texts of test are also in train"
    ),
    "a label that train lacks": Case(
        made(clean(), validation=[("new", "neutral"), ("newer", "pos")]),
        [("unseen_label", "problem", "validation", ())],
        "'neutral'",
    ),
    "a label among several of a row": Case(
        made([(f"{i}", ["joy;fear", "fear;anger", "joy"][i % 3]) for i in range(12)] + [("x", "joy;angerr"), ("y", "fear")]),
        [("rare_label", "warning", "train", ()), ("similar_labels", "warning", "train", ())],
        "1 label occurs only once: 'angerr'",
    ),
    "one label": Case(
        made([("a", "pos"), ("b", " pos")]), [("one_label", "problem", "train", ())], "All training rows have the label 'pos'"
    ),
    "a label of one row": Case(
        made([*clean(), ("x", "so so")]), [("rare_label", "warning", "train", ())], "1 label occurs only once: 'so so'"
    ),
    "labels that differ in case": Case(
        made([*clean(), ("x", "Pos."), ("y", "Pos.")]),
        [("similar_labels", "warning", "train", ())],
        "'pos' (6 rows) and 'Pos.' (2) look alike",
    ),
    "labels that differ in a letter": Case(
        made([(f"{i}", ["negative", "negatve", "positive"][i % 3]) for i in range(9)]),
        [("similar_labels", "warning", "train", ())],
        "'negative' (3 rows) and 'negatve' (3)",
    ),
    "labels that differ in a digit": Case(made([(f"{i}", f"class {i % 3}") for i in range(9)]), []),
    "labels that say there is none": Case(
        made([*clean(), ("x", "NA"), ("y", "NA"), ("z", "None"), ("u", "None")]),
        [("missing_word", "warning", "train", (13, 14, 15, 16))],
        "'NA', 'None'",
    ),
    "a label of most rows": Case(
        made([*[(f"{i}", "pos") for i in range(30)], ("x", "neg"), ("y", "neg"), ("z", "neg")]),
        [("imbalance", "warning", "train", ())],
        "10 times the rows",
    ),
    "texts beyond the length": Case(
        made([*clean(), ("", "neg"), *LONG]),
        [("empty_text", "warning", "train", (13,)), ("cut", "warning", "train", (14,))],
        "7.7% of the training texts are longer than 6 tokens",
        {"max_length": 6, "count_tokens": words},
    ),
    "a text of many beyond the length": Case(
        made([*clean(40), *LONG]), [("cut", "note", "train", (41,))], "2.4%", {"max_length": 6, "count_tokens": words}
    ),
    "preamble, short and long rows": Case(
        "Reviews of 2024\n" + CSV + "short\nlong a,b,pos\n",
        [
            ("missing_label", "warning", "train", (15,)),
            ("preamble", "note", "", (1,)),
            ("long_rows", "note", "", (16,)),
            ("short_rows", "note", "", (15,)),
        ],
    ),
    "cells under no name": Case(
        CSV.replace("label\n", "label,\n") + "".join(f"more {i},{['neg', 'pos'][i % 2]},\n" for i in range(200)) + "x,pos,ask\n",
        [("unnamed_cells", "note", "", (214,))],
    ),
    "a cell of many lines": Case(CSV + '"' + "a\n" * 60 + '",pos\n', [("tall_cells", "note", "", (14,))]),
    "a CoNLL file without blank lines": Case("so O\n" * 600, [("one_sentence", "note", "", (1,))], "600 tokens", file="a.conll"),
    "one label in several spellings": Case(
        made([(f"text {i}", ["1", "1.0", "0", "true", "TRUE", "cafe\u0301", "caf\u00e9"][i % 7]) for i in range(21)]),
        [
            ("similar_labels", "warning", "train", ()),  # 1 and true
            ("same_label", "note", "train", (2, 9, 16)),
            ("same_label", "note", "train", (5, 12, 19)),
            ("same_label", "note", "train", (6, 13, 20)),
        ],
        "written in 2 ways, '1', '1.0'",
    ),
    "texts that are words for a missing value": Case(
        made([*clean(), ("nan", "pos"), ("N/A ", "neg")]),
        [("missing_text", "warning", "train", (13, 14))],
        "such as 'nan'",
    ),
    "a tag that may mean outside": Case(
        load_data([{"tokens": [f"a{i}", f"b{i}", f"c{i}"], "tags": ["PER", "OTHER", "OTHER"]} for i in range(8)], validation=0),
        [("outside_tag", "warning", "train", ())],
        "Most words have the tag 'OTHER'",
    ),
    "labels within the texts": Case(
        made([*clean(), ("__label__pos so good", "pos")]),
        [("labels_in_texts", "warning", "train", (13,))],
        "as fastText writes them",
    ),
    "rows that were discarded": Case(
        load_data(
            [
                {"text": f"text {i}", "label": "ab"[i % 2], "status": ["submitted", "submitted", "discarded"][i % 3]}
                for i in range(9)
            ],
            validation=0,
        ),
        [("discarded_rows", "warning", "train", (3, 6, 9))],
        "'discarded' in column 'status'",
    ),
    "a number far outside of the others": Case(
        made([(f"text {i}", ["0", "1", "2", "-999"][i % 4]) for i in range(24)]),
        [("no_label_code", "warning", "train", (4, 8, 12, 16, 20, 24))],
        "Label -999 lies far outside the range",
    ),
    "a number that says there is no label": Case(
        made([(f"text {i}", ["0", "1"][i % 2]) for i in range(12)] + [("x", "-1"), ("y", "-1")]),
        [("no_label_number", "warning", "train", (13, 14))],
        "usually means that there is no label",
    ),
    "a number that says so in another split": Case(
        made([(f"text {i}", ["0", "1"][i % 2]) for i in range(12)], test=[(f"new {i}", "-1") for i in range(6)]),
        [("unseen_label", "problem", "test", ()), ("no_label_number", "warning", "test", (1, 2, 3, 4, 5, 6))],
    ),
    "a balanced scale": Case(made([(f"text {i}", ["-1", "0", "1"][i % 3]) for i in range(12)]), []),
    "a text column without a role": Case(
        load_data(
            [
                {"text": f"a text of some words {i}", "other": f"some other words here {i}", "label": "ab"[i % 2]}
                for i in range(9)
            ],
            validation=0,
        ),
        [("unread_columns", "note", "train", ())],
        "'other'",
    ),
    "columns of annotators": Case(
        load_data(
            [{"text": f"text {i}", "label": "ab"[i % 2], "anna": "ab"[i % 2], "bert": "ba"[i % 2]} for i in range(9)],
            validation=0,
        ),
        [("annotator_columns", "warning", "train", ())],
        "'anna', 'bert'",
    ),
    "probabilities as labels": Case(
        load_data([{"text": f"text {i}", "label": [[0.7, 0.3], [0.2, 0.8]][i % 2]} for i in range(8)], validation=0),
        [("soft_labels", "warning", "train", ())],
        "holds a probability for each class",
    ),
    "votes as labels": Case(
        load_data([{"text": f"text {i}", "label": [["a", "a", "b"], ["b", "b", "a"]][i % 2]} for i in range(8)], validation=0),
        [("votes", "warning", "train", ())],
        "repeats labels within a row",
    ),
    "another encoding": Case(CSV + "café life,pos\n", [("encoding", "note", "", ())], "cp1252"),
}
CLEAN = made(clean(40), validation=clean(30, start=50), test=clean(4, start=90))


def case_data(case: Case, write) -> Dataset:
    if isinstance(case.data, Dataset):
        return case.data
    return load_data(write(case.file, case.data.encode("cp1252")), validation=0)


@pytest.mark.parametrize("name", CASES)
def test_what_is_odd_is_found(write, name: str) -> None:
    case = CASES[name]
    report = check_data(case_data(case, write), **case.options)
    assert found(report) == case.findings
    assert case.said in str(report)
    assert report.ok is all(severity != "problem" for _, severity, _, _ in case.findings)


def test_few_rows_are_said() -> None:
    rows = [*clean(20), ("one more", "rare"), ("and another", "rare")]
    report = check_data(made(rows, validation=clean(4, start=50)))
    assert [finding.code for finding in report.findings] == ["few_rows", "few_validation_rows"]
    assert "1 label has fewer than 8 rows: 'rare'." in str(report)
    assert "There are 4 validation rows: each is 25 points of a figure" in str(report)
    assert "There is 1 validation row: each" in str(check_data(made(clean(20), validation=clean(1, start=50))))


def test_rows_too_few_to_be_set_aside_are_said() -> None:
    def codes(rows: int, labelled: int, **options: float) -> list[str]:
        given = [{"text": f"text {i}", "label": ["a", "b"][i % 2] if i < labelled else ""} for i in range(rows)]
        return [finding.code for finding in check_data(load_data(given, **options)).findings]

    assert "cross_validation" in codes(40, 40)
    assert "cross_validation" in codes(400, 60)
    assert "cross_validation" not in codes(40, 9)  # nor does a run do it
    assert "cross_validation" not in codes(300, 300)
    assert "cross_validation" not in codes(40, 40, validation=0.0)


def test_a_field_that_appears_late() -> None:
    rows = [{"text": f"text {i}", "label": ["neg", "pos"][i % 2]} for i in range(1100)]
    rows[1050]["extra"] = "x"
    assert found(check_data(load_data(rows, validation=0))) == [("late_field", "note", "", (1051,))]


def test_every_code_in_the_source_is_tried() -> None:
    """Findings of the quality report are tried here; notes of the readers in the tests of each reader."""
    folder = Path(kerasft.data.__file__).parent
    codes = {
        code for path in folder.glob("*.py") for code in re.findall(r'Finding\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert len(codes) > 10
    assert codes - set(SMALL) <= {finding[0] for case in CASES.values() for finding in case.findings}
    notes = {code for path in folder.rglob("*.py") for code in re.findall(r'Note\(\s*"(\w+)"', path.read_text(encoding="utf-8"))}
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [code for code in sorted(notes) if f'"{code}"' not in tests] == []


def test_nothing_is_found_in_clean_data() -> None:
    report = check_data(CLEAN, max_length=20, count_tokens=words)
    assert report.findings == []
    assert report.ok
    assert "Nothing unusual was found." in str(report)


def test_equal_texts_of_pairs_are_equal_pairs() -> None:
    rows = [("a", "b"), ("a", "c"), ("A ", "b"), ("b", "a")]
    data = load_data([{"premise": first, "hypothesis": second, "label": "x"} for first, second in rows], validation=0)
    assert [finding[3] for finding in found(check_data(data)) if finding[0] == "duplicate_texts"] == [(3,)]


def test_rows_are_those_of_the_file_after_a_split(write) -> None:
    content = "text,label\n\n" + "".join(f"text {i},{['neg', 'pos'][i % 2]}\n" for i in range(40)) + " ,pos\n" * 4
    data = load_data(write("reviews.csv", content), validation=0.25, test=0.25)
    rows = {row for code, _, _, rows in found(check_data(data)) if code == "empty_text" for row in rows}
    assert rows == {43, 44, 45, 46}


# --- Labels of other tasks


def test_tags_of_tokens_are_counted_each(write) -> None:
    content = "".join(f"word{i} B-PER\nof I-PER\nmany O\n\n" for i in range(12)) + "once B-LOC\n"
    report = check_data(load_data(write("a.conll", content), validation=0))
    assert report.labels == {"train": {"B-PER": 12, "I-PER": 12, "O": 12, "B-LOC": 1}}
    assert found(report) == [("rare_label", "warning", "train", ())]
    assert (report.lengths["median"], report.lengths["longest"]) == (3, 3)


def test_lists_of_labels_and_spans_are_counted_each() -> None:
    marks = [["joy", "fear"], ["joy"], [], ["fear"]]
    report = check_data(load_data([{"text": f"text {i}", "labels": marks[i % 4]} for i in range(8)], validation=0))
    assert (report.labels, report.findings) == ({"train": {"joy": 4, "fear": 4}}, [])
    spans = [{"text": f"text {i}", "entities": [{"start": 0, "end": 4, "label": "X"}] * (i % 2)} for i in range(8)]
    report = check_data(load_data(spans, validation=0))
    assert (report.labels, report.findings) == ({"train": {"X": 4}}, [])


def test_answers_numbers_and_texts_are_not_counted() -> None:
    questions = [{"question": f"{i}?", "context": f"It is {i}.", "answer": f"{i}"} for i in range(8)]
    numbers = [{"text": f"text {i}", "score": i / 7} for i in range(40)]
    prompts = [{"prompt": f"text {i // 2}", "completion": f"an answer, {i}"} for i in range(40)]
    for rows in (questions, numbers, prompts):
        report = check_data(load_data(rows, validation=0))
        assert report.labels == {}
        assert [finding.code for finding in report.findings] in ([], ["duplicate_texts"])
        assert report.ok


def test_data_without_labels() -> None:
    report = check_data(load_data([{"text": "a long text"}, {"text": "A long text"}], need_label=False, validation=0))
    assert found(report) == [("duplicate_texts", "warning", "train", (2,))]
    assert report.labels == {}


def test_data_without_a_train_split() -> None:
    data = made(clean(), test=clean(4, start=20))
    report = check_data(Dataset({"test": data["test"]}, data.columns, data.config))
    assert report.findings == []
    assert report.rows == {"test": 4}
    assert report.lengths["longest"] == 3


def test_all_texts_empty() -> None:
    report = check_data(made([("", "pos"), (None, "neg")]))
    assert report.lengths == {}
    assert [finding.code for finding in report.findings] == ["empty_text", "rare_label"]


# --- Lengths


def test_lengths_in_words() -> None:
    lengths = check_data(made([("one", "a"), ("one two", "b"), ("one two three four", "a"), (None, "b")])).lengths
    assert (lengths["unit"], lengths["median"], lengths["longest"], lengths["sampled"]) == ("words", 2, 4, False)
    assert "cut_share" not in lengths
    assert sum(count for _, count in lengths["histogram"]) == 3


def test_lengths_in_tokens_count_the_special_ones() -> None:
    single = check_data(CLEAN, TextClassification(max_length=8), count_tokens=words).lengths
    assert (single["unit"], single["longest"], single["max_length"], single["cut_share"]) == ("tokens", 5, 8, 0)
    pair = load_data([{"premise": "one two", "hypothesis": "three", "label": "a"}], validation=0)
    assert check_data(pair, count_tokens=words).lengths["longest"] == 6


def test_a_completion_is_as_long_as_it_is_with_its_prompt() -> None:
    told = load_data([{"prompt": "one two", "completion": f"three four {i}"} for i in range(4)], validation=0)
    assert check_data(told, count_tokens=words).lengths["longest"] == 2 + 3 + 2


def test_the_length_given_goes_before_that_of_the_task() -> None:
    report = check_data(CLEAN, TextClassification(max_length=8), max_length=9, count_tokens=words)
    assert report.lengths["max_length"] == 9
    assert report.findings == []


def test_the_lengths_of_many_texts_are_sampled(monkeypatch) -> None:
    monkeypatch.setattr("kerasft.data.quality._SAMPLE", 100)
    report = check_data(made([*clean(1000), *LONG * 1000]), max_length=7, count_tokens=words)
    assert report.lengths["sampled"]
    assert "(of a sample)" in str(report)
    (cut,) = (finding for finding in report.findings if finding.code == "cut")
    assert set(cut.rows) <= set(range(1001, 2001))
    assert 30 <= len(cut.rows) == round(report.lengths["cut_share"] * 100) <= 70


# --- The report


def test_the_gravest_come_first() -> None:
    report = check_data(made([*clean(), ("x", "so so"), ("x", "so so")], test=[("text number 1", "odd")]))
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["problem", "warning", "note"].index)
    assert len(set(severities)) == 2


@pytest.mark.parametrize("name", CASES)
def test_the_report_as_json_and_as_markdown(write, name: str) -> None:
    case = CASES[name]
    report = check_data(case_data(case, write), **case.options)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    codes = [finding["code"] for finding in plain["findings"] if finding["code"] not in SMALL]
    assert codes == [code for code, *_ in case.findings]
    assert plain["rows"]["train"] == report.rows["train"]
    text = report.to_markdown()
    for finding in report.findings:
        assert f"**{finding.severity}**: {finding.message}" in text
        assert finding.hint in text


def test_the_markdown_table_holds() -> None:
    bar, lines = json.dumps(["x|y"]), json.dumps(["two\nlines"])  # in plain cells a bar parts two labels
    report = check_data(made([("a", bar), ("b", bar), ("c", lines), ("d", lines)], test=[("e", bar)]))
    table = [line for line in str(report).splitlines() if line.startswith("|")]
    assert table == ["| label | train | test |", "|---|---|---|", r"| x\|y | 2 | 1 |", "| two lines | 2 | 0 |"]


def test_hundreds_of_labels_are_cut_short() -> None:
    report = check_data(made([(f"text {i}", f"code {i % 400}") for i in range(8 * 400)]))
    assert report.findings == []
    assert "| and 350 more | |" in str(report)


def test_many_rows_are_named_in_part() -> None:
    report = QualityReport(
        {"train": 9}, {"text": "text"}, {}, {}, [Finding("x", "note", "Odd.", "train", tuple(range(2, 11)), "Look.")]
    )
    assert "- **note**: Odd. (rows 2, 3, 4, 5, 6 and 4 more) *Look.*" in str(report)
