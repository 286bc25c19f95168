"""`finetune` and `resume`: a run is data, and this turns it into a `FineTunedModel`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasft.alone import alone
from kerasft.comparison import differing
from kerasft.config import read_json
from kerasft.data.data_config import DataConfig
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.recognise import suggest_task
from kerasft.errors import ArtifactError, ConfigError, RunError, RunExistsError
from kerasft.events import Emit, Finished, Stopped, fan_out, read_events
from kerasft.execution import execute
from kerasft.model import FineTunedModel, load
from kerasft.progress import TerminalProgress
from kerasft.recipe import RunConfig, changed
from kerasft.runs import (
    KEPT_ROWS,
    forget_old_stop,
    free_folder,
    has_kept_rows,
    holds_run,
    last_event,
    parts_of_run,
    remove,
    remove_checkpoints,
    run_state,
)
from kerasft.tasks import Task, get_task
from kerasft.training.checkpoint import Checkpoints
from kerasft.training.devices import Devices, choose_devices
from kerasft.training.options import TrainConfig
from kerasft.training.stopping import raise_for
from kerasft.tuning import Tuning
from kerasft.tuning.full import Full


def finetune(
    preset: str,
    data: Any,
    task: Task | None = None,
    *,
    tuning: Tuning | None = None,
    train: TrainConfig | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    on_event: Emit | None = None,
) -> FineTunedModel:
    """Fine-tune a pretrained model.

    Args:
        preset: Name (`kerasft list presets`), folder, or `hf://owner/name`.
        data: A `Dataset`, or anything `load_data` reads.
        task: What is learned; when not given, what the data look made for (`suggest_task`).
        tuning: Which weights learn; all by default.
        train: How; `None` values are chosen for the method and the size of the model.
        out: Folder of the run; `saved_models/<data>-<preset>` with a free number when not given.
        overwrite: Replace the run in `out`, if there is one.
        on_event: Called with every event while the run goes; progress is shown on the terminal when not given.

    Returns:
        The model with the best weights. When the run was stopped by the app or a file `STOP`, it is the model so far, and
        `resume(out)` goes on.

    Raises:
        KeyboardInterrupt: Ctrl-C; the run is saved, and `resume(out)` goes on. After SIGTERM or SIGHUP it is SystemExit.
        ConfigError: Options that do not fit.
        DataError: Data that cannot be learned from.
        PresetError: The preset cannot be had.
        RunExistsError: `out` holds a run and `overwrite` is False.
        RunError: The loss is no longer a number.
    """
    share = DataConfig(validation=0.0) if train and train.folds else None  # folds stand for validation rows
    dataset = data if isinstance(data, Dataset) else load_data(data, share)
    config = RunConfig(
        preset=str(preset),
        data=dataset.config,
        task=task or get_task(suggest_task(dataset).task),
        tuning=tuning or Full(),
        train=train or TrainConfig(),
    )
    folder = Path(out).expanduser() if out else free_folder(Path("saved_models"), config.data.path, config.preset)
    model = start(config, folder, dataset=dataset, overwrite=overwrite, on_event=on_event or TerminalProgress(sys.stderr))
    _pass_signal_on(folder)
    return model


def _pass_signal_on(folder: Path) -> None:
    """Let Ctrl-C reach the caller once the run is saved: a loop over several runs would go on otherwise."""
    last = last_event(folder)
    if isinstance(last, Stopped):
        raise_for(last.reason, f"The run was stopped; go on with kft.resume({str(folder)!r}).")


def start(
    config: RunConfig,
    folder: Path,
    *,
    dataset: Dataset | None = None,
    overwrite: bool = False,
    on_event: Emit | None = None,
) -> FineTunedModel:
    """Do a new run in a folder; as `finetune`, from a `RunConfig`."""
    devices = _devices(config, on_event)
    if not devices.chief:
        return execute(config, folder, dataset, on_event, devices=devices, resuming=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "Choose another folder for the run."
        raise RunError(f"The run's folder cannot be made: {error.strerror}.", where=str(folder), hint=hint) from None
    with alone(folder, "run"):
        if not holds_run(folder):  # but perhaps what is left of an attempt that was refused
            leftovers = [folder / "events.jsonl", *([folder / KEPT_ROWS] if has_kept_rows(folder) else [])]
        elif overwrite:
            leftovers = parts_of_run(folder)
        else:
            hint = f"Go on with it (kerasft resume {folder}), choose another folder, or replace it: overwrite=True (--overwrite)."
            raise RunExistsError("The folder already holds a run.", where=str(folder), hint=hint)
        _spare_sources(config, leftovers)
        remove(leftovers)
        forget_old_stop(folder)
        return execute(config, folder, dataset, on_event, devices=devices, resuming=False)


def _spare_sources(config: RunConfig, leftovers: list[Path]) -> None:
    """Refuse to remove what the run is to be made from."""
    sources = [config.preset, config.data.path, config.data.validation_path, config.data.test_path]
    for source in (Path(source).expanduser().absolute() for source in sources if source):
        within = next((path for path in leftovers if source.is_relative_to(path.absolute())), None)
        if within is not None:
            hint = "Choose another folder for the run, or move them."
            raise ConfigError(f"What the run reads lies in what it would replace: {str(within)!r}.", where=str(source), hint=hint)


def _devices(config: RunConfig, on_event: Emit | None) -> Devices:
    return choose_devices(config.train, compares_rows=config.task.compares_rows, emit=fan_out(on_event))


def resume(
    folder: str | Path,
    *,
    changes: Mapping[str, Any] | None = None,
    allow_changes: bool = False,
    on_event: Emit | None = None,
) -> FineTunedModel:
    """Go on with a run exactly where it stopped: the result is that of a run that was never stopped.

    Args:
        folder: The run's folder.
        changes: Options to go on with in place of those it began with, such as `{"train.epochs": 5}`.
        allow_changes: Go on although options differ, by `changes` or because run.json was edited; the result is then no
            longer that of one whole run, and the recipe kept is the new one.
        on_event: Called with every event; progress is shown on the terminal when not given.

    Raises:
        ArtifactError: There is no run, or no checkpoint that is whole.
        ConfigError: Options differ and `allow_changes` is False, or the run is finished; shows which.
        DataError: The data have changed since.
        KeyboardInterrupt: Ctrl-C; as for `finetune`.
    """
    model = go_on(folder, changes=changes, allow_changes=allow_changes, on_event=on_event)
    _pass_signal_on(Path(folder).expanduser())
    return model


def go_on(
    folder: str | Path,
    *,
    changes: Mapping[str, Any] | None = None,
    allow_changes: bool = False,
    on_event: Emit | None = None,
) -> FineTunedModel:
    """As `resume`, for callers that look themselves whether the run was stopped."""
    folder = Path(folder).expanduser()
    if not (folder / "run.json").exists():
        raise ArtifactError("This folder holds no KerasFT run.", where=str(folder), hint="Give the folder that holds run.json.")
    if any(isinstance(event, Finished) for event in _last_attempt(folder)) or run_state(folder) == "saved":
        if changes:
            told = ", ".join(changes)
            hint = f"Begin a new run with other options: kerasft train {folder / 'run.json'} --out NEW ..."
            raise ConfigError(f"The run is finished; it cannot go on with other options: {told}.", where=str(folder), hint=hint)
        remove_checkpoints(folder)  # what is left of them if the process ended while it removed them
        return load(folder)
    config = RunConfig.from_dict(changed(read_json(folder / "run.json"), changes or {}))
    before = Checkpoints(folder / "checkpoints").made_with.get("recipe", config.to_dict())
    before = RunConfig.from_dict(before).to_dict()  # with the defaults of options that are newer than the run
    odd = list(differing(before, config.to_dict()))
    told = "; ".join(f"{name}: {old!r} -> {new!r}" for name, old, new in odd)
    if odd and not allow_changes:
        hint = "Put them back, start a new run, or go on all the same: allow_changes=True (--allow-changes)."
        raise ConfigError(f"Options differ from those the run was stopped with. {told}.", where=str(folder), hint=hint)
    devices = _devices(config, on_event)
    show = on_event or TerminalProgress(sys.stderr)
    if not devices.chief:
        return execute(config, folder, None, show, devices=devices, resuming=True, told=told)
    with alone(folder, "run"):
        forget_old_stop(folder)
        return execute(config, folder, None, show, devices=devices, resuming=True, told=told)


def _last_attempt(folder: Path) -> list[Any]:
    return list(read_events(folder / "events.jsonl"))[-1:]
