"""`bake_off`: the ways to learn one task, each in a process of its own, on the same rows, in one table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasft.alone import alone
from kerasft.backbones.base import family_of
from kerasft.bake_off_report import CONTENDERS, MAJORITY, RESULT_FILE, WORDS, BakeOff, Result
from kerasft.comparison import differing
from kerasft.config import read_json
from kerasft.contenders import contender
from kerasft.data.dataset import Dataset, load_data
from kerasft.errors import ConfigError, DataError, RunError
from kerasft.events import Failed, Warned, read_events
from kerasft.files import write_text
from kerasft.kept_rows import keep_rows
from kerasft.memory import peak_bytes_of
from kerasft.presets import fetch, find_preset
from kerasft.recipe import RunConfig
from kerasft.runs import STOP_FILE, forget_old_stop, holds_run, is_alive, last_event, note_process, run_state
from kerasft.tasks.cloze import ClozeClassification
from kerasft.training.devices import one_process
from kerasft.training.stopping import StopRequest, raise_for

_SPENT = "spent.json"
_STOPPED = 3  # what `kerasft train` ends with when it was asked to stop


def bake_off(
    run: RunConfig,
    *,
    out: str | Path,
    contenders: Sequence[str] = CONTENDERS,
    cloze: ClozeClassification | None = None,
    data: Dataset | None = None,
    show: bool = False,
    on_result: Callable[[BakeOff], None] | None = None,
) -> BakeOff:
    """Train one task in several ways on the same rows and compare: figure with interval, weights that learn, seconds, memory,
    size, and which to take.

    Each contender is an ordinary run with its method's own defaults in a process of its own, one after the other, so that its
    memory and time are its own. The validation rows decide; the test rows are not looked at. Always in the table is the answer
    that needs no model, where the task has one. Begun again with the same folder it goes on where it stopped.

    Args:
        run: Preset, data, task and training options; its tuning method's options count for the contender of that name.
        out: Folder of everything that is made.
        contenders: `word_counts` (TF-IDF with a linear model), `zero_shot`, `last_layers` (the last two blocks) and names of
            tuning methods.
        cloze: How `zero_shot` asks; the labels' own names in the usual sentence when not given.
        data: Rows that are loaded already; else those the recipe names.
        show: Whether the runs tell their progress on standard error.
        on_result: Called with what is found so far, before and after each contender.

    Raises:
        ConfigError: A contender is unknown, or the folder holds another bake-off.
        DataError: There are no validation rows.
        RunError: Another process is at work in the folder.
        KeyboardInterrupt: Ctrl-C, once the contender at work is saved; after SIGTERM or SIGHUP it is SystemExit.
    """
    one_process("bake-off")
    folder = Path(out).expanduser()
    run = replace(run, train=replace(run.train, folds=None))  # there are validation rows
    recipes = {name: contender(name, run, cloze) for name in dict.fromkeys(contenders)}
    if not recipes:
        raise ConfigError("A bake-off needs a contender.", hint=f"The usual ones are: {', '.join(CONTENDERS)}.")
    dataset = run.task.suited((data or load_data(None, run.data)).divided())
    if "validation" not in dataset:
        raise DataError("A bake-off needs validation rows.", hint="Set rows aside with validation=0.1 (--data.validation 0.1).")
    preset = fetch(find_preset(run.preset))
    faults = list(run.task.faults(dataset.columns, family_of(read_json(preset / "config.json"), str(preset)).name, run))
    if faults:  # of every contender alike
        raise ConfigError(" ".join(faults), hint="Choose another task (--task), model (--preset) or columns (--data.label).")
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, "bake-off"):
        kept = folder / "data"
        rows = dataset.config if dataset.config.path else replace(dataset.config, path=str(kept))
        plans = {name: plan if isinstance(plan, str) else replace(plan, data=rows) for name, plan in recipes.items()}
        before = {result.name: result for result in BakeOff.read(folder).results} if (folder / RESULT_FILE).exists() else {}
        done = {name for name, result in before.items() if result.state in ("done", "running", "stopped")}
        same = _check_plan(plans, dataset.fingerprint(), folder, done)
        if dataset.config.path is None and not kept.exists():
            keep_rows(dataset, folder)
        metric = run.task.main_metric(run.task.learn(dataset["train"]))
        forget_old_stop(folder)
        stop = StopRequest(folder)
        with stop.listening():
            found = _Driver(folder, metric, plans, before, same, stop, show, on_result).run()
        raise_for(stop.reason, f"The comparison in {folder} goes on when it is begun again with that folder.")
        return found


def _check_plan(plans: dict[str, RunConfig | str], fingerprint: str, folder: Path, done: set[str]) -> set[str]:
    """Note what is compared, or compare it with what was noted; contenders may be added, and those that failed changed.

    Args:
        plans: Recipes by contender.
        fingerprint: Of the data.
        folder: Of the bake-off.
        done: Contenders that have been trained.

    Returns:
        The contenders whose recipe is as it was noted.

    Raises:
        ConfigError: It is another bake-off.
    """
    path = folder / "plan.json"
    recipes = {name: plan.to_dict() for name, plan in plans.items() if isinstance(plan, RunConfig)}
    before = read_json(path) if path.exists() else {"recipes": {}}
    odd = [f"data: {before['data']} -> {fingerprint}"] if before.get("data", fingerprint) != fingerprint else []
    for name, recipe in ((name, recipe) for name, recipe in recipes.items() if name in done):
        odd += [f"{name}, {option}: {old!r} -> {new!r}" for option, old, new in
                differing(before["recipes"].get(name, recipe), recipe)]  # fmt: skip
    if odd:
        hint = "Give what it was begun with, or choose another folder."
        raise ConfigError(f"The folder holds another bake-off. {'; '.join(odd[:5])}.", where=str(folder), hint=hint)
    merged = {"recipes": {**before["recipes"], **recipes}, "data": fingerprint}
    write_text(path, json.dumps(merged, indent=1, ensure_ascii=False))
    return {name for name, recipe in recipes.items() if before["recipes"].get(name) == json.loads(json.dumps(recipe))}


class _Driver:
    """The contenders, one after the other."""

    def __init__(
        self,
        folder: Path,
        metric: str,
        plans: dict[str, RunConfig | str],
        before: dict[str, Result],
        same: set[str],
        stop: StopRequest,
        show: bool,
        on_result: Callable[[BakeOff], None] | None,
    ) -> None:
        self.folder, self.metric, self.plans, self.stop = folder, metric, plans, stop
        self.show, self.on_result = show, on_result
        self.same = same
        self.results = {name: before.get(name, Result(name, "waiting")) for name in plans}
        if MAJORITY in before:
            self.results[MAJORITY] = before[MAJORITY]

    def run(self) -> BakeOff:
        for name, plan in self.plans.items():
            if isinstance(plan, str):
                self.results[name] = Result(name, "left out", note=plan)
            elif not (self.results[name].state == "done" or (self.results[name].state == "left out" and name in self.same)):
                self.results[name] = replace(self.results[name], state="running", note="")
                self._tell()
                self.results[name] = self._train(name, plan)
            self._tell()
            if self.stop.reason:
                return self._tell(stopped=True)
        return self._tell()

    def _train(self, name: str, plan: RunConfig) -> Result:
        """Run one contender's process, or go on with it."""
        where = self.folder / name
        if is_alive(where):
            raise RunError(f"The process of {name} is still at work.", where=str(where), hint="Wait for it, or end it.")
        recipe = self.folder / f"{name}.json"
        plan.save(recipe)
        if name not in self.same:  # what is there, if anything, is of other options
            (where / _SPENT).unlink(missing_ok=True)
        if name == WORDS:
            command = ["-m", "kerasft.word_counts", str(recipe), str(where)]
        elif name in self.same and run_state(where) == "finished":  # while nobody was looking
            return self._done(self._spent(name), where)
        elif name in self.same and holds_run(where) and (where / "run.json").exists():
            command = ["-m", "kerasft", "resume", str(where)]
        else:
            command = ["-m", "kerasft", "train", str(recipe), "--out", str(where), *(["--overwrite"] if where.exists() else [])]
        status = self._follow([sys.executable, *command], where, self._spent(name))
        spent = self._spent(name)
        if status == _STOPPED or (status and self.stop.reason):
            return replace(spent, state="stopped")
        if status:
            return self._failed(spent, where, status)
        return self._done(spent, where)

    def _spent(self, name: str) -> Result:
        """What a contender's processes have cost so far, as it was last noted."""
        path = self.folder / name / _SPENT
        noted = read_json(path) if path.exists() else {"seconds": 0.0, "peak_bytes": 0}
        return replace(self.results[name], **noted)

    def _follow(self, command: list[str], where: Path, spent: Result) -> int:
        """The exit status of a process, whose cost is noted while it runs; a stop request is handed on to it."""
        where.mkdir(exist_ok=True)
        begun, started, noted = time.monotonic(), time.time(), 0.0
        shown = self.show and spent.name != WORDS
        with (where / "output.txt").open("ab") as output:
            child = subprocess.Popen(
                command,
                stdout=output,
                stderr=None if shown else output,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
                start_new_session=True,  # Ctrl-C is for this process, which hands it on once
            )
        note_process(where, child.pid, started)
        asked, peak = False, spent.peak_bytes
        try:
            while True:
                peak = max(peak, peak_bytes_of(child.pid))
                status = child.poll()
                seconds = time.monotonic() - begun
                if status is not None or seconds - noted > 5:
                    noted = seconds
                    write_text(where / _SPENT, json.dumps({"seconds": spent.seconds + seconds, "peak_bytes": peak}))
                if status is not None:
                    return status
                if self.stop.reason and not asked:
                    asked = True
                    (where / STOP_FILE).write_text(self.stop.reason, encoding="utf-8")
                time.sleep(0.1)
        finally:
            if child.poll() is None:  # this process fails: what it began must not go on unseen
                child.terminate()
                child.wait()

    def _failed(self, spent: Result, where: Path, status: int) -> Result:
        if status < 0:
            note = f"Its process was ended by signal {-status}; often there was too little memory: see batch_size."
            return replace(spent, state="failed", note=note)
        told = last_event(where)
        if isinstance(told, Failed):
            # What does not fit is told before anything is trained; the others are then compared without it.
            state = "left out" if told.error == "ConfigError" else "failed"
            return replace(spent, state=state, note=" ".join(part for part in (told.message, told.hint) if part))
        lines = (where / "output.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return replace(spent, state="failed", note=" ".join(lines[-1:])[:500] or f"See {where / 'output.txt'}.")

    def _done(self, spent: Result, where: Path) -> Result:
        report = read_json(where / "report.json")["validation"]
        metric = self._named(report["metrics"])
        value, limits = report["metrics"].get(metric), report["intervals"].get(metric)
        if value is None:
            note = f"{metric} has no value on these validation rows, such as when all are equal."
            return replace(spent, state="failed", note=note)
        if metric in report["baseline"]:
            told = f"{report['baseline_is']}."
            self.results[MAJORITY] = Result(MAJORITY, "done", float(report["baseline"][metric]), note=told)
        done = replace(spent, state="done", value=float(value), interval=(limits[0], limits[1]) if limits else None)
        if spent.name == WORDS:
            return replace(done, trainable=int((where / "coefficients.txt").read_text(encoding="utf-8")))
        recipe = read_json(where / "run.json")
        warnings = [e.message for e in read_events(where / "events.jsonl") if isinstance(e, Warned) and e.code == "caution"]
        return replace(
            done,
            trainable=0 if recipe["resolved"]["train"]["epochs"] == 0 else recipe["trainable_parameters"],
            parameters=recipe["parameters"],
            artifact_bytes=(where / "model.safetensors").stat().st_size,
            note=" ".join(dict.fromkeys(warnings)),
        )

    def _named(self, figures: dict[str, Any]) -> str:
        """The metric's name in a report: thresholds are tuned before one is made."""
        return self.metric if self.metric in figures else self.metric.removeprefix("tuned_")

    def _tell(self, stopped: bool = False) -> BakeOff:
        told = BakeOff(self.folder, self.metric.removeprefix("tuned_"), tuple(self.results.values()), stopped)
        write_text(self.folder / RESULT_FILE, json.dumps(told.to_dict(), indent=1, ensure_ascii=False))
        if self.on_result:
            self.on_result(told)
        return told
