"""The learning curve of a run's data: on frozen features in seconds, or by training at each number of rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.assembly import assemble
from kerasft.backbones.loading import load_backbone
from kerasft.config import read_json
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.split import Split
from kerasft.data.splitting import text_key
from kerasft.errors import ConfigError, DataError
from kerasft.events import Emit, Phase, fan_out
from kerasft.kept_rows import kept_rows
from kerasft.label_curve import LearningCurve, measure_curve
from kerasft.model import FineTunedModel
from kerasft.presets import fetch, find_preset
from kerasft.recipe import RunConfig
from kerasft.run import start
from kerasft.solved_head import HeadProblem
from kerasft.tasks.base import Learned, pick
from kerasft.tuning.frozen import FrozenFeatures
from kerasft.usable_rows import known_rows, usable_rows

_MOST_ROWS = 8_000  # of which a curve is made
_MANY_ROWS, _FEW_DRAWS, _DRAWS = 2_000, 4, 10
_TRAINED_SIZES, _TRAINED_DRAWS = 4, 2
_Figure = Callable[[np.ndarray, np.ndarray], float]


def learning_curve(
    run: RunConfig | str | Path,
    dataset: Dataset | None = None,
    *,
    training: bool = False,
    draws: int | None = None,
    on_event: Emit | None = None,
    progress: Callable[[float], None] | None = None,
) -> LearningCurve:
    """Find how the main figure grows with the number of labelled training rows.

    A quarter of the training rows is held out in each draw; validation and test rows are not looked at.

    Args:
        run: A recipe, a file with one, or the folder of a run.
        dataset: The rows, where the recipe names no file.
        training: Train as the recipe says at each number of rows, instead of solving a head on features of the model as it is
            before training: hours instead of seconds, and the curve of the method itself.
        draws: How often the rows are drawn; 10 when not given, 4 for more than 2,000 rows, 2 with `training`.
        on_event: Called with every event.
        progress: Called with the share of the fits that is done, 0 to 1.

    Raises:
        ConfigError: The task's head is not one dense layer and `training` is False.
        DataError: There are too few labelled rows.
    """
    config, rows = _recipe(run, dataset)
    emit = fan_out(on_event)
    data = config.task.suited(rows or load_data(None, config.data))
    if "train" not in data:
        raise DataError("There is no training split.", hint=f"There are: {', '.join(data.splits)}.")
    split = usable_rows(config.task, data["train"], emit)
    task = config.task
    learned = task.learn(split)
    split, labels = known_rows(task, split, learned, emit)
    part = ""
    if len(split) > _MOST_ROWS:
        chosen = np.sort(np.random.default_rng(config.train.seed).permutation(len(split))[:_MOST_ROWS])
        split, labels, part = split.take(chosen), pick(labels, chosen), f", on {_MOST_ROWS:,} rows drawn at random"
    metric = task.main_metric(learned)
    single = isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind == "i"
    strata = labels.astype(np.int64) if single else np.zeros(len(split), np.int64)
    how: dict[str, Any] = {"metric": metric, "groups": _groups(split), "seed": config.train.seed, "progress": progress}
    if training:
        source = f"trained with {config.tuning.title}{part}"
        figure = _trained(config, data, split, metric)
        return measure_curve(figure, strata, source=source, sizes=_TRAINED_SIZES, draws=draws or _TRAINED_DRAWS, **how)
    if not task.linear_head:
        hint = "Train at each number of rows: training=True (--training)."
        raise ConfigError(f"The head of task '{task.name}' is more than one dense layer and cannot be solved.", hint=hint)
    source = f"a head solved on frozen features{part}"
    figure = _on_features(config, data, split, labels, task.for_solver(learned), emit)
    return measure_curve(figure, strata, source=source, draws=draws or (_FEW_DRAWS if len(split) > _MANY_ROWS else _DRAWS), **how)


def _recipe(run: RunConfig | str | Path, dataset: Dataset | None) -> tuple[RunConfig, Dataset | None]:
    """The recipe, and rows that came from memory."""
    if isinstance(run, RunConfig):
        return run, dataset
    path = Path(run).expanduser()
    config = RunConfig.load(path / "run.json" if path.is_dir() else path)
    return config, dataset or (kept_rows(path, config.data) if path.is_dir() else None)


def _groups(split: Split) -> np.ndarray:
    """(rows,) a number for each different text: equal ones are held out together."""
    keys: dict[bytes, int] = {}
    numbers = [
        keys.setdefault(text_key(text or "", pair), len(keys))
        for texts, pairs, _ in split.batches()
        for text, pair in zip(texts, pairs, strict=True)
    ]
    return np.asarray(numbers, dtype=np.int64)


def _on_features(config: RunConfig, data: Dataset, split: Split, labels: Any, learned: Learned, emit: Emit) -> _Figure:
    """The figure of a head that is solved on the features of the model as it is."""
    task = config.task
    metric = task.main_metric(learned)
    preset = find_preset(config.preset)
    emit(Phase(phase="model", detail=preset.name))
    backbone = load_backbone(fetch(preset, emit), origin=config.preset)
    tuning = FrozenFeatures(solver="exact")
    keras_model, encoder = assemble(backbone, task, tuning, learned, seed=config.train.seed)
    model = FineTunedModel(task, tuning, learned, data.columns, backbone, keras_model, encoder)
    emit(Phase(phase="features", detail=f"{len(split):,} rows"))
    encoded = task.targets(model.encode(split), labels, learned)
    problem = HeadProblem(model, encoded, config.train)
    everything = problem.vectors(np.arange(len(problem.rows)))
    strength = problem.solve(problem.known).strength
    emit(Phase(phase="solve", detail=f"heads on growing numbers of rows, C = {strength:g}"))

    def figure(train: np.ndarray, held_out: np.ndarray) -> float:
        head = problem.solve(problem.places_of(train), strength)
        outputs = task.collect(everything @ head.kernel + head.bias, encoded)
        return float(task.score(pick(outputs, held_out), pick(labels, held_out), learned)[metric])

    return figure


def _trained(config: RunConfig, data: Dataset, split: Split, metric: str) -> _Figure:
    """The figure of a run of the recipe."""
    quick = replace(config, train=replace(config.train, score_test=False, tensorboard=False, folds=None))

    def figure(train: np.ndarray, held_out: np.ndarray) -> float:
        rows = replace(data, splits={"train": split.take(train), "validation": split.take(held_out)})
        with tempfile.TemporaryDirectory(prefix="kerasft-curve-") as folder:
            start(quick, Path(folder) / "run", dataset=rows)
            metrics = read_json(Path(folder) / "run" / "report.json")["validation"]["metrics"]
        return float(metrics.get(metric, metrics.get(metric.removeprefix("tuned_"))))

    return figure
