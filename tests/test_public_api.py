"""The public names: complete, sorted, documented, annotated; every option has help; importing is cheap."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft.data.data_config import DataConfig
from kerasft.tasks import TASKS
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS

OPTIONS = [DataConfig, TrainConfig, *TASKS.all().values(), *TUNINGS.all().values()]
CALLABLES = [name for name in kft.__all__ if callable(getattr(kft, name))]


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert kft.__all__ == sorted(kft.__all__)
    for name in kft.__all__:
        assert getattr(kft, name) is not None
    assert set(kft.__all__) <= set(dir(kft))


def test_type_checkers_see_the_same_names() -> None:
    source = Path(kft.__file__).read_text(encoding="utf-8")
    declared = set(re.findall(r"import \w+ as (\w+)$", source, flags=re.MULTILINE))
    assert declared == set(kft.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'finetunee'"):
        _ = kft.finetunee


def methods_of(cls: type) -> list[tuple[str, Any]]:
    return [(f"{cls.__name__}.{n}", m) for n, m in vars(cls).items() if not n.startswith("_") and inspect.isfunction(m)]


@pytest.mark.parametrize("name", CALLABLES)
def test_public_callables_are_documented_and_annotated(name: str) -> None:
    value = getattr(kft, name)
    assert inspect.getdoc(value), f"{name} has no docstring"
    found = [(name, value)] if inspect.isfunction(value) else methods_of(value)
    for label, function in found:
        own_or_inherited = inspect.getdoc(function) or any(
            inspect.getdoc(getattr(base, label.split(".")[-1], None)) for base in getattr(value, "__mro__", ())[1:]
        )
        assert own_or_inherited, f"{label} has no docstring"
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, f"{label} has no return annotation"
        for parameter in signature.parameters.values():
            assert parameter.name == "self" or parameter.annotation is not inspect.Parameter.empty, f"{label}({parameter.name})"


@pytest.mark.parametrize("cls", OPTIONS, ids=lambda cls: cls.__name__)
def test_every_option_has_help_and_a_default_that_is_allowed(cls: Any) -> None:
    for spec in cls.specs():
        assert spec.help.endswith("."), f"{cls.__name__}.{spec.name}"
        if not spec.required:
            assert list(spec.faults(spec.default)) == []
    if not any(spec.required for spec in cls.specs()):
        assert cls.from_dict(cls().to_dict()) == cls()


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_kerasft_does_not_import_tensorflow() -> None:
    code = "import sys, kerasft as kft; kft.TrainConfig(); kft.list_presets(); kft.Full; kft.TextClassification"
    heavy = run_python(code + "; print([m for m in ('tensorflow', 'keras', 'gradio') if m in sys.modules])")
    assert heavy.strip() == "[]"


def test_importing_the_app_does_not_import_tensorflow() -> None:
    code = "import sys, kerasft_app.ui; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert run_python(code).strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("order", ["import keras, kerasft", "import kerasft, keras"])
def test_keras_knows_our_layers_whichever_is_imported_first(order: str) -> None:
    code = f"{order}; print(keras.saving.get_registered_object('kerasft>Pooling'))"
    assert "Pooling" in run_python(code)


def test_another_backend_is_refused_with_the_line_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from kerasft.training.strategy import prepare

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(kft.ConfigError, match=r'os.environ\["KERAS_BACKEND"\] = "tensorflow"'):
        prepare(seed=1, precision="float32")
