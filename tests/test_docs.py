"""The documentation is true: the README's Python runs, its commands exist, options, events and errors are all listed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.architectures import Architecture
from kerasft.cli import _parser
from kerasft.data.data_config import DataConfig
from kerasft.events import EVENTS
from kerasft.sampling import Sampling
from kerasft.tasks import TASKS
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS
from tests.conftest import write_reviews

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPTIONS = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_readme_s_python_runs(presets: dict[str, str], tmp_path: Path) -> None:
    """As written, but with a tiny preset and few rows for a model that would take minutes."""
    write_reviews(tmp_path / "examples.csv", repeat=6)
    code = "\n".join(blocks("python"))
    code = code.replace("examples/tickets.csv", "examples.csv").replace("all_minilm_l6_v2", presets["bert"])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "answers equal" in done.stdout
    assert (tmp_path / "saved_models" / "by_hand.keras").exists()


@pytest.mark.parametrize("line", [line for block in blocks("bash") for line in block.splitlines() if line.startswith("kerasft ")])
def test_the_readme_s_commands_are_understood(line: str) -> None:
    words = re.findall(r'"[^"]*"|\S+', line.split("#")[0])[1:]
    _parser(words)[0].parse_args([word.strip('"') for word in words])


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets


@pytest.mark.parametrize(
    "cls",
    [Architecture, DataConfig, Sampling, TrainConfig, *TASKS.all().values(), *TUNINGS.all().values()],
    ids=lambda c: c.__name__,
)
def test_every_option_is_documented_as_it_is(cls: type) -> None:
    section = OPTIONS.split(f"`{cls.__name__}`\n")[1].split("\n#")[0]
    for spec in cls.specs():
        assert f"| `{spec.name}` | {spec.shown_default} | {spec.help} |" in section


def test_every_event_and_error_is_documented() -> None:
    for name in EVENTS:
        assert f"| `{name}` |" in OPTIONS
    for name in kft.__all__:
        if name.endswith("Error") and name != "KerasFTError":
            assert f"| `{name}` |" in OPTIONS


def test_the_changelog_knows_this_version() -> None:
    assert f"## {kft.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
