"""Title, notes and tags of a run: written and read back, limits with words, damaged files, the filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasft.errors import ConfigError
from kerasft.run_about import ABOUT_FILE, About, matches, read_about, tags_of, write_about


def test_what_is_written_is_read_back_without_blanks_and_repetitions(tmp_path: Path) -> None:
    write_about(tmp_path, About("  SMS\tmini \n", " first\nsecond ", ("baseline", " baseline ", "", "für den Bericht")))
    assert read_about(tmp_path) == About("SMS mini", "first\nsecond", ("baseline", "für den Bericht"))


def test_a_title_cannot_steer_a_terminal(tmp_path: Path) -> None:
    write_about(tmp_path, About("\x1b[2Jred\x07", "", ("a\x1bb",)))
    assert read_about(tmp_path) == About("[2Jred", "", ("ab",))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"title": 3}', '{"title": "a", "tags": "b"}', '{"notes": null}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ABOUT_FILE).write_text(content, encoding="utf-8")
    assert read_about(tmp_path) == About()


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (About("x" * 201), "A title has at most 200 characters; this one has 201"),
        (About(notes="x" * 20_001), "A note has at most 20,000"),
        (About(tags=("x" * 41,)), "A tag has at most 40"),
        (About(tags=tuple(map(str, range(21)))), "at most 20 tags; these are 21"),
    ],
)
def test_limits_have_words_and_change_nothing(tmp_path: Path, about: About, message: str) -> None:
    write_about(tmp_path, About("before"))
    with pytest.raises(ConfigError, match=message):
        write_about(tmp_path, about)
    assert read_about(tmp_path) == About("before")


def test_tags_stand_between_commas() -> None:
    assert tags_of("baseline, #final; for the report,, \n#") == ("baseline", "final", "for the report")


def test_a_filter_wants_every_word_somewhere() -> None:
    assert matches("", ["a"])
    assert matches("ÉTÉ fin", ["l'été", "finished"])
    assert not matches("été failed", ["l'été", "finished"])
