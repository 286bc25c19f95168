"""`kerasft verify`: one flipped bit is noticed in each kind of artefact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.cli import main
from kerasft.file_sums import SUMS, write_sums
from kerasft.files import whole_folder
from kerasft.verification import verify
from tests.test_model_files import damage, write


def run_with_exports(folder: Path) -> Path:
    """A model, two exports and a checkpoint, without any training."""
    write(folder, 1.0)
    for name, mark in (("serving/1", "saved_model.pb"), ("peft", "adapter_config.json")):
        (folder / name / "variables").mkdir(parents=True)
        (folder / name / mark).write_text("{}")
        (folder / name / "variables" / "data").write_bytes(bytes(range(100)))
        write_sums(folder / name)
    step = folder / "checkpoints" / "step-00000003"
    step.mkdir(parents=True)
    (step / "weights.safetensors").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (step / "state.json").write_text(json.dumps({"sha256": {"weights.safetensors": digest}}))
    return folder


def test_what_is_as_written_is_said_and_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run_with_exports(tmp_path / "run"))]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{what}: as written" for what in ("the model", "the checkpoints", "the export serving/1", "the export peft")]


@pytest.mark.parametrize("change", ["bit", "cut", "missing"])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.safetensors", "the model"),
        ("tokenizer/vocabulary.txt", "the model"),
        ("checkpoints/step-00000003/weights.safetensors", "the checkpoints"),
        ("checkpoints/step-00000003/state.json", "the checkpoints"),
        ("serving/1/variables/data", "the export serving/1"),
        ("peft/adapter_config.json", "the export peft"),
    ],
)
def test_a_change_is_noticed_and_ends_with_1(
    name: str, what: str, change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_with_exports(tmp_path / "run")
    damage(folder / name, change)
    assert [one.what for one in verify(folder) if one.faults] == [what]
    assert main(["verify", str(folder)]) == 1
    assert f"{what}: damaged" in capsys.readouterr().out


def test_an_export_by_itself_is_verified(tmp_path: Path) -> None:
    folder = run_with_exports(tmp_path / "run") / "serving" / "1"
    assert [str(one) for one in verify(folder)] == ["the export 1: as written"]


@pytest.mark.parametrize("line", ["abc", "0" * 64 + "  /etc/passwd", "0" * 64 + "  ../../run.json"])
def test_sums_do_not_lead_out_of_the_folder(line: str, tmp_path: Path) -> None:
    (tmp_path / SUMS).write_text(line + "\n")
    (result,) = verify(tmp_path)
    assert "a line that is none" in result.faults[0]


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    write(tmp_path, 1.0)
    content = json.loads((tmp_path / "run.json").read_text())
    del content["model"]["files"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    (tmp_path / "huggingface").mkdir()
    (tmp_path / "huggingface" / "config.json").write_text("{}")
    assert [(one.faults, "nothing was compared" in one.unknown) for one in verify(tmp_path)] == [((), True), ((), True)]


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 3}', '{"model": {"files": 3}}', '{"model": {"files": {"a": 3}}}'])
def test_a_damaged_recipe_is_no_traceback(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text(content)
    assert main(["verify", str(tmp_path)]) in (0, 1)
    assert "the model" in capsys.readouterr().out


def test_a_folder_of_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(kft.ArtifactError, match="neither a run nor an export"):
        verify(tmp_path)


def test_a_replaced_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with whole_folder(tmp_path / "out") as folder:
            (folder / "file").write_text(content)
    assert (tmp_path / "out" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
