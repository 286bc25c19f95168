"""`.keras` files name our layers, and a fresh process finds them whichever of the two is imported first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.keras_setup import REGISTERED

ROOT = Path(__file__).resolve().parents[1]


def test_every_module_with_a_registered_class_is_imported_with_keras() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "kerasft").rglob("*.py")}
    found = [path for path, text in sources.items() if re.search(r"^@keras\.saving\.register_keras_serializable", text, re.M)]
    assert sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found) == sorted(REGISTERED)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, presets: dict[str, str]) -> list[Path]:
    """A model of each family, one of them with layers that were added."""
    folder = tmp_path_factory.mktemp("keras")
    rows = kft.load_data([{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(8)], validation=0)["train"]
    task = kft.TextClassification()
    made = {
        "bert": kft.build(presets["bert"], task, kft.Adapters(), learned=task.learn(rows)),
        "gpt2": kft.build(presets["gpt2"], task, kft.LoRA(), learned=task.learn(rows)),
        "mlm": kft.build(presets["bert"], kft.MaskedLM(), learned=kft.MaskedLM().learn(rows)),
    }
    for name, model in made.items():
        model.save(folder / f"{name}.keras")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("first", ["kerasft, keras", "keras, kerasft"])
def test_a_keras_file_loads_in_a_fresh_process(files: list[Path], first: str) -> None:
    code = f"import {first}\nfor name in {[str(path) for path in files]!r}: print(keras.saving.load_model(name).name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.split()) == 3


@pytest.mark.parametrize("module", ["kerasft.layers", "kerasft.layers.losses", "kerasft.training.optimizer"])
def test_layers_can_be_imported_first(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
