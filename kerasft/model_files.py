"""The files of a model in a run's folder: replaced as one, so that a crash leaves the old model or the new; their SHA-256.

`run.json` says under `model.files` which files the model has. New weights are written beside the old under another name;
then `run.json` is replaced, from which moment on the new model is the run's; then the weights take their usual name.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kerasft.errors import ArtifactError
from kerasft.files import flush, sha256, temporary_beside, write_text
from kerasft.weights import save_weights

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer"
NEXT_WEIGHTS = "model.next.safetensors"


def replace_model(
    folder: Path,
    recipe: Mapping[str, Any],
    described: Mapping[str, Any],
    weights: Mapping[str, Any],
    save_tokenizer: Callable[[Path], None],
) -> None:
    """Write a model; one that is there stays whole until this one is.

    Args:
        folder: Where; it is made if it is not there.
        recipe: The other keys of `run.json`.
        described: What `run.json` says of the model under `model`, but for its files.
        weights: Variables or arrays by path.
        save_tokenizer: Writes the tokenizer's files into a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _replace_tokenizer(folder, save_tokenizer)
    save_weights(weights, folder / NEXT_WEIGHTS, {"format": "kerasft"})
    names = [f"{TOKENIZER}/{path.name}" for path in sorted((folder / TOKENIZER).iterdir())]
    files = {name: _described(folder / name) for name in names} | {WEIGHTS: _described(folder / NEXT_WEIGHTS)}
    content = {**recipe, "model": {**described, "files": files}}
    write_text(folder / "run.json", json.dumps(content, indent=1, ensure_ascii=False))
    _settle(folder)


def settle(folder: Path, files: Mapping[str, Any]) -> Path:
    """The file of a model's weights, renamed first if the process that wrote it ended just before.

    Args:
        folder: The run's folder.
        files: What `run.json` says of the model's files; empty for a model of an earlier version.
    """
    waiting, recorded = folder / NEXT_WEIGHTS, files.get(WEIGHTS)
    if recorded and waiting.exists() and _described(waiting) == recorded:
        try:
            _settle(folder)
        except OSError:  # a folder that cannot be written to
            return waiting
    return folder / WEIGHTS


def _settle(folder: Path) -> None:
    with suppress(FileNotFoundError):  # a process that reads the model was quicker
        os.replace(folder / NEXT_WEIGHTS, folder / WEIGHTS)
    flush(folder)


def _replace_tokenizer(folder: Path, save: Callable[[Path], None]) -> None:
    """Write the tokenizer, unless the same is there: a run that goes on has the one that it had."""
    target = folder / TOKENIZER
    with temporary_beside(target, folder=True) as temporary:
        save(temporary)
        if not _is_same(temporary, target):
            for path in temporary.iterdir():
                flush(path)
            temporary.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(temporary, target)
            flush(folder)


def _is_same(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    if not other.is_dir() or names != sorted(path.name for path in other.iterdir()):
        return False
    return filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


def _described(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def check_quickly(folder: Path, files: Mapping[str, Any], weights: Path) -> None:
    """Refuse a model whose files are not those that were written, as far as that costs next to nothing.

    Of the weights only the size is compared: their SHA-256 takes as long as reading them. `kerasft verify` compares it.

    Raises:
        ArtifactError: A file is missing, has another size, or is a tokenizer's file with another content.
    """
    faults = model_faults(folder, files, weights, whole=False)
    if faults:
        raise ArtifactError(" ".join(faults), where=str(folder), hint="Copy the run again from where it is whole.")


def model_faults(folder: Path, files: Mapping[str, Any], weights: Path, *, whole: bool = True) -> list[str]:
    """A sentence for each file of a model that is not the one that was written.

    Args:
        folder: The run's folder.
        files: What `run.json` says of the files.
        weights: The file of the weights, see `settle`.
        whole: Whether the SHA-256 of the weights is compared.
    """
    found = []
    for name, recorded in files.items():
        path = weights if name == WEIGHTS else folder / name
        if not path.exists():
            found.append(f"{name} is missing.")
        elif path.stat().st_size != recorded.get("bytes"):
            found.append(f"{name} has {path.stat().st_size:,} bytes, and {recorded.get('bytes'):,} were written.")
        elif (whole or name != WEIGHTS) and sha256(path) != recorded.get("sha256"):
            found.append(f"{name} has changed since it was written: its SHA-256 is another.")
    return found
