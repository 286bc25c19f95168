"""Keras's global settings, pickling and forks: each is told or does not matter, never half obeyed."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kerasft as kft
from kerasft import own_settings as settings
from tests.tasks.models import model_of, task_data

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model(presets: dict[str, str]) -> Any:
    return model_of(presets["bert"], kft.TextClassification(), task_data("text_classification"))


@pytest.fixture(params=["policy", "floatx", "eager"])
def setting(request: pytest.FixtureRequest) -> Iterator[str]:
    """One of the global settings, changed as a program may do it for its own models."""
    import keras
    import tensorflow as tf

    change = {
        "policy": lambda: keras.config.set_dtype_policy("mixed_float16"),
        "floatx": lambda: keras.config.set_floatx("float16"),
        "eager": lambda: tf.config.run_functions_eagerly(True),
    }
    change[request.param]()
    yield request.param
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    tf.config.run_functions_eagerly(False)


def test_a_run_is_the_same_under_other_settings(setting: str, presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    def run(name: str) -> Any:
        train = kft.TrainConfig(epochs=1, tensorboard=False)
        made = kft.finetune(presets["bert"], str(reviews), kft.TextClassification(), train=train, out=tmp_path / name)
        return made.predict("a good film").score

    before = (keras.config.dtype_policy().name, keras.config.floatx(), tf.config.functions_run_eagerly())
    found = run("changed")
    loaded = kft.load(tmp_path / "changed")
    assert {layer.dtype_policy.name for layer in loaded.keras_model.layers} == {"float32"}
    assert loaded.predict("a good film").score == found
    assert (keras.config.dtype_policy().name, keras.config.floatx(), tf.config.functions_run_eagerly()) == before
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    tf.config.run_functions_eagerly(False)
    assert run("plain") == found


@pytest.mark.parametrize("use", [pickle.dumps, copy.deepcopy, copy.copy], ids=["pickle", "deepcopy", "copy"])
def test_a_model_is_not_pickled_and_the_error_says_what_to_do(model: Any, use: Any) -> None:
    with pytest.raises(kft.ConfigError, match="neither pickled nor copied") as told:
        use(model)
    assert "kft.load" in str(told.value.hint)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_forked_process_is_told_instead_of_hanging(model: Any) -> None:
    assert model.predict("a good film").label
    theirs, ours = multiprocessing.Pipe()
    pid = os.fork()
    if not pid:  # in the child: nothing of pytest may run here
        try:
            model.predict("a good film")
            ours.send("answered")
        except kft.RunError as error:
            ours.send(str(error))
        finally:
            os._exit(0)
    assert theirs.poll(120)
    assert "before this process was forked" in theirs.recv()
    os.waitpid(pid, 0)


def test_a_fork_before_the_first_use_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_state", {"used": False, "forked": False})
    settings._after_fork()
    with settings.own_settings():
        pass


def test_legacy_keras_is_not_obeyed_and_that_is_said() -> None:
    code = "import kerasft as kft, os; print(os.environ['TF_USE_LEGACY_KERAS'])"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    assert done.stdout.strip() == "0"
    assert "TF_USE_LEGACY_KERAS is not obeyed" in done.stderr
