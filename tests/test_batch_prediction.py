"""Many files answered in parts: every row once, in order, after a crash only what is absent; here and on Ray."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import kerasft as kft
from kerasft.batch_prediction import predict_files
from kerasft.cli import main
from tests.conftest import write_reviews


@pytest.fixture(scope="module")
def run(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained classifier."""
    root = tmp_path_factory.mktemp("batch")
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    kft.finetune(presets["bert"], kft.load_data(write_reviews(root / "r.csv")), train=train, out=root / "run", on_event=print)
    return root / "run"


def test_answers_to_another_column_are_other_answers(run: Path, tmp_path: Path) -> None:
    rows = [f"a good film {i},a bad film {i}" for i in range(4)]
    (tmp_path / "in.csv").write_text("title,body\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert predict_files(run, tmp_path / "in.csv", tmp_path / "out", text="title") == 4
    with pytest.raises(kft.ConfigError, match=r"columns\.text: 'title' -> 'body'"):
        predict_files(run, tmp_path / "in.csv", tmp_path / "out", text="body")


def write_rows(path: Path, first: int, count: int) -> Path:
    lines = [f"{i},{'good' if i % 3 else 'bad'} film {i}" for i in range(first, first + count)]
    path.write_text("number,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbers(out: Path) -> list[int]:
    return [number for path in sorted(out.glob("*.parquet")) for number in pq.read_table(path)["number"].to_pylist()]


def test_every_row_once_in_order_and_only_what_is_absent_is_done_again(run: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "b.csv", 25, 7)
    write_rows(tmp_path / "a.csv", 0, 25)
    out, told = tmp_path / "out", []
    how = {"rows": 10, "on_part": lambda done, parts: told.append((done, parts))}
    assert predict_files(run, tmp_path / "*.csv", out, **how) == 32
    assert [int(number) for number in numbers(out)] == list(range(32))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    table = pq.read_table(sorted(out.glob("*.parquet"))[0])
    wanted = kft.load(run).predict(table["text"].to_pylist())
    assert table["predicted_label"].to_pylist() == [answer.label for answer in wanted]
    absent = sorted(out.glob("*.parquet"))[2]
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet") if path != absent}
    absent.unlink()
    told.clear()
    assert predict_files(run, tmp_path / "*.csv", out, **how) == 32
    assert told == [(4, 4)]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    with pytest.raises(kft.ConfigError, match="other answers"):
        predict_files(run, tmp_path / "*.csv", out, rows=11)
    write_rows(tmp_path / "b.csv", 26, 7)  # as many rows, but others
    with pytest.raises(kft.ConfigError, match=r"other answers.*b\.csv"):
        predict_files(run, tmp_path / "*.csv", out, **how)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_one_file_as_each_kind(ending: str, run: Path, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.csv", 0, 3)
    out = tmp_path / f"out.{ending}"
    assert main(["predict", str(run), "--file", str(source), "--out", str(out)]) == 0
    read = {
        "csv": lambda: list(csv.DictReader(out.read_text(encoding="utf-8").splitlines())),
        "jsonl": lambda: [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()],
        "parquet": lambda: pq.read_table(out).to_pylist(),
    }
    rows = read[ending]()
    assert [int(row["number"]) for row in rows] == [0, 1, 2]
    assert {row["predicted_label"] for row in rows} <= {"good", "bad"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--files", "{tmp}/none*.csv", "--out", "{tmp}/out"], "There is no such file"),
        (["--files", "{tmp}/in.csv"], "--files needs --out"),
        (["--files", "{tmp}/in.csv", "--out", "{tmp}/out", "--rows", "0"], "'rows' must be at least 1"),
        (["--files", "{tmp}/odd.csv", "--out", "{tmp}/out"], "columns the model was trained with are absent"),
        (["--file", "{tmp}/in.csv", "--out", "{tmp}/out.xlsx"], "Answers are written as"),
        (["a text", "--cluster", "auto"], "--cluster and --workers are for --files"),
    ],
    ids=["no file", "no folder", "no rows", "no column", "unknown ending", "cluster"],
)
def test_faults(options: list[str], told: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "in.csv", 0, 3)
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert main(["predict", str(run), *(option.format(tmp=tmp_path) for option in options)]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray warns of its own options
def test_two_workers_of_which_one_is_killed(run: Path, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.csv", 0, 6000)
    out = tmp_path / "out"
    killed: list[int] = []

    def kill() -> None:
        while not list(out.glob("*.parquet")):
            time.sleep(0.02)
        found = subprocess.run(["pgrep", "-f", "ray::.*Answerer|ray::MapWorker"], capture_output=True, text=True, check=False)
        for pid in found.stdout.split()[:1]:
            os.kill(int(pid), signal.SIGKILL)
            killed.append(int(pid))

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    assert predict_files(run, source, out, rows=200, cluster="local", workers=2) == 6000
    thread.join(5)
    assert killed
    assert [int(number) for number in numbers(out)] == list(range(6000))
    assert not list(out.glob("*.part"))
    assert sys.modules["ray"].is_initialized() is False
