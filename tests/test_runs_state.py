"""Runs' folders: in which state each is, whatever happened to its process or files; and the terminal's view of one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kerasft import events, runs
from kerasft.alone import alone
from kerasft.events import Event, Finished, JsonLog, Phase, Step, Stopped, Validated, Warned
from kerasft.progress import TerminalProgress, clock

RECIPE = {"preset": "/models/tiny_bert", "data": {"path": "folder/reviews.csv", "text": "review"}}
FINISHED = Finished(step=10, seconds=3.0, metrics={"accuracy": 0.9})


def make_run(folder: Path, *told: Event, recipe: Any = RECIPE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(recipe), encoding="utf-8")
    if told:
        log = JsonLog(folder / "events.jsonl")
        for event in told:
            log(event)
        log.close()
    return folder


@contextmanager
def living_process(*arguments: str) -> Iterator[int]:
    """The number of a process that does nothing, with these words in its command line."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def set_process(folder: Path, pid: object, **noted: float) -> None:
    (folder / runs.PROCESS_FILE).write_text(json.dumps({"pid": pid, "started": time.time(), **noted}))


def step(number: int, total: int = 100) -> Step:
    return Step(step=number, total_steps=total, epoch=number / total, loss=0.5, learning_rate=1e-3,
                examples_per_second=1234.0, eta_seconds=65)  # fmt: skip


def failed() -> Event:
    return events.Failed(error="DataError", message="no")


def test_a_folder_with_only_a_recipe_is_prepared(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    assert runs.run_state(folder) == "prepared"
    assert not runs.holds_run(folder)


def test_a_model_without_a_run_is_saved_and_holds_its_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "model.safetensors").touch()
    assert runs.run_state(folder) == "saved"
    assert runs.holds_run(folder)


def test_a_queued_run_is_queued_whatever_else_there_is(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", FINISHED)
    (folder / runs.QUEUED_FILE).touch()
    assert runs.run_state(folder) == "queued"


@pytest.mark.parametrize(
    ("last", "state"),
    [(FINISHED, "finished"), (Stopped(step=3, reason="Ctrl+C"), "stopped"), (failed(), "failed"), (step(3), "interrupted")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_last_event_tells_how_a_run_ended(tmp_path: Path, last: Event, state: str) -> None:
    folder = make_run(tmp_path / "run", Phase(phase="data"), last)
    assert runs.run_state(folder) == state
    assert runs.holds_run(folder) == (state != "failed")  # refused before it began: nothing can be lost
    set_process(folder, 2**22 + 1)  # beyond the largest process number there can be
    assert runs.run_state(folder) == state


def test_a_run_whose_process_lives_is_running_even_after_an_earlier_stop(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "my-run", Stopped(step=3, reason="Ctrl+C"))
    started = time.time()
    with living_process() as pid:
        runs.note_process(folder, pid, started)
        assert runs.is_alive(folder)
        assert runs.run_state(folder) == "running"
    assert not runs.is_alive(folder)
    assert runs.run_state(folder) == "stopped"


def test_a_process_noted_by_an_earlier_version_is_recognised(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "my-run", step(3))
    started = time.time()
    with living_process() as pid:
        set_process(folder, pid, started=started)
        assert runs.run_state(folder) == "running"
        set_process(folder, pid, started=started - 3600)
        assert runs.run_state(folder) == "interrupted"


def test_a_process_that_died_at_once_leaves_an_interrupted_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with living_process() as pid:
        runs.note_process(folder, pid, time.time())
    assert runs.run_state(folder) == "interrupted"
    runs.note_process(folder, pid, time.time())  # it has ended before it could be noted
    assert runs.run_state(folder) == "interrupted"


def test_a_dead_process_nobody_has_waited_for_is_dead(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", step(1))
    started = time.time()
    process = subprocess.Popen([sys.executable, "-c", ""])
    runs.note_process(folder, process.pid, started)
    deadline = time.monotonic() + 10
    while runs.is_alive(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert runs.run_state(folder) == "interrupted"  # a zombie: its number is still taken
    process.wait()


@pytest.mark.parametrize("words", [(), ("kerasft", "train", "my-run"), ("other-program", "my-run")])
def test_a_recycled_process_number_is_not_taken_for_the_run(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = make_run(tmp_path / "my-run", step(3))
    with living_process(*words) as pid:
        set_process(folder, pid, started=time.time() - 3600, created=time.time() - 3600)
        assert runs.run_state(folder) == "interrupted"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"pid": "x"}', '{"pid": null}', '{"pid": 1e30}', '{"pid": 0}', '{"pid": -1}']
)
def test_a_damaged_process_file_is_a_process_that_is_gone(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "run", step(3))
    (folder / runs.PROCESS_FILE).write_text(content)
    assert runs.run_state(folder) == "interrupted"


@pytest.mark.parametrize(
    ("noted", "asked", "stays"),
    [
        ("this process", -1.0, True),  # asked while Python was starting: meant for this process
        ("this process", -9.0, False),
        ("another process", -1.0, False),
        ("nothing", 1.0, True),
        ("nothing", -1.0, False),
    ],
)
def test_a_stop_asked_for_while_the_process_starts_is_kept_and_an_older_one_is_not(
    tmp_path: Path, noted: str, asked: float, stays: bool
) -> None:
    if noted != "nothing":
        set_process(tmp_path, os.getpid() if noted == "this process" else 1, started=runs.PROCESS_BEGAN - 5)
    request = tmp_path / runs.STOP_FILE
    request.touch()
    os.utime(request, (runs.PROCESS_BEGAN + asked, runs.PROCESS_BEGAN + asked))
    runs.forget_old_stop(tmp_path)
    assert request.exists() == stays


def test_the_last_event_is_found_behind_a_cut_line_and_in_a_long_log(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", *(step(i) for i in range(1, 900)), Stopped(step=899, reason="x"))
    path = folder / "events.jsonl"
    assert path.stat().st_size > 100_000
    with path.open("a", encoding="utf-8") as file:
        file.write('3\n{"event": "Paused"}\n{"event": "Finis')
    last = runs.last_event(folder)
    assert isinstance(last, Stopped)
    assert last.step == 899


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", "null", "3", '{"data": [1]}', '{"data": "reviews.csv"}', '{"preset": null, "data": {"path": 3}}', "\udcff",
     '{"data": {}, "model": "x", "columns": 3}'],
)  # fmt: skip
def test_a_damaged_recipe_gives_a_summary_all_the_same(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "run", FINISHED)
    (folder / "run.json").write_bytes(content.encode("utf-8", errors="surrogateescape"))
    summary = runs.summarise(folder)
    assert (summary.name, summary.folder, summary.state) == ("run", folder, "finished")
    assert isinstance(summary.preset, str)
    assert isinstance(summary.data, str)
    assert runs.is_paired(runs.read_recipe(folder)) is False
    assert [run.name for run in runs.list_runs(tmp_path)] == ["run"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"validation": null}', '{"validation": []}', '{"validation": {"metrics": []}}',
     '{"validation": {"metrics": {"accuracy": null}}}'],
)  # fmt: skip
def test_a_damaged_report_gives_no_score(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "run", FINISHED)
    (folder / "report.json").write_text(content)
    assert runs.summarise(folder).score == ""


def test_a_summary_says_what_is_needed_at_a_glance(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "first", FINISHED)
    metrics = {"accuracy": 0.91666, "macro_f1": 0.9}
    (folder / "report.json").write_text(json.dumps({"test": {"metrics": {"accuracy": 0.1}}, "validation": {"metrics": metrics}}))
    os.utime(folder / "events.jsonl", (1000, 1000))
    assert runs.summarise(folder) == runs.RunSummary(
        "first", folder, "finished", "accuracy 0.917", "tiny_bert", "reviews.csv", 1000.0
    )
    memory = make_run(tmp_path / "memory", recipe={"preset": "bert", "data": {"path": None}})
    assert runs.summarise(memory).data == "rows in memory"


def test_a_run_at_work_is_alive_although_the_clock_was_set(tmp_path: Path) -> None:
    runs.note_process(tmp_path, os.getpid(), 0.0)
    noted = json.loads((tmp_path / "process.json").read_text())
    (tmp_path / "process.json").write_text(json.dumps({**noted, "created": noted["created"] + 7200}))
    assert not runs.is_alive(tmp_path)  # a number that another process has now
    with alone(tmp_path, "run"):
        assert runs.is_alive(tmp_path)


def test_paired_recipes_are_known_wherever_they_say_so() -> None:
    assert runs.is_paired({"data": {"text_pair": "b"}})
    assert runs.is_paired({"columns": {"text_pair": "b"}})
    assert runs.is_paired({"model": {"columns": {"text_pair": "b"}}})
    assert not runs.is_paired({"data": {"text_pair": None}, "columns": {"text": "a"}})
    assert not runs.is_paired({})
    said = {"text_pair": "none"}  # what is given where no column is a second text
    assert not runs.is_paired({"data": said, "columns": {"text_pair": None}, "model": {"columns": {"text_pair": None}}})
    assert not runs.is_paired({"data": said})


def test_runs_are_listed_newest_first_and_other_things_are_not_runs(tmp_path: Path) -> None:
    for name, changed in (("old", 1000), ("newest", 3000), ("middle", 2000)):
        folder = make_run(tmp_path / name, FINISHED)
        os.utime(folder / "events.jsonl", (changed, changed))
    (tmp_path / "notes").mkdir()
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "README.md").write_text("x")
    assert [run.name for run in runs.list_runs(tmp_path)] == ["newest", "middle", "old"]
    assert runs.list_runs(tmp_path / "nowhere") == []


def test_a_free_folder_is_named_after_data_and_preset_and_numbered(tmp_path: Path) -> None:
    first = runs.free_folder(tmp_path, "some/my reviews.csv.gz", "/models/tiny_bert")
    assert first == tmp_path / "my_reviews-tiny_bert"
    first.mkdir()
    second = runs.free_folder(tmp_path, "some/my reviews.csv.gz", "/models/tiny_bert")
    assert second == tmp_path / "my_reviews-tiny_bert-2"
    second.touch()  # a file takes a name too
    assert runs.free_folder(tmp_path, "some/my reviews.csv.gz", "/models/tiny_bert").name == "my_reviews-tiny_bert-3"
    assert runs.free_folder(tmp_path, None, "hf://owner/name").name == "run-name"
    assert not (tmp_path / "run-name").exists()  # only named, not made


def test_clearing_removes_what_a_run_wrote_and_keeps_the_rest(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", FINISHED)
    for name in ("model.safetensors", "report.json", "report.md", "README.md", "STOP", "notes.txt", "model.safetensors.backup"):
        (folder / name).write_text("x")
    (folder / "MODEL_CARD.md").write_text(f"# A model\n\n{runs.CARD_MARK}.")
    for name in ("checkpoints/step-00000001", "logs", "tokenizer", "serving/1", "data", "figures"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("x")
    runs.remove(runs.parts_of_run(folder))
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    # Neither a README that is no card nor a folder of data that was not made from rows in memory is the run's.
    assert left == ["README.md", "data/file", "figures/file", "model.safetensors.backup", "notes.txt"]
    assert not runs.holds_run(folder)
    runs.remove(runs.parts_of_run(folder))  # nothing there is no error
    make_run(folder, recipe={"preset": "x", "data": {"path": None}})
    assert folder / "data" not in runs.parts_of_run(folder)  # it holds what no run keeps there
    (folder / "data" / "file").rename(folder / "data" / "train.parquet")
    assert folder / "data" in runs.parts_of_run(folder)


def test_folders_are_named_so_that_any_shell_takes_them(tmp_path: Path) -> None:
    assert runs.free_folder(tmp_path, "notes/*.txt", "tiny").name == "tiny"
    assert runs.free_folder(tmp_path, "tickets (1).csv", "tiny").name == "tickets_-1--tiny"
    assert runs.folder_name("příklady č. 2") == "priklady-c.-2"
    assert runs.folder_name("***") == "run"


# --- The terminal ---


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def told() -> list[Event]:
    return [
        Phase(phase="tokenise", detail="80 rows of train"),
        events.Started(run="r", total_steps=100, first_step=20, epochs=2, train_examples=8000, validation_examples=8,
                       trainable_parameters=250, parameters=1000),
        *(step(i) for i in range(21, 41)),
        Validated(step=40, epoch=0.4, metrics={"accuracy": 0.5, "loss": 0.25}, best=True),
        Warned(code="cut", message="3 rows are cut.", hint="Raise max_length."),
        step(41),
        Stopped(step=1041, reason="Ctrl+C"),
    ]  # fmt: skip


def test_a_file_gets_plain_lines_and_a_step_in_every_ten_per_cent() -> None:
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    for event in told():
        assert not progress.stopped
        progress(event)
    assert progress.stopped
    text = stream.getvalue()
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.splitlines() == [
        "Tokenising: 80 rows of train",
        "Training: 8,000 rows, 2 epochs, 100 steps; 250 of 1,000 weights learn (25.0%), 0.0 MiB of optimizer state; "
        "0.0% of the batches is padding; going on from step 20",
        " 21.0 %  step 21/100  epoch 0.21  loss 0.5000  1,234 rows/s  1:05 left",
        " 31.0 %  step 31/100  epoch 0.31  loss 0.5000  1,234 rows/s  1:05 left",
        "Validation after epoch 0.40: accuracy 0.5000, loss 0.2500  (best)",
        "Warning: 3 rows are cut.",
        "  Raise max_length.",
        " 41.0 %  step 41/100  epoch 0.41  loss 0.5000  1,234 rows/s  1:05 left",
        "Stopped by Ctrl+C at step 1,041.",
    ]


def shown(text: str) -> list[str]:
    """What a terminal shows: `\\r` goes to the line's start, what is written there replaces, `ESC[K` clears the rest."""
    lines = []
    for line in text.split("\n"):
        screen = ""
        for part in line.split("\r"):
            written, _, rest = part.partition("\x1b[K")
            screen = written + rest if "\x1b[K" in part else part + screen[len(part) :]
        lines.append(screen)
    return lines


def test_a_terminal_gets_one_line_that_grows_and_other_lines_below_it() -> None:
    stream = Terminal()
    progress = TerminalProgress(stream)
    for event in told():
        progress(event)
    assert stream.getvalue().count("\r") == 21  # every step is shown
    lines = shown(stream.getvalue())
    assert lines[2] == "[########............]  40.0 %  step 40/100  epoch 0.40  loss 0.5000  1,234 rows/s  1:05 left"
    assert lines[3].startswith("Validation after epoch 0.40")
    assert lines[6].startswith("[########............]  41.0 %")
    assert lines[7:] == ["Stopped by Ctrl+C at step 1,041.", ""]


def test_a_finished_bar_is_full() -> None:
    stream = Terminal()
    TerminalProgress(stream)(step(100))
    assert shown(stream.getvalue())[0].startswith("[####################] 100.0 %")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-3, "0 s"), (59.9, "59 s"), (60, "1:00"), (185, "3:05"), (3599, "59:59"), (3600, "1:00:00"), (3723, "1:02:03"),
     (360_000, "100:00:00")],
)  # fmt: skip
def test_the_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
