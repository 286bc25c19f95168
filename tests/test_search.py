"""`search`: trials are runs, the test rows stay unseen, a crash loses nothing, several processes share the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft import events
from kerasft.cli import main
from kerasft.hyper_search import search
from kerasft.recipe import RunConfig
from kerasft.runs import run_state
from kerasft.search_report import Search
from kerasft.trials import Trials
from tests.conftest import write_reviews

SPACE = {"train.learning_rate": "1e-4..1e-2:log", "train.batch_size": [4, 8]}


def recipe(presets: dict[str, str], data: Path, **train: Any) -> RunConfig:
    options = {"epochs": 1, "batch_size": 8, "tensorboard": False, **train}
    config = kft.DataConfig(path=str(data), validation=0.3, test=0.2)
    return RunConfig(preset=presets["bert"], data=config, train=kft.TrainConfig(**options))


@pytest.fixture(scope="module")
def found(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> kft.Search:
    """A search of four trials that came to its end."""
    root = tmp_path_factory.mktemp("search")
    told: list[int] = []
    made = search(
        recipe(presets, write_reviews(root / "r.csv")), SPACE, out=root / "out", trials=4, pruner="none",
        on_trial=lambda so_far: told.append(len(so_far.trials)),
    )  # fmt: skip
    assert told[:4] == [1, 2, 3, 4]
    return made


def test_trials_are_runs_and_the_first_is_the_recipe(found: kft.Search) -> None:
    assert [trial.state for trial in found.trials] == ["complete"] * 4
    assert found.trials[0].options == {"train.learning_rate": pytest.approx(3e-4), "train.batch_size": 8}
    assert found.baseline == found.trials[0].value
    assert len({tuple(trial.options.values()) for trial in found.trials}) == 4
    for trial in found.trials:
        folder = found.folder / trial.folder
        assert run_state(folder) == "finished"
        assert RunConfig.load(folder / "run.json").train.learning_rate == trial.options["train.learning_rate"]
        assert json.loads((folder / "report.json").read_text())["validation"]["metrics"]["accuracy"] == trial.value


def test_the_best_is_the_highest_and_only_its_weights_stay(found: kft.Search) -> None:
    assert found.best is not None
    assert found.best.value == max(trial.value for trial in found.trials)
    kept = [trial.folder for trial in found.trials if (found.folder / trial.folder / "model.safetensors").exists()]
    assert kept == [found.best.folder]
    assert kft.load(found.folder / found.best.folder).predict("a good film").label in ("good", "bad")
    written = json.loads((found.folder / "search.json").read_text())
    assert written["best"] == found.best.folder
    assert [trial["value"] for trial in written["trials"]] == [trial.value for trial in found.trials]
    assert f"Best: {found.folder / found.best.folder}" in str(found)


def test_the_test_rows_are_never_scored(found: kft.Search) -> None:
    for trial in found.trials:
        assert set(json.loads((found.folder / trial.folder / "report.json").read_text())) == {"validation"}


def test_whoever_draws_a_trial_draws_the_same(
    found: kft.Search, presets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untrained(self: Trials, trial: Any) -> bool:
        self._draw(trial)
        self.study.tell(trial, 0.5)
        return True

    monkeypatch.setattr(Trials, "_try", untrained)
    config = recipe(presets, found.folder.parent / "r.csv", epochs=1)
    for trials in (2, 4):  # the second begins anew, as after a crash
        search(config, SPACE, out=tmp_path / "out", trials=trials, pruner="none")
    again = search(config, SPACE, out=tmp_path / "out", trials=4, pruner="none")
    assert [trial.options for trial in again.trials] == [trial.options for trial in found.trials]


def test_more_trials_are_added_to_those_there_are(found: kft.Search, presets: dict[str, str]) -> None:
    before = [trial.value for trial in found.trials]
    config = recipe(presets, found.folder.parent / "r.csv")
    more = search(config, SPACE, out=found.folder, trials=5, pruner="none")
    assert [trial.value for trial in more.trials[:4]] == before
    assert len(more.trials) == 5
    with pytest.raises(kft.ConfigError, match=r"another search.*train\.weight_decay"):
        search(recipe(presets, found.folder.parent / "r.csv", weight_decay=0.2), SPACE, out=found.folder, trials=6)
    with pytest.raises(kft.ConfigError, match=r"another search.*train\.batch_size"):
        search(config, {**SPACE, "train.batch_size": [4, 16]}, out=found.folder, trials=6)


def test_a_trial_that_a_crash_cut_off_is_gone_on_with(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    class PowerCut(BaseException):
        """Ends the process as a power cut would: nothing gets to say goodbye."""

    def cut(event: events.Event) -> None:
        if isinstance(event, events.Checkpoint) and event.step >= 2 and (tmp_path / "out" / "trial-001").exists():
            raise PowerCut

    config = recipe(presets, reviews, epochs=2)
    with pytest.raises(PowerCut):
        search(config, SPACE, out=tmp_path / "out", trials=3, pruner="none", on_event=cut)
    told: list[events.Event] = []
    made = search(config, SPACE, out=tmp_path / "out", trials=3, pruner="none", on_event=told.append)
    assert [trial.state for trial in made.trials] == ["complete"] * 3
    started = [event for event in told if isinstance(event, events.Started)]
    assert [event.first_step > 0 for event in started] == [True, False]  # the first trial is not done again


def test_a_search_that_is_asked_to_stop_goes_on_later(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    def stop(event: events.Event) -> None:
        if isinstance(event, events.Step) and (tmp_path / "out" / "trial-001").exists():
            os.kill(os.getpid(), signal.SIGTERM)

    config = recipe(presets, reviews, epochs=2)
    with pytest.raises(SystemExit) as ended:  # a loop over several searches must not go on
        search(config, SPACE, out=tmp_path / "out", trials=2, pruner="none", on_event=stop)
    assert ended.value.code == 128 + signal.SIGTERM
    stopped = Search.read(tmp_path / "out")
    assert stopped.stopped
    assert [trial.state for trial in stopped.trials] == ["complete", "running"]
    assert "goes on" in str(stopped)
    done = search(config, SPACE, out=tmp_path / "out", trials=2, pruner="none")
    assert [trial.state for trial in done.trials] == ["complete", "complete"]
    assert not done.stopped


def test_a_trial_that_falls_behind_is_ended_early(
    presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: trial.number == 1)
    made = search(recipe(presets, reviews, epochs=3), SPACE, out=tmp_path / "out", trials=2)
    assert [trial.state for trial in made.trials] == ["complete", "pruned"]
    assert made.trials[1].value is not None  # what it had reached
    assert made.best == made.trials[0]
    last = list(events.read_events(tmp_path / "out" / "trial-001" / "events.jsonl"))[-1]
    assert isinstance(last, events.Stopped)
    assert "no better than others" in last.reason
    assert not (tmp_path / "out" / "trial-001" / "checkpoints").exists()


def test_a_trial_that_fails_is_told_and_the_others_go_on(
    presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasft import trials as module

    begin = module.start

    def start(config: RunConfig, folder: Path, **given: Any) -> Any:
        if folder.name == "trial-000":
            raise kft.RunError("The loss became nan at step 3.")
        return begin(config, folder, **given)

    monkeypatch.setattr(module, "start", start)
    made = search(recipe(presets, reviews), SPACE, out=tmp_path / "out", trials=2)
    assert [trial.state for trial in made.trials] == ["failed", "complete"]
    assert [trial.error for trial in made.trials] == ["The loss became nan at step 3.", ""]
    assert made.baseline is None


def test_losses_are_minimised_and_time_ends_a_search(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    config = recipe(presets, reviews)
    made = search(config, SPACE, out=tmp_path / "out", trials=2, maximise="loss", pruner="hyperband")
    assert made.best is not None
    assert made.best.value == min(trial.value for trial in made.trials)
    assert len(search(config, SPACE, out=tmp_path / "late", trials=9, minutes=1e-9).trials) == 0


def test_what_cannot_be_searched_is_refused_before_anything_is_trained(
    presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    config = recipe(presets, reviews)
    refused = (({"pruner": "best"}, "median, hyperband, none"), ({"trials": 0}, "at least 1"), ({"minutes": 0}, "above 0"))
    for given, told in refused:
        with pytest.raises(kft.ConfigError, match=told):
            search(config, SPACE, out=tmp_path / "out", **given)
    with pytest.raises(kft.DataError, match="validation rows"):
        search(config, SPACE, out=tmp_path / "out", data=kft.load_data(reviews, validation=0))
    with pytest.raises(kft.RunError, match="storage cannot be used"):
        search(config, SPACE, out=tmp_path / "out", storage=f"sqlite:///{tmp_path}/no/such/folder/a.db")
    with pytest.raises(kft.RunError, match="storage cannot be used"):
        search(config, SPACE, out=tmp_path / "out", storage="postgresql://kerasft:secret@127.0.0.1:9/x")
    assert not (tmp_path / "out" / "trial-000").exists()


def test_the_command_line_searches(
    presets: dict[str, str], reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", "--data", str(reviews), "--preset", presets["bert"], "--train.epochs", "1", "--out", str(tmp_path / "out")]
    assert main([*words, "--trials", "1", "--space", "train.warmup=0..0.2", "--train.tensorboard", "false"]) == 0
    out = capsys.readouterr().out
    assert "| trial-000 | 0.1 |" in out
    assert main([*words, "--space", "train.warmup"]) == 2
    assert "takes OPTION=RANGE" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_share_a_search_and_one_of_them_may_die(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    words = ["search", "--data", str(reviews), "--preset", presets["bert"], "--train.epochs", "40",
             "--trials", "6", "--pruner", "none", "--out", str(tmp_path / "out")]  # fmt: skip
    both = [subprocess.Popen([sys.executable, "-m", "kerasft", *words], stdout=subprocess.DEVNULL) for _ in range(2)]
    deadline = time.monotonic() + 300
    while not (tmp_path / "out" / "trial-002" / "events.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    both[0].kill()
    assert both[0].wait() == -signal.SIGKILL
    assert both[1].wait(300) == 0
    told = json.loads((tmp_path / "out" / "search.json").read_text())
    assert [trial["state"] for trial in told["trials"]] == ["complete"] * 6
    by = [(tmp_path / "out" / f"trial-{i:03d}" / "events.jsonl").stat().st_size for i in range(6)]
    assert all(by)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray warns of its own options
def test_a_clusters_workers_share_a_search(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    run = recipe(presets, reviews)
    run = RunConfig(preset=run.preset, data=run.data, train=kft.TrainConfig(epochs=10, batch_size=8, tensorboard=False))
    told: list[int] = []
    tell = {"on_trial": lambda found: told.append(sum(trial.state == "complete" for trial in found.trials))}
    shared = search(run, SPACE, out=tmp_path / "out", trials=4, pruner="none", cluster="local", workers=2, **tell)
    assert [trial.state for trial in shared.trials] == ["complete"] * 4
    assert told == sorted(told)
    assert told[-1] == 4
    assert (tmp_path / "out" / "search.journal").stat().st_size > 0
    first, second = ((shared.folder / f"trial-00{i}" / "events.jsonl").read_text().splitlines() for i in range(2))
    assert json.loads(second[0])["time"] < json.loads(first[-1])["time"]  # two at a time
    more = search(run, SPACE, out=tmp_path / "out", trials=5, pruner="none")  # here, with the same journal
    assert [trial.value for trial in more.trials[:4]] == [trial.value for trial in shared.trials]
    assert len(more.trials) == 5
    with pytest.raises(kft.ConfigError, match=r"another search.*train\.batch_size"):
        search(run, {**SPACE, "train.batch_size": [4, 16]}, out=tmp_path / "out", trials=9, cluster="local", workers=2)
    assert not (tmp_path / "out" / "STOP").exists()
    gone = RunConfig(preset=run.preset, data=kft.DataConfig(path=str(tmp_path / "nowhere.csv")))
    with pytest.raises(kft.KerasFTError, match=r"nowhere\.csv"):
        search(gone, SPACE, out=tmp_path / "gone", trials=2, cluster="local", workers=1)


def test_a_cluster_needs_rows_in_a_file(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    run = recipe(presets, reviews)
    with pytest.raises(kft.ConfigError, match="that all machines see"):
        search(run, SPACE, out=tmp_path / "out", data=kft.load_data(reviews), cluster="local")
    with pytest.raises(kft.ConfigError, match="at least 1"):
        search(run, SPACE, out=tmp_path / "out", cluster="local", workers=0)
    assert not (tmp_path / "out").exists()
