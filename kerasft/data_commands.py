"""What the commands about presets and data do. Heavy imports wait until they are needed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasft.errors import ConfigError
from kerasft.given import given_options


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

        rows = [("RUN", "STATE", "SCORE", "PRESET", "DATA", "TITLE")]
        for run in list_runs(Path(parsed.folder)):
            rows.append((run.name, run.state, run.score, run.preset, run.data, run.about.title))
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
    from kerasft.data.data_config import DataConfig
    from kerasft.data.dataset import load_data
    from kerasft.new_preset import create_preset
    from kerasft.progress import TerminalProgress

    config = DataConfig.from_dict({"path": parsed.data, **given_options(parsed, "data", DataConfig.specs())})
    if config.path is None:
        raise ConfigError("No texts were given.", hint="kerasft create-preset --data FILE FOLDER")
    architecture = Architecture.from_dict(given_options(parsed, "architecture", Architecture.specs()))
    data = load_data(None, config)
    print(create_preset(data, parsed.out, architecture, overwrite=parsed.overwrite, on_event=TerminalProgress(sys.stderr)))
    task = "masked_lm" if architecture.family == "bert" else "causal_lm"
    print(f"Train it: kerasft train --preset {parsed.out} --data {config.path} --task {task} --train.epochs 10")


def check(parsed: argparse.Namespace) -> int:
    """Look for what is odd in the data."""
    from kerasft.data.data_config import DataConfig
    from kerasft.data.dataset import load_data
    from kerasft.data.quality import check_data
    from kerasft.data.recognise import label_question, suggest_task, task_question
    from kerasft.presets import fetch, find_preset
    from kerasft.tasks import TASKS
    from kerasft.token_counts import longest_input, token_counter

    data = load_data(parsed.data, **given_options(parsed, "data", DataConfig.specs()))
    suggestion = suggest_task(data)
    task: Any = TASKS.get(suggestion.task)()
    data = data if task.learns_labels else data.divided()  # as a run of it will
    counter, wanted = None, parsed.max_length
    if parsed.preset:
        folder = fetch(find_preset(parsed.preset))
        counter, limit = token_counter(folder), longest_input(folder)
        if limit and (wanted or not hasattr(task, "overlap")):  # what reads in windows cuts nothing
            wanted = min(wanted or task.max_length, limit)
    report = check_data(data, task, max_length=wanted, count_tokens=counter)
    if parsed.json:
        asked: dict[str, Any] = (
            {"unclear": dict(zip(suggestion.unclear, suggestion.examples, strict=True))} if suggestion.unclear else {}
        )
        asked |= {"other_task": suggestion.other_task} if suggestion.other_task else {}
        told = {**report.to_dict(), "task": suggestion.task, "why": suggestion.why, **asked}
        print(json.dumps(told, indent=1, ensure_ascii=False))
    elif suggestion.unclear:
        print(f"{report}\n{label_question(suggestion, str(parsed.data))}")
    elif suggestion.other_task:
        print(f"{report}\n{task_question(suggestion, str(parsed.data))}")
    else:
        print(f"{report}\nLooks made for the task {suggestion.task}. {suggestion.why}")
    return 0
