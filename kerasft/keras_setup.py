"""What importing kerasft does for Keras and TensorFlow without importing them: backend, oneDNN, our layers.

`.keras` files name our layers; Keras finds them only if they are registered. So that `import kerasft` is enough, in
either order with `import keras`, an import hook registers them right after Keras has loaded.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Sequence
from types import ModuleType

PROCESS_BEGAN = time.time()  # TensorFlow takes seconds to load; a request to stop may come in meanwhile


class _AfterKeras(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands aside for every import but the first of `keras`, which it loads and then follows with our layers."""

    def __init__(self) -> None:
        self._spec: importlib.machinery.ModuleSpec | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        self._spec = importlib.util.find_spec("keras")
        if self._spec is None or self._spec.loader is None:
            return self._spec
        self._loader = self._spec.loader
        self._spec.loader = self
        return self._spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert self._spec is not None
        self._spec.loader = self._loader
        self._loader.exec_module(module)
        _register()


# Every module with a class or function that a `.keras` file may name; tests/test_keras_files.py compares them with the sources.
REGISTERED = (
    *("kerasft.layers.activations", "kerasft.layers.additions", "kerasft.layers.heads", "kerasft.layers.language"),
    *("kerasft.layers.losses", "kerasft.layers.masking", "kerasft.layers.pretraining", "kerasft.layers.spans"),
    *("kerasft.layers.transformer_block", "kerasft.training.optimizer"),
)


def _register() -> None:
    if importlib.import_module("keras").config.backend() == "tensorflow":
        for name in REGISTERED:
            importlib.import_module(name)


def install() -> None:
    """Choose the TensorFlow backend and oneDNN, and register our layers with Keras once it is loaded.

    TensorFlow turns oneDNN on by itself only on processors with AVX512-VNNI and newer instructions. Without it a step takes 23 to
    28 % longer elsewhere, and its results differ in the last digits from those of a process that has it. TensorFlow reads the
    variable when it is imported, so a value that the environment already has is kept, and a TensorFlow that was imported earlier
    stays as it is (`processor.uses_onednn` tells).
    """
    if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
        os.environ["TF_USE_LEGACY_KERAS"] = "0"
        warnings.warn("TF_USE_LEGACY_KERAS is not obeyed where kerasft is imported: it needs Keras 3.", stacklevel=3)
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if "keras" in sys.modules:
        if hasattr(sys.modules["keras"], "config"):
            _register()
        return
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.meta_path.insert(0, _AfterKeras())
