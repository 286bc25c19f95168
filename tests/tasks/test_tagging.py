"""Tags in any of the usual spellings, from a file to the gold of the task and back to entities with offsets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import kerasft as kft
from kerasft.data.dataset import Dataset
from kerasft.tasks.token_classification import Tagged
from tests.tasks.models import data_of, model_of

WORDS = [
    ["Ana", "Lopez", "met", "Bo", "Li", "Ed"],
    ["in", "New", "York", "on", "Monday"],
    ["Bo", "Ed", "left"],
    ["nobody", "came"],
]
SPELT = {
    "BIO": [
        ["B-PER", "I-PER", "O", "B-PER", "I-PER", "B-PER"],
        ["O", "B-LOC", "I-LOC", "O", "O"],
        ["B-PER", "B-PER", "O"],
        ["O", "O"],
    ],
    "IOB1": [
        ["I-PER", "I-PER", "O", "I-PER", "I-PER", "B-PER"],
        ["O", "I-LOC", "I-LOC", "O", "O"],
        ["I-PER", "B-PER", "O"],
        ["O", "O"],
    ],
    "BIOES": [
        ["B-PER", "E-PER", "O", "B-PER", "E-PER", "S-PER"],
        ["O", "B-LOC", "E-LOC", "O", "O"],
        ["S-PER", "S-PER", "O"],
        ["O", "O"],
    ],
}


def conll(path: Path, scheme: str) -> Dataset:
    """The sentences as a CoNLL file, read for training and again for validation."""
    rows = zip(WORDS, SPELT[scheme], strict=True)
    path.write_text("\n\n".join("\n".join(map(" ".join, zip(*row, strict=True))) for row in rows) + "\n", encoding="utf-8")
    return kft.load_data(str(path), validation=0, validation_path=str(path))


@pytest.mark.parametrize("scheme", SPELT)
def test_every_scheme_gives_the_same_gold(scheme: str, tmp_path: Path) -> None:
    data, task = conll(tmp_path / "train.conll", scheme), kft.TokenClassification()
    learned = task.learn(data["train"])
    assert learned.facts["scheme"] == scheme
    assert learned.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    for split in ("train", "validation"):
        gold = task.gold(data[split], learned)
        assert [[learned.labels[tag] for tag in row] for row in gold] == SPELT["BIO"]


@pytest.mark.parametrize("one", SPELT)
@pytest.mark.parametrize("other", SPELT)
def test_a_model_of_one_scheme_is_evaluated_on_rows_of_another(one: str, other: str, tmp_path: Path) -> None:
    task = kft.TokenClassification()
    learned = task.learn(conll(tmp_path / "one.conll", one)["train"])
    rows = conll(tmp_path / "other.conll", other)["train"]
    # A split so small that it has no entity at all, or only ones that tell nothing of the scheme, is read alike.
    for places in ([0, 1, 2, 3], [3], [1], [2]):
        gold = task.gold(rows.take(np.asarray(places)), learned)
        assert [[learned.labels[tag] for tag in row] for row in gold] == [SPELT["BIO"][place] for place in places]


def test_spans_of_texts_and_tags_of_their_words_are_the_same_gold() -> None:
    texts = [" ".join(words) for words in WORDS]
    spans = [
        [
            {"start": 0, "end": 9, "label": "PER"},
            {"start": 14, "end": 19, "label": "PER"},
            {"start": 20, "end": 22, "label": "PER"},
        ],
        [{"start": 3, "end": 11, "label": "LOC"}],
        [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 5, "label": "PER"}],
        [],
    ]
    rows = data_of([{"text": t, "entities": s} for t, s in zip(texts, spans, strict=True)], text="text", label="entities")[
        "train"
    ]
    task = kft.TokenClassification()
    learned = task.learn(rows)
    assert [[learned.labels[tag] for tag in row] for row in task.gold(rows, learned)] == SPELT["BIO"]
    assert task.remarks(rows, learned) == []


@pytest.mark.parametrize("decoding", ["repair", "constrained"])
def test_what_is_found_is_valid_and_its_offsets_are_of_the_text(decoding: str, presets: dict[str, str], tmp_path: Path) -> None:
    data = conll(tmp_path / "train.conll", "BIO")
    task = kft.TokenClassification(max_length=16, overlap=4, decoding=decoding)
    model = model_of(presets["bert"], task, data)
    text = "Ana  Lopez\tmet Bo Li, Ed;\n in (New York) on Monday. " * 3
    found = model.predict(text)
    assert "".join(word.text for word in found.words) == "".join(text.split())
    before = "O"
    for word in found.words:
        assert text[word.start : word.end] == word.text
        assert not word.tag.startswith("I-") or before[2:] == word.tag[2:]
        before = word.tag
    assert found.entities
    for entity in found.entities:
        assert text[entity.start : entity.end] == entity.text
        inside = [word for word in found.words if entity.start <= word.start and word.end <= entity.end]
        assert [word.tag for word in inside] == [f"B-{entity.type}", *[f"I-{entity.type}"] * (len(inside) - 1)]
        assert entity.score == pytest.approx(np.mean([word.score for word in inside]), abs=1e-5)
    again = model.predict([[word.text for word in found.words]])[0]
    assert [word.text for word in again.words] == [word.text for word in found.words]


def test_parts_of_speech_form_no_entities(presets: dict[str, str]) -> None:
    rows = [{"tokens": ["a", "good", "film"], "tags": ["DET", "ADJ", "NOUN"]}, {"tokens": ["it", "is"], "tags": ["PRON", "VERB"]}]
    data = data_of(rows, text="tokens", label="tags")
    model = model_of(presets["bert"], kft.TokenClassification(), data)
    assert model.labels == ("ADJ", "DET", "NOUN", "PRON", "VERB")
    assert model.task.main_metric(model.learned) == "accuracy"
    found = model.predict("a good film")
    assert found.entities == ()
    assert "/" in str(found)
    assert set(model.evaluate(data["train"]).metrics) == {"accuracy", "macro_f1", "loss"}


def test_answers_are_cells_that_can_be_read_again(presets: dict[str, str], tmp_path: Path) -> None:
    model = model_of(presets["bert"], kft.TokenClassification(), conll(tmp_path / "train.conll", "BIO"))
    (tmp_path / "in.csv").write_text('tokens\nAna met Bo\n"🙂, (x)"\n', encoding="utf-8")
    model.predict_file(tmp_path / "in.csv", tmp_path / "out.csv")
    rows = kft.load_data(str(tmp_path / "out.csv"), text="words", label="predicted_tags", validation=0)["train"]
    assert [json.loads(cell or "") for cell in rows.cells("text")] == [["Ana", "met", "Bo"], ["🙂", ",", "(", "x", ")"]]
    assert [len(json.loads(cell or "")) for cell in rows.cells("label")] == [3, 5]


def test_tags_that_are_all_alike_are_counted_while_a_run_trains(presets: dict[str, str]) -> None:
    rows = [{"tokens": ["Ada", "saw", "Lund"], "tags": ["B-PER", "O", "B-LOC"]}, {"tokens": ["it", "is"], "tags": ["O", "O"]}]
    data = data_of(rows, text="tokens", label="tags")
    model = model_of(presets["bert"], kft.TokenClassification(), data)
    gold = [np.array([model.labels.index(tag) for tag in row["tags"]]) for row in rows]
    outside = np.eye(len(model.labels))[model.labels.index("O")]
    found = [
        Tagged(np.tile(outside, (len(tags), 1)).astype(np.float32), np.arange(len(tags)), np.arange(len(tags))) for tags in gold
    ]
    assert model.task.score(found, gold, model.learned)["predicted_classes"] == 1
    assert "predicted_classes" not in model.evaluate(data["train"]).metrics
