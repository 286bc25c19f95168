"""What people say of a run: a title, notes and tags, in `about.json` of its folder. None of it changes the run or its name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from kerasft.errors import ConfigError
from kerasft.files import write_text

ABOUT_FILE = "about.json"
TITLE_LENGTH, NOTES_LENGTH, TAG_LENGTH, TAGS = 200, 20_000, 40, 20


@dataclass(frozen=True)
class About:
    """Title, notes and tags of a run.

    Attributes:
        title: What it is called on screen; empty for the name of its folder.
        notes: Free text.
        tags: Short words to filter by.
    """

    title: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()


def read_about(folder: Path) -> About:
    """Title, notes and tags of the run in a folder; empty where nothing, or nothing readable, is written."""
    try:
        values = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        title, notes, tags = values.get("title", ""), values.get("notes", ""), values.get("tags", [])
    except (OSError, ValueError, AttributeError):
        return About()
    if not (isinstance(title, str) and isinstance(notes, str) and isinstance(tags, list)):
        return About()
    return About(_one_line(title), notes, tuple(_one_line(tag) for tag in tags if isinstance(tag, str)))


def clean(about: About) -> About:
    """Title, notes and tags without blanks around them and repeated tags.

    Raises:
        ConfigError: One of them is too long, or there are too many tags.
    """
    title = _one_line(about.title)
    notes = about.notes.strip()
    tags = tuple(dict.fromkeys(filter(None, map(_one_line, about.tags))))
    for what, text, most in (
        ("title", title, TITLE_LENGTH),
        ("note", notes, NOTES_LENGTH),
        *(("tag", t, TAG_LENGTH) for t in tags),
    ):
        if len(text) > most:
            raise ConfigError(f"A {what} has at most {most:,} characters; this one has {len(text):,}.", hint="Shorten it.")
    if len(tags) > TAGS:
        raise ConfigError(f"A run has at most {TAGS} tags; these are {len(tags)}.", hint="Leave some out.")
    return About(title, notes, tags)


def write_about(folder: Path, about: About) -> None:
    """Write title, notes and tags of the run in a folder.

    Raises:
        ConfigError: One of them is too long, or there are too many tags.
    """
    write_text(folder / ABOUT_FILE, json.dumps(asdict(clean(about)), ensure_ascii=False, indent=1))


def tags_of(text: str) -> tuple[str, ...]:
    """Tags from what was typed: words or phrases between commas."""
    return tuple(tag.strip().lstrip("#") for tag in re.split(r"[,;\n]", text) if tag.strip("# "))


def matches(words: str, texts: Iterable[str]) -> bool:
    """Whether every word of a filter stands in at least one of the texts; upper and lower case are the same."""
    whole = "\n".join(texts).casefold()
    return all(word in whole for word in words.casefold().split())


def _one_line(text: str) -> str:
    return " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())
