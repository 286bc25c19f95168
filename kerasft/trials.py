"""The trials of a search: each an ordinary run, done, gone on with or ended early by one of the processes that share them."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasft.config import read_json
from kerasft.data.dataset import Dataset
from kerasft.errors import ConfigError, RunError
from kerasft.events import Emit, Event, Validated, fan_out
from kerasft.files import write_text
from kerasft.recipe import RunConfig, changed
from kerasft.run import go_on, start
from kerasft.runs import STOP_FILE, holds_run, run_state
from kerasft.search_report import RESULT_FILE, Search, Trial
from kerasft.search_space import Range
from kerasft.training.stopping import StopRequest

STARTUP = 4  # trials before TPE and pruning begin
_PRUNED = "the search, which finds it no better than others"


class Trials:
    """One process's share of a search.

    Args:
        study: Of Optuna; several processes may have it.
        base: The recipe around which is searched.
        ranges: What is tried.
        dataset: The rows.
        folder: Of the search.
        metric: The figure on the validation rows.
        seed: Of the drawing of options.
        keep_all: Keep every trial's weights and not only the best one's.
        on_event: Called with every event of this process's trials.
        on_trial: Called with what is found so far after every trial of this process.
    """

    def __init__(
        self,
        study: Any,
        base: RunConfig,
        ranges: tuple[Range, ...],
        dataset: Dataset,
        folder: Path,
        metric: str,
        *,
        seed: int,
        keep_all: bool,
        on_event: Emit | None,
        on_trial: Callable[[Search], None] | None,
    ) -> None:
        self.study, self.base, self.ranges, self.dataset = study, base, ranges, dataset
        self.wanted, self.seed = 0, seed
        self.stop = StopRequest(folder, shared=True)
        self.folder, self.metric, self.keep_all = folder, metric, keep_all
        self.on_event, self.on_trial = on_event, on_trial
        self.own = _flat(base.to_dict())

    def run(self, trials: int, deadline: float | None) -> Search:
        """Do trials until there are so many, the time (of `time.monotonic`) has come, or somebody asks to stop."""
        self.wanted = trials
        while deadline is None or time.monotonic() < deadline:
            if self.stop.reason:
                return self._tell(stopped=True)
            trial = self._cut_off() or self._next(trials)
            if trial is None:
                break
            with _lock(self.folder / ".locks" / str(trial.number)) as mine:
                if mine and self._is_open(trial) and not self._try(trial):
                    return self._tell(stopped=True)
        return self._tell()

    def _cut_off(self) -> Any:
        """A trial whose process is gone, to be gone on with."""
        from optuna.trial import Trial as Live
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            with _lock(self.folder / ".locks" / str(trial.number)) as free:
                if free:
                    return Live(self.study, trial._trial_id)
        return None

    def _is_open(self, trial: Any) -> bool:
        """Whether no other process has finished it meanwhile."""
        return not self.study.get_trials(deepcopy=False)[trial.number].state.is_finished()

    def _next(self, trials: int) -> Any:
        from optuna.trial import TrialState

        with in_turn(self.folder):  # two who looked at once would begin one too many
            known = self.study.get_trials(deepcopy=False)
            if not known:
                first = {r.option: self.own[r.option] for r in self.ranges if self.own[r.option] in r}
                self.study.enqueue_trial(first)
            begun = [trial for trial in known if trial.state != TrialState.WAITING]
            return None if len(begun) >= trials else self.study.ask()

    def _draw(self, trial: Any) -> None:
        """Give a trial the options it has not yet; they follow from its number and the trials that are over, whoever draws."""
        import optuna

        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed + trial.number, n_startup_trials=STARTUP)
        for tried in self.ranges:
            _suggest(trial, tried)

    def _try(self, trial: Any) -> bool:
        """Do one trial, or go on with it; False when it was asked to stop."""
        from optuna.trial import TrialState

        self._draw(trial)
        where = self.folder / f"trial-{trial.number:03d}"
        config = RunConfig.from_dict(changed(self.base.to_dict(), trial.params))
        pruned = False
        self._write(self._found())

        def watch(event: Event) -> None:
            nonlocal pruned
            if reason := self.stop.reason:
                (where / STOP_FILE).write_text(reason, encoding="utf-8")
            if isinstance(event, Validated) and self.metric in event.metrics and event.epoch < (config.train.epochs or 0):
                # Steps would not compare: batches have different sizes. Hundredths of an epoch do.
                trial.report(event.metrics[self.metric], round(100 * event.epoch))
                if trial.should_prune():
                    pruned = True
                    (where / STOP_FILE).write_text(_PRUNED, encoding="utf-8")

        begun, error = time.monotonic(), None
        try:
            if not (holds_run(where) and (where / "run.json").exists()):  # one killed while it read its data has no recipe yet
                start(config, where, dataset=self.dataset, overwrite=True, on_event=fan_out(watch, self.on_event))
            elif run_state(where) != "finished":
                go_on(where, on_event=fan_out(watch, self.on_event))
        except (RunError, ConfigError) as failure:
            error = failure.message
        except KeyboardInterrupt:  # of a run that keeps nothing when it stops
            if not self.stop.reason:
                raise
        finally:  # the time between a stop and its end is not the trial's
            trial.set_user_attr("seconds", trial.user_attrs.get("seconds", 0.0) + time.monotonic() - begun)
        if error is None and run_state(where) == "finished":
            metrics = read_json(where / "report.json")["validation"]["metrics"]
            value = metrics.get(self.metric, metrics.get(self.metric.removeprefix("tuned_")))
            error = f"{self.metric} has no value on these validation rows." if value is None else None
        elif error is None and not pruned:
            return False
        else:
            value = None
        if error:
            trial.set_user_attr("error", error)
            self.study.tell(trial, state=TrialState.FAIL)
        elif value is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)
        self._tidy()
        self._tell()
        return True

    def _tidy(self) -> None:
        """Remove what is large of trials that are over and not the best."""
        found = self._found()
        for trial in found.trials:
            if self.keep_all or trial.state == "running" or trial == found.best:
                continue
            (self.folder / trial.folder / "model.safetensors").unlink(missing_ok=True)
            shutil.rmtree(self.folder / trial.folder / "checkpoints", ignore_errors=True)

    def _found(self) -> Search:
        from optuna.trial import TrialState

        names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
        trials = tuple(
            Trial(
                number=trial.number,
                state=names.get(trial.state, "running"),
                value=trial.value,
                options=trial.params,
                folder=f"trial-{trial.number:03d}",
                seconds=trial.user_attrs.get("seconds", trial.duration and trial.duration.total_seconds()),
                error=trial.user_attrs.get("error", ""),
            )
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state != TrialState.WAITING
        )
        same = (trial for trial in trials if all(self.own[name] == value for name, value in trial.options.items()))
        return Search(self.folder, self.metric, trials, next((trial.value for trial in same), None), wanted=self.wanted)

    def _tell(self, stopped: bool = False) -> Search:
        """Write `search.json` and tell the caller."""
        found = self._write(replace(self._found(), stopped=stopped))
        if self.on_trial:
            self.on_trial(found)
        return found

    def _write(self, found: Search) -> Search:
        import optuna

        importances: dict[str, float] = {}
        with suppress(RuntimeError, ValueError, UserWarning), warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # too few trials, or all alike: then nothing is said
            importances = optuna.importance.get_param_importances(self.study)
        found = replace(found, importances=dict(importances))
        write_text(self.folder / RESULT_FILE, json.dumps(found.to_dict(), indent=1))
        return found


def _flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's options by dotted name."""
    parts = {part: values for part, values in recipe.items() if isinstance(values, Mapping)}
    return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}


def _suggest(trial: Any, tried: Range) -> None:
    if tried.choices:
        trial.suggest_categorical(tried.option, tried.choices)
        return
    assert tried.low is not None
    assert tried.high is not None
    if tried.whole:
        trial.suggest_int(tried.option, int(tried.low), int(tried.high), log=tried.log)
    else:
        trial.suggest_float(tried.option, tried.low, tried.high, log=tried.log)


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """What the processes that share a search must not do at the same time."""
    (folder / ".locks").mkdir(exist_ok=True)
    with (folder / ".locks" / "turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """True where nobody else holds this lock; the system frees it when a process dies, however it does."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
