"""Bytes to text: encodings, compression, and files that are no text at all."""

from __future__ import annotations

import gzip
import io
import os
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data.dataset import load_data
from kerasft.data.readers import read_table
from kerasft.data.text_files import detect_encoding
from kerasft.errors import KerasFTError

TABLE = "text,label\nA naïve café scene,pos\nToo long – a bore,neg\n"
SENTENCES = {
    "cp1250": ("Zażółć gęślą jaźń, świetny film", "Nudny i słaby film, żałuję że oglądałem"),
    "cp1251": ("Отличный фильм, всем советую посмотреть", "Скучно и очень предсказуемо, не понравилось"),
    "cp1252": ("Ein großartiger Film, sehr schön gespielt", "Überflüssig und öde – c'est très naïf"),
    "cp1253": ("Εξαιρετική ταινία, την προτείνω", "Βαρετή και προβλέψιμη ταινία"),
    "koi8_r": ("Отличный фильм, всем советую посмотреть", "Скучно и очень предсказуемо, не понравилось"),
    "latin-1": ("Una película magnífica, señor", "Muy aburrida y demasiado fácil, qué lástima"),
    "shift_jis": ("とても面白い映画でした、また見たいです", "退屈でつまらない映画だった、残念です"),
    "gb18030": ("非常好看的电影，推荐大家去看", "剧情无聊，演员表演很差，浪费时间"),
    "big5": ("非常好看的電影，推薦大家去看", "劇情無聊，演員表演很差，浪費時間"),
    "euc_kr": ("정말 재미있는 영화였습니다 추천합니다", "지루하고 재미없는 영화였다 시간 낭비"),
}


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("xl/workbook.xml"), "<workbook/>")  # of a fixed date: it names the tests
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"], "label": ["b"]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("encoding", SENTENCES)
def test_old_encodings_are_found_in_files_of_two_rows(write, rows, encoding: str, end: str) -> None:
    good, bad = SENTENCES[encoding]
    table = read_table(write("reviews.csv", f'text,label\n"{good}",pos\n"{bad}",neg{end}'.encode(encoding)))
    assert rows(table) == [(good, "pos"), (bad, "neg")]
    assert [note.code for note in table.notes] == ["encoding"]


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [
        ("utf-8", False),
        ("utf-8-sig", False),
        ("utf-16", True),
        ("utf-16-le", True),
        ("utf-16-be", True),
        ("utf-32", True),
    ],
)
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.jsonl"])
def test_unicode_is_found_with_and_without_mark(write, rows, encoding: str, noted: bool, name: str) -> None:
    lines = '{"text": "A naïve café scene 😀", "label": "pos"}\n' if name.endswith("l") else TABLE.replace("scene", "scene 😀")
    table = read_table(write(name, lines.encode(encoding)))
    assert rows(table)[0] == ("A naïve café scene 😀", "pos")
    assert [note.code for note in table.notes] == (["encoding"] if noted else [])


def test_utf_32_without_mark_is_refused(write, refused) -> None:
    refused(read_table, write("reviews.csv", TABLE.encode("utf-32-le")), "NUL byte at offset 1")


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8_sig"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_mark_is_never_part_of_a_name(write, encoding: str, mark: bytes) -> None:
    table = read_table(write("reviews.csv", mark + TABLE.encode()), encoding=encoding)
    assert table.names == ["text", "label"]
    assert not table.notes


def test_a_second_mark_is_not_part_of_a_name_either(write) -> None:
    assert read_table(write("reviews.csv", 2 * b"\xef\xbb\xbf" + TABLE.encode())).names == ["text", "label"]


def test_a_named_encoding_is_used(write, rows) -> None:
    table = read_table(write("reviews.csv", "text,label\nŠkoda,pos\n".encode("cp1250")), encoding="cp1250")
    assert rows(table) == [("Škoda", "pos")]


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.jsonl", "reviews.json"])
def test_bytes_that_do_not_fit_the_named_encoding_are_located(write, refused, name: str) -> None:
    content = b"text,label\nfine,pos\nna\xefve,neg\n" if name.endswith("csv") else b'\n{"text": "fine"}\n{"text": "na\xefve"}\n'
    refused(read_table, write(name, content), "not valid utf-8", "line 3", "encoding=", encoding="utf-8")


def test_a_character_cut_in_half_at_the_end_is_located(write, refused) -> None:
    refused(read_table, write("reviews.csv", TABLE.encode("utf-16")[:-1]), "not valid utf-16: truncated data", "line 3")


def test_utf_16_asked_for_and_no_mark_there(write, refused) -> None:
    refused(read_table, write("reviews.csv", TABLE.encode("utf-16-le")), "does not start with BOM", encoding="utf-16")


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "undefined", "utf-8\0"])
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.jsonl"])
def test_a_name_that_is_no_text_encoding(write, refused, name: str, encoding: str) -> None:
    refused(read_table, write(name, TABLE), f"no text encoding named {encoding!r}", "utf-8, cp1252", encoding=encoding)


def test_one_odd_byte_late_in_a_large_file_changes_the_encoding(write, rows) -> None:
    content = TABLE.encode("ascii", "replace") * 20_000 + b"caf\xe9 life,pos\n"
    assert len(content) > 1 << 20
    path = write("reviews.csv", content)
    assert detect_encoding(path) == "cp1252"
    assert rows(read_table(path))[-1] == ("café life", "pos")


def test_a_character_across_the_border_of_two_blocks_is_utf_8(write) -> None:
    path = write("reviews.csv", b"x" * ((1 << 20) - 1) + "é".encode() + b"\n")
    assert detect_encoding(path) == "utf-8"


@pytest.mark.parametrize("text", ["An öde film", "The café closed", "Señor", "Ça va", "naïve"])
def test_a_single_accent_does_not_make_a_file_chinese(write, rows, text: str) -> None:
    assert rows(read_table(write("reviews.csv", f"text,label\n{text},pos\n".encode("cp1252")))) == [(text, "pos")]


def test_bytes_an_encoding_leaves_undefined_are_shown_not_refused(write, rows) -> None:
    table = read_table(write("reviews.csv", "text,label\nAn öde film,pos\n".encode("cp1252") + b"q\x81r,neg\n"))
    assert rows(table)[1] == ("q\ufffdr", "neg")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an old Office file"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(30), "a picture"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x80\x04\x95" + bytes(30), "a Python pickle"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"{\\rtf1\\ansi text}", "an RTF document"),
    ],
)
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.jsonl"])
def test_files_that_are_no_text_are_named_for_what_they_are(write, refused, name: str, content: bytes, what: str) -> None:
    refused(read_table, write(name, content), f"The file is {what}", "hint:")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty (0 bytes)"),
        (gzip.compress(b"", mtime=0), "0 bytes after unpacking"),
        (b"  \n\t\r\n \n", "nothing but blank lines"),
        (b"\xef\xbb\xbf", "nothing but blank lines"),
        (b"\xff\xfe", "nothing but blank lines"),
        (b"\xff\xfe\0\0", "nothing but blank lines"),
        (random.Random(0).randbytes(3000), "NUL byte at offset"),
        (bytes(range(1, 9)) * 30 + b"\xff", "binary data"),
        (b"text,label\nfine,po\0s\n", "NUL byte at offset 18"),
        (gzip.compress(parquet(), mtime=0), "NUL byte"),
    ],
)
def test_nothing_to_read(write, refused, content: bytes, why: str) -> None:
    refused(read_table, write("reviews.csv", content), why)


def test_nul_bytes_late_in_a_large_file_are_located(write, refused) -> None:
    content = b"text,label\n" + b"fine,pos\n" * 150_000 + b"\0"
    refused(read_table, write("reviews.csv", content), f"NUL byte at offset {len(content) - 1:,}")


@pytest.mark.parametrize("read", [read_table, load_data])
def test_paths_that_lead_nowhere(tmp_path: Path, refused, read) -> None:
    refused(read, tmp_path / "absent.csv", "no such file")
    refused(read, str(tmp_path / "a\0b.csv"), "NUL character")
    refused(read, "~nobody-of-that-name/reviews.csv", "no home folder")
    refused(read, "I love this film. " * 300, "name too long")
    refused(read, tmp_path / "reviews.csv" / "train.csv", "no such file")


def test_a_path_through_a_file(write, refused) -> None:
    refused(read_table, write("reviews.csv", TABLE) / "train.csv", "Not a directory")


def test_a_folder_is_not_a_table(tmp_path: Path, refused) -> None:
    refused(read_table, tmp_path, "a folder, not a file")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs file permissions that bind this user")
def test_a_file_one_may_not_read(write, refused) -> None:
    path = write("reviews.csv", TABLE)
    path.chmod(0)
    refused(read_table, path, "Permission denied")


@pytest.mark.parametrize("name", ["reviews.csv.gz", "reviews.csv", "reviews.CSV.GZ", "reviews"])
def test_gzip_is_known_by_its_bytes(write, rows, name: str) -> None:
    assert rows(read_table(write(name, gzip.compress(TABLE.encode()))))[0] == ("A naïve café scene", "pos")


def test_a_name_that_says_gzip_does_not_make_it_so(write, rows) -> None:
    assert len(rows(read_table(write("reviews.csv.gz", TABLE)))) == 2


def packed() -> bytes:
    chance = random.Random(0)
    lines = "".join(f"{chance.random()} and {chance.random()},pos\n" for _ in range(20_000))
    return gzip.compress(("text,label\n" + lines).encode())


@pytest.mark.parametrize("encoding", [None, "utf-8"])
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.csv.gz", "reviews.jsonl.gz"])
def test_a_truncated_gzip_file(write, refused, name: str, encoding: str | None) -> None:
    content = gzip.compress(b'{"text": "a"}\n' * 100_000)[:-20] if "jsonl" in name else packed()[:-2000]
    refused(read_table, write(name, content), "cannot be read to its end", encoding=encoding)


@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_a_damaged_gzip_file(write, refused, encoding: str | None) -> None:
    content = packed()
    for start in (20, len(content) // 2, len(content) - 8):
        damaged = content[:start] + b"\x55" * 8 + content[start + 8 :]
        refused(read_table, write("reviews.csv", damaged), "cannot be read to its end", encoding=encoding)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


JUNK = st.binary(max_size=400) | st.lists(
    st.sampled_from(
        [
            b"text",
            b"label",
            b"tokens",
            b"question",
            b"context",
            b"answers",
            b"data",
            b"O\n\n",
            b"\t",
            b" ",
            b",",
            b'"',
            b"\n",
            b"\r",
            b";",
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
        ]
    )
    | st.binary(max_size=4),
    max_size=60,
).map(b"".join)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    content=JUNK,
    name=st.sampled_from(["a.csv", "a.tsv", "a.csv", "a.jsonl", "a.json", "a.parquet", "a.txt", "a.conll", "a.conllu"]),
)
def test_random_bytes_load_or_raise_our_error(folder: Path, content: bytes, name: str) -> None:
    path = folder / name
    path.write_bytes(content)
    said = None
    try:
        table = read_table(path)
        load_data(path, need_label=False)
    except KerasFTError as error:
        said = str(error)
    if said is None:
        assert len(table) == len(table.rows) > 0
        assert len(set(table.names)) == len(table.names) > 0
    else:
        assert name in said
