"""Small files of invented rows, one for each kind of task, long enough to train on and to be recognised."""

from __future__ import annotations

import csv
import json
from pathlib import Path

_NAMES = ("Ada", "Omar", "Lin", "Vera", "Paul", "Ines")
_TOWNS = ("Lund", "Porto", "Kyoto", "Cork", "Graz", "Lima")
_THINGS = ("lamp", "chair", "kettle", "clock", "table", "radio")


def write_moods(path: Path, rows: int = 72) -> Path:
    """Texts with several labels in one cell."""
    parts = (("the plot was great", "praise"), ("it came late", "delivery"), ("the price is bad", "price"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "labels", "lang"])
        for i in range(rows):
            chosen = [part for j, part in enumerate(parts) if (i % 7 + 1) >> j & 1]
            text = " and ".join(words for words, _ in chosen)
            writer.writerow([f"{text} {i}", ";".join(label for _, label in chosen), ("en", "de")[i % 2]])
    return path


def write_pairs(path: Path, rows: int = 48) -> Path:
    """Two sentences each, on the same town or not."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["premise", "hypothesis", "label"])
        for i in range(rows):
            name, town, other = _NAMES[i % 6], _TOWNS[(i // 2) % 6], _TOWNS[(i // 2 + i % 2) % 6]
            writer.writerow([f"{name} went to {town}, {i}.", f"{name} is in {other}.", "other" if i % 2 else "same"])
    return path


def write_names(path: Path, rows: int = 48) -> Path:
    """Sentences with names and places, in CoNLL's columns."""
    lines = []
    for i in range(rows):
        name, town = _NAMES[i % len(_NAMES)], _TOWNS[(i // 2) % len(_TOWNS)]
        for word, tag in ((name, "B-PER"), ("went", "O"), ("to", "O"), (town, "B-LOC"), ("on", "O"), (f"{i}", "O"), (".", "O")):
            lines.append(f"{word} {tag}")
        lines.append("")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_questions(path: Path, rows: int = 36) -> Path:
    """Questions on short contexts as SQuAD 2.0 has them, one in six without an answer."""
    paragraphs = []
    for i in range(rows):
        name, town = _NAMES[i % len(_NAMES)], _TOWNS[(i // 3) % len(_TOWNS)]
        context = f"On day {i} {name} went to {town}."
        if i % 6 == 5:
            asked = {"id": str(i), "question": "who sang", "answers": [], "is_impossible": True}
        else:
            answer = {"text": town, "answer_start": context.index(town)}
            asked = {"id": str(i), "question": f"where is {name}", "answers": [answer], "is_impossible": False}
        paragraphs.append({"context": context, "qas": [asked]})
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "days", "paragraphs": paragraphs}]}), encoding="utf-8")
    return path


def write_prompts(path: Path, rows: int = 40) -> Path:
    """Prompts with completions."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(rows):
            thing = _THINGS[i % len(_THINGS)]
            file.write(json.dumps({"prompt": f"name {i} a {thing}", "completion": f"the good {thing} {i}"}) + "\n")
    return path


def write_grades(path: Path, rows: int = 60) -> Path:
    """Texts with a number that grows with how good they are said to be."""
    words = ("awful", "bad", "dull", "fine", "good", "great")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "score"])
        for i in range(rows):
            writer.writerow([f"the {_THINGS[i % 6]} is {words[i % 5]} {i}", round(1.5 + i % 5 + (i % 3) / 10, 2)])
    return path


def write_partners(path: Path, rows: int = 40) -> Path:
    """Texts that belong together."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["anchor", "positive"])
        for i in range(rows):
            thing = _THINGS[i % 6]
            writer.writerow([f"where is the {thing} {i}", f"the {thing} {i} is in {_TOWNS[i % 6]}"])
    return path


def write_stories(path: Path, *, first: int = 0, rows: int = 40) -> Path:
    """Documents of several sentences, blank lines between them."""
    stories = []
    for i in range(first, first + rows):
        name, town, thing = _NAMES[i % 6], _TOWNS[(i // 2) % 6], _THINGS[(i // 3) % 6]
        stories.append(f"{name} went to {town}.\nIt was a good day, the plot was fine.\nA {thing} was there, number {i}.")
    path.write_text("\n\n".join(stories) + "\n", encoding="utf-8")
    return path
