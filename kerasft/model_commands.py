"""What the commands about a trained model do. Heavy imports wait until they are needed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasft.errors import ConfigError
from kerasft.given import given_options

_BETWEEN_COUNTS = 0.25  # seconds


def evaluate(parsed: argparse.Namespace) -> None:
    """Score a run's model on labelled rows."""
    from kerasft.model import load

    report = load(parsed.folder, base=parsed.base).evaluate(parsed.data, by=parsed.by, **_reading(parsed))
    print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if parsed.json else report)


def predict(parsed: argparse.Namespace) -> int:
    """Answer texts, a CSV file, or JSON lines from standard input."""
    from kerasft.model import load

    _check_answering(parsed)
    if parsed.file and not parsed.out:
        raise ConfigError("--file needs --out, the file to write.", hint="kerasft predict RUN --file in.csv --out out.csv")
    if parsed.files:
        return _predict_files(parsed)
    if parsed.cluster or parsed.workers:
        raise ConfigError("--cluster and --workers are for --files.", hint="Leave them out, or name files and a folder --out.")
    if not (parsed.file or parsed.jsonl or parsed.texts):
        raise ConfigError("Nothing to answer.", hint='kerasft predict RUN "some text", or --file in.csv --out out.csv')
    if parsed.out:
        from kerasft.bulk import check_target

        check_target(Path(parsed.out))
    model = load(parsed.folder, base=parsed.base)
    if parsed.file:
        return _predict_file(parsed, model)
    if parsed.jsonl:
        from kerasft.lines import answer_lines

        answer_lines(model, sys.stdin, sys.stdout)
        return 0
    if any(not text.strip() for text in parsed.texts):
        raise ConfigError("There is no text.", hint='kerasft predict FOLDER "a text"')
    rows = [_row(text, model.paired) for text in parsed.texts]
    for text, answer in zip(parsed.texts, model.predict(rows), strict=True):
        print(f"{answer}\t{text}")
    return 0


def _predict_file(parsed: argparse.Namespace, model: Any) -> int:
    """Answer the records of one file; say which column was read, what was unusual, and how many have no answer."""
    from kerasft.bulk import NOTE
    from kerasft.file_answers import answer_split, rows_to_answer

    split = rows_to_answer(model, parsed.file, text=parsed.text, **_reading(parsed))
    pair = f" and {split.columns.text_pair!r}" if split.columns.text_pair else ""
    print(f"Text: column {split.columns.text!r}{pair} of {split.table.source}.", file=sys.stderr)
    _tell_notes(split)
    unanswered = answer_split(model, split, Path(parsed.out), _row_counter(len(split)), harmless=parsed.harmless_cells)
    told = f" {unanswered:,} of them have no answer; the reason stands in the column {NOTE}." if unanswered else ""
    print(f"\n{len(split):,} rows written to {parsed.out}.{told}", file=sys.stderr)
    return 0


def _reading(parsed: argparse.Namespace) -> dict[str, Any]:
    """What the command line says about the reading of a file."""
    from kerasft.data.data_config import DataConfig
    from kerasft.data.read_options import READING

    return given_options(parsed, "data", [spec for spec in DataConfig.specs() if spec.name in READING])


def _tell_notes(split: Any) -> None:
    """Print what the reader found."""
    from kerasft.errors import say_rows

    for note in split.table.notes:
        rows = f" {say_rows(note.rows)}" if note.rows else ""
        print(f"Note: {note.message}{rows}", file=sys.stderr)


def _check_answering(parsed: argparse.Namespace) -> None:
    """Refuse what would be passed over without a word."""
    sources = {"texts": parsed.texts, "--file": parsed.file, "--files": parsed.files, "--jsonl": parsed.jsonl}
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        raise ConfigError(f"Texts are answered from one place. Received: {' and '.join(given)}.", hint="Give one of them.")
    if parsed.out and given in (["texts"], ["--jsonl"]):
        raise ConfigError(f"--out is for --file and --files; with {given[0]} answers are printed.", hint="Leave it out.")
    if not parsed.files and (parsed.kind or parsed.rows):
        hint = "The ending of --out says what --file writes: .csv, .jsonl or .parquet."
        raise ConfigError("--kind and --rows are for --files.", hint=hint)
    if parsed.text and not (parsed.file or parsed.files):
        raise ConfigError("--text names a column of --file or --files.", hint="Leave it out.")
    if parsed.workers and not parsed.cluster:
        raise ConfigError("--workers needs --cluster.", hint="--cluster auto, or leave --workers out.")


def _predict_files(parsed: argparse.Namespace) -> int:
    from kerasft.batch_prediction import predict_files

    if not parsed.out:
        raise ConfigError("--files needs --out, the folder to write.", hint="kerasft predict RUN --files 'in/*.csv' --out OUT")

    def tell(done: int, parts: int) -> None:
        print(f"\r{done:,} of {parts:,} parts", end="", file=sys.stderr, flush=True)

    names = ("kind", "rows", "text", "base", "cluster", "workers")
    how = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    count = predict_files(parsed.folder, parsed.files, parsed.out, **how, on_part=tell)
    print(f"\n{count:,} rows answered in {parsed.out}.", file=sys.stderr)
    return 0


def _row_counter(rows: int) -> Callable[[int], None]:
    """What prints how many rows are done, a few times a second."""
    last = 0.0

    def count(done: int) -> None:
        nonlocal last
        if done >= rows or time.monotonic() - last > _BETWEEN_COUNTS:
            last = time.monotonic()
            print(f"\r{done:,} of {rows:,} rows", end="", file=sys.stderr, flush=True)

    return count


def _row(text: str, paired: bool) -> Any:
    return tuple(part.strip() for part in text.split("|||", 1)) if paired else text


_FEWER = "prompt and text together have to fit into the model (--sampling.max_new_tokens)"


def generate(parsed: argparse.Namespace) -> None:
    """Write text after prompts, with a model of the task causal_lm."""
    from kerasft.model import load
    from kerasft.sampling import Sampling

    given = given_options(parsed, "sampling", Sampling.specs())
    for made in load(parsed.folder, base=parsed.base).generate(parsed.prompts, **given):
        if made.prompt_tokens_cut:
            print(f"The first {made.prompt_tokens_cut} tokens of the prompt were not read: {_FEWER}.", file=sys.stderr)
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
    from kerasft.data.data_config import DataConfig
    from kerasft.data.dataset import load_data
    from kerasft.errors import DataError
    from kerasft.export import zip_export, zip_folder
    from kerasft.model import load

    if parsed.format != "savedmodel" and (parsed.weights or parsed.replay):
        raise ConfigError("--weights and --replay are for the format savedmodel.", hint="Leave them out.")
    if parsed.replay and not Path(parsed.replay).exists():
        raise ConfigError(f"There is no file {parsed.replay!r} to replay.", hint="Leave --replay out for the run's own rows.")
    _stage("Loading the model")
    model, kind = load(parsed.folder, base=parsed.base), parsed.weights or "float32"
    _stage("Writing")
    if parsed.format != "savedmodel":
        target = Path(parsed.to) if parsed.to else Path(parsed.folder) / parsed.format
        write = model.export_huggingface if parsed.format == "huggingface" else model.export_peft
        print(f"Written to {write(target, overwrite=parsed.overwrite)}.")
        if parsed.zip:
            _stage("Packing")
            print(f"Packed as {zip_folder(target, target / f'{target.absolute().parent.name}-{parsed.format}.zip')}.")
        return 0
    target = Path(parsed.to) if parsed.to else Path(parsed.folder) / "serving" / "1"
    model.export(target, weights=kind, overwrite=parsed.overwrite)
    megabytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    print(f"Written to {target}: {megabytes:,.1f} MB, weights as {kind}.")
    rows: Any = parsed.replay
    _stage("Answering rows in a fresh process, and comparing")
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
        if kind != "float32":
            _stage("Measuring what smaller weights cost")
            _tell_cost(model, rows, kind)
    if parsed.zip:
        _stage("Packing")
        print(f"Packed as {zip_export(target)}.")
    return 0


def _stage(what: str) -> None:
    """Say what is being done, for whoever waits."""
    print(f"{what} ...", file=sys.stderr, flush=True)


def _tell_cost(model: Any, rows: Any, weights: str) -> None:
    """Print the figures with the weights as they are and as the export has them."""
    before = model.evaluate(rows).metrics
    with model.compacted(weights):
        after = model.evaluate(rows).metrics
    for name, value in before.items():
        print(f"  {name}: {value:.4f} as float32, {after[name]:.4f} as {weights}")


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
    given = {None: None, "yes": True, "no": False}[parsed.text_pair]
    model = import_huggingface(parsed.model, base=parsed.base, text_pair=given)
    for note in model.recipe.get("notes", ()):
        print(note)
    if model.paired:
        print("It reads pairs of texts (--text-pair no for single texts).")
    print(f'Written to {model.save(folder)}. Next: kerasft predict {folder} "{model.task.asks}"')


def _must_be_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"'{folder}' is there already.", hint="Choose another name, or remove it.")
