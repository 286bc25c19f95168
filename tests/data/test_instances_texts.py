"""Further encodings, damaged texts and their repair, honest files that look like others, fastText, files without a suffix."""

from __future__ import annotations

import html
import json

import pytest

import kerasft as kft
from kerasft.data.readers import read_table
from kerasft.data.recognise import suggest_task
from tests.data.helpers import csv_table, findings, load, reported_rows

# --- K21

SAMPLES = {
    "utf-8": "Grüße, naïve café – 日本語",
    "utf-8-sig": "Grüße, naïve café – 日本語",
    "utf-16": "Grüße, naïve café – 日本語",
    "utf-16-le": "Grüße, naïve café – 日本語",
    "utf-16-be": "Plain English words, and ü",
    "cp1252": "Schöne Grüße aus München, es war sehr nett – wirklich über alle Maßen",
    "latin-1": "Très déçu par ce séjour, la chambre était sale et l'hôtel éloigné",
    "cp1250": "Zażółć gęślą jaźń, to był bardzo dobry film i świetna książka",
    "cp1251": "Очень хороший фильм, мне понравилось, советую всем посмотреть",
    "koi8_r": "Очень хороший фильм, мне понравилось, советую всем посмотреть",
    "gb18030": "这家酒店非常好，房间干净，服务员很热情，下次还会再来",
    "big5": "這家飯店非常好，房間乾淨，服務員很熱情，下次還會再來",
    "cp932": "この映画はとても面白かったです。また見たいと思います。",
    "euc_kr": "이 영화는 정말 재미있었습니다. 다시 보고 싶어요.",
    "cp1253": "Πολύ καλή ταινία, μου άρεσε πάρα πολύ και τη συστήνω",
}


@pytest.mark.parametrize("encoding", SAMPLES)
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_encodings_keep_every_row(write, encoding: str, sign: str) -> None:
    texts = [f"{SAMPLES[encoding]} {i}" for i in range(12)]
    content = f"text{sign}label\n" + "".join(f'"{text}"{sign}{"pn"[i % 2]}\n' for i, text in enumerate(texts))
    data = load(write("a.csv", content.encode(encoding)))
    assert data["train"].cells("text") == texts


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp1251", "gb18030"])
def test_repair_does_not_change_honest_texts(write, encoding: str) -> None:
    texts = [f"{SAMPLES[encoding]} {i}" for i in range(12)]
    data = load(write("a.csv", csv_table(texts).encode(encoding)), repair=True)
    assert data["train"].cells("text") == texts
    assert "repaired_texts" not in findings(data)


@pytest.mark.parametrize("other", ["cp1252", "cp1251", "gb18030", "cp932"])
def test_lines_in_two_encodings(write, other: str) -> None:
    first = [f"Grüße aus München {i}" for i in range(10)]
    second = [f"{SAMPLES[other]} {i}" for i in range(10)]
    content = csv_table(first).encode() + csv_table(second).partition("\n")[2].encode(other)
    data = load(write("a.csv", content))
    found = data["train"].cells("text")
    assert found[:10] == first
    assert found[10:] == second or set(range(12, 22)) <= reported_rows(data)


def test_one_damaged_line_among_many(write) -> None:
    texts = [f"Grüße aus München {i}" for i in range(200)]
    content = csv_table(texts).encode().replace("München 77".encode(), b"M\xc3nchen 77")
    data = load(write("a.csv", content))
    found = data["train"].cells("text")
    assert [text for i, text in enumerate(found) if i != 77] == [text for i, text in enumerate(texts) if i != 77]
    assert any(79 in rows for rows in findings(data).values())


SENTENCES = {
    "German": "Schöne Grüße aus Köln",
    "French": "déçu, à côté de l'hôtel",
    "Polish": "Zażółć gęślą jaźń, książka",
    "Czech": "Příliš žluťoučký kůň",
    "Turkish": "Çok güzel, şiddetle öneririm ığ",
    "Russian": "Очень хороший фильм",
    "Spanish": "¡Qué película más española!",
    "Portuguese": "não é tão bom assim",
    "Ukrainian": "Дуже гарний фільм",
    "Swedish": "Det är så gott på ön",
}


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_texts_that_were_decoded_wrongly_are_told(write, language: str, wrong: str) -> None:
    right = [f"{SENTENCES[language]} {i}" for i in range(10)]
    try:
        texts = [text.encode().decode(wrong) for text in right]
    except UnicodeDecodeError:
        texts = [text.encode().decode(wrong, errors="ignore") for text in right]
        right = []
    path = write("a.csv", csv_table(texts))
    data = load(path)
    assert {"mojibake", "replaced_characters", "control_characters"} & set(findings(data))
    if right:
        assert load(path, repair=True)["train"].cells("text") == right


@pytest.mark.parametrize(
    "text",
    [
        "SÃO PAULO É LINDO",
        "naïve café",
        "Île-de-France",
        "Ångström",
        "5 € – ok",
        "Đà Nẵng",
        "Ñandú",
        "ÂNGELA",
        "R&D; so",
        "AT&T",
        "a & b; c",
        "&",
        "fish &chips;",
        "1 << 2 && 3 > 2",
        "Ж°",
        "Ð is a letter",
        "café®",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿 won",
        "नमस्ते क्‍ष",
        "می‌خواهم",
    ],
)
def test_honest_texts_are_not_called_damaged(write, text: str) -> None:
    data = load(write("a.csv", csv_table([f"{text} {i}" for i in range(10)])))
    assert not {"mojibake", "html_entities", "control_characters", "replaced_characters"} & set(findings(data))
    assert (
        load(write("a.csv", csv_table([f"{text} {i}" for i in range(10)])), repair=True)["train"].cells("text")[0] == f"{text} 0"
    )


ENTITIES = [
    "&amp;",
    "&lt;3",
    "&quot;so&quot;",
    "&#39;",
    "&#x27;",
    "&nbsp;",
    "&eacute;",
    "&ouml;",
    "&szlig;",
    "&#128512;",
    "&Ccedil;",
    "&ntilde;",
    "&euro;",
    "&agrave;",
    "&Uuml;",
]


@pytest.mark.parametrize("entity", ENTITIES)
def test_html_entities_are_told_and_repaired(write, entity: str) -> None:
    path = write("a.csv", csv_table([f"so {entity} it was {i}" for i in range(10)]))
    assert "html_entities" in findings(load(path))
    found = load(path, repair=True)["train"].cells("text")[0]
    assert found.replace("\u00a0", " ") == f"so {html.unescape(entity)} it was 0".replace("\u00a0", " ")


@pytest.mark.parametrize(
    "sign", ["\x00", "\x07", "\x0b", "\x1f", "\x7f", "\u200b", "\u200e", "\u202e", "\u2060", "\ufeff", "\u200f", "\u202c"]
)
def test_signs_that_do_not_show_are_told(write, sign: str) -> None:
    rows = [{"text": f"so {sign}it was {i}", "label": "pn"[i % 2]} for i in range(10)]
    assert {"control_characters", "mojibake"} & set(findings(load(rows)))
    assert sign not in load(rows, repair=True)["train"].cells("text")[0]


def test_labels_with_entities_and_without_are_one_class_or_told(write) -> None:
    content = "text,label\n" + "".join(f"text {i},{['Q&A', 'Q&amp;A', 'news'][i % 3]}\n" for i in range(12))
    path = write("a.csv", content)
    assert {"html_entities", "similar_labels", "same_label"} & set(findings(load(path)))
    assert kft.TextClassification().learn(load(path, repair=True)["train"]).labels == ("Q&A", "news")


@pytest.mark.parametrize("token", ["&apos;", "&amp;", "Ã©", "&lt;"])
def test_repair_keeps_lists_of_words_whole(write, token: str) -> None:
    """Moses writes `&quot;` for a mark; a mark within a JSON list must stay escaped."""
    rows = [{"tokens": ["He", token, "Ana", token], "tags": ["O", "O", "B-PER", "O"]} for _ in range(4)]
    data = load(write("a.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)), repair=True)
    assert [len(json.loads(cell)) for cell in data["train"].cells("text")] == [4] * 4


# --- honest files that look like something else (K20)

HONEST = {
    "markdown": ["# so good", "- a point", "* another point", "1. first", "```code```"],
    "tags": ["<b>good</b> film", "<br /><br />bad", "<user> says hi", "a < b", "<3 it"],
    "speakers": ["A: hello there", "B: hello to you", "A: how is it", "B: fine", "note: so"],
    "bullets": ["- he said so", "- she did not", "- they left", "- all gone", "- the end"],
    "keys": ["key: value", "name: Ana", "age: 3", "city: Rome", "land: Italy"],
    "rules": ["--- so ---", "=== so ===", "*** five ***", "___", "..."],
    "mentions": ["@ana hello", "@user hello", "@property is theft", "@data please", "@end"],
    "latex": ["\\emph{it} so", "$x^2$ is it", "\\alpha and so", "50\\% off", "\\\\ new"],
    "json like": ["{so} it was", "[sic] it was", "{name}, hello", "[1] a source", "{{x}}"],
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_honest_tables_are_read(write, name: str, suffix: str) -> None:
    texts = HONEST[name] * 3
    sign = "," if suffix == "csv" else "\t"
    quote = '"' if any(sign in text for text in texts) else ""
    content = f"text{sign}label\n" + "".join(f"{quote}{text}{quote}{sign}{'pn'[i % 2]}\n" for i, text in enumerate(texts))
    data = load(write(f"a.{suffix}", content))
    assert data["train"].cells("text") == texts
    assert suggest_task(data).task == "text_classification"


@pytest.mark.parametrize("name", HONEST)
def test_honest_tables_with_the_label_first_and_no_header(write, name: str) -> None:
    texts = HONEST[name] * 3
    content = "".join(f'{"pn"[i % 2]}os,"{text}"\n' for i, text in enumerate(texts))
    data = load(write("a.csv", content), header=False)
    assert data["train"].cells("text") == texts


@pytest.mark.parametrize("name", HONEST)
def test_honest_texts_one_a_line(write, name: str) -> None:
    texts = HONEST[name] * 3
    data = load(write("a.txt", "\n".join(texts) + "\n"))
    assert data["train"].cells("text") == texts


# --- fastText and files without a suffix


@pytest.mark.parametrize("suffix", ["txt", "train", "csv", "ft", "", "tsv"])
@pytest.mark.parametrize(
    "line",
    [
        "__label__{} a text, number {}",
        "__label__{}\ta text, number {}",
        "__label__{} , a text, number {}",
        "a text, number {1} __label__{0}",
        "__label__{}  a text, number {}",
    ],
)
def test_fasttext(write, suffix: str, line: str) -> None:
    content = "".join(line.format("pn"[i % 2], i) + "\n" for i in range(10))
    data = load(write(f"a.{suffix}".rstrip("."), content))
    assert data["train"].cells("label") == list("pn") * 5
    assert [text.strip(" ,") for text in data["train"].cells("text")] == [f"a text, number {i}" for i in range(10)]


def test_fasttext_with_several_labels_and_none(write) -> None:
    content = "__label__a __label__b one text\n__label__b two texts\n" * 8 + "no label here\n"
    data = load(write("a.txt", content))
    assert data["train"].cells("label") == ['["a", "b"]', '["b"]'] * 8 + ["[]"]
    assert findings(data)["no_label"] == (17,)


CONTENTS = {
    "csv": csv_table([f"a text, number {i}" for i in range(8)]),
    "tsv": csv_table([f"a text, number {i}" for i in range(8)]).replace('",', '"\t').replace("text,label", "text\tlabel"),
    "jsonl": "".join(json.dumps({"text": f"a text, number {i}", "label": "pn"[i % 2]}) + "\n" for i in range(8)),
    "json": json.dumps([{"text": f"a text, number {i}", "label": "pn"[i % 2]} for i in range(8)], indent=1),
    "columns": json.dumps({"text": [f"a text, number {i}" for i in range(8)], "label": list("pn") * 4}),
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("suffix", ["", ".dat", ".data", ".txt", ".csv", ".xls", ".log", ".bak", ".CSV", ".tsv", ".out"])
def test_content_decides_not_the_suffix(write, name: str, suffix: str) -> None:
    if suffix == ".tsv" and name == "csv":
        return
    path = write(f"data{suffix}", CONTENTS[name])
    found = read_table(path)
    assert found.columns["text"].to_pylist() == [f"a text, number {i}" for i in range(8)]
    assert found.columns["label"].to_pylist() == list("pn") * 4
