"""The command line: `kerasft COMMAND`. Options of runs come from the options' own metadata.

Nothing heavy is imported before it is needed, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasft.errors import ConfigError, KerasFTError

STOPPED = 3  # exit status of a run that was asked to stop; `kerasft resume` goes on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 unexpected error, 2 the person's mistake (explained), 3 stopped on request, 130 interrupted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(given)
    parsed = parser.parse_args(given)
    try:
        return int(parsed.action(parsed) or 0)
    except KerasFTError as error:
        if parsed.debug:
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if parsed.debug:
            raise
        print(f"Unexpected error: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a fault of KerasFT. Run again with --debug and report what it shows.", file=sys.stderr)
        return 1


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    from kerasft import __version__

    parser = argparse.ArgumentParser("kerasft", description="Fine-tune transformers in Keras and TensorFlow.")
    parser.add_argument("--version", action="version", version=f"kerasft {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, action: Any, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        sub.set_defaults(action=action)
        return sub

    sub = command("list", _list, "show the presets, tasks, tuning methods or runs there are")
    sub.add_argument("what", choices=("presets", "tasks", "tuning", "runs"))
    sub.add_argument("--folder", default="saved_models", help="where the runs are")
    sub = command("fetch", _fetch, "download a preset")
    sub.add_argument("preset")
    sub = command("check", _check, "look for what is odd in the data")
    _add_data(sub, given, "check")
    sub.add_argument("--preset", help="count tokens with this preset's vocabulary, if it is here")
    sub.add_argument("--max-length", type=int, help="texts longer than so many tokens are cut")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = command("train", _train, "fine-tune: from options, from a run's JSON file, or both")
    sub.add_argument("run", nargs="?", help="JSON file of a run; options override it")
    sub.add_argument("--preset", help="name, folder, or hf://owner/name")
    _add_data(sub, given, "train")
    sub.add_argument("--task", help="see `kerasft list tasks`")
    sub.add_argument("--tuning", help="see `kerasft list tuning`")
    _add_dotted(sub, given, "train")
    sub.add_argument("--out", help="folder of the run; saved_models/<data>-<preset> by default")
    sub.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
    sub = command("resume", _resume, "go on with a stopped run exactly where it stopped")
    sub.add_argument("folder")
    sub = command("evaluate", _evaluate, "score a run's model on labelled rows")
    sub.add_argument("folder")
    sub.add_argument("data", help="file with the columns of the training data")
    sub.add_argument("--by", help="column, such as a language; each of its values also gets figures of its own")
    sub.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    sub = command("predict", _predict, "answer texts, a CSV file, or JSON lines from standard input")
    sub.add_argument("folder")
    sub.add_argument("texts", nargs="*", help="a text each; for pairs `first ||| second`")
    sub.add_argument("--file", help="file whose rows are answered")
    sub.add_argument("--out", help="CSV file to write; its columns are those of --file plus the answers")
    sub.add_argument("--text", help="text column of --file, if it is another than in training")
    sub.add_argument("--jsonl", action="store_true", help='answer lines such as {"text": "..."} as they come')
    sub = command("generate", _generate, "write text after prompts, with a model of the task causal_lm")
    sub.add_argument("folder")
    sub.add_argument("prompts", nargs="+", help="a prompt each")
    if given[:1] == ["generate"]:
        from kerasft.sampling import Sampling

        _add_group(sub, "sampling", Sampling.specs())
    sub = command("explain", _explain, "show which words an answer rests on")
    sub.add_argument("folder")
    sub.add_argument("text", help="a text; for pairs `first ||| second`")
    sub.add_argument("--target", help="label to explain, or number of a tagger's word (from 0); the answer's own by default")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = command("export", _export, "write a SavedModel for TensorFlow Serving and prove that it answers alike")
    sub.add_argument("folder")
    sub.add_argument("--to", help="version folder; <folder>/serving/1 by default")
    sub.add_argument("--overwrite", action="store_true", help="replace an export that is there")
    sub.add_argument("--zip", action="store_true", help="also pack it for downloading")
    sub.add_argument("--replay", help="rows to answer in a fresh process; the run's own validation rows by default")
    return parser


def _add_data(sub: argparse.ArgumentParser, given: Sequence[str], name: str) -> None:
    if name == "check":
        sub.add_argument("data", help="file, folder of split files, or hub name")
    else:
        sub.add_argument("--data", help="file, folder of split files, or hub name")
    if given[:1] == [name]:
        from kerasft.data.dataset import DataConfig

        _add_group(sub, "data", DataConfig.specs(), skip=("path",))


def _add_dotted(sub: argparse.ArgumentParser, given: Sequence[str], name: str) -> None:
    """The options of every task and method; only when they are wanted, because finding them takes time."""
    if given[:1] != [name]:
        return
    from kerasft.tasks import TASKS
    from kerasft.training.options import TrainConfig
    from kerasft.tuning import TUNINGS

    for prefix, classes in (("task", TASKS.all()), ("tuning", TUNINGS.all())):
        specs = {spec.name: spec for cls in classes.values() for spec in cls.specs()}
        _add_group(sub, prefix, tuple(specs.values()))
    _add_group(sub, "train", TrainConfig.specs())


def _add_group(sub: argparse.ArgumentParser, prefix: str, specs: Sequence[Any], skip: Sequence[str] = ()) -> None:
    group = sub.add_argument_group(f"options of {prefix}")
    for spec in specs:
        if spec.name in skip:
            continue
        default = spec.none if spec.default is None else str(spec.default)
        metavar = "{" + ",".join(spec.choices) + "}" if spec.choices else spec.kind.__name__.upper()
        help_text = f"{spec.help} [default: {default}]".replace("%", "%%")
        group.add_argument(f"--{prefix}.{spec.name}", metavar=metavar, help=help_text, default=argparse.SUPPRESS)


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


def _train(parsed: argparse.Namespace) -> int:
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


def _resume(parsed: argparse.Namespace) -> int:
    from kerasft.progress import TerminalProgress
    from kerasft.run import resume

    progress = TerminalProgress(sys.stderr)
    resume(parsed.folder, on_event=progress)
    return _after_training(Path(parsed.folder), progress)


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


def _list(parsed: argparse.Namespace) -> None:
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
        summaries = ((name, (cls.__doc__ or "").strip().splitlines()[0]) for name, cls in registry.all().items())
        _print_table([("NAME", "WHAT"), *summaries])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _fetch(parsed: argparse.Namespace) -> None:
    from kerasft.presets import fetch, find_preset

    print(fetch(find_preset(parsed.preset), lambda event: print(f"{event.to_dict()['detail']} ...", file=sys.stderr)))


def _check(parsed: argparse.Namespace) -> int:
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


def _evaluate(parsed: argparse.Namespace) -> None:
    from kerasft.model import load

    report = load(parsed.folder).evaluate(parsed.data, by=parsed.by)
    print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if parsed.json else report)


def _predict(parsed: argparse.Namespace) -> int:
    from kerasft.model import load

    if parsed.file and not parsed.out:
        raise ConfigError("--file needs --out, the CSV file to write.", hint="kerasft predict RUN --file in.csv --out out.csv")
    if not (parsed.file or parsed.jsonl or parsed.texts):
        raise ConfigError("Nothing to answer.", hint='kerasft predict RUN "some text", or --file in.csv --out out.csv')
    if parsed.out and Path(parsed.out).exists():
        raise ConfigError(f"{parsed.out!r} is there already.", hint="Choose another name, or remove it.")
    model = load(parsed.folder)
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


def _generate(parsed: argparse.Namespace) -> None:
    from kerasft.model import load
    from kerasft.sampling import Sampling

    given = _given(parsed, "sampling", Sampling.specs())
    for made in load(parsed.folder).generate(parsed.prompts, **given):
        print(f"{made.prompt}{made.text}" if len(parsed.prompts) == 1 else f"--- {made.prompt}\n{made.text}")


def _explain(parsed: argparse.Namespace) -> None:
    from dataclasses import asdict

    from kerasft.model import load

    model = load(parsed.folder)
    explanation = model.explain(_row(parsed.text, model.paired), target=parsed.target)
    print(json.dumps(asdict(explanation), indent=1, ensure_ascii=False) if parsed.json else explanation)


def _export(parsed: argparse.Namespace) -> int:
    from kerasft.data.dataset import DataConfig, load_data
    from kerasft.errors import DataError
    from kerasft.export import zip_export
    from kerasft.model import load

    model = load(parsed.folder)
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
