"""Weights in files: safetensors by variable path, written whole or not at all. Never a pickle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from kerasft.errors import ArtifactError
from kerasft.files import flush


def weights_by_path(model: Any) -> dict[str, Any]:
    """A Keras model's weights by their path, without the names Keras numbers by itself.

    Raises:
        ArtifactError: Two weights have the same path, so a file could not tell them apart.
    """
    found: dict[str, Any] = {}
    for variable in model.weights:
        if variable.path in found:
            raise ArtifactError(f"Two weights are named {variable.path!r}.", hint="Give the layers different names.")
        found[variable.path] = variable
    return found


def save_weights(variables: Mapping[str, Any], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write variables by name as safetensors, whole or not at all."""
    write_arrays(path, {name: as_array(variable) for name, variable in variables.items()}, metadata)


def load_weights(variables: Mapping[str, Any], path: Path) -> None:
    """Read into variables what `save_weights` wrote of them.

    Raises:
        ArtifactError: The file is absent or damaged, or its names or shapes are not those of the variables.
    """
    arrays = read_arrays(path)
    if set(arrays) != set(variables):
        odd = sorted(set(arrays) ^ set(variables))[:3]
        raise ArtifactError(f"The weights are not those of this model; they differ in {', '.join(odd)}.", where=str(path))
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            what = f"{name} has shape {arrays[name].shape}, the model needs {tuple(variable.shape)}"
            raise ArtifactError(f"The weights are not those of this model: {what}.", where=str(path))
    for name, variable in variables.items():
        variable.assign(arrays[name])


def fingerprint(variables: Iterable[Any]) -> str:
    """SHA-256 of the values of variables in their order, whatever file they came from and whatever their names."""
    digest = hashlib.sha256()
    for variable in variables:
        array = as_array(variable)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def as_array(variable: Any) -> np.ndarray:
    """The value of a variable, or an array itself."""
    value = variable if isinstance(variable, np.ndarray) else variable.numpy()
    return np.array(value, order="C")  # ascontiguousarray would turn a scalar into a vector


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file.

    Raises:
        ArtifactError: The file is absent or damaged.
    """
    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise ArtifactError("The file is missing.", where=str(path)) from None
    except Exception as error:  # safetensors raises its own class, and OSError for a short file
        raise ArtifactError(f"The file is damaged: {error}.", where=str(path)) from None


def write_arrays(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Write safetensors to a temporary name, flush to disk, rename."""
    temporary = path.with_name(path.name + ".part")
    save_file(arrays, temporary, metadata=metadata)
    os.chmod(temporary, 0o666 & ~_umask())  # safetensors makes files that only their owner can read
    flush(temporary)
    os.replace(temporary, path)
    flush(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
