"""What importing kerasft does for Keras without importing it: fixes the backend, registers our layers when it loads.

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


def _register() -> None:
    if importlib.import_module("keras").config.backend() == "tensorflow":
        importlib.import_module("kerasft.layers")
        importlib.import_module("kerasft.training.optimizer")


def install() -> None:
    """Ask for the TensorFlow backend and see to it that our layers are known to Keras once it is loaded."""
    if "keras" in sys.modules:
        if hasattr(sys.modules["keras"], "config"):
            _register()
        return
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.meta_path.insert(0, _AfterKeras())
