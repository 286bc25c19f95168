"""What differs between two runs: options, data, versions, figures, weights. Reads their folders, loads no model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasft.config import read_json
from kerasft.errors import ArtifactError
from kerasft.files import sha256

_SECTIONS = ("options", "data", "versions", "figures", "weights")


@dataclass(frozen=True)
class Difference:
    """One thing two runs do not have in common; None where a run lacks it."""

    section: str
    name: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Comparison:
    """All differences between two runs.

    Attributes:
        one: Folder of a run.
        other: Folder of the other.
        differences: In the order options, data, versions, figures, weights.
    """

    one: str
    other: str
    differences: tuple[Difference, ...]

    @property
    def same_result(self) -> bool:
        """Whether figures and weights are equal to the last digit."""
        return not any(found.section in ("figures", "weights") for found in self.differences)

    def __str__(self) -> str:
        if not self.differences:
            return "The runs do not differ: same options, data, versions, figures and weights."
        shown = [("", self.one, self.other)]
        for section in _SECTIONS:
            rows = [found for found in self.differences if found.section == section]
            shown += [(f"[{section}]", "", "")] if rows else []
            shown += [(found.name, _shown(found.one), _shown(found.other)) for found in rows]
        widths = [max(len(row[i]) for row in shown) for i in range(3)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown)
        return "\n".join(lines)


def differing(one: Any, other: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Values that differ between two JSON objects, by dotted name; None where one is absent."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            yield from differing(one.get(key), other.get(key), f"{name}.{key}" if name else str(key))
    elif one != other and not (_is_nan(one) and _is_nan(other)):
        yield name, one, other


def compare_runs(one: str | Path, other: str | Path) -> Comparison:
    """Compare the runs in two folders.

    Raises:
        ArtifactError: A folder holds no run.
    """
    sides = [_read(Path(folder).expanduser()) for folder in (one, other)]
    found = [
        Difference(section, *difference)
        for section in _SECTIONS
        for difference in differing(sides[0][section], sides[1][section])
    ]
    return Comparison(str(one), str(other), tuple(found))


def _read(folder: Path) -> dict[str, Any]:
    if not (folder / "run.json").exists():
        raise ArtifactError("This folder holds no KerasFT run.", where=str(folder), hint="Give the folder that holds run.json.")
    recipe = read_json(folder / "run.json")
    reports = read_json(folder / "report.json") if (folder / "report.json").exists() else {}
    weights = folder / "model.safetensors"
    options = {part: recipe.get(part) for part in ("preset", "task", "tuning", "train")}
    where = {key: value for key, value in recipe.get("data", {}).items() if value is not None}
    return {
        "options": options,
        "data": {**where, "columns": recipe.get("columns"), "sha256": recipe.get("data_sha256"), "rows": recipe.get("rows")},
        "versions": recipe.get("versions", {}),
        "figures": {name: report["metrics"] for name, report in reports.items()},
        "weights": {"sha256": sha256(weights) if weights.exists() else None},
    }


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 48 else text[:45] + "..."
