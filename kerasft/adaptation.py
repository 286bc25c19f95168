"""`adapt`: pre-training on texts of a domain, then a task, next to the same task without it (Gururangan et al. 2020)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasft.config import read_json
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.recognise import suggest_task
from kerasft.errors import ConfigError
from kerasft.events import Emit, Stopped
from kerasft.model import load
from kerasft.recipe import RunConfig
from kerasft.resolution import rows_for
from kerasft.run import go_on, start
from kerasft.runs import holds_run, last_event, run_state
from kerasft.tasks import Task, get_task
from kerasft.tasks.base import Learned
from kerasft.tasks.masked_lm import MaskedLM
from kerasft.training.options import TrainConfig
from kerasft.training.stopping import raise_for
from kerasft.tuning import Tuning
from kerasft.tuning.full import Full

ADAPTED, PLAIN = "adapted", "plain"


@dataclass(frozen=True)
class Adaptation:
    """What stage one brought.

    Attributes:
        folder: Holds `pretraining/` (a run), `backbone/` (a preset), and the runs `adapted-SEED/` and `plain-SEED/`.
        metric: The task's main figure.
        figures: By split, by `adapted` or `plain`, one figure a seed.
        stopped: Whether it was asked to stop before its end; begun again it goes on.
    """

    folder: Path
    metric: str
    figures: dict[str, dict[str, list[float]]]
    stopped: bool = False

    def __str__(self) -> str:
        if self.stopped:
            return f"Stopped before its end; begun again with the same folder it goes on: {self.folder}."
        lines = [f"| {self.metric} | with stage one | without | difference |", "|---|---:|---:|---:|"]
        for split, sides in self.figures.items():
            with_it, without = sides[ADAPTED], sides[PLAIN]
            gain = statistics.mean(a - b for a, b in zip(with_it, without, strict=True))
            lines.append(f"| {split} | {_spread(with_it)} | {_spread(without)} | {gain:+.4f} |")
        seeds = len(next(iter(self.figures.values()))[PLAIN]) if self.figures else 0
        return "\n".join([*lines, f"\nMean ± standard deviation over {seeds} seed{'s' * (seeds != 1)}; runs in {self.folder}."])


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def adapt(
    preset: str,
    texts: Any,
    data: Any,
    task: Task | None = None,
    *,
    out: str | Path,
    pretraining: Task | None = None,
    pretraining_train: TrainConfig | None = None,
    tuning: Tuning | None = None,
    train: TrainConfig | None = None,
    seeds: Sequence[int] = (1,),
    on_event: Emit | None = None,
) -> Adaptation:
    """Two stages in one recipe, and what the first is worth: a task is trained from the adapted backbone and from the preset.

    Begun again with the same folder it goes on where it stopped: runs that are finished are kept.

    Args:
        preset: Name, folder, or `hf://owner/name`.
        texts: A `Dataset` of texts of the domain, or anything `load_data` reads; labels are not needed. Texts the task is
            tested on must not be among them.
        data: A labelled `Dataset`, or anything `load_data` reads.
        task: What is learned in stage two; when not given, what the data look made for.
        out: Folder of everything that is made.
        pretraining: Stage one: a `MaskedLM` (the default) or a `CausalLM`.
        pretraining_train: How stage one is trained.
        tuning: Which weights learn in stage two.
        train: How stage two is trained; its seed is replaced by each of `seeds`.
        seeds: One pair of runs each.
        on_event: Called with every event of every run.

    Raises:
        ConfigError: Stage one leaves no backbone to go on with, or options do not fit.
        DataError: Data that cannot be learned from.
        KeyboardInterrupt: Ctrl-C, once the run at work is saved; after SIGTERM or SIGHUP it is SystemExit.
    """
    folder = Path(out).expanduser()
    first = pretraining or MaskedLM()
    if first.name not in ("masked_lm", "causal_lm"):
        raise ConfigError(f"'pretraining' must be a MaskedLM or a CausalLM. Received: {first.name}.")
    if not seeds:
        raise ConfigError("'seeds' must name at least one seed.")
    corpus = texts if isinstance(texts, Dataset) else load_data(texts)
    labelled = data if isinstance(data, Dataset) else load_data(data)
    second = task or get_task(suggest_task(labelled).task)
    stage = RunConfig(preset=preset, data=corpus.config, task=first, train=pretraining_train or TrainConfig())
    if not _finish(stage, folder / "pretraining", corpus, on_event):
        return Adaptation(folder, "", {}, stopped=True)
    backbone = folder / "backbone"
    if not backbone.exists():
        load(folder / "pretraining").save_backbone(backbone)
    found: dict[str, dict[str, list[float]]] = {}
    metric = ""
    for seed in seeds:
        options = TrainConfig.from_dict({**(train or TrainConfig()).to_dict(), "seed": seed})
        for side, base in ((ADAPTED, str(backbone)), (PLAIN, preset)):
            run = RunConfig(preset=base, data=labelled.config, task=second, tuning=tuning or Full(), train=options)
            if not _finish(run, folder / f"{side}-{seed}", labelled, on_event):
                return Adaptation(folder, metric, {}, stopped=True)
            reports = read_json(folder / f"{side}-{seed}" / "report.json")
            saved = read_json(folder / f"{side}-{seed}" / "run.json")["model"]
            metric = second.main_metric(Learned(tuple(saved["labels"]), saved["facts"]))
            for split, report in reports.items():
                metric = metric if metric in report["metrics"] else metric.removeprefix("tuned_")
                found.setdefault(split, {}).setdefault(side, []).append(float(report["metrics"][metric]))
    return Adaptation(folder, metric, found)


def _finish(config: RunConfig, folder: Path, data: Dataset, on_event: Emit | None) -> bool:
    """Do a run, go on with it, or leave it as it is when it is finished; whether it is now.

    Raises:
        ConfigError: The folder holds a run of another recipe, or on other data.
    """
    if not holds_run(folder):
        start(config, folder, dataset=data, on_event=on_event)
        return _has_finished(folder)
    recipe = read_json(folder / "run.json")
    before = RunConfig.from_dict(recipe)
    hint = "Choose another folder, or give what it was begun with."
    if _asked(before, config) != _asked(config, config):
        raise ConfigError("The folder holds a run of another recipe.", where=str(folder), hint=hint)
    if recipe.get("data_sha256") not in (None, rows_for(config, data).fingerprint()):
        raise ConfigError("The folder holds a run on other data.", where=str(folder), hint=hint)
    if run_state(folder) != "finished":
        go_on(folder, on_event=on_event)
    return _has_finished(folder)


def _has_finished(folder: Path) -> bool:
    """Whether a run has come to its end; a signal that has stopped it reaches the caller."""
    last = last_event(folder)
    if isinstance(last, Stopped):
        raise_for(last.reason, f"The adaptation in {folder.parent} goes on when it is begun again with that folder.")
    return run_state(folder) == "finished"


def _asked(config: RunConfig, wanted: RunConfig) -> dict[str, Any]:
    """A recipe but for its data, and with the rows of an update: a run whose batches did not fit into memory has halved them.

    Args:
        config: The recipe.
        wanted: What it is compared with; where that leaves the rows of a batch open, any number is what was asked for.
    """
    rows = (config.train.batch_size or 0) * config.train.accumulate if wanted.train.batch_size else None
    epochs = None if wanted.train.epochs is None else config.train.epochs
    train = {**config.train.to_dict(), "batch_size": rows, "accumulate": 1, "epochs": epochs}
    return {**config.to_dict(), "data": None, "train": train}
