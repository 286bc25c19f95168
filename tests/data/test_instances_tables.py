"""Further quotation marks, headers, numbers and files that are no tables."""

from __future__ import annotations

import csv
import io
import pickle
import sqlite3
from typing import Any

import pytest

from kerasft.data.recognise import suggest_task
from kerasft.errors import KerasFTError
from tests.data.helpers import PLAIN, cells, findings, load, reported_rows

# --- K9


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param('I like it, "really", pos', None, id="marks and blanks without quoting"),
        pytest.param('"so, so",  b', ("so, so", "  b"), id="blanks before the label"),
        pytest.param('"so, so" ,"b"', ("so, so ", "b"), id="a blank behind the mark"),
        pytest.param('"""so"" he said",b', ('"so" he said', "b"), id="marks at the beginning"),
        pytest.param('"",b', (None, "b"), id="an empty cell"),
        pytest.param('"two\r\nlines",b', ("two\r\nlines", "b"), id="CRLF in a cell"),
        pytest.param("“so and so”,b", ("“so and so”", "b"), id="typographic marks"),
        pytest.param("it's 5 o'clock 'so',b", ("it's 5 o'clock 'so'", "b"), id="apostrophes"),
        pytest.param('a 27"" screen,b', None, id="doubled mark without quoting"),
        pytest.param('"a ""27"""" screen""",b', ('a "27"" screen"', "b"), id="many marks"),
        pytest.param("line\u2028separator,b", ("line\u2028separator", "b"), id="U+2028"),
        pytest.param("form\x0cfeed and \x85 too,b", ("form\x0cfeed and \x85 too", "b"), id="form feed"),
        pytest.param('"C:\\so\\",b', ("C:\\so\\", "b"), id="a path"),
    ],
)
def test_one_line_among_plain_ones(write, line: str, expected: tuple[str | None, str] | None) -> None:
    content = "text,label\n" + "".join(f"{a},{b}\n" for a, b in PLAIN) + line + "\n" + "".join(f"{a},{b}\n" for a, b in PLAIN)
    try:
        data = load(write("a.csv", content))
    except KerasFTError:
        return
    found = cells(data)
    assert found[:8] == PLAIN
    assert found[-8:] == PLAIN
    if expected is None:
        assert len(found) == 17 or findings(data)
    else:
        assert found[8:-8] == [expected]


@pytest.mark.parametrize(
    ("header", "line"),
    [("text,label", '"{},{}"')],
)
def test_lines_quoted_as_a_whole(write, header: str, line: str) -> None:
    content = header + "\n" + "".join(line.format(*row) + "\n" for row in PLAIN)
    try:
        data = load(write("a.csv", content))
    except KerasFTError:
        return
    assert cells(data) == PLAIN or any(len(rows) >= 8 for rows in findings(data).values())


def test_mysql_without_quotation_marks(write) -> None:
    """FIELDS TERMINATED BY ',' ESCAPED BY '\\\\': a comma of the text has a backslash before it."""
    content = "text,label\n" + "".join(f"row {i}\\, it is,{'ab'[i % 2]}\n" for i in range(8))
    try:
        data = load(write("a.csv", content))
    except KerasFTError:
        return
    assert cells(data) == [(f"row {i}, it is", "ab"[i % 2]) for i in range(8)]


def test_backslashes_doubled_by_spark(write) -> None:
    content = "text,label\n" + "".join(f'"say \\"hi\\" {i}","{"ab"[i % 2]}"\n' for i in range(8)) + '"C:\\\\dir",a\n'
    found = cells(load(write("a.csv", content)))
    assert found[0] == ('say "hi" 0', "a")
    assert found[-1][1] == "a"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
def test_every_dialect_of_python(write, end: str, sign: str, quoting: Any) -> None:
    rows = [*PLAIN, (f'one{sign} "two"', "a"), (f"it's{end}so", "b"), *PLAIN]
    out = io.StringIO()
    csv.writer(out, delimiter=sign, quoting=quoting, lineterminator=end).writerows([("text", "label"), *rows])
    assert cells(load(write("a.csv", out.getvalue()))) == rows


# --- K18


@pytest.mark.parametrize(
    ("top", "rows_before"),
    [
        pytest.param("Unnamed: 0,text,label\n", 1, id="an index"),
        pytest.param("Survey 2026\n\ntext,label\n", 3, id="a title"),
        pytest.param("# made by x\n# on 1 May\ntext,label\n", 3, id="remarks"),
        pytest.param("text,label\n,\n", 2, id="an empty line of cells"),
        pytest.param("Your comment on our service,Would you come again?\n", 1, id="questions"),
    ],
)
def test_headers(write, top: str, rows_before: int) -> None:
    index = top.startswith((",0", "Unnamed"))
    body = "".join((f"{i}," if index else "") + ",".join(row) + "\n" for i, row in enumerate(PLAIN))
    try:
        data = load(write("a.csv", top + body))
    except KerasFTError:
        return
    found = cells(data)
    if found != PLAIN:
        said = reported_rows(data)
        assert set(range(1, 1 + len(found) - len(PLAIN))) <= said or set(range(1, rows_before + 1)) & said, (
            found[:3],
            findings(data),
        )
    assert found[-8:] == PLAIN


@pytest.mark.parametrize("again", ['"text","label"', "\ufefftext,label", "text;label", "text,label   ", 'text,"label"'])
def test_a_header_that_comes_back_spelled_otherwise(write, again: str) -> None:
    content = "text,label\n" + "".join(f"{a},{b}\n" for a, b in PLAIN) + again + "\n" + "".join(f"{a},{b}\n" for a, b in PLAIN)
    try:
        data = load(write("a.csv", content))
    except KerasFTError:
        return
    assert cells(data) == PLAIN * 2 or 10 in reported_rows(data), findings(data)


@pytest.mark.parametrize(
    "last",
    ["(8 rows)", "Total,8", "Source: our own survey", "8 rows in set (0.00 sec)", "Average,,", "--", "Grand Total:,16", "EOF"],
)
def test_a_line_below_the_table_is_told(write, last: str) -> None:
    try:
        data = load(write("a.csv", "text,label\n" + "".join(f"{a},{b}\n" for a, b in PLAIN) + last + "\n"))
    except KerasFTError:
        return
    assert cells(data) == PLAIN or 10 in reported_rows(data), (cells(data)[-1], findings(data))


# --- K19


@pytest.mark.parametrize(
    ("sign", "numbers", "expected"),
    [
        pytest.param(";", ["12 %", "7,5 %", "100 %"], ["12", "7.5", "100"], id="percent"),
        pytest.param(";", ["1.234,50", "12,00", "999,99"], ["1234.50", "12.00", "999.99"], id="thousands and comma"),
        pytest.param(",", ["$1,234.50", "$12.00", "$999.99"], ["1234.50", "12.00", "999.99"], id="dollars"),
        pytest.param(";", ["3,50 €", "12,00 €", "7,25 €"], ["3.50", "12.00", "7.25"], id="euro behind"),
        pytest.param(";", ["€ 3,50", "€ 12,00", "€ 7,25"], ["3.50", "12.00", "7.25"], id="euro before"),
        pytest.param(",", ["1'234.5", "12.0", "7.2"], ["1234.5", "12.0", "7.2"], id="Swiss"),
        pytest.param(";", ["1 234,5", "12,0", "7,2"], ["1234.5", "12.0", "7.2"], id="narrow blank"),
        pytest.param(";", ["−3,5", "2,5", "−0,5"], ["-3.5", "2.5", "-0.5"], id="minus sign"),
        pytest.param(";", ["1,5", "2", "3"], ["1.5", "2", "3"], id="one comma among whole numbers"),
        pytest.param("\t", ["1,5", "2,5", "3,75"], ["1.5", "2.5", "3.75"], id="commas between tabs"),
        pytest.param(",", ["1,234", "12,345", "9,999"], ["1234", "12345", "9999"], id="thousands in quotes"),
        pytest.param(";", ["1,234", "0,345", "9,999"], ["1.234", "0.345", "9.999"], id="three decimals"),
        pytest.param(",", ["USD 3.50", "USD 12.00", "USD 7.25"], ["3.50", "12.00", "7.25"], id="letters of currency"),
        pytest.param(",", ["3.5k", "12k", "7k"], None, id="k"),
        pytest.param(",", ["5 stars", "3 stars", "1 star"], None, id="stars"),
    ],
)
def test_numbers_as_people_write_them(write, sign: str, numbers: list[str], expected: list[str] | None) -> None:
    out = io.StringIO()
    other = "2,5" if sign == ";" else "2.5"
    rows = [(f"a text number {i} of some length", other, numbers[i % 3]) for i in range(12)]
    csv.writer(out, delimiter=sign).writerows([("text", "weight", "score"), *rows])
    data = load(write("a.csv" if sign != "\t" else "a.tsv", out.getvalue()), label="score")
    found = data["train"].cells("label")[:3]
    assert [float(cell) for cell in found] == [float(cell) for cell in expected] if expected else found == numbers


@pytest.mark.parametrize("sign", ["\t", ";", ",", "|"])
@pytest.mark.parametrize("name", ["labels", "emotions", "label", "tags", "column"])
@pytest.mark.parametrize(
    "lists", [["2,27", "4", "1,5,14", "27"], ["2,27", "3,10", "14", "7", "9"], ["0,1", "1", "0", "2", "1,2"]]
)
def test_lists_of_numbers_are_no_decimals(write, sign: str, name: str, lists: list[str]) -> None:
    """As GoEmotions has them."""
    out = io.StringIO()
    rows = [(f"a text number {i} of some length", lists[i % len(lists)]) for i in range(40)]
    csv.writer(out, delimiter=sign).writerows([("text", name), *rows])
    data = load(write("a.csv" if sign != "\t" else "a.tsv", out.getvalue()), label=name)
    if sign != ";":
        assert data["train"].cells("label") == [row[1] for row in rows]
    else:
        assert data["train"].cells("label") == [row[1] for row in rows] or "number_format" in findings(data)


@pytest.mark.parametrize(
    "labels",
    [
        ["2026-01-01", "2026-02-01"],
        ["1.2.3b", "1.2.4b"],
        ["v1.2", "v1.3"],
        ["A1", "B2"],
        ["1-2", "3-4"],
        ["12:30", "9:15"],
        ["007", "008"],
    ],
)
def test_labels_that_are_no_numbers_stay(write, labels: list[str]) -> None:
    content = "text;label\n" + "".join(f"a text number {i} of it;{labels[i % 2]}\n" for i in range(12))
    data = load(write("a.csv", content))
    assert data["train"].cells("label") == [labels[i % 2] for i in range(12)]
    assert suggest_task(data).task == "text_classification"


# --- K20

OTHER = {
    "yaml": "intents:\n  - name: greet\n    examples:\n      - hi\n      - hello\n  - name: bye\n    examples:\n      - bye\n",
    "front matter": "---\ntitle: a\nlabel: b\n---\nSome text.\n",
    "rss": '<?xml version="1.0"?>\n<rss version="2.0"><channel><item><title>a</title></item></channel></rss>\n',
    "html table": "<table>\n<tr><th>text</th><th>label</th></tr>\n<tr><td>fine</td><td>pos</td></tr>\n</table>\n",
    "markdown table": "# Data\n\n| text | label |\n|---|---|\n| fine | pos |\n| bad | neg |\n",
    "arff": "% made by Weka\n@RELATION r\n\n@ATTRIBUTE text string\n@ATTRIBUTE class {a,b}\n\n@DATA\n'fine',a\n'bad',b\n",
    "python": "import os\nfrom sys import argv\n\ndef main():\n    return os.name\n\nif __name__ == '__main__':\n    main()\n",
    "sql dump": "CREATE TABLE t (text TEXT, label INT);\nINSERT INTO t VALUES ('fine, so', 1);\nINSERT INTO t VALUES ('b', 0);\n",
    "latex": "\\documentclass{article}\n\\begin{document}\nA text, so.\n\\end{document}\n",
    "latex table": "\\begin{tabular}{ll}\ntext & label \\\\\nfine & pos \\\\\n\\end{tabular}\n",
    "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n",
    "javascript": "const data = [\n  {text: 'fine', label: 'pos'},\n  {text: 'bad', label: 'neg'},\n];\nexport default data;\n",
    "ini": "[general]\nname = a\nlabel = b\n\n[more]\nname = c\n",
    "toml": '[[rows]]\ntext = "fine"\nlabel = "pos"\n\n[[rows]]\ntext = "bad"\nlabel = "neg"\n',
    "bibtex": "@article{a,\n  title = {A title, so},\n  author = {B}\n}\n",
    "subtitles": "1\n00:00:01,000 --> 00:00:03,000\nHello, you.\n\n2\n00:00:04,000 --> 00:00:06,000\nBye.\n",
    "webvtt": "WEBVTT\n\n00:01.000 --> 00:03.000\nHello, you.\n",
    "diff": "--- a/x.csv\n+++ b/x.csv\n@@ -1,2 +1,2 @@\n-text,label\n+text,labels\n fine,pos\n",
    "mail": "From: a@b.c\nTo: d@e.f\nSubject: Hello\nDate: Mon, 1 Jan 2026 10:00:00 +0000\n\nText, so.\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg">\n<text x="1">a, b</text>\n</svg>\n',
    "error page": "<!DOCTYPE HTML>\n<html><body>404, not found</body></html>\n",
    "error of s3": "<Error><Code>AccessDenied</Code><Message>Access Denied, so</Message></Error>",
    "git conflict": "text,label\n<<<<<<< HEAD\nfine,pos\n=======\nfine,neg\n>>>>>>> branch\nbad,neg\n",
    "jsonp": 'callback([{"text": "fine", "label": "pos"}, {"text": "bad", "label": "neg"}]);\n',
}
PLAIN_TEXTS = frozenset({"javascript", "ini", "toml", "bibtex", "subtitles", "webvtt", "diff", "mail", "jsonp"})


@pytest.mark.parametrize(
    ("name", "suffix"),
    [(name, suffix) for name in OTHER for suffix in ("csv", "txt", "tsv", "") if suffix or name not in PLAIN_TEXTS],
)
def test_other_formats_are_refused_or_told(write, name: str, suffix: str) -> None:
    path = write(f"data.{suffix}".rstrip("."), OTHER[name])
    try:
        data = load(path)
    except KerasFTError as error:
        if not (error.hint or error.where):
            raise
        return
    assert suffix == "txt" or findings(data), (data.columns, cells(data))


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["data", "data.csv", "data.txt", "data.json"])
def test_pickles_are_refused(write, protocol: int, name: str) -> None:
    content = pickle.dumps([{"text": "a good film", "label": "pos"}, {"text": "a bad film", "label": "neg"}] * 4, protocol)
    with pytest.raises(KerasFTError):
        load(write(name, content))


def test_a_database_is_refused_by_name(tmp_path) -> None:
    path = tmp_path / "data.csv"
    with sqlite3.connect(path) as base:
        base.execute("create table t (text, label)")
    with pytest.raises(KerasFTError, match="SQLite"):
        load(path)
