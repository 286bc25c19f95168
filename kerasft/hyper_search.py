"""`search`: hyper-parameters by Optuna, each trial an ordinary run; goes on after a crash, and several processes can share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasft.backbones.loading import load_backbone
from kerasft.cluster import as_error, as_words, joined, lost, settle, shared_out, versions
from kerasft.comparison import differing
from kerasft.data.dataset import Dataset, load_data
from kerasft.errors import ConfigError, DataError, KerasFTError, RunError
from kerasft.evaluation.direction import LOWER_IS_BETTER
from kerasft.events import Emit, Stopped, ignore
from kerasft.presets import fetch, find_preset
from kerasft.recipe import RunConfig
from kerasft.resolution import resolved
from kerasft.runs import STOP_FILE, forget_old_stop, last_event
from kerasft.search_report import RESULT_FILE, Search
from kerasft.search_space import read_space
from kerasft.training.devices import choose_devices, one_process
from kerasft.training.stopping import StopRequest, raise_for
from kerasft.trials import STARTUP, Trials, in_turn

PRUNERS = ("median", "hyperband", "none")
_JOURNAL = "journal://"
_GOES_ON = "The search in {folder} goes on when it is begun again with that folder."


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
    cluster: str | None = None,
    workers: int | None = None,
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
        storage: URL of Optuna's storage, such as `postgresql://...`, or `journal:///shared/search.journal`, Optuna's own kind of
            file, which may lie on a network drive. When not given SQLite in `out`, for a cluster such a journal.
        keep_all: Keep every trial's weights and not only the best one's.
        seed: Of the drawing of options.
        cluster: Address of a Ray cluster (`cluster.joined`) whose machines share the trials; data and folder must be seen by all
            of them. None is this process.
        workers: Trials at a time on the cluster; one for each GPU, or for each machine where there are none, when not given.
        on_event: Called with every event of every trial; not for a cluster, where each trial's folder has them.
        on_trial: Called with what is found so far after every trial.

    Raises:
        ConfigError: An option or range is impossible, or the folder holds another search.
        DataError: There are no validation rows.
        RunError: The storage or the cluster cannot be reached, or a worker was lost again and again.
        KeyboardInterrupt: Ctrl-C, once what was found is saved; after SIGTERM or SIGHUP it is SystemExit.
    """
    import optuna

    if pruner not in PRUNERS:
        raise ConfigError(f"'pruner' must be one of {', '.join(PRUNERS)}. Received: {pruner!r}.")
    if trials < 1:
        raise ConfigError(f"'trials' must be at least 1. Received: {trials!r}.")
    known = ("auto", "loss", *run.task.monitors)
    if maximise not in known:
        told = f"'maximise' must be one of {', '.join(known)} for task '{run.task.name}'. Received: {maximise!r}."
        raise ConfigError(told)
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"'minutes' must be above 0, or no trial would begin. Received: {minutes}.")
    one_process("search")
    folder = Path(out).expanduser()
    if cluster is not None:
        fixed = {"trials": trials, "minutes": minutes, "maximise": maximise, "pruner": pruner, "keep_all": keep_all, "seed": seed}
        return _on_cluster(run, space, folder, data, storage, fixed, cluster, workers, on_trial)
    choose_devices(run.train, compares_rows=run.task.compares_rows)  # before the model below uses any of them
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    dataset = run.task.suited((data or load_data(None, run.data)).divided())
    if "validation" not in dataset:
        raise DataError("A search needs validation rows.", hint="Set rows aside with validation=0.1 (--data.validation 0.1).")
    metric, learned = maximise, run.task.learn(dataset["train"])
    if maximise == "auto":
        metric = run.task.main_metric(learned)
    elif maximise not in (known := ("loss", *run.task.monitored(learned))):
        raise ConfigError(f"'maximise' must be one of auto, {', '.join(known)} for these data. Received: {maximise!r}.")
    backbone = load_backbone(fetch(find_preset(run.preset)), dtype="float32", dropout=run.train.dropout, origin=run.preset)
    rows, held_out = len(dataset["train"]), len(dataset["validation"])
    train, _ = resolved(run, backbone, rows=rows, validation_rows=held_out)
    train = replace(train, score_test=False, monitor=metric, folds=None)  # there are validation rows
    base = replace(run, train=train, data=dataset.config)
    del backbone
    ranges = read_space(base, space)
    folder.mkdir(parents=True, exist_ok=True)
    forget_old_stop(folder)
    url = storage or _own_storage(folder)
    plan = {"recipe": {**base.to_dict(), "data": dataset.fingerprint()}, "space": {r.option: str(r) for r in ranges}}
    name = f"kerasft {folder.resolve()}" if storage else "kerasft"  # a folder with a file of its own can be moved
    with _telling_storage(url, ImportError), in_turn(folder):
        study = _study(url, name, metric, pruner)
        _check_plan(study, plan, folder)
    share = Trials(
        study, base, ranges, dataset, folder, metric, seed=seed, keep_all=keep_all, on_event=on_event, on_trial=on_trial
    )
    with _telling_storage(url):
        found = share.run(trials, None if minutes is None else time.monotonic() + 60 * minutes)
    for trial in found.trials if found.stopped else ():
        last = last_event(folder / trial.folder)
        if trial.state == "running" and isinstance(last, Stopped):
            raise_for(last.reason, _GOES_ON.format(folder=folder))
    return found


def _own_storage(folder: Path) -> str:
    """Of a search whose storage was not named: what it was begun with, SQLite at first."""
    journal = folder.resolve() / "search.journal"
    return f"{_JOURNAL}{journal}" if journal.exists() else f"sqlite:///{folder.resolve() / 'search.db'}"


def _study(url: str, name: str, metric: str, pruner: str) -> Any:
    import optuna

    pruners = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=100, reduction_factor=3),
        "none": optuna.pruners.NopPruner,
    }
    storage: Any = url
    if url.startswith(_JOURNAL):
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        storage = JournalStorage(JournalFileBackend(url.removeprefix(_JOURNAL)))
    return optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        direction="minimize" if metric in LOWER_IS_BETTER else "maximize",
        pruner=pruners[pruner](),
    )


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
        if isinstance(error, ImportError | sqlalchemy.exc.NoSuchModuleError) or isinstance(error.__cause__, ImportError):
            hint = (
                "Storages are sqlite:///FILE, journal:///FILE and databases such as postgresql://..., whose driver must be "
                "installed (pip install psycopg2-binary)."
            )
        raise RunError(f"The search's storage cannot be used: {told}", where=url.split("@")[-1], hint=hint) from error


def _on_cluster(
    run: RunConfig,
    space: Mapping[str, Any] | None,
    folder: Path,
    data: Dataset | None,
    storage: str | None,
    fixed: dict[str, Any],
    address: str,
    workers: int | None,
    on_trial: Callable[[Search], None] | None,
) -> Search:
    """Have a cluster's workers share a search, each as a process that was started with the same folder does."""
    if data is not None or run.data.path is None:
        hint = "Write the rows to a file."
        raise ConfigError("On a cluster the data must be a file or folder that all machines see.", hint=hint)
    if workers is not None and workers < 1:
        raise ConfigError(f"'workers' must be at least 1. Received: {workers!r}.")
    folder = folder.absolute()
    with joined(address) as ray:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if storage is None and len(machines) > 1 and (folder / "search.db").exists():
            hint = "Go on with it on one machine, or begin another in a new folder."
            raise ConfigError(
                "This search was begun with SQLite, which several machines cannot share.", where=str(folder), hint=hint
            )
        count, gpus = shared_out(machines, workers or int(sum(machine.get("GPU", 0) for machine in machines)) or None)
        folder.mkdir(parents=True, exist_ok=True)
        if storage is None and not (folder / "search.db").exists():
            (folder / "search.journal").touch()
        told = {"recipe": run.to_dict(), "space": space, "folder": str(folder), "storage": storage, "options": fixed,
                "versions": versions(), "place": str(Path.cwd())}  # fmt: skip
        work = ray.remote(_work).options(num_cpus=1, num_gpus=gpus, max_retries=3, scheduling_strategy="SPREAD")
        return _waiting(ray, [work.remote(told) for _ in range(count)], folder, on_trial)


def _waiting(ray: Any, tasks: list[Any], folder: Path, on_trial: Callable[[Search], None] | None) -> Search:
    """Wait for the workers, hand a stop request on, tell what is found."""
    forget_old_stop(folder)
    stop, over, result = StopRequest(folder, shared=True), -1, folder / RESULT_FILE
    refused: KerasFTError | None = None
    gone: RunError | None = None
    with stop.listening():
        while tasks:
            done, tasks = ray.wait(tasks, timeout=0.5)
            for task in done:
                try:
                    words = ray.get(task)
                except ray.exceptions.RayError as error:
                    gone = lost(error, "The same command goes on with the workers there are.")
                else:
                    refused = as_error(words) if words else refused
            # A worker that begins late takes a request older than itself for one of an earlier search: so it is made again.
            if reason := stop.reason or (refused and "another worker, which failed"):
                (folder / STOP_FILE).write_text(reason, encoding="utf-8")
            if on_trial and result.exists():
                found = Search.read(folder)
                ended = sum(trial.state != "running" for trial in found.trials)
                if ended != over:
                    over = ended
                    on_trial(found)
    if refused:
        (folder / STOP_FILE).unlink(missing_ok=True)
        raise refused
    if gone and not (result.exists() and Search.read(folder).complete):
        raise gone
    raise_for(stop.reason, _GOES_ON.format(folder=folder))
    return replace(Search.read(folder), stopped=stop.reason is not None)


def _work(told: dict[str, Any]) -> dict[str, Any] | None:
    """What each worker does; the words of its error, if there is one."""
    try:
        settle(told["place"], told["versions"])
        run = RunConfig.from_dict(told["recipe"])
        search(run, told["space"], out=told["folder"], storage=told["storage"], on_event=ignore, **told["options"])
    except KerasFTError as error:
        return as_words(error)
    return None
