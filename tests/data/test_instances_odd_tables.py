"""Tables, texts and folders that are nearly tidy: read as they are meant, named, or refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import kerasft as kft
from tests.data.helpers import PLAIN, cells, csv_table, findings, load, load_or_none, mentions, reported_rows, write_files

BODY = "".join(f"{text},{label}\n" for text, label in PLAIN)


# --- K7, K8


@pytest.mark.parametrize("other", ["\u2068good\u2069", "\u061cgood", "good\u2066", "\u3164good"])
def test_invisible_characters_make_no_class(other: str) -> None:
    data = load([{"text": f"text number {i}", "label": [other, "good", "bad"][i % 3]} for i in range(12)])
    assert kft.TextClassification().learn(data["train"]).labels == ("bad", "good")


@pytest.mark.parametrize("labels", [["👨‍👩‍👧", "👨‍👩‍👦"], ["❤️", "👍"], ["🏳️‍🌈", "🏴‍☠️"]])
def test_emoji_stay_what_they_are(labels: list[str]) -> None:
    """Joiners and selectors belong to an emoji."""
    data = load([{"text": f"text number {i}", "label": labels[i % 2]} for i in range(12)])
    assert set(kft.TextClassification().learn(data["train"]).labels) == set(labels)
    assert "same_label" not in findings(data)


def test_blanks_within_a_label_count_once(write) -> None:
    """They do in `über  gut`, and do not in `not  good`: ASCII takes another way through `_cleaned`."""
    for one, other in (("über  gut", "über gut"), ("not  good", "not good")):
        data = load([{"text": f"text number {i}", "label": [one, other, "x"][i % 3]} for i in range(12)])
        assert len(kft.TextClassification().learn(data["train"]).labels) == 2


def test_plus_and_minus_are_labels() -> None:
    data = load([{"text": f"text number {i}", "label": "+-"[i % 2]} for i in range(12)])
    assert "missing_word" not in findings(data)


@pytest.mark.parametrize("word", ["n.a.", "#¡REF!", "#N/D", "(blank)"])
def test_words_for_nothing_are_told(word: str) -> None:
    data = load([{"text": f"text number {i}", "label": ["good", "bad", "good", word][i % 4]} for i in range(12)])
    assert word in mentions(data)


# --- K12 and which column is the label


@pytest.mark.parametrize(
    ("header", "unread"), [("sentence,aspect,polarity", "aspect"), ("word,sentence1,sentence2,label", "word")]
)
def test_short_columns_of_the_example_are_named(write, header: str, unread: str) -> None:
    rows = [
        {
            n: ["food", "bank", "waiter", "river", "price"][i * 7 % 5] if n == unread else f"some {n} of row number {i}"
            for n in header.split(",")
        }
        | {header.split(",")[-1]: ["pos", "neg", "neu"][i % 3]}
        for i in range(15)
    ]
    content = header + "\n" + "".join(",".join(row[n] for n in header.split(",")) + "\n" for row in rows)
    assert unread in mentions(load(write("a.csv", content)))


@pytest.mark.parametrize(
    "header", ["Tweet,Target,Stance", "text,sentiment,emotion", "text,category,sentiment", "text,topic,stance"]
)
def test_two_columns_that_could_be_the_label_are_asked_about(write, header: str) -> None:
    content = header + "\n" + "".join(f"this is row number {i},{'abc'[i % 3]}x,{'yn'[i % 2]}z\n" for i in range(18))
    data = load_or_none(write("a.csv", content))
    assert data is None or any(name in mentions(data) for name in header.split(",")[1:])


# --- K9


@pytest.mark.parametrize("header", ["text, label", '"text", "label"'])
def test_a_blank_between_comma_and_mark(write, header: str) -> None:
    content = header + "\n" + "".join(f'"row {i}, it is", "{"ab"[i % 2]}"\n' for i in range(8))
    data = load_or_none(write("a.csv", content))
    assert data is None or cells(data) == [(f"row {i}, it is", "ab"[i % 2]) for i in range(8)]


@pytest.mark.parametrize("sign", [",", ";"])
def test_lines_in_marks_as_a_whole(write, sign: str) -> None:
    content = "".join(f'"{sign.join(row)}"\n' for row in [("text", "label"), *PLAIN])
    data = load_or_none(write("a.csv", content))
    assert data is None or cells(data) == PLAIN or len(reported_rows(data)) >= 8


def test_a_tsv_of_commas_with_a_tab_in_one_text(write) -> None:
    data = load_or_none(write("a.tsv", "text,label\n" + BODY + "with a\ttab,p\n"))
    assert data is None or data.columns.label == "label"


# --- K18


@pytest.mark.parametrize(
    "top", [",0,1\n", "0,1\n", "data,data\ntext,label\n", "text,label\n---,---\n", "text,label\nstring,int\n"]
)
def test_header_lines_are_no_rows(write, top: str) -> None:
    body = "".join(f"{i},{line}\n" for i, line in enumerate(BODY.splitlines())) if top.startswith(",") else BODY
    data = load_or_none(write("a.csv", top + body))
    assert data is None or cells(data) == PLAIN or {1, 2} & reported_rows(data)


@pytest.mark.parametrize("again", ["Text,Label", "TEXT,LABEL", "label,text", "text,label,"])
def test_a_header_that_comes_back_spelled_otherwise(write, again: str) -> None:
    data = load_or_none(write("a.csv", f"text,label\n{BODY}{again}\n{BODY}"))
    assert data is None or cells(data) == PLAIN * 2 or 10 in reported_rows(data)


# --- K19


@pytest.mark.parametrize("labels", [["1.2.3", "1.2.4"], ["192.168.0.1", "10.0.0.1"], ["2.10.1", "2.1.01"]])
def test_versions_and_addresses_are_no_numbers(write, labels: list[str]) -> None:
    content = "text;label\n" + "".join(f"a text number {i} of it;{labels[i % 2]}\n" for i in range(12))
    assert load(write("a.csv", content))["train"].cells("label")[:2] == labels


@pytest.mark.parametrize(
    ("sign", "written", "expected"),
    [
        (";", ["1\u00a0234,5", "12,0", "7,2"], [1234.5, 12, 7.2]),
        (";", ["1\u202f234,5", "12,0", "7,2"], [1234.5, 12, 7.2]),
        (",", ["(3.50)", "12.00", "(7.25)"], [-3.5, 12, -7.25]),
        (";", ["1.200", "12.500", "950"], [1200, 12500, 950]),  # the other column says that the comma is the decimal sign
    ],
)
def test_numbers_as_people_write_them(write, sign: str, written: list[str], expected: list[float]) -> None:
    other = "2,5" if sign == ";" else "2.5"
    content = (
        sign.join(("text", "weight", "score"))
        + "\n"
        + "".join(f"a text number {i}{sign}{other}{sign}{written[i % 3]}\n" for i in range(12))
    )
    data = load(write("a.csv", content), label="score")
    told_of = "number_format" in findings(data) or "score" in mentions(data)
    assert told_of or [float(cell) for cell in data["train"].cells("label")[:3]] == expected


# --- K20

OTHER = {
    "toml": '[[rows]]\ntext = "fine"\nlabel = "pos"\n\n[[rows]]\ntext = "bad"\nlabel = "neg"\n',
    "bibtex": "@article{a,\n  title = {A title, so},\n  author = {B}\n}\n",
    "subtitles": "1\n00:00:01,000 --> 00:00:03,000\nHello, you.\n\n2\n00:00:04,000 --> 00:00:06,000\nBye.\n",
    "webvtt": "WEBVTT\n\n00:01.000 --> 00:03.000\nHello, you.\n\n00:04.000 --> 00:06.000\nBye.\n",
    "diff": "--- a/x.csv\n+++ b/x.csv\n@@ -1,2 +1,2 @@\n-text,label\n+text,labels\n fine,pos\n",
    "javascript": "const data = [\n  {text: 'fine', label: 'pos'},\n  {text: 'bad', label: 'neg'},\n];\nexport default data;\n",
    "jsonp": 'callback([{"text": "fine", "label": "pos"}, {"text": "bad", "label": "neg"}]);\n',
    "ini": "[general]\nname = a\nlabel = b\n\n[more]\nname = c\n",
}


@pytest.mark.parametrize("name", OTHER)
def test_other_formats_without_a_suffix(write, name: str) -> None:
    assert load_or_none(write("data", OTHER[name])) is None


@pytest.mark.parametrize("name", ["toml", "bibtex", "subtitles", "webvtt"])
def test_other_formats_called_csv(write, name: str) -> None:
    assert load_or_none(write("data.csv", OTHER[name])) is None


@pytest.mark.parametrize("name", ["data", "data.txt"])
def test_a_pickle_of_protocol_0(write, name: str) -> None:
    assert load_or_none(write(name, pickle.dumps([{"text": "a good film", "label": "pos"}] * 4, 0))) is None


HONEST = {
    "customers": [
        "return my order please",
        "return an item of mine",
        "import duties are high",
        "class action was fun",
        "using it daily",
    ],
    "code": ["def f(x):", "SELECT * FROM users", "import os", "return x + 1", "#include <a.h>"],
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("sign", [",", "\t"])
def test_honest_tables_are_no_code(write, name: str, sign: str) -> None:
    texts = HONEST[name] * 3
    content = f"text{sign}label\n" + "".join(f"{text}{sign}{'pn'[i % 2]}\n" for i, text in enumerate(texts))
    assert load(write("a.csv" if sign == "," else "a.tsv", content))["train"].cells("text") == texts


def test_a_column_of_code_is_honest(write) -> None:
    code = "def f(x):\n    import os\n    return x\n\nclass A:\n    def g(self):\n        return 1\n"
    content = "code,language\n" + "".join(f'"{code}# {i}",{["python", "java"][i % 2]}\n' for i in range(12))
    assert load(write("a.csv", content))["train"].cells("text") == [f"{code}# {i}" for i in range(12)]


@pytest.mark.parametrize(
    "texts",
    [
        HONEST["customers"] * 2,
        [f"<s> it was so {i} </s>" for i in range(8)],
        [f"<user> hi {i} </user>" for i in range(8)],
        ["@relation to me", "so"],
    ],
    ids=["customers", "sentences", "turns", "mentions"],
)
def test_honest_texts_one_a_line(write, texts: list[str]) -> None:
    assert load(write("a.txt", "\n".join(texts) + "\n"))["train"].cells("text") == texts


# --- K21

LANGUAGES = {
    "Greek": "Πολύ καλή ταινία",
    "Chinese": "这家酒店非常好",
    "Japanese": "とても面白かった",
    "Korean": "정말 재미있었습니다",
    "Arabic": "فيلم جيد جدا",
    "Hebrew": "סרט טוב מאוד",
    "emoji": "so good 😀👍",
    "typography": "it’s “so” good – really",
    "euro": "only 5 € in all",
    "Vietnamese": "rất hay",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_that_were_decoded_wrongly_are_told(language: str) -> None:
    rows = [{"text": f"{LANGUAGES[language]} {i}".encode().decode("latin-1"), "label": "pn"[i % 2]} for i in range(10)]
    assert {"mojibake", "control_characters"} & set(findings(load(rows)))


@pytest.mark.parametrize("text", ["“AMANHÃ”", "A MAÇÃ…", "AMANHÃ É DOMINGO", "A IRMÃ – A MÃE"])
def test_portuguese_in_capitals_is_not_damaged(text: str) -> None:
    assert "mojibake" not in findings(load([{"text": f"{text} {i}", "label": "pn"[i % 2]} for i in range(10)]))


ENTITIES = [
    "&rsquo;",
    "&ldquo;",
    "&hellip;",
    "&mdash;",
    "&ndash;",
    "&copy;",
    "&pound;",
    "&iexcl;",
    "&deg;",
    "&laquo;",
    "&aring;",
    "&oslash;",
    "&frac12;",
]


@pytest.mark.parametrize("entity", ENTITIES)
def test_html_entities_are_told(entity: str) -> None:
    assert "html_entities" in findings(load([{"text": f"so {entity} it was {i}", "label": "pn"[i % 2]} for i in range(10)]))


def test_entities_beside_tags_are_repaired_as_promised() -> None:
    """The finding says that `repair` repairs them; ftfy leaves them where the text holds a `<`."""
    rows = [{"text": f"<b>so</b> it&amp;was {i}", "label": "pn"[i % 2]} for i in range(10)]
    assert "html_entities" in findings(load(rows))
    assert load(rows, repair=True)["train"].cells("text")[0] == "<b>so</b> it&was 0"


@pytest.mark.parametrize("sign", ["\u2066", "\u2069", "\u061c", "\x9d", "\u180e", "\ufffc"])
def test_signs_that_do_not_show_are_told(sign: str) -> None:
    assert "control_characters" in findings(load([{"text": f"so {sign}it was {i}", "label": "pn"[i % 2]} for i in range(10)]))


@pytest.mark.parametrize("token", ["&quot;", "&#34;"])
def test_repair_keeps_lists_of_words_whole(token: str) -> None:
    """Moses writes `&quot;` for a mark; within a JSON list it must stay escaped."""
    data = load([{"tokens": ["He", token, "Ana", token], "tags": ["O", "O", "B-PER", "O"]} for _ in range(4)], repair=True)
    assert kft.TokenClassification().learn(data["train"]).labels == ("O", "B-PER", "I-PER")


@pytest.mark.parametrize("text", ["AT&amp;T hired Ana", "Rene\u0301 met Ana", "so\u200b, Ana"])
def test_repair_keeps_spans_where_they_are(text: str) -> None:
    start = text.index("Ana")
    data = load_or_none([{"text": text, "entities": [{"start": start, "end": start + 3, "label": "PER"}]}] * 4, repair=True)
    if data is not None:
        span = __import__("json").loads(data["train"].cells("label")[0])[0]
        assert data["train"].cells("text")[0][span["start"] : span["end"]] == "Ana"


def test_turkish_in_windows_1254(write) -> None:
    texts = [f"Çok güzel bir film, oyuncular harikaydı, şiddetle öneririm {i}" for i in range(12)]
    assert load(write("a.csv", csv_table(texts).encode("cp1254")))["train"].cells("text") == texts


# --- K22

SPARK = "part-0000{}-5f2c9d1e-0000-4000-8000-000000000000-c000.csv"


@pytest.mark.parametrize(
    "files",
    [
        {SPARK.format(0): "text,label\n" + BODY, SPARK.format(1): "text,label\n" + BODY, "_SUCCESS": ""},
        {"trainset.csv": "text,label\n" + BODY * 2, "testset.csv": "text,label\n" + BODY},
        {"corpus-1.0/train.csv": "text,label\n" + BODY * 2, "corpus-1.0/test.csv": "text,label\n" + BODY},
        {f"texts/{c}/{i}.txt": f"a {c} text {i}" for c in ("pos", "neg") for i in range(8)},
    ],
    ids=["Spark", "one word", "a folder within", "classes within"],
)
def test_folders(tmp_path: Path, files: dict[str, str]) -> None:
    assert len(load(write_files(tmp_path, files))["train"]) == 16


@pytest.mark.parametrize("beside", ["train (1).csv", "train_labels.csv", "unlabelled.csv", "more.csv"])
def test_files_beside_the_splits_that_are_not_read_are_named(tmp_path: Path, beside: str) -> None:
    data = load_or_none(write_files(tmp_path, {"train.csv": "text,label\n" + BODY, beside: "text,label\n" + BODY}))
    assert data is None or len(data["train"]) == 16 or beside in mentions(data)
