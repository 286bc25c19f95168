"""A model is replaced as one: whenever the process dies, the folder holds the old model or the new; changes are noticed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.model_files import NEXT_WEIGHTS, WEIGHTS, check_quickly, model_faults, replace_model, settle
from kerasft.weights import read_arrays
from tests.dying import dying


def write(folder: Path, value: float, vocabulary: str = "a\nb\n") -> None:
    replace_model(
        folder,
        {"history": value},
        {"facts": value},
        {"w": np.full(5, value, np.float32)},
        lambda place: place.joinpath("vocabulary.txt").write_text(vocabulary) and None,
    )


def read(folder: Path) -> tuple[float, float, float]:
    """What the folder holds: the recipe's, the description's and the weights' number."""
    content = json.loads((folder / "run.json").read_text())
    files = content["model"]["files"]
    weights = settle(folder, files)
    assert model_faults(folder, files, weights) == []
    return content["history"], content["model"]["facts"], float(read_arrays(weights)["w"][0])


def test_whenever_a_process_dies_the_old_model_or_the_new_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "old", 1.0)
    shutil.copytree(tmp_path / "old", tmp_path / "counted")
    with dying(tmp_path / "counted", None) as operations:
        write(tmp_path / "counted", 2.0)
    assert len(operations) > 5
    found = []
    for at in range(1, len(operations) + 1):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "old", folder)
        with dying(folder, at):
            write(folder, 2.0)
        numbers = read(folder)
        assert len(set(numbers)) == 1, operations[at - 1]
        found.append(numbers[0])
        write(folder, 3.0)  # what is left behind is in nobody's way
        assert read(folder) == (3.0, 3.0, 3.0)
    assert found == sorted(found)
    assert set(found) == {1.0, 2.0}


def test_a_model_whose_writer_died_before_the_last_rename_is_read_and_put_in_its_place(tmp_path: Path) -> None:
    write(tmp_path, 1.0)
    shutil.copy(tmp_path / WEIGHTS, tmp_path / "old")
    write(tmp_path, 2.0)
    (tmp_path / WEIGHTS).rename(tmp_path / NEXT_WEIGHTS)
    (tmp_path / "old").rename(tmp_path / WEIGHTS)
    assert read(tmp_path) == (2.0, 2.0, 2.0)
    assert not (tmp_path / NEXT_WEIGHTS).exists()


def test_weights_of_a_writer_that_died_early_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path / "other", 2.0)
    write(tmp_path / "run", 1.0)
    (tmp_path / "other" / WEIGHTS).rename(tmp_path / "run" / NEXT_WEIGHTS)
    assert read(tmp_path / "run") == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "change", "at_load", "said"),
    [
        (WEIGHTS, "bit", False, "has changed"),
        (WEIGHTS, "cut", True, "bytes, and"),
        (WEIGHTS, "missing", True, "missing"),
        ("tokenizer/vocabulary.txt", "bit", True, "has changed"),
        ("tokenizer/vocabulary.txt", "missing", True, "missing"),
    ],
)
def test_a_file_that_changed_is_named(name: str, change: str, at_load: bool, said: str, tmp_path: Path) -> None:
    write(tmp_path, 1.0)
    files = json.loads((tmp_path / "run.json").read_text())["model"]["files"]
    damage(tmp_path / name, change)
    (fault,) = model_faults(tmp_path, files, tmp_path / WEIGHTS)
    assert name in fault
    assert said in fault
    if not at_load:
        check_quickly(tmp_path, files, tmp_path / WEIGHTS)
        return
    with pytest.raises(kft.ArtifactError, match=said):
        check_quickly(tmp_path, files, tmp_path / WEIGHTS)


def damage(path: Path, change: str) -> None:
    content = bytearray(path.read_bytes())
    if change == "missing":
        path.unlink()
    elif change == "cut":
        path.write_bytes(content[:-1])
    else:
        content[-1] ^= 1
        path.write_bytes(content)


def test_a_folder_that_cannot_be_written_to_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1.0)
    (tmp_path / WEIGHTS).rename(tmp_path / NEXT_WEIGHTS)

    def refuse(*args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    assert read(tmp_path) == (1.0, 1.0, 1.0)
