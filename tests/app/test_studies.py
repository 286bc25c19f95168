"""Bake-offs and searches in the app: queued like runs, looked at while they go, stopped, gone on with, their models kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.bake_off_report import RESULT_FILE as BAKED
from kerasft.bake_off_report import BakeOff, Result
from kerasft.errors import ConfigError, RunExistsError
from kerasft.runs import PROCESS_FILE, QUEUED_FILE
from kerasft.search_report import RESULT_FILE as SEARCHED
from kerasft.search_report import Search, Trial
from kerasft_app import studies
from kerasft_app.runs import STUDY_FILE, RunBoard
from kerasft_app.study_charts import parallel_chart, study_html

RECIPE = {"preset": "p", "data": {"path": "d.csv"}, "task": {"name": "text_classification"}, "tuning": {"name": "lora"}}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunBoard:
    """A board that starts nothing."""
    monkeypatch.setattr(RunBoard, "pump", lambda self: None)
    return RunBoard(tmp_path / "runs")


def found_search(folder: Path, **more: Any) -> Search:
    options = (
        {"train.learning_rate": 1e-4, "train.schedule": "linear"},
        {"train.learning_rate": 1e-2, "train.schedule": "cosine"},
    )
    trials = tuple(Trial(i, "complete", 0.5 + i / 10, options[i], f"trial-00{i}", 4.0) for i in range(2))
    return replace(
        Search(folder, "accuracy", trials, 0.5, {"train.learning_rate": 0.75, "train.schedule": 0.25}, wanted=2), **more
    )


def write(folder: Path, found: Search | BakeOff) -> None:
    name = BAKED if isinstance(found, BakeOff) else SEARCHED
    (folder / name).write_text(json.dumps(found.to_dict()), encoding="utf-8")


def begun(board: RunBoard, found: Search | BakeOff | None = None) -> Path:
    """A search whose process is gone."""
    studies.begin_search(board, "s", RECIPE, "train.batch_size=4,8", 2, "none")
    folder = board.folder("s")
    (folder / QUEUED_FILE).unlink()
    (folder / PROCESS_FILE).write_text('{"pid": 999999999}', encoding="utf-8")
    if found is not None:
        write(folder, found)
    return folder


def test_what_is_queued_is_the_command(board: RunBoard) -> None:
    studies.begin_bake_off(board, "b", RECIPE, ["word_counts", "lora"], " a=x; b=y ")
    folder = board.folder("b")
    told = json.loads((folder / STUDY_FILE).read_text())["command"]
    assert told == ["bake-off", str(folder / "recipe.json"), "--contenders", "word_counts,lora", "--words", "a=x; b=y",
                    "--out", str(folder)]  # fmt: skip
    assert json.loads((folder / "recipe.json").read_text()) == RECIPE
    assert studies.look(board, "b").state == "queued"
    assert board.runs() == []  # it is no run
    studies.begin_search(board, "s", RECIPE, "train.batch_size=4,8\n\n tuning.rank = 2..5 \n", 7, "hyperband")
    told = json.loads((board.folder("s") / STUDY_FILE).read_text())["command"]
    assert told[2:-2] == ["--space", "train.batch_size=4,8", "--space", "tuning.rank = 2..5", "--trials", "7",
                          "--pruner", "hyperband"]  # fmt: skip
    assert sorted(studies.names(board)) == ["b", "s"]


def test_faults(board: RunBoard) -> None:
    with pytest.raises(ConfigError, match="No contender"):
        studies.begin_bake_off(board, "b", RECIPE, [], "")
    for line in ("train.batch_size", "=4,8", "train.batch_size= "):
        with pytest.raises(ConfigError, match="no range"):
            studies.begin_search(board, "b", RECIPE, line, 3, "none")
    for option, hint in (("train.learning_rat", "Did you mean train.learning_rate"), ("kernel", "written as task.max_length")):
        with pytest.raises(ConfigError, match="is no option") as caught:
            studies.begin_search(board, "b", RECIPE, f"{option}=1..2", 3, "none")
        assert hint in str(caught.value)
    studies.begin_search(board, "b", RECIPE, "", 3, "none")
    with pytest.raises(RunExistsError):
        studies.begin_search(board, "b", RECIPE, "", 4, "none")
    with pytest.raises(ConfigError, match="just been started"):  # a button that was pressed twice
        studies.begin_search(board, "b-2", RECIPE, "", 3, "none")


def test_one_taken_out_of_the_queue_has_not_failed(board: RunBoard) -> None:
    studies.begin_search(board, "s", RECIPE, "", 3, "none")
    assert board.stop("s") == "Taken out of the queue."
    assert studies.look(board, "s").state == "stopped"


def test_the_usual_ranges_are_those_of_the_options() -> None:
    lines = studies.usual_ranges("text_classification", "lora").splitlines()
    assert "train.learning_rate=x5" in lines
    assert any(line.startswith("tuning.rank=") for line in lines)


@pytest.mark.parametrize(
    ("more", "state"),
    [({}, "finished"), ({"stopped": True}, "stopped"), ({"wanted": 5}, "interrupted"), (None, "failed")],
    ids=["finished", "stopped", "interrupted", "failed"],
)
def test_states(more: dict[str, Any] | None, state: str, board: RunBoard) -> None:
    folder = begun(board)
    if more is not None:
        write(folder, found_search(folder, **more))
    (folder / "output.txt").write_text("ConfigError: no validation rows\n", encoding="utf-8")
    told = studies.look(board, "s")
    assert told.state == state
    assert ("no validation rows" in study_html(told)) == (state in ("failed", "interrupted"))
    if state == "finished":
        with pytest.raises(ConfigError, match="is finished"):
            studies.go_on(board, "s")
    else:
        studies.go_on(board, "s")
        assert studies.look(board, "s").state == "queued"
        assert board.stop("s") == "Taken out of the queue."


def test_what_a_command_said_is_shown_as_any_error(board: RunBoard) -> None:
    folder = begun(board)
    hint = "Name another: label='...' (--data.label, Label in the app)."
    said = f"W0000 noise\nDataError: A classifier needs two labels.\n  where: /x/y.csv\n  hint:  {hint}\n"
    (folder / "output.txt").write_text(said, encoding="utf-8")
    html = study_html(studies.look(board, "s"))
    assert "<b>A classifier needs two labels.</b><br>/x/y.csv<br><b>What to do:</b> Name another" in html
    assert "noise" not in html
    assert "--data" not in html


def test_the_best_model_is_kept_as_a_run(board: RunBoard, tmp_path: Path) -> None:
    folder = begun(board, found_search(tmp_path))
    assert studies.models(studies.look(board, "s")) == []
    with pytest.raises(ConfigError, match="no model to keep"):
        studies.keep(board, "s", "trial-001")
    best = folder / "trial-001"
    (best / "checkpoints").mkdir(parents=True)
    for name in ("run.json", "model.safetensors"):
        (best / name).write_text("{}", encoding="utf-8")
    assert studies.models(studies.look(board, "s")) == ["trial-001"]
    with pytest.raises(ConfigError, match="no model to keep"):
        studies.keep(board, "s", "../../etc")
    assert studies.keep(board, "s", "trial-001") == "s-trial-001"
    assert sorted(path.name for path in board.folder("s-trial-001").iterdir()) == ["model.safetensors", "run.json"]
    assert [run.name for run in board.runs()] == ["s-trial-001"]
    with pytest.raises(RunExistsError):
        studies.keep(board, "s", "trial-001")


def test_a_search_as_a_picture(board: RunBoard) -> None:
    folder = begun(board)
    found = found_search(folder)
    write(folder, found)
    html = study_html(studies.look(board, "s"))
    assert "Best: trial-001 with 0.6; the recipe as it is has 0.5." in html
    assert "75%" in html
    chart = parallel_chart(found, found.trials)
    lines = re.findall(r'points="([^"]+)"', chart)
    assert len(lines) == 2
    assert [point.split(",")[0] for point in lines[0].split()] == [point.split(",")[0] for point in lines[1].split()]
    heights = [[float(point.split(",")[1]) for point in line.split()] for line in lines]
    assert all(a > b for a, b in zip(heights[0][::2], heights[1][::2], strict=True))  # the better one has more of both numbers
    assert ">0.0001<" in chart
    assert ">cosine<" in chart
    assert parallel_chart(found, ()) == ""
    same = parallel_chart(found, [replace(trial, value=0.5) for trial in found.trials])
    assert set(re.findall(r"opacity:([\d.]+)", same)) == {"1.00"}
    assert study_html(studies.Study("s", "search", "running", Search(folder, "loss", ()))) != ""


def test_a_bake_off_as_a_table(board: RunBoard) -> None:
    studies.begin_bake_off(board, "b", RECIPE, ["full"], "")
    folder = board.folder("b")
    results = (Result("full", "done", 0.9, (0.8, 0.95), 10, 10, 3.0, 10**9, 4_000_000), Result("<lora>", "running"),
               Result("zero_shot", "left out", note="no <head>"))  # fmt: skip
    write(folder, BakeOff(folder, "accuracy", results))
    html = study_html(studies.look(board, "b"))
    assert "2 of 3 contenders have finished" in html
    assert "So far: take full" in html
    assert "no &lt;head&gt;" in html
    assert "<lora>" not in html
    assert "0.800 to 0.950" in html
    assert kft.BakeOff.read(folder).results == results
