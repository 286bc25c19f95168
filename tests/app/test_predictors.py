"""Several models at a time: nobody waits for another's, and the one that was not asked for longest makes room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerasft_app.predictors import Predictors
from tests.app.test_worker import play_models, run_over


@pytest.fixture
def predictors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Predictors]:
    play_models(tmp_path, monkeypatch)
    made = Predictors(most=2)
    yield made
    made.close()


def process_of(predictors: Predictors, folder: Path) -> int:
    process = predictors._of(folder)._process
    assert process is not None
    return process.pid


def test_two_models_stay_and_a_third_takes_the_place_of_the_one_not_asked_for_longest(
    predictors: Predictors, tmp_path: Path
) -> None:
    one, two, three = (run_over(tmp_path, name, "full", None) for name in ("one", "two", "three"))
    for folder in (one, two, one):
        assert predictors.ask(folder, {"text": folder.name})["text"] == folder.name
    first = process_of(predictors, one)
    predictors.ask(three, {"text": "x"})
    assert process_of(predictors, one) == first
    assert len(predictors._held) == 2
    assert predictors.ask(two, {"text": "again"})["text"] == "again"  # in a new process


def test_runs_over_one_base_share_a_process(predictors: Predictors, tmp_path: Path) -> None:
    one, two = (run_over(tmp_path, name, "lora", "abc") for name in ("one", "two"))
    predictors.ask(one, {"text": "x"})
    process = process_of(predictors, one)
    predictors.ask(two, {"text": "x"})
    assert process_of(predictors, two) == process


def test_a_long_text_of_one_run_does_not_keep_another_waiting(predictors: Predictors, tmp_path: Path) -> None:
    one, two = (run_over(tmp_path, name, "full", None) for name in ("one", "two"))
    writing = predictors.stream(one, {"text": "x", "tokens": 400})
    next(writing)
    assert predictors.ask(two, {"text": "at once"})["text"] == "at once"
    predictors.stop(two)  # of another run: this one goes on
    assert "partial" in next(writing)
    predictors.stop(one)
    assert len(list(writing)) < 400


def test_a_model_is_loaded_in_advance_only_where_none_has_to_make_room(predictors: Predictors, tmp_path: Path) -> None:
    folders = [run_over(tmp_path, name, "full", None) for name in ("one", "two", "three")]
    for folder in folders[:2]:
        predictors.ask(folder, {"text": json.dumps(folder.name)})
    predictors.prepare(folders[2])
    assert str(folders[2]) not in predictors._held
