"""Outputs that lack letters or are closed, file names that are not UTF-8, broken packages: nothing of it stops a command."""

from __future__ import annotations

import importlib.metadata
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kerasft import cli
from kerasft.config import Registry
from kerasft.errors import ConfigError

ROWS = "text,label\n" + "".join(f"ein schöner Film {i} für 5 €,{'ab'[i % 2]}\n" for i in range(12))
CHECK = [sys.executable, "-m", "kerasft", "check"]


def check(file: Path | bytes, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        [*CHECK, file], capture_output=True, text=True, errors="replace", env=environment, check=False, **options
    )


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}], ids=["ascii", "C"])
def test_a_terminal_that_lacks_letters(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "ü.csv").write_text(ROWS.replace("label", "größe", 1), encoding="utf-8")
    done = check(tmp_path / "ü.csv", env=env)
    assert done.returncode == 0, done.stderr
    assert "text_classification" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are bytes")
def test_a_file_name_that_is_no_utf8(tmp_path: Path) -> None:
    path = bytes(tmp_path) + b"/\xff\xfe.csv"
    Path(os.fsdecode(path)).write_text(ROWS, encoding="utf-8")
    assert check(path).returncode == 0
    done = check(bytes(tmp_path) + b"/\xfe.csv")
    assert done.returncode == 2
    assert "There is no such file" in done.stderr


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_output(closed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert cli.main(["list", "tasks"]) == 0
    getattr(sys, closed).close()
    said = capsys.readouterr()
    assert ("text_classification" in said.out) == (closed == "stderr")


def test_letters_are_escaped_and_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    cli._print_anything()
    print("ü", file=out, flush=True)
    assert out.buffer.getvalue() == b"\\xfc\n"  # type: ignore[attr-defined]


class Point:
    """An entry point of a package that cannot be imported."""

    name, value = "sprouts", "gone.module:Sprouts"

    def load(self) -> Any:
        raise ImportError("No module named 'gone'")


def test_a_broken_entry_point_stops_only_what_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    registry: Registry[Any] = Registry("task", "kerasft.tasks")
    registry.all()
    with pytest.raises(ConfigError, match=r"'sprouts' of another package cannot be loaded .*No module named 'gone'"):
        registry.get("sprouts")
    with pytest.raises(ConfigError, match="no task named 'other'"):
        registry.get("other")
