"""Files and folders that are written whole or not at all, and their SHA-256."""

from __future__ import annotations

import ctypes
import fcntl
import glob
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasft.errors import RunExistsError

_TEMPORARY, _EARLIER = ".{}.{}.part", ".{}.before"
_HERE, _SWAP = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


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
    with temporary_beside(path, folder=True) as temporary:
        yield temporary
        temporary.chmod(0o755)
        if not path.exists():
            os.replace(temporary, path)
        elif not _exchange(temporary, path):
            _take_turns(temporary, path)
        flush(path.parent)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write under a temporary name, which takes the place of `path` when all went well."""
    with temporary_beside(path) as temporary:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)


@contextmanager
def temporary_beside(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """A new file or folder beside `path` under a hidden name, removed at the end unless it was renamed.

    The process holds a lock on it. What a dead process left under such a name, which nobody holds, is removed first.
    """
    earlier = path.with_name(_EARLIER.format(path.name))
    if (held := _held(earlier)) is not None:  # a process died while one folder took the place of another
        shutil.rmtree(earlier, ignore_errors=True) if path.exists() else os.replace(earlier, path)
        os.close(held)
    for left in path.parent.glob(_TEMPORARY.format(glob.escape(path.name), "*")):
        if (held := _held(left)) is not None:
            _remove(left)
            os.close(held)
    held = None
    while held is None:  # another process may take it for a dead one's between its making and the lock
        temporary = path.with_name(_TEMPORARY.format(path.name, secrets.token_hex(4)))
        temporary.mkdir(mode=0o700) if folder else temporary.touch()
        held = _held(temporary, new=True)
    try:
        yield temporary
    finally:
        try:
            _remove(temporary)
        finally:
            os.close(held)


def _held(path: Path, *, new: bool = False) -> int | None:
    """A descriptor that locks a file or folder for this process; None where another has it, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except BlockingIOError:
        pass
    except OSError:  # a disk without locks, where nobody can take a new one for a dead process's
        if new:
            return descriptor
    os.close(descriptor)
    return None


def _take_turns(new: Path, path: Path) -> None:
    """Put a folder in the place of another, which makes room under a name that is known, and locked meanwhile."""
    held = _held(path, new=True)
    try:
        os.replace(path, before := path.with_name(_EARLIER.format(path.name)))
        os.replace(new, path)
        shutil.rmtree(before, ignore_errors=True)
    finally:
        if held is not None:
            os.close(held)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change their names in one step (Linux); False where the system or the disk cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    sys.audit("os.rename", str(one), str(other), -1, -1)
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _SWAP) == 0)


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
