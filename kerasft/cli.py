"""The command line: `kerasft COMMAND`. Options of runs come from the options' own metadata.

Nothing heavy is imported before it is needed, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kerasft import commands, data_commands, model_commands
from kerasft.errors import KerasFTError, disk_fault
from kerasft.output import Unbreakable

_LIGHT = ("list", "fetch", "check", "diff", "verify")  # commands that need no TensorFlow
# Commands that do what must not end because nobody reads what they print; they also say by their status how it went.
_WORKING = ("fetch", "create-preset", "train", "adapt", "search", "bake-off", "resume", "reproduce", "merge", "export")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 came out badly (a difference, or all of several failed) or an unexpected error, 2 the person's mistake
        (explained), 3 stopped on request, 130 interrupted.
    """
    _print_anything()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser(given)
    parsed, odd = parser.parse_known_args(given)
    if odd and given[0] not in commands:
        parser.error(f"{given[0]} stands behind the command: kerasft COMMAND {given[0]}")
    if odd:
        commands[given[0]].error(_unknown(odd[0], commands[given[0]]))
    if given[0] in _WORKING and not isinstance(sys.stdout, Unbreakable):
        sys.stdout = Unbreakable(sys.stdout)
    try:
        if given[0] not in _LIGHT:
            from kerasft.quiet import load_tensorflow

            load_tensorflow()
        return int(parsed.action(parsed) or 0)
    except KerasFTError as error:
        if parsed.debug:
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"Interrupted. {error}".rstrip(), file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if parsed.debug:
            raise
        if (fault := disk_fault(error)) is not None:
            print(f"{type(fault).__name__}: {fault}", file=sys.stderr)
            return 2
        print(f"Unexpected error: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a fault of KerasFT. Run again with --debug and report what it shows.", file=sys.stderr)
        return 1


def _print_anything() -> None:
    """Let nothing that is printed end a command: neither a letter that the terminal has not, nor a closed output."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before we were started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
        elif getattr(stream, "errors", "") in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, Unbreakable):
        sys.stderr = Unbreakable(sys.stderr)


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """What to say of an argument the command does not take."""
    name = word.partition("=")[0]
    if name.removeprefix("--") in {action.dest for action in parser._actions if not action.option_strings}:
        return f"it takes no {name}; give it by itself: {parser.prog} {name[2:].upper()}"
    close = difflib.get_close_matches(name, parser._option_string_actions, n=1)
    return f"it takes no {name}" + (f"; did you mean {close[0]}?" if close else f"; see {parser.prog} --help")


def _parser(given: Sequence[str]) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The whole, and each command's own; options must be written out, since a cut one could come to mean another."""
    from kerasft import __version__

    parser = argparse.ArgumentParser("kerasft", description="Fine-tune transformers in Keras and TensorFlow.")
    parser.add_argument("--version", action="version", version=f"kerasft {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, action: Any) -> argparse.ArgumentParser:
        summary = str(action.__doc__).rstrip(".")
        sub = subparsers.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        sub.set_defaults(action=action)
        return sub

    def on_model(name: str, action: Any) -> argparse.ArgumentParser:
        sub = command(name, action)
        sub.add_argument("folder", help="the run's folder")
        sub.add_argument("--base", help="preset or folder a LoRA, adapter or prompt run was tuned from, if it is elsewhere now")
        return sub

    sub = command("list", data_commands.list_)
    sub.add_argument("what", choices=("presets", "tasks", "tuning", "runs"))
    sub.add_argument("--folder", default="saved_models", help="where the runs are")
    sub = command("fetch", data_commands.fetch)
    sub.add_argument("preset")
    sub = command("create-preset", data_commands.create_preset)
    _add_data(sub, given, "create-preset")
    if given[:1] == ["create-preset"]:
        from kerasft.architectures import Architecture

        _add_group(sub, "architecture", Architecture.specs())
    sub.add_argument("out", help="folder to write")
    sub.add_argument("--overwrite", action="store_true", help="replace what is in that folder")
    sub = command("check", data_commands.check)
    _add_data(sub, given, "check")
    sub.add_argument("--preset", help="count tokens with this preset's vocabulary, if it is here")
    sub.add_argument("--max-length", type=int, help="texts longer than so many tokens are cut")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = command("train", commands.train)
    _add_run(sub, given, "train", "a run")
    sub.add_argument("--out", help="folder of the run; saved_models/<data>-<preset> by default")
    sub.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
    _add_cluster(sub)
    sub = command("preview", commands.preview)
    _add_run(sub, given, "preview", "a run")
    sub.add_argument("--text", action="append", help="a text to show in place of the data's rows (tasks that need no label)")
    sub.add_argument("--rows", type=int, default=4, help="rows to show; packed ones share a window [default: 4]")
    sub.add_argument("--epoch", type=int, default=0, help="epoch to show, where tokens are hidden anew in each [default: 0]")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = command("learning-curve", commands.learning_curve)
    _add_run(sub, given, "learning-curve", "a run, such as a run's run.json")
    sub.add_argument("--training", action="store_true", help="train at each number of rows; hours instead of seconds")
    sub.add_argument("--draws", type=int, help="how often the rows are drawn [default: 10; fewer for many rows or --training]")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = command("adapt", commands.adapt)
    _add_run(sub, given, "adapt", "the task, stage two")
    sub.add_argument("--first", help="JSON file of stage one, the pre-training; the task masked_lm by default")
    sub.add_argument("--texts", required=True, help="texts of the domain: file, folder or pattern; no labels needed")
    sub.add_argument("--seeds", default="1", help="seeds of stage two, such as 1,2,3 [default: 1]")
    sub.add_argument("--out", required=True, help="folder of all that is made; begun again, it goes on where it stopped")
    sub = command("search", commands.search)
    _add_run(sub, given, "search", "the run around which is searched")
    sub.add_argument(
        "--space",
        action="append",
        metavar="OPTION=RANGE",
        help="an option and its range: train.learning_rate=1e-5..1e-3:log, tuning.rank=4,8,16; may be repeated",
    )
    sub.add_argument("--trials", type=int, default=20, help="how many in all [default: 20]")
    sub.add_argument("--minutes", type=float, help="no trial begins later than so many minutes after the start")
    sub.add_argument("--maximise", default="auto", help="figure on the validation rows [default: the task's main one]")
    sub.add_argument("--pruner", choices=("median", "hyperband", "none"), default="median", help="how trials are ended early")
    sub.add_argument("--storage", help="URL of Optuna's storage; a file in --out by default")
    sub.add_argument("--seed", type=int, default=1, help="of the drawing of options [default: 1]")
    sub.add_argument("--keep-all", action="store_true", help="keep every trial's weights and not only the best one's")
    sub.add_argument("--out", required=True, help="folder of all trials; begun again, or by several, it goes on")
    _add_cluster(sub)
    sub = command("bake-off", commands.bake_off)
    _add_run(sub, given, "bake-off", "the run whose task is learned in several ways")
    sub.add_argument(
        "--contenders", help="word_counts, zero_shot, last_layers and tuning methods, with commas [default: the usual]"
    )
    sub.add_argument("--words", help="how zero_shot names the labels: `positive=great,good; negative=bad`")
    sub.add_argument("--template", help="the sentence zero_shot asks in, such as `{text} It was [MASK].`")
    sub.add_argument("--out", required=True, help="folder of all runs; begun again, it goes on")
    sub = command("resume", commands.resume)
    sub.add_argument("folder")
    _add_dotted(sub, given, "resume")
    sub.add_argument("--allow-changes", action="store_true", help="go on although options differ from those it stopped with")
    _add_cluster(sub)
    sub = command("diff", commands.diff)
    sub.add_argument("one", help="folder of a run")
    sub.add_argument("other", help="folder of another")
    sub = command("verify", commands.verify)
    sub.add_argument("folder", help="a run's folder, or that of an export")
    sub = command("reproduce", commands.reproduce)
    sub.add_argument("folder")
    sub.add_argument("--out", help="folder of the new run; <folder>-again by default")
    sub = on_model("merge", model_commands.merge)
    sub.add_argument("out", help="folder to write")
    sub = command("import-huggingface", model_commands.import_huggingface)
    sub.add_argument("model", help="folder, or hf://owner/name")
    sub.add_argument("out", help="folder to write")
    sub.add_argument("--base", help="of an adapter of PEFT alone: the model it was trained on; the one it names by default")
    sub.add_argument(
        "--text-pair", choices=("yes", "no"), help="whether it reads pairs of texts; by its labels and config by default"
    )
    sub = on_model("save-backbone", model_commands.save_backbone)
    sub.add_argument("out", help="folder to write")
    sub = on_model("evaluate", model_commands.evaluate)
    sub.add_argument("data", help="file with the columns of the training data")
    sub.add_argument("--by", help="column, such as a language; each of its values also gets figures of its own")
    sub.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    _add_reading(sub, given, "evaluate")
    sub = on_model("predict", model_commands.predict)
    sub.add_argument("texts", nargs="*", help="a text each; for pairs `first ||| second`")
    sub.add_argument("--file", help="file whose rows are answered")
    sub.add_argument("--files", nargs="+", help="files, or patterns in quotes; answered in parts, restartable")
    sub.add_argument(
        "--out", help="file to write (.csv, .jsonl, .parquet): the given columns and the answers; of --files a folder"
    )
    sub.add_argument("--kind", choices=("parquet", "csv", "jsonl"), help="of the parts [default: parquet]")
    sub.add_argument("--rows", type=int, help="rows a part [default: 10,000]")
    sub.add_argument("--text", help="text column of --file, if it is another than in training")
    sub.add_argument(
        "--harmless-cells",
        action="store_true",
        help="of --file and a CSV: an apostrophe before cells that a spreadsheet would compute, such as =1+1",
    )
    _add_cluster(sub)
    sub.add_argument("--jsonl", action="store_true", help='answer lines such as {"text": "..."} as they come')
    _add_reading(sub, given, "predict")
    sub = on_model("generate", model_commands.generate)
    sub.add_argument("prompts", nargs="+", help="a prompt each")
    if given[:1] == ["generate"]:
        from kerasft.sampling import Sampling

        _add_group(sub, "sampling", Sampling.specs())
    sub = on_model("explain", model_commands.explain)
    sub.add_argument("text", help="a text; for pairs `first ||| second`")
    sub.add_argument(
        "--target",
        help="label to explain, number of a tagger's word, from 0, or what a GPT-2 could go on with; else the answer's own",
    )
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = on_model("export", model_commands.export)
    sub.add_argument(
        "--format",
        choices=("savedmodel", "huggingface", "peft"),
        default="savedmodel",
        help="what to write: a SavedModel, a folder transformers loads with equal logits, or a LoRA for PEFT",
    )
    sub.add_argument(
        "--weights",
        choices=("float32", "float16", "int8"),
        help="how a SavedModel keeps them on disk: half or a quarter of the size, unpacked when loaded [default: float32]",
    )
    sub.add_argument("--to", help="folder to write; <folder>/serving/1, <folder>/huggingface or <folder>/peft by default")
    sub.add_argument("--overwrite", action="store_true", help="replace an export that is there")
    sub.add_argument("--zip", action="store_true", help="also pack it for downloading")
    sub.add_argument("--replay", help="rows to answer in a fresh process; the run's own validation rows by default")
    return parser, subparsers.choices


def _add_run(sub: argparse.ArgumentParser, given: Sequence[str], name: str, what: str) -> None:
    """A recipe: a JSON file, options, or both."""
    sub.add_argument("run", nargs="?", help=f"JSON file of {what}; options override it")
    sub.add_argument("--preset", help="name, folder, or hf://owner/name")
    _add_data(sub, given, name)
    sub.add_argument("--task", help="see `kerasft list tasks`")
    sub.add_argument("--tuning", help="see `kerasft list tuning`")
    _add_dotted(sub, given, name)


def _add_cluster(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--cluster", metavar="ADDRESS", help="on a Ray cluster: auto, HOST:PORT or local; it must see all files")
    sub.add_argument("--workers", type=int, help="processes on the cluster [default: one a machine; of a search one a GPU]")


def _add_data(sub: argparse.ArgumentParser, given: Sequence[str], name: str) -> None:
    if name == "check":
        sub.add_argument("data", help="file, folder of split files, or hub name")
    else:
        sub.add_argument("--data", help="file, folder of split files, or hub name")
    if given[:1] == [name]:
        from kerasft.data.data_config import DataConfig

        _add_group(sub, "data", DataConfig.specs(), skip=("path",))


def _add_reading(sub: argparse.ArgumentParser, given: Sequence[str], name: str) -> None:
    """How a file is read, for commands that take one with the columns of the training data."""
    if given[:1] == [name]:
        from kerasft.data.data_config import DataConfig
        from kerasft.data.read_options import READING

        _add_group(sub, "data", [spec for spec in DataConfig.specs() if spec.name in READING])


def _add_dotted(sub: argparse.ArgumentParser, given: Sequence[str], name: str) -> None:
    """The options of every task and method; only when they are wanted, because finding them takes time."""
    if given[:1] != [name]:
        return
    from kerasft.tasks import TASKS
    from kerasft.training.options import TrainConfig
    from kerasft.tuning import TUNINGS

    for prefix, classes in (("task", TASKS.all()), ("tuning", TUNINGS.all())):
        _add_shared(sub, prefix, {name: cls.specs() for name, cls in classes.items()})
    _add_group(sub, "train", TrainConfig.specs())


def _add_shared(sub: argparse.ArgumentParser, prefix: str, specs: Mapping[str, Sequence[Any]]) -> None:
    """Options of several classes, each once; where they differ from class to class each meaning is told."""
    group = sub.add_argument_group(f"options of {prefix}")
    meanings: dict[str, dict[str, list[str]]] = {}
    choices: dict[str, list[str]] = {}
    for owner, several in specs.items():
        for spec in several:
            told = f"{spec.help} [default: {spec.shown_default}]"
            meanings.setdefault(spec.name, {}).setdefault(told, []).append(owner)
            choices.setdefault(spec.name, []).extend(spec.choices or (spec.kind.__name__.upper(),))
    for name, by_text in meanings.items():
        kinds = list(dict.fromkeys(choices[name]))
        texts = list(by_text) if len(by_text) == 1 else [f"{', '.join(owners)}: {text}" for text, owners in by_text.items()]
        metavar = kinds[0] if len(kinds) == 1 else "{" + ",".join(kinds) + "}"
        group.add_argument(f"--{prefix}.{name}", metavar=metavar, help=_escaped(" | ".join(texts)), default=argparse.SUPPRESS)


def _add_group(sub: argparse.ArgumentParser, prefix: str, specs: Sequence[Any], skip: Sequence[str] = ()) -> None:
    group = sub.add_argument_group(f"options of {prefix}")
    for spec in specs:
        if spec.name in skip:
            continue
        metavar = "{" + ",".join(spec.choices) + "}" if spec.choices else spec.kind.__name__.upper()
        help_text = _escaped(f"{spec.help} [default: {spec.shown_default}]")
        group.add_argument(f"--{prefix}.{spec.name}", metavar=metavar, help=help_text, default=argparse.SUPPRESS)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # a sign of argparse's own
