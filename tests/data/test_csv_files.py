"""CSV as people have it: every file loads rightly, with the row numbers a spreadsheet shows, or is refused with a place."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasft.data.readers import read_table
from kerasft.errors import ConfigError

HEAD = "text,label\n"


def codes(table) -> dict[str, tuple[int, ...]]:
    return {note.code: note.rows for note in table.notes}


# --- Rows and their numbers


@pytest.mark.parametrize(
    ("content", "cells", "numbers"),
    [
        pytest.param(HEAD + "fine,pos\n", [("fine", "pos")], [2], id="one row"),
        pytest.param(HEAD + "fine,pos", [("fine", "pos")], [2], id="no line end at the end"),
        pytest.param(HEAD + "\n\nfine,pos\n\n , \nbad,neg\n", [("fine", "pos"), ("bad", "neg")], [4, 7], id="blank lines"),
        pytest.param("\n\n" + HEAD + "fine,pos\n", [("fine", "pos")], [4], id="blank lines before the header"),
        pytest.param("text,label\rfine,pos\rbad,neg\r", [("fine", "pos"), ("bad", "neg")], [2, 3], id="CR only"),
        pytest.param("text,label\r\nfine,pos\rbad,neg\n", [("fine", "pos"), ("bad", "neg")], [2, 3], id="mixed line ends"),
        pytest.param('text,label\r"a\rb",pos\rc,neg', [("a\rb", "pos"), ("c", "neg")], [2, 3], id="CR in a cell"),
        pytest.param(HEAD + '"a\n\nb",pos\nc,neg\n', [("a\n\nb", "pos"), ("c", "neg")], [2, 3], id="line ends in a cell"),
        pytest.param(HEAD + '"a\nb" ,pos\n"c" , neg\n', [("a\nb ", "pos"), ("c ", " neg")], [2, 3], id="spaces after quotes"),
        pytest.param(HEAD + '"well, fine",pos\n', [("well, fine", "pos")], [2], id="delimiter in a cell"),
        pytest.param(HEAD + '"so ""fine""",pos\n', [('so "fine"', "pos")], [2], id="quotes in a cell"),
        pytest.param(HEAD + '27" screen,pos\n', [('27" screen', "pos")], [2], id="a quote that opens nothing"),
        pytest.param(HEAD + '"He said "hi" to me",pos\n', [('He said hi" to me"', "pos")], [2], id="quotes not doubled"),
        pytest.param(HEAD + "😀 👩‍👩‍👧 ok,🙂\n", [("😀 👩‍👩‍👧 ok", "🙂")], [2], id="emoji"),
        pytest.param(HEAD + " fine , pos \n", [(" fine ", " pos ")], [2], id="spaces stay in cells"),
        pytest.param(HEAD + "fine,\n,neg\n", [("fine", None), (None, "neg")], [2, 3], id="empty cells are missing"),
        pytest.param(HEAD + "fine,None\nbad,NA\n", [("fine", "None"), ("bad", "NA")], [2, 3], id="words are not missing"),
        pytest.param(HEAD + "a\x0bb\x0cc\x85d\u2028e,pos\n", [("a\x0bb\x0cc\x85d\u2028e", "pos")], [2], id="no line ends"),
    ],
)
def test_rows_and_their_numbers(write, rows, content: str, cells: list[tuple[str | None, ...]], numbers: list[int]) -> None:
    table = read_table(write("reviews.csv", content))
    assert table.names == ["text", "label"]
    assert rows(table) == cells
    assert table.rows.tolist() == numbers
    assert table.source == "reviews.csv"


def test_a_cell_of_ten_megabytes(write, rows) -> None:
    text = "long " * 2_000_000
    table = read_table(write("reviews.csv", f"{HEAD}fine,pos\n{text},neg\n"))
    assert rows(table) == [("fine", "pos"), (text, "neg")]


def test_a_cell_beyond_the_limit_is_refused(write, refused, monkeypatch) -> None:
    monkeypatch.setattr("kerasft.data.csv_dialect.LARGEST_CELL", 1000)
    refused(read_table, write("reviews.csv", HEAD + "fine,pos\n" + "x" * 2000 + ",neg\n"), "field larger than", "row 3")


def test_long_cells_do_not_hide_the_delimiter(write) -> None:
    csv.field_size_limit(131_072)  # as in a fresh process
    table = read_table(write("reviews.csv", "text;label\n" + "so, so " * 30_000 + ";pos\nbad;neg\nfine, really;pos\n"))
    assert table.names == ["text", "label"]
    assert len(table) == 3


def test_cells_of_many_lines_beyond_the_sample(write, rows) -> None:
    text = "\n".join(f"line {i}" for i in range(12))
    content = HEAD + "".join(f'"{text}",{"pos" if i % 2 else "neg"}\n' for i in range(300))
    table = read_table(write("reviews.csv", content))
    assert table.rows.tolist() == list(range(2, 302))
    assert set(rows(table)) == {(text, "pos"), (text, "neg")}
    assert not table.notes


# --- Rows that do not fit


@pytest.mark.parametrize(
    ("content", "cells", "notes"),
    [
        pytest.param("a,text,label\nx,fine,pos\ny,bad\nz\n", [("x", "fine", "pos"), ("y", "bad", None), ("z", None, None)],
                     {"short_rows": (3, 4)}, id="short"),
        pytest.param(HEAD + "fine,pos\nwell, no,neg\nbad,neg\n", [("fine", "pos"), ("bad", "neg")], {"long_rows": (3,)},
                     id="one long"),
        pytest.param(HEAD + "fine,pos,,, \nbad,neg\n", [("fine", "pos"), ("bad", "neg")], {}, id="long but empty"),
        pytest.param("text,label,\nfine,pos,ask\nbad,neg,\n", [("fine", "pos", "ask"), ("bad", "neg", None)], {},
                     id="a column without a name"),
        pytest.param("text,label,,\nfine,pos,,\n", [("fine", "pos")], {}, id="empty columns without a name"),
        pytest.param(HEAD + '"' + "a\n" * 60 + '",pos\n', [("a\n" * 60, "pos")], {"tall_cells": (2,)}, id="tall"),
    ],
)  # fmt: skip
def test_ragged_rows(write, rows, content: str, cells: list[tuple[str | None, ...]], notes: dict[str, tuple[int, ...]]) -> None:
    table = read_table(write("reviews.csv", content))
    assert rows(table) == cells
    assert codes(table) == notes


def test_a_late_cell_under_no_name_costs_no_row(write) -> None:
    table = read_table(write("reviews.csv", "text,label,\n" + "fine,pos,\n" * 300 + "bad,neg,ask\n"))
    assert table.names == ["text", "label"]
    assert table.columns["label"][-1].as_py() == "neg"
    assert codes(table) == {"unnamed_cells": (302,)}


def test_up_to_a_tenth_of_long_rows_is_left_out(write) -> None:
    table = read_table(write("reviews.csv", HEAD + "fine,pos\n" * 18 + "well, no,neg\n" * 2))
    assert table.rows.tolist() == list(range(2, 20))
    assert codes(table) == {"long_rows": (20, 21)}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        pytest.param(HEAD + "fine,pos\n" * 17 + "well, no,neg\n" * 3, ("3 of 20 rows", "rows 19, 20, 21"), id="too many long"),
        pytest.param(HEAD + "well, no,neg\n", ("1 of 1 rows", "row 2"), id="the only row is long"),
        pytest.param(HEAD, ("a header and no rows", "row 1", "header=False"), id="header only"),
        pytest.param("\n\n" + HEAD + "\n\n", ("a header and no rows", "row 3"), id="header and blank lines"),
        pytest.param("text", ("a header and no rows", "row 1"), id="one word"),
        pytest.param(HEAD + 'fine,pos\n"bad, so,neg\nfine,pos\n', ("never closed", "row 3", "2 lines", "none"), id="open quote"),
        pytest.param(HEAD + 'fine,pos\nso, bad,"neg', ("never closed", "row 3", "cut off"), id="open quote in the last line"),
        pytest.param(HEAD + '"fine, so,pos\nbad,neg\n"well, no",neg\nbad,neg\n', ("never closed", "row 2", "3 lines"),
                     id="open quote before another"),
        pytest.param(HEAD + '"so, ' + "fine,pos\n" * 3000, ("never closed", "row 2", "3,000 lines"), id="open quote, large file"),
    ],
)  # fmt: skip
def test_refused_with_the_row(write, refused, content: str, parts: Sequence[str]) -> None:
    refused(read_table, write("reviews.csv", content), *parts)


# --- Delimiter


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.txt", "reviews"])
def test_the_delimiter_is_found(write, rows, delimiter: str, name: str) -> None:
    lines = [("text", "label"), ("it is 3,50; a | b\tc", "pos"), ("no, no, no", "neg"), ("so; so", "neg")]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(lines)
    assert rows(read_table(write(name, buffer.getvalue()))) == lines[1:]


def test_unquoted_commas_between_tabs(write, rows) -> None:
    table = read_table(write("reviews.csv", "text\tlabel\nwell, fine\tpos\nno, no, no\tneg\n"))
    assert rows(table) == [("well, fine", "pos"), ("no, no, no", "neg")]


def test_tsv_is_parted_by_tabs_whatever_it_holds(write, rows) -> None:
    assert rows(read_table(write("reviews.tsv", "text,a\tlabel,b\nx,y\tu,v\n"))) == [("x,y", "u,v")]


def test_any_one_character_can_be_asked_for(write, rows) -> None:
    table = read_table(write("reviews.csv", "text^label\nfine^pos\n"), delimiter="^")
    assert rows(table) == [("fine", "pos")]


def test_a_wrong_delimiter_gives_one_column(write) -> None:
    assert read_table(write("reviews.csv", HEAD + "fine,pos\n"), delimiter=";").names == ["text,label"]


def test_a_wrong_delimiter_that_tears_the_rows(write, refused) -> None:
    refused(read_table, write("reviews.csv", HEAD + "a b c,pos\nd e,neg\n"), "more cells", "' '", delimiter=" ", header=True)


@pytest.mark.parametrize("delimiter", [";;", "", '"', "\n", "\r", 1])
def test_an_impossible_delimiter(write, refused, delimiter: object) -> None:
    path = write("reviews.csv", HEAD + "fine,pos\n")
    refused(read_table, path, f"Received: {delimiter!r}", error=ConfigError, delimiter=delimiter)


# --- Header


@pytest.mark.parametrize(
    ("content", "names"),
    [
        pytest.param(" text , label \nfine,pos\n", ["text", "label"], id="spaces around names"),
        pytest.param('"the\n text",label\nfine,pos\n', ["the text", "label"], id="a line end in a name"),
        pytest.param("text,,label\nfine,x,pos\n", ["text", "column_2", "label"], id="a name is missing"),
        pytest.param("text,label,text\nfine,pos,x\n", ["text", "label", "text (2)"], id="two of a name"),
        pytest.param("text,text,text (2)\na,b,c\n", ["text", "text (2)", "text (2) (2)"], id="two of a name, numbered"),
        pytest.param("x" * 5000 + ",label\nfine,pos\n", ["x" * 5000, "label"], id="a name of 5,000 letters"),
        pytest.param("Review Text,Stars\nfine,5\n", ["Review Text", "Stars"], id="usual names"),
        pytest.param("id,words,kind\n1,fine,pos\n2,bad,neg\n", ["id", "words", "kind"], id="names over numbers"),
        pytest.param("text,label\ntext,pos\nlabel,neg\n", ["text", "label"], id="names come back as values"),
        pytest.param("great film,y\nbad film,n\nfine,y\n", ["column_1", "column_2"], id="a label that is a usual name"),
        pytest.param("fine,pos\nbad,neg\nso so,pos\n", ["column_1", "column_2"], id="a label that comes back"),
        pytest.param("1,a film\n2,a book\n", ["column_1", "column_2"], id="a number first"),
        pytest.param("same,same\nbad,neg\n", ["column_1", "column_2"], id="unknown names, equal"),
        pytest.param("I went to see it at last,5\nIt was a waste of an evening,1\n", ["column_1", "column_2"], id="sentences"),
    ],
)
def test_the_header_is_found(write, content: str, names: list[str]) -> None:
    assert read_table(write("reviews.csv", content)).names == names


@pytest.mark.parametrize(
    ("header", "names", "numbers"), [(True, ["fine", "pos"], [2, 3]), (False, ["column_1", "column_2"], [1, 2, 3])]
)
def test_the_header_can_be_said(write, header: bool, names: list[str], numbers: list[int]) -> None:
    for content in ("fine,pos\nbad,neg\nso so,pos\n", "fine,pos\ntext,label\nso so,pos\n"):
        table = read_table(write("reviews.csv", content), header=header)
        assert table.names == names
        assert table.rows.tolist() == numbers


def test_equal_names_can_be_said_to_be_a_header(write, rows) -> None:
    table = read_table(write("reviews.csv", "a,a,a (2)\nx,y,z\n"), header=True)
    assert len(set(table.names)) == 3
    assert rows(table) == [("x", "y", "z")]


def test_lines_before_the_table_are_passed_over(write, rows) -> None:
    content = "Reviews of 2024\n\nexported by hand;\ntext;label;day\nfine;pos;1\nbad;neg;2\nso so;neg;3\n"
    table = read_table(write("reviews.csv", content))
    assert table.names == ["text", "label", "day"]
    assert rows(table)[0] == ("fine", "pos", "1")
    assert table.rows.tolist() == [5, 6, 7]
    assert codes(table) == {"preamble": (1, 2, 3)}


def test_the_line_by_which_spreadsheets_name_the_delimiter(write) -> None:
    table = read_table(write("reviews.csv", "sep=;\ntext;label\nfine, well;pos\nbad;neg\n"))
    assert (table.names, table.rows.tolist()) == (["text", "label"], [3, 4])


def test_five_thousand_columns(write) -> None:
    lines = [",".join(f"c{i}" for i in range(5000)), *(",".join(f"{row}.{i}" for i in range(5000)) for row in range(2))]
    table = read_table(write("wide.csv", "\n".join(lines)))
    assert table.names[-1] == "c4999"
    assert table.columns["c4999"].to_pylist() == ["0.4999", "1.4999"]


# --- Whatever the csv module writes is read back

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.lists(
    st.sampled_from(['"', '""', ",", ";", "\t", "|", "\n", "\r", "\r\n", " ", "a", "é", "'", "\\", "\ufeff"]), max_size=6
).map("".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round_trip")


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    cells=st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[CELL] * width), min_size=1, max_size=6)),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    how=st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL)]),
    said=st.booleans(),
)
@example(cells=[('"\n', '"'), ("\n,\n", '","')], delimiter=",", how=("\n", csv.QUOTE_ALL), said=False)
def test_round_trip(folder: Path, cells: list[tuple[str, ...]], delimiter: str, how: tuple[str, int], said: bool) -> None:
    names = ["text", "label", "other", "more"][: len(cells[0])]
    path = folder / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=how[0], quoting=how[1])
        writer.writerows([names, *cells])
    # A row that repeats the header is left out, and said to be.
    rows = [(i, row) for i, row in enumerate(cells, start=2) if [cell.strip() for cell in row] != names]
    expected = [(i, tuple(cell or None for cell in row)) for i, row in rows if "".join(row).strip()]
    if not expected:
        with pytest.raises(ValueError, match="no rows"):
            read_table(path, delimiter=delimiter, header=True)
        return
    table = read_table(path, delimiter=delimiter, header=True if said or len(names) == 1 else None)
    assert table.names == names
    assert list(zip(table.rows.tolist(), (tuple(row.values()) for row in table.columns.to_pylist()), strict=True)) == expected
