"""Exports, files of answers, and the removal of runs whose process dies at any file operation: whole before or whole after."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import kerasft as kft
from kerasft import files
from kerasft.batch_prediction import predict_files
from kerasft.files import whole_folder
from kerasft.runs import QUEUED_FILE
from kerasft.verification import verify
from kerasft_app.runs import RunBoard
from tests.conftest import write_reviews
from tests.dying import dying

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the dead did not close


@pytest.fixture(scope="module")
def run(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained classifier."""
    root = tmp_path_factory.mktemp("run")
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    data = kft.load_data(write_reviews(root / "r.csv"))
    kft.finetune(presets["bert"], data, train=train, out=root / "run", on_event=lambda event: None)
    return root / "run"


def every_death(folder: Path, prepare: Callable[[], None], act: Callable[[], object], check: Callable[[str], None]) -> int:
    """Let an action die at each of its file operations below a folder; returns how many there are.

    Args:
        folder: Is empty before each attempt.
        prepare: Makes what is there before.
        act: The action.
        check: Called with the operation that did not happen.
    """
    at = 0
    while True:
        at += 1
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        prepare()
        with dying(folder, at) as operations:
            act()
        if len(operations) < at:
            return at - 1
        check(operations[-1])


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".lock")


KINDS = {"savedmodel": "export", "huggingface": "export_huggingface", "backbone": "save_backbone"}


@pytest.mark.parametrize("kind", [pytest.param("savedmodel", marks=pytest.mark.slow), "huggingface", "backbone"])
def test_an_export_is_the_old_one_or_the_new_one(
    kind: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, place = kft.load(run), tmp_path / "exports"
    target = place / "1"

    def write() -> None:
        getattr(model, KINDS[kind])(target, overwrite=True)

    place.mkdir()
    write()
    shutil.copytree(target, old := tmp_path / "old")
    (old / "of-before").touch()

    def check(operation: str) -> None:
        assert (target / "of-before").exists() or not any(one.faults for one in verify(target)), operation
        assert {path.name for path in old.iterdir()} - {path.name for path in target.iterdir()} <= {"of-before"}, operation
        write()
        assert not (target / "of-before").exists()
        assert leftovers(place) == [], operation

    points = every_death(place, lambda: shutil.copytree(old, target), write, check)
    with capsys.disabled():
        print(f"\n{kind}: died at {points} operations")
    assert points > 3


def test_where_folders_cannot_be_exchanged_the_old_one_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    place, target = tmp_path / "place", tmp_path / "place" / "model"

    def write(content: str) -> None:
        with whole_folder(target) as temporary:
            (temporary / "content").write_text(content, encoding="utf-8")

    def fail() -> None:
        with pytest.raises(ZeroDivisionError), whole_folder(target):
            1 / 0  # noqa: B018

    def check(operation: str) -> None:
        fail()  # neither is lost by the next attempt, even if that comes to nothing
        assert (target / "content").read_text(encoding="utf-8") in ("old", "new"), operation
        assert leftovers(place) == [], operation

    assert every_death(place, lambda: write("old"), lambda: write("new"), check) > 4


def test_what_another_process_is_writing_is_not_taken_for_a_dead_ones(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "model") as one, whole_folder(tmp_path / "model") as other:
        assert one.is_dir()
        assert other.is_dir()
        assert one != other
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_answers_to_many_files_are_all_there_when_they_are_asked_for_again(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = write_reviews(tmp_path / "in.csv"), tmp_path / "out"
    rows = len(source.read_text(encoding="utf-8").splitlines()) - 1

    def answer() -> int:
        return predict_files(run, source, out, rows=10)

    def written() -> list[dict[str, str]]:
        return [row for path in sorted(out.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]

    answer()
    whole = written()

    def check(operation: str) -> None:
        for path in out.glob("*.parquet"):  # what has its name is whole
            assert 0 < len(pq.read_table(path)) <= 10, operation
        assert answer() == rows
        assert written() == whole, operation
        assert leftovers(out) == [], operation

    points = every_death(out, lambda: None, answer, check)
    with capsys.disabled():
        print(f"\nbatch prediction: died at {points} operations")
    assert points > 5


def test_a_file_of_answers_is_whole_or_absent(run: Path, tmp_path: Path) -> None:
    model, place = kft.load(run), tmp_path / "place"
    source, out = write_reviews(tmp_path / "in.csv"), tmp_path / "place" / "out.csv"

    def check(operation: str) -> None:
        if not out.exists():
            model.predict_file(source, out)
        with source.open(encoding="utf-8") as asked, out.open(encoding="utf-8") as answered:
            assert len(list(csv.reader(answered))) == len(list(csv.reader(asked)))
        assert leftovers(place) == [], operation

    assert every_death(place, lambda: None, lambda: model.predict_file(source, out), check) >= 2


@pytest.mark.parametrize("what", ["remove", "bring_back", "delete"])
def test_a_removed_run_is_here_or_there_and_whole(what: str, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    content = {f"{name}.json": json.dumps({"preset": name}) for name in ("run", "a", "b")}

    def prepare() -> None:
        folder = root / "one"
        (folder / "tokenizer").mkdir(parents=True)
        for name, text in content.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / QUEUED_FILE).touch()
        if what != "remove":
            RunBoard(root).remove("one")

    def is_whole(folder: Path) -> bool:
        return {path.name for path in folder.iterdir() if path.is_file() and path.name != QUEUED_FILE} == set(content)

    def act() -> None:
        getattr(RunBoard(root), what)("one")

    def check(operation: str) -> None:
        board = RunBoard(root)
        here, there = [run.name for run in board.runs()], board.removed_names()
        assert len(here) + len(there) <= 1, operation
        assert here or there or what == "delete", operation
        assert all(is_whole(root / name) for name in here), operation
        assert all(is_whole(board.removed / name) for name in there), operation
        if here:
            board.remove("one")
        if here or there:
            assert board.bring_back("one") == "one"
            assert not (root / "one" / QUEUED_FILE).exists()  # it does not begin by itself
            board.remove("one")
            board.delete("one")
        assert board.removed_names() == []

    assert every_death(root, prepare, act, check) >= 1
