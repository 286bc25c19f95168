"""A run's recipe as the command line and the Python lines that do the same."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from kerasft.data.dataset import DataConfig
from kerasft.runs import read_recipe
from kerasft.tasks import TASKS
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS


def _changed(values: dict[str, Any], cls: Any) -> dict[str, Any]:
    """Options that differ from their default."""
    defaults = {spec.name: spec.default for spec in cls.specs()}
    return {k: v for k, v in values.items() if k in defaults and v != defaults[k]}


def _parts(recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    task, tuning = recipe.get("task", {}), recipe.get("tuning", {})
    return {
        "data": {k: v for k, v in _changed(recipe.get("data", {}), DataConfig).items() if k != "path"},
        "task": _changed(task, TASKS.get(task["name"])) if "name" in task else {},
        "tuning": _changed(tuning, TUNINGS.get(tuning["name"])) if "name" in tuning else {},
        "train": _changed(recipe.get("train", {}), TrainConfig),
    }


def command_line(path: Path) -> str:
    """The `kerasft train` call of the recipe in a run's folder; empty when there is none."""
    recipe = read_recipe(path.parent)
    if not recipe:
        return ""
    words = ["kerasft", "train", "--preset", recipe["preset"], "--data", str(recipe["data"].get("path"))]
    words += ["--task", recipe["task"]["name"], "--tuning", recipe["tuning"]["name"]]
    for part, values in _parts(recipe).items():
        for name, value in values.items():
            words += [f"--{part}.{name}", ",".join(value) if isinstance(value, list | tuple) else str(value)]
    words += ["--out", f"saved_models/{path.parent.name}-again"]
    pairs = []
    for word in words[2:]:
        if word.startswith("--"):
            pairs.append(word)
        else:
            pairs[-1] += " " + shlex.quote(word)
    return "kerasft train \\\n  " + " \\\n  ".join(pairs)


def python_snippet(path: Path) -> str:
    """The Python lines that do what the recipe in a run's folder says; empty when there is none."""
    recipe = read_recipe(path.parent)
    if not recipe:
        return ""
    parts = _parts(recipe)

    def call(cls: Any, values: dict[str, Any]) -> str:
        return f"kft.{cls.__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    data = "".join(f", {name}={value!r}" for name, value in parts["data"].items())
    lines = [
        "import kerasft as kft",
        "",
        f"data = kft.load_data({recipe['data'].get('path')!r}{data})",
        "model = kft.finetune(",
        f"    {recipe['preset']!r},",
        "    data,",
        f"    {call(TASKS.get(recipe['task']['name']), parts['task'])},",
        f"    tuning={call(TUNINGS.get(recipe['tuning']['name']), parts['tuning'])},",
        f"    train={call(TrainConfig, parts['train'])},",
        f"    out='saved_models/{path.parent.name}-again',",
        ")",
        "print(model.evaluate(data['validation']))",
    ]
    return "\n".join(lines)
