"""What the commands about runs do. Heavy imports wait until they are needed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kerasft.errors import ConfigError
from kerasft.given import given_options

STOPPED = 3  # exit status of a run that was asked to stop; `kerasft resume` goes on


def _run_config(parsed: argparse.Namespace) -> Any:
    from kerasft.config import read_json
    from kerasft.data.data_config import DataConfig
    from kerasft.recipe import RunConfig
    from kerasft.tasks import TASKS
    from kerasft.training.options import TrainConfig
    from kerasft.tuning import TUNINGS

    if parsed.run and Path(parsed.run).suffix != ".json":
        hint = f"To work on data: --data {parsed.run}"
        raise ConfigError(f"A recipe is a JSON file, such as a run's run.json. Received: {parsed.run!r}.", hint=hint)
    values = read_json(Path(parsed.run)) if parsed.run else {}
    merged = RunConfig.from_dict(values).to_dict()
    merged["preset"] = named = parsed.preset or values.get("preset")
    merged["data"] = {**merged["data"], **given_options(parsed, "data", DataConfig.specs())}
    merged["data"] |= {"path": parsed.data} if parsed.data else {}
    task = parsed.task or (None if parsed.run else _suggested(merged["data"]))
    for part, name, registry in (("task", task, TASKS), ("tuning", parsed.tuning, TUNINGS)):
        if name and name != merged[part]["name"]:
            merged[part] = {"name": name}
        specs = registry.get(merged[part]["name"]).specs()  # type: ignore[attr-defined]
        merged[part] = {**merged[part], **given_options(parsed, part, specs)}
    merged["train"] = {**merged["train"], **given_options(parsed, "train", TrainConfig.specs())}
    config = RunConfig.from_dict(merged)
    if not named:
        print(f"Preset: {config.preset}. Choose another with --preset (`kerasft list presets`).", file=sys.stderr)
    return config


def _run_on_data(parsed: argparse.Namespace, hint: str) -> Any:
    config = _run_config(parsed)
    if config.data.path is None:
        raise ConfigError("No data were given.", hint=hint)
    return config


def _suggested(values: dict[str, Any]) -> str | None:
    """The task the data look made for, told on the terminal; None when no data were named."""
    from kerasft.data.data_config import DataConfig
    from kerasft.data.dataset import load_data
    from kerasft.data.recognise import label_question, suggest_task, task_question

    if values.get("path") is None:
        return None
    suggestion = suggest_task(load_data(None, DataConfig.from_dict(values)))
    if suggestion.unclear:
        raise label_question(suggestion, str(values["path"]))
    if suggestion.other_task:
        raise task_question(suggestion, str(values["path"]))
    print(f"Task: {suggestion.task}. {suggestion.why} Choose another with --task.", file=sys.stderr)
    return suggestion.task


def train(parsed: argparse.Namespace) -> int:
    """Fine-tune: from options, from a run's JSON file, or both."""
    from kerasft.progress import TerminalProgress
    from kerasft.run import start
    from kerasft.runs import free_folder

    config = _run_on_data(parsed, "kerasft train --data FILE, or a run's JSON file with data.path.")
    folder = Path(parsed.out) if parsed.out else free_folder(Path("saved_models"), config.data.path, config.preset)
    progress = TerminalProgress(sys.stderr)
    _check_workers(parsed)
    if parsed.cluster:
        from kerasft.cluster import train_on_cluster

        cluster = {"address": parsed.cluster, "workers": parsed.workers}
        train_on_cluster(config, folder, **cluster, overwrite=parsed.overwrite, on_event=progress)
    else:
        start(config, folder, overwrite=parsed.overwrite, on_event=progress)
    return _after_training(folder, progress)


def _check_workers(parsed: argparse.Namespace) -> None:
    if parsed.workers and not parsed.cluster:
        raise ConfigError("--workers needs --cluster.", hint="--cluster auto, or workers of their own by TF_CONFIG.")


def preview(parsed: argparse.Namespace) -> None:
    """Show what the model sees: rows token by token, with what is hidden, told and ignored."""
    from dataclasses import asdict

    from kerasft.data.dataset import load_data
    from kerasft.seen_windows import preview

    hint = "kerasft preview --data FILE --task masked_lm, or --text 'Some text.'"
    config = _run_config(parsed) if parsed.text else _run_on_data(parsed, hint)
    data = parsed.text or load_data(None, config.data)
    seen = preview(config.preset, data, config.task, rows=parsed.rows, epoch=parsed.epoch, seed=config.train.seed)
    if parsed.json:
        print(json.dumps([asdict(window) for window in seen], ensure_ascii=False))
    else:
        print("\n\n".join(map(str, seen)))


def learning_curve(parsed: argparse.Namespace) -> None:
    """Would more labels help? The main figure at growing numbers of rows, and what a power law expects beyond."""
    from kerasft.curve_measurement import learning_curve
    from kerasft.kept_rows import kept_rows
    from kerasft.progress import TerminalProgress

    if parsed.draws is not None and parsed.draws < 1:
        raise ConfigError(f"'--draws' must be at least 1. Received: {parsed.draws}.")
    config = _run_config(parsed)
    rows = kept_rows(Path(parsed.run).parent, config.data) if parsed.run else None
    if rows is None and config.data.path is None:
        hint = "kerasft learning-curve --data FILE, or kerasft learning-curve RUN/run.json"
        raise ConfigError("No data were given.", hint=hint)

    def tell(share: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{share:.0%} of the fits", end="\n" if share == 1 else "", file=sys.stderr, flush=True)

    how = {"training": parsed.training, "draws": parsed.draws}
    curve = learning_curve(config, rows, **how, on_event=TerminalProgress(sys.stderr), progress=tell)
    print(json.dumps(curve.to_dict()) if parsed.json else curve)


def adapt(parsed: argparse.Namespace) -> int:
    """Pre-train on texts of a domain, then learn a task, and compare with the task without it."""
    from kerasft.adaptation import adapt
    from kerasft.data.dataset import load_data
    from kerasft.progress import TerminalProgress
    from kerasft.recipe import RunConfig

    second = _run_on_data(parsed, "kerasft adapt --texts FILE --data FILE --out FOLDER")
    if not all(seed.strip().isdigit() for seed in parsed.seeds.split(",")):
        raise ConfigError(f"'--seeds' takes whole numbers, such as 1,2,3. Received: {parsed.seeds!r}.")
    stage = RunConfig.load(parsed.first) if parsed.first else None
    told = adapt(
        second.preset,
        load_data(parsed.texts),
        load_data(None, second.data),
        second.task,
        out=parsed.out,
        pretraining=stage.task if stage else None,
        pretraining_train=stage.train if stage else None,
        tuning=second.tuning,
        train=second.train,
        seeds=[int(seed) for seed in parsed.seeds.split(",")],
        on_event=TerminalProgress(sys.stderr),
    )
    print(told)
    return STOPPED if told.stopped else 0


def search(parsed: argparse.Namespace) -> int:
    """Look for better options of a run, on its validation rows."""
    from kerasft.hyper_search import search
    from kerasft.progress import TerminalProgress
    from kerasft.search_report import Search

    config = _run_on_data(parsed, "kerasft search --data FILE --out FOLDER")
    _check_workers(parsed)
    space = dict(_named_range(text) for text in parsed.space) if parsed.space else None

    def tell(found: Search) -> None:
        best = f"; best so far {found.best.folder}, {found.metric} {found.best.value:.4f}" if found.best else ""
        over = sum(trial.state != "running" for trial in found.trials)
        print(f"{over} of {parsed.trials} trials have finished{best}", file=sys.stderr)

    found = search(
        config,
        space,
        out=parsed.out,
        trials=parsed.trials,
        minutes=parsed.minutes,
        maximise=parsed.maximise,
        pruner=parsed.pruner,
        storage=parsed.storage,
        keep_all=parsed.keep_all,
        seed=parsed.seed,
        cluster=parsed.cluster,
        workers=parsed.workers,
        on_event=TerminalProgress(sys.stderr),
        on_trial=tell,
    )
    print(found)
    failed = found.trials and all(trial.state == "failed" for trial in found.trials)
    return STOPPED if found.stopped else 1 if failed else 0


def bake_off(parsed: argparse.Namespace) -> int:
    """Learn a task in several ways on the same rows, and compare."""
    from kerasft.bake_off_report import CONTENDERS, MAJORITY, BakeOff
    from kerasft.method_comparison import bake_off
    from kerasft.tasks.cloze import ClozeClassification

    config = _run_on_data(parsed, "kerasft bake-off --data FILE --out FOLDER")
    asked = {name: getattr(parsed, name) for name in ("words", "template") if getattr(parsed, name)}

    def tell(found: BakeOff) -> None:
        running = next((result.name for result in found.results if result.state == "running"), None)
        if running:
            tried = [result for result in found.results if result.name != MAJORITY]
            over = sum(result.state not in ("running", "waiting") for result in tried)
            print(f"{over} of {len(tried)} contenders have finished; now {running}", file=sys.stderr)

    found = bake_off(
        config,
        out=parsed.out,
        contenders=[name.strip() for name in parsed.contenders.split(",")] if parsed.contenders else CONTENDERS,
        cloze=ClozeClassification.from_dict(asked) if asked else None,
        show=True,
        on_result=tell,
    )
    print(found)
    failed = [result for result in found.results if result.state == "failed"]
    return STOPPED if found.stopped else int(bool(failed) and not any(result.state == "done" for result in found.results))


def _named_range(text: str) -> tuple[str, str]:
    name, equals, given = text.partition("=")
    if not equals or not given.strip():
        hint = "For example --space train.learning_rate=1e-5..1e-3:log"
        raise ConfigError(f"'--space' takes OPTION=RANGE. Received: {text!r}.", hint=hint)
    return name.strip(), given


def resume(parsed: argparse.Namespace) -> int:
    """Go on with a stopped run exactly where it stopped."""
    from kerasft.progress import TerminalProgress
    from kerasft.run import go_on
    from kerasft.runs import run_state

    progress = TerminalProgress(sys.stderr)
    changes = _changes(parsed) if (Path(parsed.folder) / "run.json").exists() else {}
    _check_workers(parsed)
    if parsed.cluster:
        from kerasft.cluster import train_on_cluster
        from kerasft.recipe import RunConfig

        if changes:
            raise ConfigError("On a cluster a run goes on with its own options.", hint="Leave --cluster out to change them.")
        config = RunConfig.load(Path(parsed.folder) / "run.json")
        cluster = {"address": parsed.cluster, "workers": parsed.workers}
        train_on_cluster(config, Path(parsed.folder), **cluster, resuming=True, on_event=progress)
        return _after_training(Path(parsed.folder), progress)
    finished = run_state(Path(parsed.folder)) == "finished"
    go_on(parsed.folder, changes=changes, allow_changes=parsed.allow_changes, on_event=progress)
    if finished:
        print("The run is finished; nothing was left to do.", file=sys.stderr)
    return _after_training(Path(parsed.folder), progress)


def _changes(parsed: argparse.Namespace) -> dict[str, Any]:
    """The options given to go on with, by dotted name."""
    from kerasft.config import read_json
    from kerasft.tasks import TASKS
    from kerasft.training.options import TrainConfig
    from kerasft.tuning import TUNINGS

    recipe = read_json(Path(parsed.folder) / "run.json")
    parts: dict[str, Any] = {"train": TrainConfig}
    parts |= {part: registry.get(recipe[part]["name"]) for part, registry in (("task", TASKS), ("tuning", TUNINGS))}  # type: ignore[attr-defined]
    given = {part: given_options(parsed, part, cls.specs()) for part, cls in parts.items()}
    return {f"{part}.{name}": value for part, values in given.items() for name, value in values.items()}


def diff(parsed: argparse.Namespace) -> None:
    """Show options, data, versions and figures in which two runs differ."""
    from kerasft.comparison import compare_runs

    print(compare_runs(parsed.one, parsed.other))


def verify(parsed: argparse.Namespace) -> int:
    """Compare the files of a run and of its exports with the SHA-256 kept when they were written."""
    from kerasft.verification import verify

    found = verify(parsed.folder)
    print("\n".join(map(str, found)))
    return 1 if any(one.faults for one in found) else 0


def reproduce(parsed: argparse.Namespace) -> int:
    """Train again from a run's recipe and compare the results."""
    from kerasft.progress import TerminalProgress
    from kerasft.reproduction import reproduce

    progress = TerminalProgress(sys.stderr)
    comparison = reproduce(parsed.folder, parsed.out, on_event=progress)
    print(comparison)
    return STOPPED if progress.stopped else 0 if comparison.same_result else 1


def _after_training(folder: Path, progress: Any) -> int:
    from kerasft.config import read_json
    from kerasft.tasks import TASKS

    if progress.stopped:
        print(f"\nStopped. The model so far is usable; go on with: kerasft resume {folder}")
        return STOPPED
    report = folder / "report.md"
    if report.exists():
        print(report.read_text(encoding="utf-8"))
    asks = TASKS.get(read_json(folder / "run.json")["task"]["name"]).asks
    print(f'Saved in {folder}. Next: kerasft predict {folder} "{asks}"; kerasft export {folder}')
    return 0
