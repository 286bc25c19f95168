"""The six sets of `few_labels.py`: training and test rows as dictionaries of `text`, perhaps `text_pair`, and `label`."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict

import numpy as np
from workers.common import DEFAULT_DATA, read_rows

SHARED = DEFAULT_DATA.parent
Rows = list[dict[str, str]]
CHOSEN_ON = ("polarity", "goemotions", "pairs")  # what defaults were chosen on; the others are reported
REPORTED = ("subjectivity", "modern", "wikigold")
TEST_ROWS = 1000


def read_set(name: str) -> tuple[Rows, Rows]:
    """Training rows and at most a thousand test rows, drawn once."""
    train, test = _READERS[name]()
    chosen = np.sort(np.random.default_rng(5).permutation(len(test))[:TEST_ROWS])
    return train, [test[i] for i in chosen]


def draw(rows: Rows, size: int, seed: int) -> Rows:
    """So many rows of each label (of sentences with tags five times as many in all, whatever their tags)."""
    rng = np.random.default_rng(seed)
    if rows[0]["label"].startswith("["):
        return [rows[i] for i in rng.permutation(len(rows))[: 5 * size]]
    by_label: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_label[row["label"]].append(i)
    return [rows[i] for label in sorted(by_label) for i in rng.permutation(by_label[label])[:size]]


def _classes(folder: str) -> tuple[Rows, Rows]:
    def rows(split: str) -> Rows:
        return [{"text": row["text"], "label": str(row["label"])} for row in read_rows(SHARED / folder / f"{split}.jsonl.gz")]

    return rows("train"), rows("test")


def _goemotions() -> tuple[Rows, Rows]:
    """Rows with one label, of those with at least 300 training rows."""

    def rows(split: str) -> Rows:
        read = read_rows(SHARED / "goemotions" / f"{split}.jsonl.gz")
        return [{"text": row["text"], "label": str(row["labels"][0])} for row in read if len(row["labels"]) == 1]

    train, test = rows("train"), rows("test")
    frequent = {label for label, count in Counter(row["label"] for row in train).items() if count >= 300}
    return [row for row in train if row["label"] in frequent], [row for row in test if row["label"] in frequent]


def _modern() -> tuple[Rows, Rows]:
    """Paragraphs by the textbook they are of; the last fifth of each book is for testing."""
    train, test = [], []
    for path in sorted((SHARED / "pretrain" / "modern").glob("openstax*")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            documents = file.read().split("\n\n")
        for number, document in enumerate(documents):
            part = test if number > 0.8 * len(documents) else train
            label = path.name.split(".")[0].removeprefix("openstax-")
            part += [{"text": text, "label": label} for text in document.split("\n") if 60 < len(text) < 600]
    return train, test


def _pairs() -> tuple[Rows, Rows]:
    """Questions with their own paragraph, or with another."""

    def rows(split: str) -> Rows:
        read, rng = read_rows(SHARED / "squad_v1_subset" / f"{split}.jsonl.gz"), np.random.default_rng(1)
        contexts = sorted({row["context"] for row in read})
        made = []
        for i, row in enumerate(read):
            context = row["context"]
            while i % 2 == 0 and context == row["context"]:
                context = contexts[rng.integers(len(contexts))]
            made.append({"text": row["question"], "text_pair": context, "label": "wrong" if i % 2 == 0 else "right"})
        return made

    return rows("train"), rows("test")


def _wikigold() -> tuple[Rows, Rows]:
    import kerasft as kft

    folder = SHARED / "ner_wikigold"
    paths = {name: folder / f"{name}.conll.gz" for name in ("train", "test")}
    data = kft.load_data(paths, validation=0)
    train, test = ([*zip(data[name].cells("text"), data[name].cells("label"), strict=True)] for name in ("train", "test"))
    made = [[{"text": text or "", "label": label or ""} for text, label in rows] for rows in (train, test)]
    return made[0], made[1]


_READERS = {
    "polarity": lambda: _classes("mr_sentence_polarity"),
    "subjectivity": lambda: _classes("subjectivity"),
    "goemotions": _goemotions,
    "modern": _modern,
    "pairs": _pairs,
    "wikigold": _wikigold,
}
