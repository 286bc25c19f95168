"""`SHA256SUMS` of an export, in the format of `sha256sum`: whoever has a copy can check it, with KerasFT or without."""

from __future__ import annotations

from pathlib import Path

from kerasft.errors import ArtifactError
from kerasft.files import sha256, write_text

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file below a folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    write_text(folder / SUMS, "".join(f"{sha256(folder / name)}  {name}\n" for name in names))


def sum_faults(folder: Path) -> list[str]:
    """A sentence for each file that is not the one that was written.

    Raises:
        ArtifactError: The sums cannot be read.
    """
    found = []
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"The sums cannot be read: {error}.", where=str(folder / SUMS)) from None
    for line in lines:
        expected, _, name = line.partition("  ")
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            found.append(f"{SUMS} has a line that is none: {line[:80]!r}.")
        elif not (folder / name).is_file():
            found.append(f"{name} is missing.")
        elif sha256(folder / name) != expected:
            found.append(f"{name} has changed since it was written: its SHA-256 is another.")
    return found
