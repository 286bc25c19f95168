"""Files of every format and of every habit through the code of the Data tab: no exception, and every record is accounted for."""

# ruff: noqa: E501 - a file each line
from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kerasft.errors import DataError, KerasFTError
from kerasft_app.reading import ReadFile, read_for_page

COUNT = 24
TEXTS = [f"This is review number {i}, and the film was {['good', 'bad'][i % 2]}" for i in range(COUNT)]
LABELS = [["pos", "neg"][i % 2] for i in range(COUNT)]
ROWS: list[dict[str, Any]] = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-32",
    "cp1252",
    "cp1250",
    "cp1251",
    "big5",
    "gb18030",
    "cp932",
    "euc_kr",
    "koi8_r",
]
SAMPLES = {"cp1251": "Это очень хороший фильм", "koi8_r": "Это очень хороший фильм", "big5": "這是一部很好看的電影而且很長", "cp1250": "Příliš žluťoučký kůň",
           "gb18030": "这是一部很好看的电影而且很长", "cp932": "これはとても良い映画でした", "euc_kr": "이것은 아주 좋은 영화였다"}  # fmt: skip


def table(rows: list[list[Any]], **how: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n", **how).writerows(rows)
    return buffer.getvalue()


def cells(extra: Any = None) -> list[list[Any]]:
    """A header and the rows, with a third column where one is given, cell by cell."""
    head = ["text", "label"] if extra is None else ["text", "label", "extra"]
    return [
        head,
        *(
            [text, label] if extra is None else [text, label, extra(i)]
            for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
        ),
    ]


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    return buffer.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in cells(lambda i: None if i % 3 else 1.5):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def conll(tag: Any) -> str:
    return (
        "\n\n".join("\n".join(f"{word}\t{tag(i + j)}" for j, word in enumerate(text.split())) for i, text in enumerate(TEXTS))
        + "\n"
    )


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


SPANS = [{"start": 0, "end": 4, "label": "PER"}]
FILES: dict[str, str | bytes] = {
    "plain.csv": table(cells()),
    "semicolon.csv": table(cells(), delimiter=";"),
    "tabs.tsv": table(cells(), delimiter="\t"),
    "bars.psv": table(cells(), delimiter="|"),
    "quoted.csv": table(cells(), quoting=csv.QUOTE_ALL),
    "empty_cells.csv": table(cells(lambda i: "" if i % 2 else "x")),
    "empty_column.csv": table(cells(lambda i: "")),
    "null_words.csv": table(cells(lambda i: ["null", "NaN", "None", "NA"][i % 4])),
    "floats.csv": table(cells(lambda i: i / 7)),
    "mixed.csv": table(cells(lambda i: [i, "word", "", 1.5, "2026-01-01"][i % 5])),
    "dates.csv": table(cells(lambda i: f"2026-01-{i + 1:02}")),
    "lists.csv": table(cells(lambda i: ["a", "b"])),
    "empty_text.csv": table([["text", "label"], ["", "pos"], *cells()[1:]]),
    "blank_lines.csv": table(cells()).replace("\n", "\n\n"),
    "crlf.csv": table(cells()).replace("\n", "\r\n"),
    "no_header.csv": table(cells()[1:]),
    "title.csv": "Reviews of 2026\n\n" + table(cells()),
    "total.csv": table([*cells(lambda i: i), ["Total", "", "276"]]),
    "header_again.csv": table([*cells(), *cells()]),
    "lone_mark.tsv": "text\tlabel\n" + "".join(f'{text}{" is 27 wide" if i else ""}\t{label}\n' for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))).replace("This is review number 5", '"This is review number 5'),
    "backslash.csv": "text,label\n" + "".join(f'"a \\"good\\" film {i}","{LABELS[i]}"\n' for i in range(COUNT)),
    "emoji.csv": table([["text", "label"], *([f"😀 {text}", label] for text, label in cells()[1:])]),
    "long_cell.csv": table([["text", "label"], *([text * 300, label] for text, label in cells()[1:])]),
    "many_columns.csv": table([[*row, *(f"c{i}" for i in range(60))] if i == 0 else [*row, *range(60)] for i, row in enumerate(cells())]),
    "duplicate_names.csv": table([["text", "label", "label"], *([text, label, label] for text, label in cells()[1:])]),
    "decimal_comma.csv": table([["text", "score"], *([text, f"{i},5"] for i, text in enumerate(TEXTS))], delimiter=";"),
    "booleans.csv": table([["text", "label"], *([text, [True, False][i % 2]] for i, text in enumerate(TEXTS))]),
    "numbers.csv": table([["text", "stars"], *([text, i % 5 + 1] for i, text in enumerate(TEXTS))]),
    "one_hot.csv": table([["text", "joy", "anger"], *([text, i % 2, 1 - i % 2] for i, text in enumerate(TEXTS))]),
    "pairs.csv": table([["premise", "hypothesis", "label"], *([text, "It was good.", label] for text, label in cells()[1:])]),
    "only_texts.csv": table([["text"], *([text] for text in TEXTS)]),
    "which.csv": table([["text", "urteil", "sprache"], *([text, LABELS[i], ["de", "en", "fr"][i % 3]] for i, text in enumerate(TEXTS))]),
    "forms.csv": table([["Timestamp", "What did you think of the product? Be honest.", "How would you rate it?"],
                        *([f"2026/05/{i + 1:02} 9:00:00 AM", text, LABELS[i]] for i, text in enumerate(TEXTS))]),
    "rows.json": json.dumps(ROWS),
    "indented.json": json.dumps(ROWS, indent=1),
    "columns.json": json.dumps({"text": TEXTS, "label": LABELS}),
    "index.json": json.dumps({str(i): row for i, row in enumerate(ROWS)}),
    "split.json": json.dumps({"columns": ["text", "label"], "data": [[row["text"], row["label"]] for row in ROWS]}),
    "under_key.json": json.dumps({"rows": ROWS}),
    "splits.json": json.dumps({"train": ROWS, "test": [{"text": "new", "label": "pos"}]}),
    "nested.json": json.dumps([{"id": i, "data": {"text": row["text"]}, "label": row["label"]} for i, row in enumerate(ROWS)]),
    "nulls.jsonl": lines([{**row, "extra": None if i % 2 else i} for i, row in enumerate(ROWS)]),
    "lines.jsonl": lines(ROWS),
    "list_labels.jsonl": lines([{"text": row["text"], "label": [row["label"]]} for row in ROWS]),
    "spans.jsonl": lines([{"text": row["text"], "label": [[0, 4, "PER"]]} for row in ROWS]),
    "prodigy.jsonl": lines([{**row, "answer": ["accept", "reject", "ignore"][i % 3]} for i, row in enumerate(ROWS)]),
    "label_studio.json": json.dumps([{"id": i, "data": {"text": row["text"]}, "annotations": [{"result": [{"from_name": "l", "type": "choices", "value": {"choices": [row["label"]]}}]}]} for i, row in enumerate(ROWS)]),
    "spacy.json": json.dumps([[text, {"entities": [[0, 4, "PER"]]}] for text in TEXTS]),
    "cats.jsonl": lines([{"text": row["text"], "cats": {"pos": float(i % 2), "neg": 1.0 - i % 2}} for i, row in enumerate(ROWS)]),
    "chat.jsonl": lines([{"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"Answer {i}"}]} for i, text in enumerate(TEXTS)]),
    "alpaca.json": json.dumps([{"instruction": text, "input": "x", "output": f"Answer {i}"} for i, text in enumerate(TEXTS)]),
    "squad.json": json.dumps({"data": [{"paragraphs": [{"context": text, "qas": [{"id": str(i), "question": "What number?", "answers": [{"text": str(i), "answer_start": text.index(str(i))}]}]}]} for i, text in enumerate(TEXTS)]}),
    "qas.json": json.dumps([{"context": text, "qas": [{"id": str(i), "question": "What number?", "answers": [{"text": str(i), "answer_start": text.index(str(i))}]}]} for i, text in enumerate(TEXTS)]),
    "bio.conll": conll(lambda i: ["O", "B-PER", "I-PER"][i % 3]),
    "io.conll": conll(lambda i: ["O", "PER", "O"][i % 3]),
    "underscore.conll": conll(lambda i: ["O", "B_PER", "I_PER"][i % 3]),
    "numbers.conll": conll(lambda i: i % 3),
    "fasttext.txt": "".join(f"__label__{label} {text}\n" for text, label in cells()[1:]),
    "corpus.txt": "\n".join(TEXTS) + "\n",
    "paragraphs.txt": "\n\n".join(TEXTS) + "\n",
    "no_suffix": table(cells()),
    "wrong_suffix.csv": json.dumps(ROWS),
    "data.parquet": parquet(text=TEXTS, label=LABELS),
    "nulls.parquet": parquet(text=TEXTS, label=[None if i % 5 == 0 else label for i, label in enumerate(LABELS)], x=[1.5, None] * (COUNT // 2)),
    "lists.parquet": parquet(tokens=[text.split() for text in TEXTS], tags=[["O"] * len(text.split()) for text in TEXTS]),
    "book.xlsx": workbook(),
    "packed.csv.gz": gzip.compress(table(cells()).encode()),
    "one.zip": zipped(data=table(cells())),
    "splits.zip": zipped(train=table(cells()), test=table(cells()[:3])),
}  # fmt: skip
REFUSED: dict[str, str | bytes] = {
    "reviews.xml": "<?xml version='1.0'?><a><b>x</b></a>",
    "page.csv": "<!DOCTYPE html><html><body>Not found</body></html>",
    "pointer.csv": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
    "notes.md": "# Notes\n\n- one\n- two\n",
    "config.yaml": "data:\n  - text: a\n    label: b\n",
    "weka.arff": "@relation reviews\n@attribute text string\n@data\n'a',b\n",
    "script.py": "import os\nfrom sys import argv\n\ndef main():\n    return 1\n",
    "empty.csv": "",
    "header.csv": "text,label\n",
    "argilla.jsonl": lines([{"fields": {"text": "a"}, "responses": []}] * 3),
    "objects.jsonl": lines([{"text": "a", "label": {"x": 1}}] * 3),
    "broken.json": '[{"text": "a", ',
    "broken.parquet": b"PAR1 nothing",
    "model.pkl": b"\x80\x04\x95abc",
    "paper.pdf": b"%PDF-1.7 ...",
    "many_files.zip": zipped(a="x,y\n1,2\n", b="z\n1\n"),
}


def accounted(found: ReadFile) -> int:
    """Rows of all splits, and rows that findings name as left out."""
    rows = sum(found.report.rows.values())
    left_out = {"long_rows", "repeated_header", "totals", "ignored", "rejected", "skipped_tasks"}
    return rows + sum(len(finding.rows) for finding in found.report.findings if finding.code in left_out)


@pytest.fixture(autouse=True)
def words_for_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """No preset is needed to count tokens: the sweep is about reading."""
    monkeypatch.setattr("kerasft_app.reading.token_counter", lambda _: lambda texts: [len(text.split()) for text in texts])
    monkeypatch.setattr("kerasft_app.reading.fetch", lambda preset: preset)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_read_and_every_record_accounted_for(tmp_path: Path, name: str) -> None:
    content = FILES[name]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_for_page(str(path), {})
    assert isinstance(found, ReadFile), str(found)
    more = {"splits.json": 1, "splits.zip": 2, "empty_text.csv": 1, "header_again.csv": COUNT + 1, "total.csv": 1}
    assert accounted(found) == COUNT + more.get(name, 0)
    assert len(found.cells) == min(50, found.report.rows["train"])
    assert all(len(row) == len(found.names) and None not in row for row in found.cells)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding(tmp_path: Path, encoding: str) -> None:
    sample = SAMPLES.get(encoding, "Ein schöner Film, größer als gedacht: très bien, señor")
    rows = [["text", "label"], *([f"{sample} {i}", LABELS[i]] for i in range(COUNT))]
    path = tmp_path / "data.csv"
    path.write_bytes(table(rows).encode(encoding))
    found = read_for_page(str(path), {})
    assert isinstance(found, ReadFile), str(found)
    assert accounted(found) == COUNT
    texts = {row[1] for row in found.cells}
    assert f"{sample} 1" in texts or f"{sample} 2" in texts


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_with_a_next_step(tmp_path: Path, name: str) -> None:
    content = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_for_page(str(path), {})
    assert isinstance(found, KerasFTError)
    assert "an error in KerasFT" not in found.message
    assert found.hint or found.where


def test_whatever_goes_wrong_the_page_gets_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(cells()))

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("kerasft_app.reading.check_data", fail)
    found = read_for_page(str(path), {})
    assert isinstance(found, DataError)
    assert "RuntimeError: boom" in found.message
    assert found.where == str(path)
