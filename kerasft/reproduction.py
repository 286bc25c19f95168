"""`reproduce`: a run trained again from its recipe, and compared."""

from __future__ import annotations

from pathlib import Path

from kerasft.comparison import Comparison, compare_runs
from kerasft.config import read_json
from kerasft.data.dataset import load_data
from kerasft.errors import ArtifactError, DataError
from kerasft.events import Emit
from kerasft.kept_rows import kept_rows
from kerasft.recipe import RunConfig
from kerasft.run import start


def reproduce(folder: str | Path, out: str | Path | None = None, *, on_event: Emit | None = None) -> Comparison:
    """Train again from a run's recipe, with what it resolved to, and compare.

    Args:
        folder: The run's folder.
        out: Folder of the new run; `<folder>-again` when not given.
        on_event: Called with every event.

    Raises:
        ArtifactError: There is no finished run.
        DataError: The data are not those of the run.
    """
    folder = Path(folder).expanduser()
    if not (folder / "model.safetensors").exists():
        raise ArtifactError("This folder holds no finished run.", where=str(folder), hint="Give the folder that holds run.json.")
    recipe = read_json(folder / "run.json")
    config = RunConfig.from_dict(recipe)
    kept = kept_rows(folder, config.data)
    rows = kept or load_data(None, config.data)
    target = Path(out).expanduser() if out else folder.with_name(f"{folder.name}-again")
    found = config.task.suited(rows).fingerprint()
    if found != recipe.get("data_sha256"):
        raise DataError("The data are not those of the run, so it cannot be reproduced.", where=str(config.data.path))
    start(config, target, dataset=kept, on_event=on_event)
    return compare_runs(folder, target)
