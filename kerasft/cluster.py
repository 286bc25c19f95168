"""Runs on a Ray cluster: one worker a machine, started by Ray Train, sharing every batch; see `docs/devices.md`."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import platform
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kerasft.errors import ConfigError, DataError, KerasFTError, MissingPackageError, RunError, RunExistsError
from kerasft.events import Emit, NewEvents, fan_out
from kerasft.model import FineTunedModel, load
from kerasft.recipe import RunConfig
from kerasft.runs import STOP_FILE, has_kept_rows, holds_run
from kerasft.training.stopping import StopRequest

_PACKAGES = ("kerasft", "tensorflow", "tensorflow-text", "keras", "keras-hub", "ray")


def versions() -> dict[str, str]:
    """What a worker must have as the driver has it."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}}


@contextmanager
def joined(address: str) -> Iterator[Any]:
    """The `ray` package, connected to a cluster.

    Args:
        address: `auto` for the cluster this machine belongs to, `HOST:PORT`, or `local` for one of this machine's processors
            alone, which ends with the work.

    Raises:
        MissingPackageError: Ray is not installed.
        RunError: The cluster cannot be reached, or has other versions of Ray or Python.
    """
    if "RAY_AUTH_TOKEN" in os.environ or (Path.home() / ".ray" / "auth_token").exists():
        # Clusters ask for the token (Ray 2.60), but who joins by an address does not show his unless told to.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError:
        raise MissingPackageError("A cluster needs the package 'ray'.", hint="pip install 'kerasft[cluster]'") from None
    try:
        _knock(address)  # Ray itself would try for minutes
        quiet = {"env_vars": {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")}}
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, runtime_env=quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
        hint = "`ray start --head` begins one, `ray start --address HOST:6379` joins it; run this on one of its machines."
        told = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise RunError(f"The cluster cannot be reached: {told}", where=address, hint=hint) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise `OSError` where nobody answers at HOST:PORT."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def train_on_cluster(
    config: RunConfig,
    folder: Path,
    *,
    address: str = "auto",
    workers: int | None = None,
    overwrite: bool = False,
    resuming: bool = False,
    on_event: Emit | None = None,
) -> FineTunedModel:
    """Do a run on the machines of a Ray cluster, or go on with it there.

    Ray Train starts the workers and tells each its place (`TF_CONFIG`); they then train as any `multi_worker` run does. Data and
    folder must lie where all of them see them. A stop request (Ctrl-C, the file `STOP`) is handed on.

    Args:
        config: What to do.
        folder: The run's folder.
        address: Of the cluster; see `joined`.
        workers: How many; as many as the cluster has machines when not given.
        overwrite: Replace the run in the folder, if there is one.
        resuming: Go on with the run in the folder.
        on_event: Called with every event the chief writes.

    Raises:
        ConfigError: The run does not suit a cluster, or a worker has other versions than this process.
        RunExistsError: The folder holds a run and `overwrite` is False.
        RunError: The cluster cannot be reached, has too few machines, or a worker was lost.
    """
    if config.train.strategy not in ("auto", "multi_worker"):
        hint = "Leave train.strategy at auto."
        raise ConfigError(
            f"On a cluster workers share the batches. Received: train.strategy {config.train.strategy!r}.", hint=hint
        )
    if config.data.path is None and not (resuming and has_kept_rows(folder)):
        raise ConfigError(
            "On a cluster the data must be a file or folder that all machines see.", hint="Write the rows to a file."
        )
    if workers is not None and workers < 1:
        raise ConfigError(f"'workers' must be at least 1. Received: {workers!r}.")
    folder = folder.expanduser().absolute()
    if holds_run(folder) and not resuming and not overwrite:
        raise RunExistsError(
            "The folder already holds a run.", where=str(folder), hint="Go on with it, or choose another folder."
        )
    with joined(address) as ray, tempfile.TemporaryDirectory(prefix="kerasft-") as storage:
        count, gpus = shared_out([node["Resources"] for node in ray.nodes() if node["Alive"]], workers)
        folder.mkdir(parents=True, exist_ok=True)
        told = {"recipe": config.to_dict(), "folder": str(folder), "resuming": resuming, "overwrite": overwrite,
                "versions": versions(), "place": str(Path.cwd())}  # fmt: skip
        _run(told, count, gpus, storage, folder, on_event)
    return load(folder)


def shared_out(machines: list[dict[str, float]], workers: int | None) -> tuple[int, int]:
    """How many workers there are, and GPUs for each.

    Args:
        machines: Resources of each machine, as Ray tells them.
        workers: As asked for, or None: one a machine that can work.

    Raises:
        RunError: There are too few processors or GPUs.
    """
    able = [machine for machine in machines if machine.get("CPU", 0) >= 1]
    able = [machine for machine in able if machine.get("GPU", 0) >= 1] or able  # a head without a GPU does not hold up the others
    count = workers or max(1, len(able))
    each = -(-count // max(1, len(able)))  # workers on one machine
    processors = int(sum(machine["CPU"] for machine in able))
    if any(machine["CPU"] < each for machine in able) or not able:
        hint = f"Ask for up to {processors}, or let more machines join: `ray start --address HOST:6379`."
        raise RunError(
            f"The cluster has {processors} processors on {len(able)} machines, too few for {count} workers.", hint=hint
        )
    fewest = int(min(machine.get("GPU", 0) for machine in able))
    if 0 < fewest < each:
        hint = f"Ask for up to {fewest * len(able)} workers."
        raise RunError(
            f"The cluster has {fewest} GPUs a machine, too few for {count} workers on {len(able)} machines.", hint=hint
        )
    return count, fewest // each


def _run(told: dict[str, Any], workers: int, gpus: int, storage: str, folder: Path, on_event: Emit | None) -> None:
    """Start the workers and wait for them, while their chief's events are passed on."""
    from ray.train import RunConfig as Storage
    from ray.train import ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    need: dict[str, float] = {"CPU": 1, **({"GPU": gpus} if gpus else {})}
    scaling = ScalingConfig(num_workers=workers, use_gpu=gpus > 0, resources_per_worker=need, placement_strategy="SPREAD")
    said = folder / ".cluster"
    said.mkdir(exist_ok=True)
    for old in said.iterdir():
        old.unlink()
    trainer = TensorflowTrainer(_work, train_loop_config=told, scaling_config=scaling, run_config=Storage(storage_path=storage))
    failures: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # of another thread: told below
            failures.append(error)

    thread = threading.Thread(target=fit, name="ray train", daemon=True)
    stop, news = StopRequest(None), NewEvents(folder / "events.jsonl")
    emit = fan_out(on_event)
    with stop.listening():
        thread.start()
        while thread.is_alive():
            thread.join(0.5)
            if stop.reason:
                (folder / STOP_FILE).write_text(stop.reason, encoding="utf-8")
            for event in news():
                emit(event)
    if failures:
        raise _failure(said, failures[0], folder)


def _failure(said: Path, error: BaseException, folder: Path) -> KerasFTError:
    """What the workers said of their end; the cluster's own words where they could not say anything."""
    for path in sorted(said.glob("*.json")):
        return as_error(json.loads(path.read_text(encoding="utf-8")))
    return lost(error, f"Go on with it on the machines there are: kerasft resume {folder} --cluster ADDRESS.")


def lost(error: BaseException, hint: str) -> RunError:
    """What to say of a worker that said nothing itself, by the cluster's own words."""
    line = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
    return RunError("A worker was lost.", where=line[:300], hint=hint)


def as_words(error: KerasFTError) -> dict[str, Any]:
    """An error as JSON values, which travel between machines; `as_error` makes one of them again."""
    return {"error": type(error).__name__, "message": error.message, "where": error.where, "hint": error.hint}


def as_error(words: dict[str, Any]) -> KerasFTError:
    """An error from the words of `as_words`."""
    kind = {"ConfigError": ConfigError, "DataError": DataError}.get(words["error"], RunError)
    return kind(words["message"], where=words["where"], hint=words["hint"])


def settle(place: str, wanted: dict[str, str]) -> None:
    """What every worker does first.

    Args:
        place: The driver's working folder, in which paths are meant; Ray has its own.
        wanted: The driver's `versions`.

    Raises:
        ConfigError: This machine has other versions; names each with both.
    """
    with suppress(OSError):
        os.chdir(place)
    own = versions()
    odd = [
        f"{name} {version} at the driver, {own.get(name)} here" for name, version in wanted.items() if own.get(name) != version
    ]
    if odd:
        hint = "Install the same versions on all machines (constraints.txt)."
        raise ConfigError(f"A worker has other versions than the driver: {'; '.join(odd)}.", where=platform.node(), hint=hint)


def _work(told: dict[str, Any]) -> None:
    """What each worker of a run does. Ray has put its place among them into TF_CONFIG."""
    from ray.train import get_context

    from kerasft.events import ignore
    from kerasft.run import go_on, start

    rank, folder = get_context().get_world_rank(), Path(told["folder"])
    try:
        settle(told["place"], told["versions"])
        if told["resuming"]:
            go_on(folder, on_event=ignore)
        else:
            start(RunConfig.from_dict(told["recipe"]), folder, overwrite=told["overwrite"], on_event=ignore)
    except KerasFTError as error:
        # A lost worker is what the others see of another one's mistake: what says more is read first.
        name = f"{'9' if 'was lost' in error.message else '0'}-{rank:04d}.json"
        with suppress(OSError):
            (folder / ".cluster" / name).write_text(json.dumps(as_words(error)), encoding="utf-8")
        time.sleep(1)  # Ray ends the others at the first failure: they too may have something to say
        raise
