"""Quotation marks: of CSV, of nothing at all, escaped by a backslash, apostrophes in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasft.data.csv_dialect import find_dialect, without_escapes
from kerasft.data.readers import read_table
from kerasft.errors import DataError
from tests.data.helpers import note_rows

PLAIN = [(f"plain row number {i} here", str(i % 2)) for i in range(6)]


def lines(*rows: tuple[str, ...], delimiter: str = "\t", header: tuple[str, ...] = ("sentence", "label")) -> str:
    return "".join(delimiter.join(row) + "\n" for row in [header, *rows])


@pytest.mark.parametrize(
    ("name", "delimiter", "marked"),
    [
        # As GLUE, the SMS Spam collection and the Microsoft paraphrases have them.
        pytest.param(
            "a.tsv", "\t", [('"A fine day .', "1"), ("It rained .", "0"), ('He left "', "1")], id="two marks lines apart"
        ),
        pytest.param("a.tsv", "\t", [('"A fine day .', "1"), ("It rained .", "0")], id="one lone mark"),
        pytest.param("a.tsv", "\t", [('" a mark first', "1"), ('and "', "0")], id="a cell that is a mark"),
        pytest.param("a.txt", "\t", [('27" screen', "1"), ('"so', "0"), ('so"', "1")], id="text file"),
        pytest.param("a.csv", ";", [('"A fine day .', "1"), ("It rained .", "0"), ('He left "', "1")], id="semicolons"),
        pytest.param(
            "a.csv", ",", [('"A fine day .', "1"), ("It rained .", "0"), ('He left "', "1")], id="commas, closed labels"
        ),
        pytest.param("a.csv", ",", [('He said "', "1")], id="a mark at the end"),
    ],
)
def test_marks_that_are_no_quotes(write, rows, name: str, delimiter: str, marked: list[tuple[str, str]]) -> None:
    table = read_table(write(name, lines(*PLAIN, *marked, *PLAIN, delimiter=delimiter)))
    assert rows(table) == [*PLAIN, *marked, *PLAIN]
    assert table.rows.tolist() == list(range(2, 14 + len(marked)))
    unbalanced = {number for number, (text, _) in enumerate(marked, start=8) if text.count('"') % 2}
    if len(marked) > 1:
        assert set(note_rows(table)["quotes"]) == unbalanced


def test_a_cell_quoted_as_a_whole_loses_its_marks(write, rows) -> None:
    content = lines(*PLAIN, ('"a whole cell"', "1"), ('"so ""so"""', "0"), ('"open', "1"), *PLAIN)
    table = read_table(write("a.tsv", content))
    assert rows(table)[6:9] == [("a whole cell", "1"), ('so "so"', "0"), ('"open', "1")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("a.tsv", 'text\tlabel\n"two\nlines"\tx\nplain\ty\n', [("two\nlines", "x"), ("plain", "y")], id="Excel TSV"),
        pytest.param("a.tsv", 'text\tlabel\n"a\tb"\tx\nplain\ty\n', [("a\tb", "x"), ("plain", "y")], id="a tab in a cell"),
        pytest.param("a.csv", 'text,label\n"one, two\nthree",x\nplain,y\n', [("one, two\nthree", "x"), ("plain", "y")],
                     id="each line of a cell with one delimiter"),
        pytest.param("a.csv", 'text,label\n"say ""hi""\nnow",x\n' + "plain,y\nplain,x\n" * 5,
                     [('say "hi"\nnow', "x"), *[("plain", "y"), ("plain", "x")] * 5], id="doubled marks over lines"),
        pytest.param("a.csv", 'text,label\n"so, one\nso, two",a\n' + "plain,a\nplain,b\n" * 6,
                     [("so, one\nso, two", "a"), *[("plain", "a"), ("plain", "b")] * 6], id="no label in the torn line"),
    ],
)  # fmt: skip
def test_marks_that_are_quotes_stay_quotes(write, rows, name: str, content: str, expected: list[tuple[str, str]]) -> None:
    table = read_table(write(name, content))
    assert rows(table) == expected
    assert "quotes" not in note_rows(table)


def test_a_backslash_before_a_mark(write, rows) -> None:
    content = "text,label\n" + "".join(f'"this is row {i} \\"quoted\\", word","{"ab"[i % 2]}"\n' for i in range(6))
    table = read_table(write("a.csv", content))
    assert rows(table) == [(f'this is row {i} "quoted", word', "ab"[i % 2]) for i in range(6)]
    assert "quotes" in note_rows(table)


def test_a_backslash_far_below_the_sample(write, rows) -> None:
    content = "text,label\n" + "plain,a\n" * 3000 + '"a \\"quoted\\" word",b\n' + "plain,a\n" * 5
    table = read_table(write("a.csv", content))
    assert rows(table)[3000] == ('a "quoted" word', "b")
    assert note_rows(table)["quotes"] == (3002,)


@pytest.mark.parametrize("path", ['"C:\\data\\"', '"\\\\server\\"'])
def test_a_path_that_ends_with_a_backslash_is_no_escape(write, rows, path: str) -> None:
    table = read_table(write("a.csv", f"text,label\n{path},a\nplain,b\n"))
    assert rows(table) == [(path[1:-1], "a"), ("plain", "b")]


def test_apostrophes_as_quotes(write, rows) -> None:
    """As in the German 10kGNAD news: semicolons between cells, apostrophes around those that hold one."""
    content = "Web;'Ein Text; mit Strichpunkt'\nSport;'Der ''beste'' Lauf; wieder'\nWeb;ein Text ohne\nSport;noch ein Text\n"
    table = read_table(write("a.csv", content), header=False)
    assert rows(table) == [("Web", "Ein Text; mit Strichpunkt"), ("Sport", "Der 'beste' Lauf; wieder"),
                           ("Web", "ein Text ohne"), ("Sport", "noch ein Text")]  # fmt: skip
    assert "quotes" in note_rows(table)


@pytest.mark.parametrize("text", ["'tis a fine day", "don't", "'quoted'", "rock 'n' roll"])
def test_apostrophes_of_texts_stay(write, rows, text: str) -> None:
    table = read_table(write("a.csv", f"text,label\n{text},a\nplain,b\n"))
    assert rows(table)[0] == (text, "a")


@pytest.mark.parametrize(
    ("quote", "expected"),
    [("none", [('"a', 'b"', "x")]), ('"', [("a,b", "x", None)]), ("'", [('"a', 'b"', "x")])],
)
def test_what_a_person_says_of_quotes_is_done(write, rows, quote: str, expected: list[tuple[str | None, ...]]) -> None:
    table = read_table(write("a.csv", 'text,more,label\n"a,b",x\n'), quote=quote)
    assert rows(table) == expected


def test_escapes_said_by_a_person(write, rows) -> None:
    path = write("a.csv", 'text,label\n"a \\" b",x\n')
    assert rows(read_table(path, escape="\\")) == [('a " b', "x")]
    with pytest.raises(ValueError, match="'escape' can only be a backslash"):
        read_table(path, escape="/")


@pytest.mark.parametrize(
    ("line", "expected"),
    [(r"a \" b", 'a "" b'), (r"a \\ b", r"a \\ b"), (r'a \\" b', r'a \\" b'), (r"\"", '""'), (r"\\\"", r'\\""')],
)
def test_a_line_without_escapes(line: str, expected: str) -> None:
    assert without_escapes(line) == expected


def test_a_file_that_can_be_read_in_no_way_is_refused_with_the_option(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\nso, so,a\n"open, and so,b\nplain,a\n')
    with pytest.raises(DataError, match="never closed") as caught:
        read_table(path)
    assert "--data.quote none" in str(caught.value)


def test_the_dialect_of_few_lines() -> None:
    assert find_dialect(["a;b\n", "c;d\n"]).delimiter == ";"
    assert find_dialect(["a|b\n"], quote="none").quote is None
    assert find_dialect([]).delimiter == ","
