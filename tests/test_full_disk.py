"""A disk that is full, and folders that cannot be written to: said in a sentence, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.batch_prediction import predict_files
from kerasft.errors import disk_fault
from kerasft.run import start
from kerasft.verification import verify
from tests.conftest import write_reviews
from tests.test_crash import assert_same
from tests.test_death import recipe, silent

TEXTS = ["good film", "bad film"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("Small disks can be mounted by root only.")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def leave(disk: Path, free: int) -> None:
    """Fill a disk up to so many bytes."""
    (disk / "ballast").unlink(missing_ok=True)
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - free))


def is_refused(act: Callable[[], object]) -> bool:
    """Whether an action is refused because the disk is full; another error is one."""
    try:
        act()
    except Exception as error:
        if disk_fault(error) is None:
            raise
        return True
    return False


def points(largest: int) -> list[int]:
    """Bytes that are free: page by page at first, since small files are written then."""
    return [4096 * pages for pages in (*range(0, 24), *range(24, largest // 4096, 6))]


@pytest.mark.slow
def test_a_run_on_a_full_disk_goes_on_once_there_is_room(
    small_disk: Path, presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = recipe(presets["bert"], write_reviews(tmp_path / "r.csv"), "lora")
    whole, folder = tmp_path / "whole", small_disk / "run"
    start(config, whole, on_event=silent)
    outcomes = []
    for free in points(2**21):
        leave(small_disk, free)
        if is_refused(lambda: start(config, folder, on_event=silent)):
            (small_disk / "ballast").unlink()
            try:
                kft.resume(folder, on_event=silent)
                outcomes.append("resumed")
            except kft.KerasFTError:
                start(config, folder, on_event=silent, overwrite=True)
                outcomes.append("begun again")
        else:
            outcomes.append("enough")
        assert_same(whole, folder)
        assert not any(one.faults for one in verify(folder)), free
        shutil.rmtree(folder)
        if outcomes[-1] == "enough":
            break
    with capsys.disabled():
        print(
            f"\nfull disk: {len(outcomes)} times, {outcomes.count('resumed')} resumed, {outcomes.count('begun again')} begun anew"
        )
    assert {"resumed", "begun again", "enough"} == set(outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["export", "export_huggingface", "answers"])
def test_exports_and_answers_on_a_full_disk_are_whole_or_absent(
    what: str, small_disk: Path, presets: dict[str, str], tmp_path: Path
) -> None:
    rows = write_reviews(tmp_path / "r.csv")
    run = tmp_path / "run"
    kft.finetune(presets["bert"], kft.load_data(rows), train=kft.TrainConfig(epochs=1, tensorboard=False), out=run)
    model, target = kft.load(run), small_disk / "place" / "1"
    refused = 0
    acts: dict[str, Callable[[], object]] = {
        "export": lambda: model.export(target),
        "export_huggingface": lambda: model.export_huggingface(target),
        "answers": lambda: predict_files(run, rows, target, rows=10),
    }
    for free in points(2**21):
        leave(small_disk, free)
        is_full = is_refused(acts[what])
        (small_disk / "ballast").unlink()
        if not is_full:
            break
        assert what == "answers" or not target.exists(), free
        refused += 1
    assert refused > 2
    assert target.exists()
    if what != "answers":
        assert not any(one.faults for one in verify(target))
    assert [path.name for path in target.parent.iterdir()] == ["1"]  # nothing is left of what was refused


_WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="Root may write everywhere.")
def test_folders_that_cannot_be_written_to(presets: dict[str, str], tmp_path: Path) -> None:
    rows = write_reviews(tmp_path / "r.csv")
    run, closed = tmp_path / "run", tmp_path / "closed"
    kft.finetune(presets["bert"], kft.load_data(rows), train=kft.TrainConfig(epochs=1, tensorboard=False), out=run)
    closed.mkdir()
    for path in (*run.rglob("*"), run, closed):
        path.chmod(0o555 if path.is_dir() else 0o444)
    commands = [
        ["train", "--preset", presets["bert"], "--data", str(rows), "--out", str(closed / "run")],
        ["search", "--preset", presets["bert"], "--data", str(rows), "--out", str(closed / "search")],
        ["export", str(run)],
        ["export", str(run), "--to", str(closed / "1")],
        ["predict", str(run), "--file", str(rows), "--out", str(closed / "a.csv")],
        ["predict", str(run), "--files", str(rows), "--out", str(closed / "parts")],
    ]
    done = run_without_rights([*commands, ["predict", str(run), "good film"]])
    assert done.stdout.count("rc 2") == len(commands), done.stdout + done.stderr
    assert done.stdout.count("rc 0") == 1, done.stdout + done.stderr
    assert done.stderr.count("hint:") == len(commands), done.stderr
    assert "Errno" not in done.stderr
    assert "Traceback" not in done.stderr


def run_without_rights(commands: list[list[str]]) -> subprocess.CompletedProcess[str]:
    """Give commands to the command line in a process that may write only where the permissions say so."""
    driver = "import json, sys; from kerasft.cli import main; [print('rc', main(one)) for one in json.loads(sys.argv[1])]"
    rights = _WITHOUT_RIGHTS if os.getuid() == 0 else []
    return subprocess.run(
        [*rights, sys.executable, "-c", driver, json.dumps(commands)], capture_output=True, text=True, check=False
    )
