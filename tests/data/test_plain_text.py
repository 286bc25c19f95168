"""Text files without columns: paragraphs or lines, and which files of that ending are tables all the same."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.readers import read_table

POEM = "The tide comes in,\n  the tide goes out,\nand all is wet.\n\nThen it is dry.\n"


@pytest.mark.parametrize(
    ("content", "texts", "numbers"),
    [
        pytest.param(POEM, ["The tide comes in,\n  the tide goes out,\nand all is wet.", "Then it is dry."], [1, 5],
                     id="paragraphs"),
        pytest.param(POEM.replace("\n", "\r\n"), ["The tide comes in,\n  the tide goes out,\nand all is wet.", "Then it is dry."],
                     [1, 5], id="CRLF"),
        pytest.param("One line.\nAnother line.\n", ["One line.", "Another line."], [1, 2], id="lines"),
        pytest.param("One line.\nAnother line.", ["One line.", "Another line."], [1, 2], id="no line end"),
        pytest.param("\n\nOne line.\nAnother line.\n\n \n", ["One line.", "Another line."], [3, 4], id="blank lines around"),
        pytest.param("One.\n\n\n\t\nTwo.\n", ["One.", "Two."], [1, 5], id="several blank lines"),
        pytest.param("\ufeffOne.\n\nTwo.", ["One.", "Two."], [1, 3], id="BOM"),
        pytest.param("text\nOne.\nTwo.\n", ["One.", "Two."], [2, 3], id="header"),
        pytest.param("One, and one.\nTwo, and two.\nThree, and three.\n", ["One, and one.", "Two, and two.", "Three, and three."],
                     [1, 2, 3], id="a comma in each line"),
        pytest.param('"Hello," she said.\n"Oh," said he.\n"Well', ['"Hello," she said.', '"Oh," said he.', '"Well'], [1, 2, 3],
                     id="quotes"),
        pytest.param("\tOne.\n\tTwo.\n\tThree.\n", ["\tOne.", "\tTwo.", "\tThree."], [1, 2, 3], id="tabs before"),
        pytest.param("word", ["word"], [1], id="one word"),
        pytest.param("a;b\nc;d\n", ["a;b", "c;d"], [1, 2], id="too little to be a table"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.TXT"])
def test_rows_and_their_lines(write, rows, name: str, content: str, texts: list[str], numbers: list[int]) -> None:
    table = read_table(write(name, gzip.compress(content.encode()) if name.endswith("gz") else content))
    assert table.names == ["text"]
    assert rows(table) == [(text,) for text in texts]
    assert table.rows.tolist() == numbers
    assert table.source == name


def test_encodings(write, rows) -> None:
    for encoding in ("utf-16", "utf-16-le", "cp1252"):
        table = read_table(write("a.txt", "Ein öder Film, sehr fade.\n\nNaïf, naïf.\n".encode(encoding)))
        assert rows(table) == [("Ein öder Film, sehr fade.",), ("Naïf, naïf.",)]
        assert [note.code for note in table.notes] == ["encoding"]


def test_one_huge_line(write, rows) -> None:
    text = "well, well; " * 1_000_000
    assert rows(read_table(write("a.txt", text))) == [(text,)]


@pytest.mark.parametrize("content", ["\n", "\ufeff\n\n", " \t\n", "text\n\n"])
def test_nothing_to_read(write, refused, content: str) -> None:
    refused(read_table, write("a.txt", content), "nothing but blank lines")


def test_roles(write) -> None:
    data = load_data(write("a.txt", "\n".join(f"Line {i} of the text." for i in range(20))))
    assert data.columns == Columns("text")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 20}
    assert {name: len(split) for name, split in data.divided().splits.items()} == {"train": 18, "validation": 2}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        pytest.param("text\tlabel\nfine, well\tpos\nbad\tneg\n", ["text", "label"], id="tabs and header"),
        pytest.param("review,stars\nfine,5\nbad,1\n", ["review", "stars"], id="commas and header"),
        pytest.param("text,label\nfine,pos\nwell, so,so,neg\n" + "bad,neg\n" * 20, ["text", "label"], id="one bad row"),
        pytest.param("fine\tpos\nbad\tneg\nso so\tpos\n", ["column_1", "column_2"], id="tabs, no header"),
        pytest.param(
            "a fine film;pos\na bad film;neg\nso so;neg\nwell;pos\n", ["column_1", "column_2"], id="semicolons, no header"
        ),
        pytest.param("words|kind\na|x\nb|y\nc|x\nd|x\n", ["words", "kind"], id="bars"),
        pytest.param("Reviews of 2024\n\ntext;label\nfine;pos\nbad;neg\n", ["text", "label"], id="lines before the table"),
        pytest.param("id,text\n1,a film\n2,a book\n", ["id", "text"], id="one usual name"),
    ],
)
def test_tables_stay_tables(write, content: str, names: list[str]) -> None:
    assert read_table(write("a.txt", content)).names == names


def test_a_delimiter_or_a_header_that_is_said_makes_a_table(write) -> None:
    path = write("a.txt", "One, two.\nThree, four.\n")
    assert read_table(path).names == ["text"]
    assert read_table(path, delimiter=",").names == ["One", "two."]
    assert read_table(path, header=False).names == ["column_1", "column_2"]


def test_only_that_ending_is_plain_text(write) -> None:
    assert read_table(write("a.csv", "One line of it.\nAnother line.\n"), header=False).names == ["column_1"]
    assert len(read_table(write("a.csv", "text\nOne line.\n\nAnother line.\n"))) == 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain")


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map("x ".__add__)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    paragraphs=st.lists(st.lists(LINE, min_size=1, max_size=3), min_size=2, max_size=5),
    gap=st.integers(1, 3),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_paragraphs_are_read_back(folder: Path, paragraphs: list[list[str]], gap: int, end: str) -> None:
    content = (end * (gap + 1)).join(end.join(lines) for lines in paragraphs)
    (folder / "a.txt").write_bytes(f"A first paragraph.{end}{end}{content}".encode())
    table = read_table(folder / "a.txt")
    assert table.columns["text"].to_pylist()[1:] == ["\n".join(lines) for lines in paragraphs]
