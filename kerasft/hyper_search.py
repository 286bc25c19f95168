"""`search`: hyper-parameters by Optuna, each trial an ordinary run; goes on after a crash, and several processes can share it."""

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

from kerasft.backbones.loading import load_backbone
from kerasft.comparison import differing
from kerasft.config import read_json
from kerasft.data.dataset import Dataset, load_data
from kerasft.errors import ConfigError, DataError, RunError
from kerasft.evaluation.direction import LOWER_IS_BETTER
from kerasft.events import Emit, Event, Validated, fan_out
from kerasft.execution import resolved
from kerasft.presets import fetch, find_preset
from kerasft.recipe import RunConfig, changed
from kerasft.run import resume, start
from kerasft.runs import STOP_FILE, forget_old_stop, holds_run, run_state
from kerasft.search_report import RESULT_FILE, Search, Trial
from kerasft.search_space import Range, read_space
from kerasft.training.devices import choose_devices, one_process
from kerasft.training.stopping import StopRequest
from kerasft.weights import write_text

PRUNERS = ("median", "hyperband", "none")
_PRUNED = "the search, which finds it no better than others"
_STARTUP = 4  # trials before TPE and pruning begin


def search(
    run: RunConfig,
    space: Mapping[str, Any] | None = None,
    *,
    out: str | Path,
    data: Dataset | None = None,
    trials: int = 20,
    minutes: float | None = None,
    maximise: str = "auto",
    pruner: str = "median",
    storage: str | None = None,
    keep_all: bool = False,
    seed: int = 1,
    on_event: Emit | None = None,
    on_trial: Callable[[Search], None] | None = None,
) -> Search:
    """Look for better options of a run by Optuna's TPE (Bergstra et al. 2011), on the validation rows alone.

    Trial 0 is the recipe as it is (where the ranges hold its values), so that the search says what it brought. Trials that fall
    behind are ended early. Begun again with the same folder it goes on: finished trials count, and one that a crash cut off is
    resumed. Several processes started with the same folder (and storage) share the work.

    A file `STOP` in the folder, like Ctrl-C, stops it after the step that is being done.

    Args:
        run: The recipe.
        space: Ranges by option, such as `{"train.learning_rate": "1e-5..1e-3:log", "tuning.rank": [4, 8]}`; those that
            suit the tuning method when not given (`search_space.Range.read` says what else can be written).
        out: Folder of everything that is made.
        data: Rows that are loaded already; else those the recipe names.
        trials: How many in all, those of earlier starts included.
        minutes: No trial begins later than so many minutes after this start.
        maximise: The figure; `auto` is the task's main one. Losses, errors and perplexities are minimised.
        pruner: `median` (below the median of others at the same epoch), `hyperband` or `none`.
        storage: URL of Optuna's storage, such as `postgresql://...`; SQLite in `out` when not given.
        keep_all: Keep every trial's weights and not only the best one's.
        seed: Of the drawing of options.
        on_event: Called with every event of every trial.
        on_trial: Called with what is found so far after every trial.

    Raises:
        ConfigError: An option or range is impossible, or the folder holds another search.
        DataError: There are no validation rows.
        RunError: The storage cannot be reached or written.
    """
    import optuna

    if pruner not in PRUNERS:
        raise ConfigError(f"'pruner' must be one of {', '.join(PRUNERS)}. Received: {pruner!r}.")
    if trials < 1:
        raise ConfigError(f"'trials' must be at least 1. Received: {trials!r}.")
    one_process("search")
    choose_devices(run.train, compares_rows=run.task.compares_rows)  # before the model below uses any of them
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = Path(out).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    forget_old_stop(folder)
    dataset = run.task.suited(data or load_data(None, run.data))
    if "validation" not in dataset:
        raise DataError("A search needs validation rows.", hint="Set rows aside with validation=0.1 (--data.validation 0.1).")
    metric = maximise
    if maximise == "auto":
        metric = run.task.main_metric(run.task.learn(dataset["train"]))
    backbone = load_backbone(fetch(find_preset(run.preset)), dtype="float32", dropout=run.train.dropout, origin=run.preset)
    train = replace(resolved(run, backbone), score_test=False, monitor=metric)
    base = replace(run, train=train, data=dataset.config)
    del backbone
    ranges = read_space(base, space)
    url = storage or f"sqlite:///{(folder / 'search.db').resolve()}"
    plan = {"recipe": {**base.to_dict(), "data": dataset.fingerprint()}, "space": {r.option: str(r) for r in ranges}}
    name = f"kerasft {folder.resolve()}" if storage else "kerasft"  # a folder with a file of its own can be moved
    with _telling_storage(url, ImportError):
        study = _study(url, name, metric, pruner, seed)
        _check_plan(study, plan, folder)
    driver = _Driver(study, base, ranges, dataset, folder, metric, keep_all, on_event, on_trial)
    with _telling_storage(url):
        return driver.run(trials, None if minutes is None else time.monotonic() + 60 * minutes)


def _study(url: str, name: str, metric: str, pruner: str, seed: int) -> Any:
    import optuna

    pruners = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=_STARTUP),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=100, reduction_factor=3),
        "none": optuna.pruners.NopPruner,
    }
    made = optuna.create_study(
        storage=url,
        study_name=name,
        load_if_exists=True,
        direction="minimize" if metric in LOWER_IS_BETTER else "maximize",
        pruner=pruners[pruner](),
    )
    # A process that joins or goes on draws other options than the first did, not the same again.
    made.sampler = optuna.samplers.TPESampler(seed=seed + len(made.get_trials(deepcopy=False)), n_startup_trials=_STARTUP)
    return made


def _check_plan(study: Any, plan: dict[str, Any], folder: Path) -> None:
    """Note what is searched, or compare it with what was noted.

    Raises:
        ConfigError: It is another search.
    """
    before = study.user_attrs.get("plan")
    if before is None:
        study.set_user_attr("plan", plan)
        return
    odd = [f"{name}: {old!r} -> {new!r}" for part in plan for name, old, new in differing(before[part], plan[part])]
    if odd:
        hint = "Give what it was begun with, or choose another folder."
        raise ConfigError(f"The folder holds another search. {'; '.join(odd[:5])}.", where=str(folder), hint=hint)


@contextmanager
def _telling_storage(url: str, *others: type[Exception]) -> Iterator[None]:
    """Turn the storage's own errors, and perhaps others, into one that says what to do."""
    import optuna
    import sqlalchemy

    errors: tuple[type[Exception], ...] = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError, *others)
    try:
        yield
    except errors as error:
        told = str(error.__cause__ or error).splitlines()[0]
        hint = "See that the server answers and the disk has room; then begin again with the same folder: nothing is lost."
        raise RunError(f"The search's storage cannot be used: {told}", where=url.split("@")[-1], hint=hint) from error


class _Driver:
    """One process's share of a search."""

    def __init__(
        self,
        study: Any,
        base: RunConfig,
        ranges: tuple[Range, ...],
        dataset: Dataset,
        folder: Path,
        metric: str,
        keep_all: bool,
        on_event: Emit | None,
        on_trial: Callable[[Search], None] | None,
    ) -> None:
        self.study, self.base, self.ranges, self.dataset = study, base, ranges, dataset
        self.wanted = 0
        self.stop = StopRequest(folder, shared=True)
        self.folder, self.metric, self.keep_all = folder, metric, keep_all
        self.on_event, self.on_trial = on_event, on_trial
        self.own = _flat(base.to_dict())

    def run(self, trials: int, deadline: float | None) -> Search:
        self.wanted = trials
        first = {r.option: self.own[r.option] for r in self.ranges if self.own[r.option] in r}
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(first, skip_if_exists=True)
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

        begun = [trial for trial in self.study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
        return None if len(begun) >= trials else self.study.ask({r.option: _distribution(r) for r in self.ranges})

    def _try(self, trial: Any) -> bool:
        """Do one trial, or go on with it; False when it was asked to stop."""
        from optuna.trial import TrialState

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

        try:
            if not (holds_run(where) and (where / "run.json").exists()):  # one killed while it read its data has no recipe yet
                start(config, where, dataset=self.dataset, overwrite=True, on_event=fan_out(watch, self.on_event))
            elif run_state(where) != "finished":
                resume(where, on_event=fan_out(watch, self.on_event))
        except (RunError, ConfigError) as error:
            trial.set_user_attr("error", error.message)
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            if run_state(where) == "finished":
                metrics = read_json(where / "report.json")["validation"]["metrics"]
                value = metrics.get(self.metric, metrics.get(self.metric.removeprefix("tuned_")))
                if value is None:
                    trial.set_user_attr("error", f"{self.metric} has no value on these validation rows.")
                    self.study.tell(trial, state=TrialState.FAIL)
                else:
                    self.study.tell(trial, value)
            elif pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                return False
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
                seconds=trial.duration.total_seconds() if trial.duration else None,
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


def _distribution(tried: Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if tried.choices:
        return CategoricalDistribution(tried.choices)
    assert tried.low is not None
    assert tried.high is not None
    if tried.whole:
        return IntDistribution(int(tried.low), int(tried.high), log=tried.log)
    return FloatDistribution(tried.low, tried.high, log=tried.log)


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
