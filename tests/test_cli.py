"""The command line: the whole road, mistakes explained without a traceback, stop and resume by signals."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerasft.cli import main
from kerasft.commands import STOPPED
from kerasft.events import Failed, read_events
from tests.conftest import write_reviews
from tests.tiny import POSITIONS

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run_folder(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run made by the command line, from a JSON file with one option overridden."""
    root = tmp_path_factory.mktemp("cli")
    data = write_reviews(root / "reviews.csv")
    recipe = {"preset": presets["bert"], "data": {"path": str(data)}, "train": {"epochs": 3, "tensorboard": False}}
    (root / "run.json").write_text(json.dumps(recipe))
    assert main(["train", str(root / "run.json"), "--train.epochs", "1", "--out", str(root / "run")]) == 0
    return root / "run"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_options_override_the_file(run_folder: Path) -> None:
    assert json.loads((run_folder / "run.json").read_text())["train"]["epochs"] == 1


def test_a_run_without_out_gets_a_folder_of_its_own(
    presets: dict[str, str], reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reviews.parent)
    common = ["train", "--preset", presets["bert"], "--data", str(reviews), "--train.epochs", "1", "--train.tensorboard", "no"]
    assert main([*common, "--tuning", "frozen"]) == 0
    assert main([*common, "--tuning", "freeze_layers", "--tuning.layers", "1"]) == 0
    assert {path.name for path in Path("saved_models").iterdir()} == {"reviews-bert", "reviews-bert-2"}


def test_predict_texts_file_and_lines(
    run_folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["predict", str(run_folder), "a good film"]) == 0
    label, score, text = capsys.readouterr().out.strip().split("\t")
    assert (label in ("good", "bad"), 0.5 <= float(score) <= 1, text) == (True, True, "a good film")
    source = write_reviews(tmp_path / "in.csv")
    assert main(["predict", str(run_folder), "--file", str(source), "--out", str(tmp_path / "out.csv")]) == 0
    rows = read_csv(tmp_path / "out.csv")
    assert list(rows[0]) == ["text", "label", "predicted_label", "score", "probability_bad", "probability_good", "kerasft_note"]
    assert [row["text"] for row in rows] == [row["text"] for row in read_csv(source)]
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"text": "a good film"}\nnonsense\n{"texts": 1}\n{"text": 5}\n\n'))
    assert main(["predict", str(run_folder), "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {
        "ready": True,
        "task": "text_classification",
        "shows": "label",
        "labels": ["bad", "good"],
        "paired": False,
    }
    assert lines[1]["label"] == label
    assert ["error" in line for line in lines[2:]] == [True, True, True]


def test_evaluate_and_export(run_folder: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["evaluate", str(run_folder), str(write_reviews(tmp_path / "test.csv")), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 24
    assert main(["export", str(run_folder), "--zip"]) == 0
    told = capsys.readouterr().out
    assert "answers equal" in told
    assert (run_folder / "serving" / "run-serving-1.zip").exists()
    assert main(["export", str(run_folder)]) == 2
    assert "already holds an export" in capsys.readouterr().err


def test_list_and_check(reviews: Path, presets: dict[str, str], run_folder: Path, capsys: Captured) -> None:
    for what, expected in (("presets", "bert_base_en_uncased"), ("tasks", "text_classification"), ("tuning", "frozen")):
        assert main(["list", what]) == 0
        assert expected in capsys.readouterr().out
    assert main(["list", "runs", "--folder", str(run_folder.parent)]) == 0
    assert "finished" in capsys.readouterr().out
    assert (
        main(["check", str(reviews), "--preset", presets["bert"], "--max-length", "6", "--json", "--data.validation", "0.2"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["lengths"]["unit"] == "tokens"
    assert sum(report["rows"].values()) == 24


MISTAKES = {
    "no data": (["train"], "No data were given"),
    "no file": (["train", "--data", "nowhere.csv"], "no such file"),
    "unknown preset": (["train", "--data", "DATA", "--preset", "bert_base_en_uncasd"], "Did you mean 'bert_base_en_uncased'"),
    "unknown task": (["train", "--data", "DATA", "--task", "text_clasification"], "Did you mean 'text_classification'"),
    "option of another method": (["train", "--data", "DATA", "--tuning.layers", "2"], "no option of the chosen tuning"),
    "out of range": (["train", "--data", "DATA", "--train.epochs", "-1"], "'epochs' must be at least 0"),
    "not a number": (["train", "--data", "DATA", "--train.learning_rate", "fast"], "takes a number"),
    "absent column": (["train", "--data", "DATA", "--data.label", "stars"], "no column 'stars'"),
    "run file absent": (["train", "run.json"], "There is no file 'run.json'"),
    "no run": (["resume", "nowhere"], "holds no KerasFT run"),
    "no model": (["predict", "nowhere", "text"], "holds no KerasFT run"),
    "nothing to answer": (["predict", "nowhere"], "Nothing to answer"),
    "file without out": (["predict", "nowhere", "--file", "x.csv"], "--file needs --out"),
    "two sources": (["predict", "nowhere", "a text", "--file", "x.csv", "--out", "o.csv"], "Received: texts and --file"),
    "texts with out": (["predict", "nowhere", "a text", "--out", "o.csv"], "--out is for --file and --files"),
    "kind of one file": (["predict", "nowhere", "--file", "x.csv", "--out", "o.csv", "--kind", "csv"], "are for --files"),
    "workers alone": (["predict", "nowhere", "--files", "x.csv", "--out", "o", "--workers", "2"], "--workers needs --cluster"),
    "weights of another format": (["export", "nowhere", "--format", "peft", "--weights", "int8"], "are for the format"),
    "nothing to replay": (["export", "nowhere", "--replay", "rows.csv"], "no file 'rows.csv' to replay"),
    "data for a recipe": (["train", "DATA"], "--data "),
    "an unknown figure": (["search", "--data", "DATA", "--maximise", "charm", "--out", "s"], "'maximise' must be one of auto"),
    "evaluate nowhere": (["evaluate", "nowhere", "DATA"], "holds no KerasFT run"),
    "check a folder": (["check", "."], "holds no split files"),
    "fetch offline": (["fetch", "nothing_like_it"], "no preset named"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained_in_few_lines(
    name: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, expected = MISTAKES[name]
    data = write_reviews(tmp_path / "reviews.csv")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    status = main([str(data) if word == "DATA" else word for word in arguments])
    error = capsys.readouterr().err
    assert status == 2
    assert expected in error
    assert "Traceback" not in error
    assert len(error.splitlines()) <= 6


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--train.epoch", "did you mean --train.epochs?"),  # cut short: it could come to mean another option
        ("--train.learning_rat=1e-4", "did you mean --train.learning_rate?"),
        ("--zzz", "kerasft train --help"),
    ],
)
def test_an_option_that_is_none_is_refused_with_the_one_that_was_meant(
    word: str, told: str, reviews: Path, tmp_path: Path, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "--data", str(reviews), "--out", str(tmp_path / "run"), word, *([] if "=" in word else ["1"])])
    assert left.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_option_before_the_command_is_told_its_place(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--debug", "list", "presets"])
    assert left.value.code == 2
    assert "kerasft COMMAND --debug" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [("train", None, "'train' of a recipe is a JSON object"), ("data", "x.csv", "'data' of a recipe is a JSON object")],
)
def test_a_recipe_whose_parts_are_no_objects(part: str, value: object, told: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "run.json").write_text(json.dumps({part: value}), encoding="utf-8")
    assert main(["train", str(tmp_path / "run.json")]) == 2
    assert told in capsys.readouterr().err


def test_what_stands_by_itself_needs_no_option(reviews: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main(["check", "--data", str(reviews)])
    assert left.value.code == 2
    assert "give it by itself: kerasft check DATA" in capsys.readouterr().err


def test_a_folder_in_which_a_run_was_refused_is_free_again(presets: dict[str, str], tmp_path: Path, capsys: Captured) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "a film,good\n" * 12, encoding="utf-8")
    words = ["train", "--data", str(rows), "--preset", presets["bert"], "--task", "text_classification", "--train.epochs", "1",
             "--data.validation", "0", "--out", str(tmp_path / "run")]  # fmt: skip
    assert main(words) == 2
    assert "at least two different labels" in capsys.readouterr().err
    write_reviews(rows)
    assert main(words) == 0
    assert [event for event in read_events(tmp_path / "run" / "events.jsonl") if isinstance(event, Failed)] == []


def test_what_was_done_is_said_where_nothing_is_left_to_do(run_folder: Path, capsys: Captured) -> None:
    assert main(["resume", str(run_folder)]) == 0
    assert "nothing was left to do" in capsys.readouterr().err
    assert main(["resume", str(run_folder), "--train.epochs", "4", "--allow-changes"]) == 2
    assert "The run is finished; it cannot go on with other options: train.epochs." in capsys.readouterr().err
    assert main(["predict", str(run_folder), " "]) == 2
    assert "There is no text" in capsys.readouterr().err


def test_a_label_that_is_not_clear_is_asked_for(tmp_path: Path, capsys: Captured) -> None:
    rows = "\n".join(f"A text of some words {i};{'gut' if i % 2 else 'schlecht'};{'de' if i % 3 else 'en'}" for i in range(30))
    (tmp_path / "semi.csv").write_text(f"Text;Urteil;Sprache\n{rows}\n", encoding="utf-8")
    assert main(["train", "--data", str(tmp_path / "semi.csv"), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "Which column is the label?" in error
    assert "'Urteil': such as 'schlecht', 'gut'" in error
    assert "'Sprache': such as 'en', 'de'" in error
    assert "--data.label 'Urteil'" in error
    assert not (tmp_path / "run").exists()


def test_check_knows_the_model_s_length_and_the_task(tmp_path: Path, presets: dict[str, str], capsys: Captured) -> None:
    write_reviews(tmp_path / "r.csv")
    text = (tmp_path / "r.csv").read_text().replace("a good film", "good film " * 200)
    (tmp_path / "r.csv").write_text(text)
    assert main(["check", str(tmp_path / "r.csv"), "--preset", presets["bert"]]) == 0
    assert f"longer than {POSITIONS} tokens" in capsys.readouterr().out
    rows = "\n".join(f"some words {i},{'joy;anger' if i % 3 else 'joy'}" for i in range(20))
    (tmp_path / "m.csv").write_text(f"text,labels\nno feeling at all,\n{rows}\n")
    assert main(["check", str(tmp_path / "m.csv")]) == 0
    assert "left out" not in capsys.readouterr().out  # a row of no label counts as such


def test_help_tells_each_task_s_own_defaults(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "newline" in told
    assert "question_answering: " in told
    assert "[default: 192]" in told
    assert "[default: 256]" in told


def test_a_fault_of_ours_says_so_and_debug_shows_it(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("kerasft.presets.list_presets", broken)
    assert main(["list", "presets"]) == 1
    assert "fault of KerasFT" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="boom"):
        main(["list", "presets", "--debug"])


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_ends_in_a_checkpoint_and_resume_goes_on(
    number: int, presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "kerasft"]
    train = ["train", "--preset", presets["bert"], "--data", str(reviews), "--out", str(tmp_path / "run")]
    options = ["--train.epochs", "400", "--train.batch_size", "2", "--train.tensorboard", "no"]
    child = subprocess.Popen([*command, *train, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "events.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (log.exists() and '"Step"' in log.read_text()):
        time.sleep(0.1)
    os.kill(child.pid, number)
    out, err = child.communicate(timeout=90)
    assert child.returncode == STOPPED, err[-2000:]
    assert "go on with: kerasft resume" in out
    assert (tmp_path / "run" / "model.safetensors").exists()
    (tmp_path / "run" / "STOP").touch()  # an old request must not stop the new attempt
    second = subprocess.Popen(
        [*command, "resume", str(tmp_path / "run")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while time.monotonic() < deadline + 90 and log.read_text().count('"Started"') < 2:
        time.sleep(0.1)
    second.send_signal(signal.SIGTERM)
    _, err = second.communicate(timeout=90)
    started = [json.loads(line) for line in log.read_text().splitlines() if '"Started"' in line]
    assert started[1]["first_step"] > 0, err[-2000:]


def test_help_answers_at_once() -> None:
    """A second is the promise; a process that loaded TensorFlow would take ten."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "kerasft", "--help"], check=True, capture_output=True)
    assert time.monotonic() - begun < 5


def test_tensorflow_is_loaded_without_its_remarks_but_not_without_its_errors() -> None:
    script = "from kerasft.quiet import load_tensorflow; load_tensorflow(); import sys; print('said', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "said\n"
    broken = "import os, sys; sys.modules['tensorflow.python'] = None; os.write(2, b''); " + script
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Error" in done.stderr
