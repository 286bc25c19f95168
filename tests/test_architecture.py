"""The floors of the house: who may import whom. Parses every import, also those inside functions."""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "kerasft").rglob("*.py"))
APP = sorted((ROOT / "app").rglob("*.py"))

# Lower floors may be imported, a module's own floor only within the same package.
FLOORS = {
    "errors": 0, "config": 0, "events": 0, "alone": 0, "files": 0, "output": 0, "large_arrays": 0,
    "sampling": 1, "presets": 1, "data": 1, "evaluation": 1, "run_about": 1, "runs": 1,
    "comparison": 1, "progress": 1, "file_sums": 1, "architectures": 1, "token_counts": 1,
    "preprocessing": 2, "layers": 2, "weights": 2, "memory": 2, "processor": 2,
    "compact_weights": 2, "own_settings": 2, "graphs": 2, "warm_up": 2, "quiet": 2,
    "backbones": 3, "kept_rows": 3, "model_files": 3,
    "tuning": 4, "tasks": 4, "training": 4,
    "replay": 4, "export": 5, "assembly": 5, "usable_rows": 5, "bulk": 5, "file_answers": 6, "explain": 5, "frozen_part": 4,
    "solved_head": 5, "label_curve": 2, "curve_measurement": 10,
    "job": 5, "recipe": 5, "resolution": 7, "cross_validation": 6, "run_record": 9, "failures": 5, "verification": 5,
    "batch_prediction": 11, "word_counts": 6, "bake_off_report": 6, "contenders": 7,
    "artifact": 6, "scoring": 6, "search_report": 6, "search_space": 6, "model_card": 6, "interchange": 7, "model": 8,
    "keras_level": 9, "execution": 9, "run": 9, "new_preset": 9, "seen_windows": 9,
    "trials": 10, "hyper_search": 11, "method_comparison": 10, "lines": 10, "reproduction": 10, "adaptation": 10, "cluster": 10,
    "given": 11, "workload": 10,
    "commands": 12, "data_commands": 12, "model_commands": 12, "cli": 13, "__main__": 14,
}  # fmt: skip
# `keras_setup` stands beside the house: what importing the package does, and when that was.
BESIDE = {"keras_setup", "__init__"}
WITHIN_A_FLOOR = {("config", "errors"), ("events", "errors"), ("alone", "errors"), ("files", "errors"), ("presets", "events"),
                  ("runs", "run_about"), ("runs", "data"),
                  ("preprocessing", "layers"), ("preprocessing", "memory"), ("preprocessing", "own_settings"),
                  ("preprocessing", "graphs"),
                  ("run", "execution"), ("execution", "run_record")}  # fmt: skip
NO_SCREENS = ("runs.py", "worker.py", "children.py", "facts.py", "figures.py", "charts.py", "plots.py", "answers.py",
              "reports.py", "run_progress.py", "run_table.py", "reading.py", "recipes.py", "outlook.py", "labels.py", "seen.py",
              "studies.py", "study_charts.py", "pulse.py", "clocks.py", "reading_process.py", "predictors.py")  # fmt: skip
HEAVY = ("tensorflow", "keras", "keras_hub", "tensorflow_text")
HOME_OF = {
    "keras_hub": lambda home: home == "backbones",
    "gradio": lambda home: False,
    "tensorflow": lambda home: FLOORS[home] >= 2 and FLOORS[home] <= 8,
    "keras": lambda home: FLOORS[home] >= 2 and FLOORS[home] <= 8,
    "argparse": lambda home: home in ("cli", "given", "commands", "data_commands", "model_commands"),
    "pickle": lambda home: False,
}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module of a file, and whether the import runs when the file is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from ((name, id(node) not in inner) for name in names)


def home(path: Path) -> str:
    return path.relative_to(ROOT / "kerasft").parts[0].removesuffix(".py")


def test_every_module_has_a_floor() -> None:
    assert {home(path) for path in LIBRARY} - BESIDE == set(FLOORS)


@pytest.mark.parametrize("path", [p for p in LIBRARY if home(p) not in BESIDE], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = home(path)
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] != "kerasft":
            continue
        target = parts[1] if len(parts) > 1 and parts[1] in FLOORS else None
        if target is None or target == own:
            continue
        allowed = FLOORS[target] < FLOORS[own] or (own, target) in WITHIN_A_FLOOR
        assert allowed, f"{own} (floor {FLOORS[own]}) imports {target} (floor {FLOORS[target]})"


@pytest.mark.parametrize("path", [p for p in LIBRARY if home(p) not in BESIDE], ids=lambda p: str(p.relative_to(ROOT)))
def test_libraries_stay_at_home(path: Path) -> None:
    for name, _ in imports(path):
        package = name.split(".")[0]
        if package in HOME_OF:
            assert HOME_OF[package](home(path)), f"{package} is imported in {path.relative_to(ROOT)}"
        assert package != "kerasft_app", "the library never imports the app"


@pytest.mark.parametrize("path", [p for p in LIBRARY if home(p) in ("tasks", "tuning")], ids=lambda p: p.name)
def test_options_can_be_listed_without_tensorflow(path: Path) -> None:
    heavy = [name for name, at_once in imports(path) if at_once and name.split(".")[0] in HEAVY]
    assert not heavy


@pytest.mark.parametrize("path", APP, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_app_never_loads_tensorflow(path: Path) -> None:
    """The app's process starts in seconds because it holds no model: what needs TensorFlow runs in a child."""
    for name, _ in imports(path):
        parts = name.split(".")
        assert parts[0] not in HEAVY
        if parts[0] == "kerasft" and len(parts) > 1:
            assert parts[1] not in ("run", "execution", "model", "export", "layers", "preprocessing", "backbones", "weights")


@pytest.mark.parametrize("path", [ROOT / "app" / name for name in NO_SCREENS], ids=lambda p: p.name)
def test_only_the_screens_know_gradio(path: Path) -> None:
    assert not [name for name, _ in imports(path) if name.split(".")[0] == "gradio"]


@pytest.mark.parametrize("path", LIBRARY + APP, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_of_a_size_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_every_package_is_in_the_wheel() -> None:
    """Named in pyproject.toml, and with its data files; `tests/test_wheel.py` (slow) builds one."""
    root = Path(__file__).parents[1]
    setup = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {".".join(path.parent.relative_to(root).parts) for path in (root / "kerasft").rglob("*.py")}
    found |= {".".join(("kerasft_app", *path.parent.relative_to(root / "app").parts)) for path in (root / "app").rglob("*.py")}
    assert found | {"kerasft_app.examples"} == set(setup["packages"])
    shipped = {path for pattern in setup["package-data"]["kerasft"] for path in (root / "kerasft").glob(pattern)}
    assert {path for path in (root / "kerasft" / "pretrained").rglob("*") if path.is_file()} <= shipped


def test_tests_that_share_something_expensive_share_a_worker(request: pytest.FixtureRequest) -> None:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # Where pytest and pytest-xdist do not fit, groups are forgotten without a word, and everything is made twice.
        assert request.node.nodeid.endswith("@tests/test_architecture.py")
