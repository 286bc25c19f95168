"""For any small table: records read and records named are the records of the file."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kerasft as kft
from kerasft.data.quality import check_data
from kerasft.errors import KerasFTError

FEW = settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
Rows = list[tuple[str, str]]

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf", "Co", "Cn"], exclude_characters="")
PLAIN = st.text(st.sampled_from("abc deé日.,;'\"\t|-_/\\#&()[]{}:!?0159"), min_size=1, max_size=25)
WORDS = st.lists(
    st.sampled_from(["so", "the film", "was", "“it”", 'a "word"', "it's", "5,5", "x;y", "[1]", "{z}", "a\tb", "50 %", "C:\\"]),
    min_size=2,
    max_size=6,
)
TEXTS = st.one_of(WORDS.map(" ".join), PLAIN, st.text(LETTERS, min_size=1, max_size=20), WORDS.map("\n".join)).filter(
    lambda text: bool(text.strip())
)
LABELS = st.sampled_from(["pos", "neg", "so so", "1", "2", "ä", "B-x", "a,b", "c;d"])
TABLES = st.lists(st.tuples(TEXTS, LABELS), min_size=3, max_size=12)


def unaccounted(path: Path, rows: Rows, first: int, **options: Any) -> list[Any]:
    """The records that are neither read as they are nor named; none where the file is refused."""
    try:
        data = kft.load_data(path, validation=0, text="text", label="label", **options)
        report = check_data(data)
    except KerasFTError:
        return []
    train = data["train"]
    found = {
        int(row): (text, label)
        for row, text, label in zip(train.table.rows, train.cells("text"), train.cells("label"), strict=True)
    }
    named = {
        row
        for finding in report.findings
        for row in finding.rows
        if finding.code not in ("duplicate_texts", "contradictory_labels")
    }
    lost = []
    for i, (text, label) in enumerate(rows):
        read = found.get(i + first)
        same = read is not None and read[0] == text and read[1] == label
        if not same and i + first not in named:
            lost.append((i + first, (text, label), read))
    if len(found) > len(rows):
        lost.append(("too many", len(found), len(rows)))
    return lost


def in_folder(name: str, content: str | bytes, check: Callable[[Path], list[Any]]) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return check(path)


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("suffix", ["csv", "txt"])
@FEW
@given(rows=TABLES, sign=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]))
def test_csv_of_any_dialect(quoting: Any, suffix: str, rows: Rows, sign: str, end: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=sign, quoting=quoting, lineterminator=end).writerows([("text", "label"), *rows])
    lost = in_folder(f"a.{suffix}", out.getvalue(), lambda path: unaccounted(path, rows, 2))
    assert not lost


@FEW
@given(rows=TABLES, sign=st.sampled_from(",;\t|"))
def test_csv_with_a_dialect_that_is_said(rows: Rows, sign: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=sign).writerows([("text", "label"), *rows])
    lost = in_folder("a.csv", out.getvalue(), lambda path: unaccounted(path, rows, 2, delimiter=sign, quote='"', header=True))
    assert not lost


@FEW
@given(rows=TABLES, sign=st.sampled_from("\t,"))
def test_lines_without_any_quoting(rows: Rows, sign: str) -> None:
    """As GLUE has them: a mark is a character, and no text holds the delimiter or a line end."""
    plain = [(" ".join(text.split()).replace(sign, " ").strip() or "so", label.replace(",", " ")) for text, label in rows]
    content = sign.join(("text", "label")) + "\n" + "".join(sign.join(row) + "\n" for row in plain)
    lost = in_folder("a.tsv" if sign == "\t" else "a.csv", content, lambda path: unaccounted(path, plain, 2, quote="none"))
    assert not lost


def orient(rows: Rows, kind: str) -> Any:
    records = [{"text": text, "label": label} for text, label in rows]
    numbers = [str(i) for i in range(len(rows))]
    return {
        "records": records,
        "list": {"text": [row[0] for row in rows], "label": [row[1] for row in rows]},
        "columns": {
            "text": dict(zip(numbers, [r[0] for r in rows], strict=True)),
            "label": dict(zip(numbers, [r[1] for r in rows], strict=True)),
        },
        "index": dict(zip(numbers, records, strict=True)),
        "split": {"columns": ["text", "label"], "index": list(range(len(rows))), "data": [list(row) for row in rows]},
        "table": {"schema": {"fields": [{"name": "text"}, {"name": "label"}]}, "data": records},
        "key": {"version": 1, "rows": records},
        "nested": [{"id": i, "content": {"text": row[0]}, "answer": {"label": row[1]}} for i, row in enumerate(rows)],
    }[kind]


@pytest.mark.parametrize("kind", ["records", "list", "columns", "index", "split", "table", "key", "nested"])
@settings(FEW, max_examples=25)
@given(rows=TABLES, indent=st.sampled_from([None, 2]), ascii_only=st.booleans(), name=st.sampled_from(["a.json", "a", "a.txt"]))
def test_json_of_any_orient(kind: str, rows: Rows, indent: int | None, ascii_only: bool, name: str) -> None:
    content = json.dumps(orient(rows, kind), indent=indent, ensure_ascii=ascii_only)
    assert not in_folder(name, content, lambda path: unaccounted(path, rows, 1))


@FEW
@given(rows=TABLES, end=st.sampled_from(["\n", "\r\n"]), blank=st.booleans())
def test_json_lines(rows: Rows, end: str, blank: bool) -> None:
    content = (end * (1 + blank)).join(json.dumps({"text": text, "label": label}) for text, label in rows) + end
    numbered = [row for row in rows for _ in range(1 + blank)] if blank else rows

    def check(path: Path) -> list[Any]:
        lost = unaccounted(path, numbered, 1)
        return [one for one in lost if not blank or (isinstance(one[0], int) and one[0] % 2 == 1)]

    assert not in_folder("a.jsonl", content, check)


@settings(FEW, max_examples=30)
@given(rows=TABLES, title=st.booleans(), name=st.sampled_from(["a.xlsx", "a", "a.csv"]))
def test_workbooks(rows: Rows, title: bool, name: str) -> None:
    kept = [(text, label) for text, label in rows if not text.startswith("=")] or [("so", "pos")]
    kept = [(text.replace("\r", " "), label) for text, label in kept]
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [*([["A survey of ours"], []] if title else []), ["text", "label"], *map(list, kept)]:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    assert not in_folder(name, out.getvalue(), lambda path: unaccounted(path, kept, 2 + 2 * title))


@settings(FEW, max_examples=40)
@given(rows=TABLES, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]))
def test_unicode_in_any_of_its_encodings(rows: Rows, encoding: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("text", "label"), *rows])
    assert not in_folder("a.csv", out.getvalue().encode(encoding), lambda path: unaccounted(path, rows, 2))


@settings(FEW, max_examples=40)
@given(rows=TABLES, ragged=st.lists(st.integers(0, 14), min_size=6, max_size=12))
def test_rows_of_any_width(rows: Rows, ragged: list[int]) -> None:
    """Rows that are short, long or blank are named, or the file is refused."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("text", "label"))
    kept: list[tuple[str, str]] = []
    for (text, label), width in zip(rows * 3, ragged * 3, strict=False):
        if width == 0:
            out.write("\n")
        elif width == 1:
            writer.writerow((text,))
        elif width == 5:
            writer.writerow((text, label, "more"))
        else:
            writer.writerow((text, label))
        kept.append((text, label) if width != 0 else ("", ""))

    def check(path: Path) -> list[Any]:
        return [one for one in unaccounted(path, kept, 2) if one[1] != ("", "")]

    assert not in_folder("a.csv", out.getvalue(), check)
