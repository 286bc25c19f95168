"""What each command of the command line does. Heavy imports wait until they are needed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasft.errors import ConfigError

STOPPED = 3  # exit status of a run that was asked to stop; `kerasft resume` goes on


def _given(parsed: argparse.Namespace, prefix: str, specs: Sequence[Any]) -> dict[str, Any]:
    """The options of one group that were given, as values of their types."""
    values = {key.partition(".")[2]: text for key, text in vars(parsed).items() if key.startswith(prefix + ".")}
    known = {spec.name: spec for spec in specs}
    odd = [name for name in values if name not in known]
    if odd:
        hint = f"Its options: {', '.join(known) or 'none'}."
        raise ConfigError(f"--{prefix}.{odd[0]} is no option of the chosen {prefix}.", hint=hint)
    return {name: known[name].parse(text) for name, text in values.items()}


def _run_config(parsed: argparse.Namespace) -> Any:
    from kerasft.config import read_json
    from kerasft.data.dataset import DataConfig
    from kerasft.recipe import RunConfig
    from kerasft.tasks import TASKS
    from kerasft.training.options import TrainConfig
    from kerasft.tuning import TUNINGS

    values = read_json(Path(parsed.run)) if parsed.run else {}
    merged = RunConfig.from_dict(values).to_dict()
    if parsed.preset:
        merged["preset"] = parsed.preset
    merged["data"] = {**merged["data"], **_given(parsed, "data", DataConfig.specs())}
    merged["data"] |= {"path": parsed.data} if parsed.data else {}
    task = parsed.task or (None if parsed.run else _suggested(merged["data"]))
    for part, name, registry in (("task", task, TASKS), ("tuning", parsed.tuning, TUNINGS)):
        if name and name != merged[part]["name"]:
            merged[part] = {"name": name}
        specs = registry.get(merged[part]["name"]).specs()  # type: ignore[attr-defined]
        merged[part] = {**merged[part], **_given(parsed, part, specs)}
    merged["train"] = {**merged["train"], **_given(parsed, "train", TrainConfig.specs())}
    return RunConfig.from_dict(merged)


def _suggested(values: dict[str, Any]) -> str | None:
    """The task the data look made for, told on the terminal; None when no data were named."""
    from kerasft.data.dataset import DataConfig, load_data
    from kerasft.data.recognise import suggest_task

    if values.get("path") is None:
        return None
    suggestion = suggest_task(load_data(None, DataConfig.from_dict(values)))
    print(f"Task: {suggestion.task}. {suggestion.why} Choose another with --task.", file=sys.stderr)
    return suggestion.task


def train(parsed: argparse.Namespace) -> int:
    """Fine-tune: from options, from a run's JSON file, or both."""
    from kerasft.progress import TerminalProgress
    from kerasft.run import start
    from kerasft.runs import free_folder

    config = _run_config(parsed)
    if config.data.path is None:
        raise ConfigError("No data were given.", hint="kerasft train --data FILE, or a run's JSON file with data.path.")
    folder = Path(parsed.out) if parsed.out else free_folder(Path("saved_models"), config.data.path, config.preset)
    progress = TerminalProgress(sys.stderr)
    start(config, folder, overwrite=parsed.overwrite, on_event=progress)
    return _after_training(folder, progress)


def preview(parsed: argparse.Namespace) -> None:
    """Show what the model sees: rows token by token, with what is hidden, told and ignored."""
    from dataclasses import asdict

    from kerasft.data.dataset import load_data
    from kerasft.seen_windows import preview

    config = _run_config(parsed)
    if not parsed.text and config.data.path is None:
        raise ConfigError("No data were given.", hint="kerasft preview --data FILE --task masked_lm, or --text 'Some text.'")
    data = parsed.text or load_data(None, config.data)
    seen = preview(config.preset, data, config.task, rows=parsed.rows, epoch=parsed.epoch, seed=config.train.seed)
    if parsed.json:
        print(json.dumps([asdict(window) for window in seen], ensure_ascii=False))
    else:
        print("\n\n".join(map(str, seen)))


def adapt(parsed: argparse.Namespace) -> None:
    """Pre-train on texts of a domain, then learn a task, and compare with the task without it."""
    from kerasft.adaptation import adapt
    from kerasft.data.dataset import load_data
    from kerasft.progress import TerminalProgress
    from kerasft.recipe import RunConfig

    second = _run_config(parsed)
    if second.data.path is None:
        raise ConfigError("No data were given.", hint="kerasft adapt --texts FILE --data FILE --out FOLDER")
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


def resume(parsed: argparse.Namespace) -> int:
    """Go on with a stopped run exactly where it stopped."""
    from kerasft.progress import TerminalProgress
    from kerasft.run import resume

    progress = TerminalProgress(sys.stderr)
    changes = _changes(parsed) if (Path(parsed.folder) / "run.json").exists() else {}
    resume(parsed.folder, changes=changes, allow_changes=parsed.allow_changes, on_event=progress)
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
    given = {part: _given(parsed, part, cls.specs()) for part, cls in parts.items()}
    return {f"{part}.{name}": value for part, values in given.items() for name, value in values.items()}


def diff(parsed: argparse.Namespace) -> None:
    """Show options, data, versions and figures in which two runs differ."""
    from kerasft.comparison import compare_runs

    print(compare_runs(parsed.one, parsed.other))


def reproduce(parsed: argparse.Namespace) -> int:
    """Train again from a run's recipe and compare the results."""
    from kerasft.progress import TerminalProgress
    from kerasft.reproduction import reproduce

    progress = TerminalProgress(sys.stderr)
    comparison = reproduce(parsed.folder, parsed.out, on_event=progress)
    print(comparison)
    return STOPPED if progress.stopped else 0 if comparison.same_result else 1


def merge(parsed: argparse.Namespace) -> None:
    """Put a LoRA run's updates into its weights and save the plain model."""
    from kerasft.model import load

    folder = Path(parsed.out)
    _must_be_free(folder)
    print(f"Written to {load(parsed.folder, base=parsed.base).merge().save(folder)}.")


def save_backbone(parsed: argparse.Namespace) -> None:
    """Save a run's tuned backbone as a preset for other runs."""
    from kerasft.model import load

    folder = Path(parsed.out)
    _must_be_free(folder)
    print(f"Written to {load(parsed.folder, base=parsed.base).save_backbone(folder)}. Next: kerasft train --preset {folder}")


def import_huggingface(parsed: argparse.Namespace) -> None:
    """Take over a model fine-tuned with transformers, head and labels included."""
    from kerasft.model import import_huggingface

    folder = Path(parsed.out)
    _must_be_free(folder)
    model = import_huggingface(parsed.model)
    print(f'Written to {model.save(folder)}. Next: kerasft predict {folder} "{model.task.asks}"')


def _must_be_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"'{folder}' is there already.", hint="Choose another name, or remove it.")


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


def list_(parsed: argparse.Namespace) -> None:
    """Show the presets, tasks, tuning methods or runs there are."""
    if parsed.what == "presets":
        from kerasft.presets import list_presets

        rows: list[tuple[str, ...]] = [("NAME", "FAMILY", "SIZE", "LANGUAGES", "LICENCE", "HERE", "FROM")]
        for preset in list_presets():
            here = "yes" if preset.here else "no"
            rows.append(
                (
                    preset.name,
                    preset.family,
                    preset.size,
                    preset.languages,
                    preset.licence,
                    here,
                    f"{preset.source}: {preset.handle}",
                )
            )
        _print_table(rows)
    elif parsed.what == "runs":
        from kerasft.runs import list_runs

        rows = [("RUN", "STATE", "SCORE", "PRESET", "DATA")]
        for run in list_runs(Path(parsed.folder)):
            rows.append((run.name, run.state, run.score, run.preset, run.data))
        _print_table(rows)
    else:
        from kerasft.tasks import TASKS
        from kerasft.tuning import TUNINGS

        registry: Any = TASKS if parsed.what == "tasks" else TUNINGS
        summaries = ((name, cls.summary()) for name, cls in registry.all().items())
        _print_table([("NAME", "WHAT"), *summaries])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fetch(parsed: argparse.Namespace) -> None:
    """Download a preset."""
    from kerasft.presets import fetch, find_preset

    print(fetch(find_preset(parsed.preset), lambda event: print(f"{event.to_dict()['detail']} ...", file=sys.stderr)))


def create_preset(parsed: argparse.Namespace) -> None:
    """Make a model with random weights and a vocabulary from your own texts, to be pre-trained."""
    from kerasft.architectures import Architecture
    from kerasft.data.dataset import DataConfig, load_data
    from kerasft.new_preset import create_preset
    from kerasft.progress import TerminalProgress

    config = DataConfig.from_dict({"path": parsed.data, **_given(parsed, "data", DataConfig.specs())})
    if config.path is None:
        raise ConfigError("No texts were given.", hint="kerasft create-preset --data FILE FOLDER")
    architecture = Architecture.from_dict(_given(parsed, "architecture", Architecture.specs()))
    data = load_data(None, config)
    print(create_preset(data, parsed.out, architecture, overwrite=parsed.overwrite, on_event=TerminalProgress(sys.stderr)))
    task = "masked_lm" if architecture.family == "bert" else "causal_lm"
    print(f"Train it: kerasft train --preset {parsed.out} --data {config.path} --task {task} --train.learning_rate 1e-3")


def check(parsed: argparse.Namespace) -> int:
    """Look for what is odd in the data."""
    from kerasft.data.dataset import DataConfig, load_data
    from kerasft.data.quality import check_data
    from kerasft.data.recognise import suggest_task
    from kerasft.presets import fetch, find_preset, token_counter

    data = load_data(parsed.data, **_given(parsed, "data", DataConfig.specs()))
    preset = find_preset(parsed.preset) if parsed.preset else None
    counter = token_counter(fetch(preset)) if preset else None
    report = check_data(data, max_length=parsed.max_length, count_tokens=counter)
    suggestion = suggest_task(data)
    if parsed.json:
        print(json.dumps({**report.to_dict(), "task": suggestion.task, "why": suggestion.why}, indent=1, ensure_ascii=False))
    else:
        print(f"{report}\nLooks made for the task {suggestion.task}. {suggestion.why}")
    return 0


def evaluate(parsed: argparse.Namespace) -> None:
    """Score a run's model on labelled rows."""
    from kerasft.model import load

    report = load(parsed.folder, base=parsed.base).evaluate(parsed.data, by=parsed.by)
    print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if parsed.json else report)


def predict(parsed: argparse.Namespace) -> int:
    """Answer texts, a CSV file, or JSON lines from standard input."""
    from kerasft.model import load

    if parsed.file and not parsed.out:
        raise ConfigError("--file needs --out, the CSV file to write.", hint="kerasft predict RUN --file in.csv --out out.csv")
    if not (parsed.file or parsed.jsonl or parsed.texts):
        raise ConfigError("Nothing to answer.", hint='kerasft predict RUN "some text", or --file in.csv --out out.csv')
    if parsed.out and Path(parsed.out).exists():
        raise ConfigError(f"{parsed.out!r} is there already.", hint="Choose another name, or remove it.")
    model = load(parsed.folder, base=parsed.base)
    if parsed.file:
        count = model.predict_file(parsed.file, Path(parsed.out), text=parsed.text, progress=_count_rows)
        print(f"\n{count:,} rows written to {parsed.out}.", file=sys.stderr)
        return 0
    if parsed.jsonl:
        from kerasft.lines import answer_lines

        answer_lines(model, sys.stdin, sys.stdout)
        return 0
    rows = [_row(text, model.paired) for text in parsed.texts]
    for text, answer in zip(parsed.texts, model.predict(rows), strict=True):
        print(f"{answer}\t{text}")
    return 0


def _count_rows(done: int) -> None:
    print(f"\r{done:,} rows", end="", file=sys.stderr, flush=True)


def _row(text: str, paired: bool) -> Any:
    return tuple(part.strip() for part in text.split("|||", 1)) if paired else text


def generate(parsed: argparse.Namespace) -> None:
    """Write text after prompts, with a model of the task causal_lm."""
    from kerasft.model import load
    from kerasft.sampling import Sampling

    given = _given(parsed, "sampling", Sampling.specs())
    for made in load(parsed.folder, base=parsed.base).generate(parsed.prompts, **given):
        print(f"{made.prompt}{made.text}" if len(parsed.prompts) == 1 else f"--- {made.prompt}\n{made.text}")


def explain(parsed: argparse.Namespace) -> None:
    """Show which words an answer rests on."""
    from dataclasses import asdict

    from kerasft.model import load

    model = load(parsed.folder, base=parsed.base)
    explanation = model.explain(_row(parsed.text, model.paired), target=parsed.target)
    print(json.dumps(asdict(explanation), indent=1, ensure_ascii=False) if parsed.json else explanation)


def export(parsed: argparse.Namespace) -> int:
    """Write a SavedModel for TensorFlow Serving and prove that it answers alike, or a Hugging Face folder."""
    from kerasft.data.dataset import DataConfig, load_data
    from kerasft.errors import DataError
    from kerasft.export import zip_export
    from kerasft.model import load

    model = load(parsed.folder, base=parsed.base)
    if parsed.format != "savedmodel":
        target = Path(parsed.to) if parsed.to else Path(parsed.folder) / parsed.format
        write = model.export_huggingface if parsed.format == "huggingface" else model.export_peft
        print(f"Written to {write(target, overwrite=parsed.overwrite)}.")
        return 0
    target = Path(parsed.to) if parsed.to else Path(parsed.folder) / "serving" / "1"
    model.export(target, overwrite=parsed.overwrite)
    print(f"Written to {target}.")
    rows: Any = parsed.replay
    try:
        if rows is None:
            data = load_data(None, DataConfig.from_dict(model.recipe.get("data", {})))
            rows = data["validation" if "validation" in data else "train"]
        outcome = model.replay(target, rows)
    except DataError as error:
        print(f"Not replayed, because the rows of the run are not there: {error.message}", file=sys.stderr)
    else:
        print(f"Replayed in a fresh process: {outcome}.")
        if not outcome.passed:
            print("The exported model does NOT answer as the model in memory does; do not serve it.", file=sys.stderr)
            return 1
    if parsed.zip:
        print(f"Packed as {zip_export(target)}.")
    return 0
