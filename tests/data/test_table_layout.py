"""Headers by content, header lines that come back or are several, lines before and below the table."""

from __future__ import annotations

import pytest

from kerasft.data.readers import read_table
from kerasft.data.table_layout import is_header, is_total
from kerasft.errors import DataError
from tests.data.helpers import note_rows

RATINGS = [("good", "The screen is bright and clear"), ("bad", "It broke after a week"), ("good", "Battery lasts two days")]


def forms(header: str, count: int = 12) -> str:
    rows = (f'"2026/05/{i + 1:02} 9:00:00 AM","{RATINGS[i % 3][1]} {i}",{RATINGS[i % 3][0]}\n' for i in range(count))
    return header + "\n" + "".join(rows)


@pytest.mark.parametrize(
    "header",
    [
        'Timestamp,"What did you think of the product? Please be honest.",How would you rate it?',
        "Horodateur,Qu’avez-vous pensé du produit et de sa livraison en général ?,Quelle note lui donnez-vous ?",
        "Zeitstempel,Was halten Sie von unserem neuen Produkt im Vergleich zum alten?,Wie bewerten Sie es?",
        "Submitted at,Please tell us in your own words what you liked most about it,Overall impression of the product",
        "when,text,rating",
    ],
)
def test_a_question_above_answers_is_a_header(write, header: str) -> None:
    table = read_table(write("responses.csv", forms(header)))
    assert len(table) == 12
    assert table.rows[0] == 2
    assert "column_1" not in table.names


@pytest.mark.parametrize(
    "content",
    [
        "a fine film with a story,pos\na dull film without one,neg\nquite a good book to read,pos\n",
        "1,a film\n2,a book\n3,a play\n",
        "2026-01-01,a fine film with a story\n2026-01-02,a dull film without one\n",
        "pos,a fine film with a story\nneg,a dull film without one\npos,quite a good book to read\n",
    ],
)
def test_rows_above_rows_are_no_header(write, content: str) -> None:
    table = read_table(write("a.csv", content))
    assert table.rows[0] == 1
    assert table.names == ["column_1", "column_2"]


@pytest.mark.parametrize(
    ("top", "below", "expected"),
    [
        (["score", "review"], [["1", "a"], ["2", "b"], ["3", "c"]], True),  # a word above numbers
        (["5", "fine"], [["1", "a"], ["2", "b"], ["3", "c"]], False),  # a number above numbers
        (["note"], [["one two three four"], ["five six seven eight"]], True),
        (["a good film"], [["bad film"], ["so so film"]], False),
        (["film"], [["book"], ["play"]], None),
        (["a", "a"], [["1", "2"]], False),
        (["Country", "2015"], [["Peru", "3.5"], ["Chile", "4.5"], ["Cuba", "5.5"]], True),  # a year above numbers is a name
    ],
)
def test_what_a_header_is(top: list[str], below: list[list[str]], expected: bool | None) -> None:
    assert is_header(top, below) is expected


def test_one_column_is_asked_about(write, rows) -> None:
    path = write("new.csv", "film\nbook\nplay\n")
    with pytest.raises(DataError, match="may be the column's name or a text: 'film'") as caught:
        read_table(path)
    assert "--data.header true or false" in str(caught.value)
    assert rows(read_table(path, header=False)) == [("film",), ("book",), ("play",)]
    assert rows(read_table(path, header=True)) == [("book",), ("play",)]


@pytest.mark.parametrize("first", ["a good film", "text", "comment"])
def test_one_text_a_line(write, rows, first: str) -> None:
    table = read_table(write("new.csv", f"{first}\nbad film it was\nso so, really\n".replace(", ", " ")))
    texts = [row[0] for row in rows(table)]
    assert texts[-2:] == ["bad film it was", "so so really"]
    assert (first in texts) is (" " in first)


def test_a_repeated_header_is_left_out_and_named(write, rows) -> None:
    content = "text,label\nfine,pos\nbad,neg\ntext,label\nso,pos\n text , label \nno,neg\n"
    table = read_table(write("all.csv", content))
    assert [row[0] for row in rows(table)] == ["fine", "bad", "so", "no"]
    assert note_rows(table)["repeated_header"] == (4, 6)


@pytest.mark.parametrize(
    ("total", "left_out"),
    [
        ("Total,,12", True),
        ("Summe:,12,3", True),
        ("total,a text,pos", False),
        ("Totally fine,,pos", False),
        ("Sum,1 234,5%", True),
    ],
)
def test_a_line_of_totals(write, rows, total: str, left_out: bool) -> None:
    table = read_table(write("a.csv", f"text,label,count\nfine,pos,7\nbad,neg,5\n{total}\n"))
    assert len(table) == 2 + (not left_out)
    assert ("totals" in note_rows(table)) is left_out


def test_a_line_of_totals_in_the_middle_is_a_row(write) -> None:
    table = read_table(write("a.csv", "text,label,count\nfine,pos,7\nTotal,,12\nbad,neg,5\n"))
    assert len(table) == 3
    assert is_total(["Total", "", "12"])


def test_qualtrics_has_three_header_lines(write, rows) -> None:
    content = (
        'StartDate,Progress,Q1,Q2\nStart Date,Progress,"What do you think, in a word?",How was it?\n'
        '"{""ImportId"":""startDate""}","{""ImportId"":""progress""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"\n'
        + "".join(f"2026-05-01 10:0{i}:00,100,I liked it a lot number {i},good\n" for i in range(6))
    )
    table = read_table(write("survey.csv", content))
    assert table.names == ["StartDate", "Progress", "Q1", "Q2"]
    assert len(table) == 6
    assert note_rows(table)["header_lines"] == (2, 3)


def test_surveymonkey_has_two_header_lines_and_numbered_columns(write) -> None:
    content = "1,2,3\nRespondent ID,What did you like?,Rating\n,Open-Ended Response,Response\n" + "".join(
        f"11{i},It was a fine stay number {i},{i % 5}\n" for i in range(8)
    )
    table = read_table(write("survey.csv", content))
    assert table.names == ["Respondent ID", "What did you like?", "Rating"]
    assert len(table) == 8


def test_units_below_names_are_a_header_line(write) -> None:
    content = "date,score,text\nday,points,\n" + "".join(f"2026-01-0{i + 1},{i},a text number {i}\n" for i in range(6))
    table = read_table(write("a.csv", content))
    assert len(table) == 6
    assert note_rows(table)["header_lines"] == (2,)


def test_a_first_row_with_a_missing_value_is_a_row(write) -> None:
    content = "date,score,text\n2026-01-01,N/A,a text\n" + "".join(f"2026-01-0{i + 2},{i},a text number {i}\n" for i in range(6))
    assert len(read_table(write("a.csv", content))) == 7
