"""Files that are written whole or not at all, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasft.errors import RunExistsError


def write_text(path: Path, text: str) -> None:
    """Write text to a temporary name, flush to disk, rename."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")  # another process may be writing it, too
    try:
        temporary.write_text(text, encoding="utf-8")
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def free_to_write(folder: str | Path, *, overwrite: bool, what: str, mark: str) -> Path:
    """The folder, if nothing is in its place, or an earlier one of its kind that may be replaced.

    Args:
        folder: To be written with `whole_folder`, which removes what is there.
        overwrite: Whether an earlier one may be replaced.
        what: It is, for messages: `an export`.
        mark: File by which an earlier one is known.

    Raises:
        RunExistsError: Something else is there, or an earlier one and `overwrite` is False.
    """
    folder = Path(folder).expanduser()
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return folder
    if not (folder / mark).exists() or (folder / "run.json").exists():
        raise RunExistsError(f"There is something else where {what} should be.", where=str(folder), hint="Choose another folder.")
    if not overwrite:
        hint = "Choose another folder, or replace it: overwrite=True (--overwrite)."
        raise RunExistsError(f"The folder already holds {what}.", where=str(folder), hint=hint)
    return folder


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write into under a temporary name, which takes the place of `path` when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        before = temporary.with_name(f"{temporary.name}-before")
        if path.exists():  # it makes room by one rename: what is removed file by file would be half there for a while
            os.replace(path, before)
        os.replace(temporary, path)
        shutil.rmtree(before, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def flush(path: Path) -> None:
    """Make sure a file or folder is on disk, not only in the system's cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
