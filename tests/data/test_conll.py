"""CoNLL files of every make: sentences, tokens and tags as a person reads them, or a refusal that names the lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.readers import read_table
from kerasft.errors import ConfigError

NER = "Mira B-PER\nlives O\nin O\nOslo B-LOC\n\nShe O\nsings O\n"
SENTENCES = [(["Mira", "lives", "in", "Oslo"], ["B-PER", "O", "O", "B-LOC"]), (["She", "sings"], ["O", "O"])]
UD = """# sent_id = 1
# text = Zum Haus
1-2\tZum\t_\t_\t_\t_\t_\t_\t_\t_
1\tZu\tzu\tADP\tAPPR\t_\t3\tcase\t_\t_
2\tdem\tder\tDET\tART\tCase=Dat|Gender=Neut\t3\tdet\t_\t_
3\tHaus\tHaus\tNOUN\tNN\t_\t0\troot\t_\tSpaceAfter=No
3.1\tist\tsein\tAUX\t_\t_\t_\t_\t3:cop\t_

# sent_id = 2
1\t#\t#\tSYM\t$(\t_\t2\tdep\t_\t_
2\tdrei tausend\tdrei\tNUM\tCARD\t_\t0\troot\t_\t_
"""
UD_SENTENCES = [(["Zu", "dem", "Haus"], ["ADP", "DET", "NOUN"]), (["#", "drei tausend"], ["SYM", "NUM"])]


def sentences(table) -> list[tuple[list[str], list[str]]]:
    return [(json.loads(row["tokens"]), json.loads(row["tags"])) for row in table.columns.to_pylist()]


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        pytest.param(NER, [1, 6], id="spaces"),
        pytest.param(NER.replace(" ", "\t"), [1, 6], id="tabs"),
        pytest.param(NER.replace(" ", "   "), [1, 6], id="several spaces"),
        pytest.param(NER.replace(" ", " \t"), [1, 6], id="spaces and tabs"),
        pytest.param(NER.replace("\n", "\r\n"), [1, 6], id="CRLF"),
        pytest.param(NER.replace("\n", " \n"), [1, 6], id="spaces at line ends"),
        pytest.param("\ufeff" + NER, [1, 6], id="BOM"),
        pytest.param(NER.rstrip("\n"), [1, 6], id="no line end"),
        pytest.param(NER + "\n\n \n\t\n", [1, 6], id="blank lines at the end"),
        pytest.param("\n\n" + NER.replace("\n\n", "\n \n\n"), [3, 9], id="blank lines everywhere"),
        pytest.param("-DOCSTART- O\n\n" + NER, [3, 8], id="start of a document"),
        pytest.param(
            "-DOCSTART- -X- -X- O\n" + NER.replace("\n\n", "\n-DOCSTART-\n"), [2, 7], id="documents without blank lines"
        ),
        pytest.param("token tag\n" + NER, [2, 7], id="header"),
        pytest.param("# a remark of several words\n" + NER, [2, 7], id="remark"),
        pytest.param("# id 77f-0\tdomain=songs\n" + NER.replace(" ", "\t"), [2, 7], id="remark with an id"),
        pytest.param("#begin document (1); part 0\n" + NER + "#end document\n", [2, 7], id="begin and end"),
        pytest.param(NER.replace(" ", " _ _ "), [1, 6], id="columns between"),
        pytest.param("B-PER\tMira\nO\tlives\nO\tin\nB-LOC\tOslo\n\nO\tShe\nO\tsings\n", [1, 6], id="tags first"),
        pytest.param(
            "1\tMira\tB-PER\t-\n2\tlives\tO\t-\n3\tin\tO\t-\n4\tOslo\tB-LOC\t-\n\n1\tShe\tO\t-\n2\tsings\tO\t-\n",
            [1, 6],
            id="numbered, the last column empty",
        ),
    ],
)
def test_sentences_and_their_lines(write, content: str, numbers: list[int]) -> None:
    table = read_table(write("songs.conll", content))
    assert sentences(table) == SENTENCES
    assert table.rows.tolist() == numbers
    assert (table.names, table.source, table.notes) == (["tokens", "tags"], "songs.conll", ())


@pytest.mark.parametrize("name", ["a.conll", "a.iob", "a.IOB2", "a.bio", "a.conll03", "a.conllu", "a.txt", "a.tsv", "a.conll.gz"])
def test_endings(write, name: str) -> None:
    content = NER.replace(" ", "\t").encode()
    assert sentences(read_table(write(name, gzip.compress(content) if name.endswith("gz") else content))) == SENTENCES


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_encodings(write, encoding: str) -> None:
    table = read_table(write("a.conll", NER.replace("Mira", "Zoë").encode(encoding)))
    assert sentences(table)[0][0][0] == "Zoë"
    assert [note.code for note in table.notes] == ([] if encoding == "utf-8-sig" else ["encoding"])


@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "a.txt"])
def test_universal_dependencies(write, name: str) -> None:
    table = read_table(write(name, UD))
    assert sentences(table) == UD_SENTENCES
    assert table.rows.tolist() == [4, 10]
    assert sentences(read_table(write(name, UD), tag_column=5))[0][1] == ["APPR", "ART", "NN"]


@pytest.mark.parametrize(
    ("column", "tokens", "tags"),
    [(2, ["Mira", "sings"], ["NNP", "VBZ"]), (3, ["Mira", "sings"], ["B-PER", "O"]), (1, ["NNP", "VBZ"], ["Mira", "sings"])],
)
def test_the_column_of_the_tags_can_be_said(write, column: int, tokens: list[str], tags: list[str]) -> None:
    data = load_data(write("a.conll", "Mira NNP B-PER\nsings VBZ O\n"), tag_column=column, validation=0)
    assert sentences(data["train"].table) == [(tokens, tags)]


def test_text_of_capitals_needs_no_ending(write) -> None:
    content = "the\tDET\ncat\tNOUN\nsat\tVERB\n\nthe\tDET\ndog\tNOUN\nran\tVERB\n"
    assert sentences(read_table(write("a.txt", content)))[1] == (["the", "dog", "ran"], ["DET", "NOUN", "VERB"])


def test_tokens_alone(write) -> None:
    table = read_table(write("a.conll", "Mira\nsings\n\nwell\n"))
    assert table.names == ["tokens"]
    assert table.columns["tokens"].to_pylist() == ['["Mira", "sings"]', '["well"]']
    data = load_data(write("a.conll", "Mira\nsings\n\nwell\n"), validation=0)
    assert data.columns == Columns("tokens")


@pytest.mark.parametrize("token", ["#", "NA", "null", '"', "'", ",", "😀", "\u00a0", "-", "3-4", "1.1", "O", "a\u2028b", "﷽"])
def test_any_token_is_a_token(write, token: str) -> None:
    table = read_table(write("a.conll", f"so\tO\n{token}\tB-X\n\n{token}\tO\n"))
    assert sentences(table) == [(["so", token], ["O", "B-X"]), ([token], ["O"])]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        pytest.param("a.conll", "Mira B-PER\nlives\nin O\n\nOslo B-LOC x\nis O\n", ("2 of 5 lines", "2 columns", "rows 2, 5"),
                     id="ragged"),
        pytest.param("a.conll", "Mira\tB-PER\nNew York\tB-LOC\nOslo B-LOC\nis\tO\n", ("1 of 4", "row 3", "a tab"),
                     id="a space for a tab"),
        pytest.param("a.txt", NER.replace(" ", "\t") * 9 + "well\n", ("1 of 55 lines", "row 64"), id="a tag is missing"),
        pytest.param("a.txt", "Mira NNP B-PER\nsings O\n\nOslo NNP B-LOC\nso RB O\n", ("1 of 4 lines", "row 2"), id="one of few"),
        pytest.param("a.conll", "".join(f"doc/1 {i} w{i} NN O\n" for i in range(9)), ("'doc/1' where the token",),
                     id="documents"),
        pytest.param("a.conll", "-DOCSTART- O\n\n\n", ("holds no token",), id="nothing but a start"),
        pytest.param("a.conllu", "# text = a\n\n", ("holds no token",), id="nothing but remarks"),
        pytest.param("a.conll", "", ("empty (0 bytes)",), id="empty"),
        pytest.param("a.conll", "a\0 O\n", ("NUL byte",), id="NUL"),
    ],
)  # fmt: skip
def test_refused_with_file_and_lines(write, refused, name: str, content: str, parts: tuple[str, ...]) -> None:
    refused(read_table, write(name, content), *parts)


def test_a_column_that_is_not_there(write, refused) -> None:
    refused(load_data, write("a.conll", NER), "no column 3 for the tags: the lines have 2", tag_column=3)


def test_impossible_options(write) -> None:
    with pytest.raises(ConfigError, match="'tag_column' must be at least 1"):
        load_data(write("a.conll", NER), tag_column=0)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("the sea\nis blue\n\nthe sky\nis too\n", id="a poem of two words a line"),
        pytest.param("A WORD\nIN CAPITALS\n\nTHE END\nOF IT\n", id="a poem in capitals"),
        pytest.param("word one two\nthree four\n\nfive six seven eight\n", id="prose"),
        pytest.param("Mira O\nsings O\n", id="no blank line"),
    ],
)
def test_text_that_is_not_conll(write, content: str) -> None:
    assert read_table(write("a.txt", content)).names == ["text"]


def test_a_table_with_blank_lines_is_a_table(write) -> None:
    content = "id\ttext\tlabel\n1\ta fine film\tPOS\n\n2\ta bad film\tNEG\n\n3\tso so\tNEG\n"
    assert read_table(write("a.tsv", content)).names == ["id", "text", "label"]


def test_a_folder_of_splits(tmp_path: Path, write) -> None:
    for name in ("songs-ud-train.conllu", "songs-ud-dev.conllu"):
        write(name, UD)
    write("README.md", "train and test")
    data = load_data(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 2, "validation": 2}
    assert data.columns == Columns("tokens", label="tags")


def test_a_large_file_without_blank_lines_is_noted(write) -> None:
    table = read_table(write("a.conll", "so O\n" * 600))
    assert [(note.code, note.rows) for note in table.notes] == [("one_sentence", (1,))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conll")


TOKEN = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="\ufeff"), min_size=1, max_size=6
)
TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    made=st.lists(st.lists(st.tuples(TOKEN, TAG), min_size=1, max_size=5), min_size=1, max_size=6),
    sign=st.sampled_from(["\t", " "]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_round_trip(folder: Path, made: list[list[tuple[str, str]]], sign: str, end: str) -> None:
    made = [[(token, tag) for token, tag in row if not token.startswith("-DOCSTART-")] or [("x", "O")] for row in made]
    content = (end + end).join(
        end.join(f"{token}{sign}{tag}" for token, tag in row) for row in [[("x", "O"), ("y", "B-PER")], *made]
    )
    (folder / "a.conll").write_bytes(content.encode())
    assert sentences(read_table(folder / "a.conll"))[1:] == [tuple(map(list, zip(*row, strict=True))) for row in made]
