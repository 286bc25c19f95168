"""`kerasft verify`: whether the files of a run, its checkpoints and its exports are those that were written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasft.config import read_json
from kerasft.errors import ArtifactError, ConfigError
from kerasft.file_sums import SUMS, sum_faults
from kerasft.model_files import model_faults, settle
from kerasft.runs import CHECKPOINTS
from kerasft.training.checkpoint import Checkpoints


@dataclass(frozen=True)
class Verified:
    """What was compared.

    Attributes:
        what: `the model`, `the checkpoints`, or the folder of an export.
        faults: A sentence for each file that is not the one that was written.
        unknown: Why nothing could be compared, or empty.
    """

    what: str
    faults: tuple[str, ...] = ()
    unknown: str = ""

    def __str__(self) -> str:
        if self.faults:
            return "\n".join((f"{self.what}: damaged", *(f"  {fault}" for fault in self.faults)))
        return f"{self.what}: {self.unknown or 'as written'}"


def verify(folder: str | Path) -> list[Verified]:
    """Compare the files of a run, or of an export, with the SHA-256 that were kept when they were written.

    Args:
        folder: A run's folder, with its checkpoints and the exports in it; or the folder of an export.

    Returns:
        A result for the model, for the checkpoints, and for each export.

    Raises:
        ArtifactError: There is neither a run nor an export.
    """
    folder = Path(folder).expanduser()
    found = []
    if (folder / "run.json").exists():
        found.append(_model(folder))
    if (folder / CHECKPOINTS).is_dir():
        found.append(Verified("the checkpoints", tuple(Checkpoints(folder / CHECKPOINTS).faults())))
    found += [_export(place, folder) for place in _exports(folder)]
    if not found:
        hint = "Give a run's folder (with run.json), or that of an export."
        raise ArtifactError("The folder holds neither a run nor an export.", where=str(folder), hint=hint)
    return found


def _model(folder: Path) -> Verified:
    try:
        content = read_json(folder / "run.json")
    except ConfigError as error:
        return Verified("the model", (error.message,))
    saved = content.get("model") if isinstance(content, dict) else None
    if not isinstance(saved, dict):
        return Verified("the model", unknown="there is none yet")
    files = saved.get("files")
    if not isinstance(files, dict) or not all(isinstance(recorded, dict) for recorded in files.values()):
        return Verified("the model", unknown="written by a version that kept no SHA-256, so nothing was compared")
    return Verified("the model", tuple(model_faults(folder, files, settle(folder, files))))


def _exports(folder: Path) -> Iterator[Path]:
    """Folders of exports: of a SavedModel, of a Hugging Face model, of a LoRA."""
    marks = ("saved_model.pb", "config.json", "adapter_config.json", SUMS)
    places = [folder, *sorted((folder / "serving").glob("*")), folder / "huggingface", folder / "peft"]
    for place in places:
        if place.is_dir() and any((place / mark).exists() for mark in marks) and not (place / "run.json").exists():
            yield place


def _export(place: Path, folder: Path) -> Verified:
    what = f"the export {place.relative_to(folder)}" if place != folder else f"the export {place.name}"
    if not (place / SUMS).exists():
        return Verified(what, unknown=f"it has no {SUMS}, so nothing was compared")
    return Verified(what, tuple(sum_faults(place)))
