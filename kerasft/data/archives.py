"""ZIP and TAR archives: their files of data, unpacked for the time of reading, within limits."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from kerasft.data.file_kinds import binary_kind
from kerasft.errors import DataError

_MOST_BYTES = 20 << 30  # unpacked, of all files together
_MOST_FILES = 200_000
_MOST_RATIO = 500  # unpacked to packed: text packs to a tenth or so
_NO_DATA = (".ds_store", "thumbs.db", ".license", "license", "readme")


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP archive or a TAR archive, packed or not."""
    if binary_kind(path) in ("zip", "tar"):
        return True
    name = path.name.lower()
    return name.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")) and tarfile.is_tarfile(path)


def is_data_name(name: str) -> bool:
    """Whether a file's name is one that data have, and not that of a note or of a system's own file."""
    plain = PurePosixPath(name).name.lower()
    return not plain.startswith((".", "__")) and not any(plain == one or plain.startswith(f"{one}.") for one in _NO_DATA)


@contextmanager
def unpacked(path: Path) -> Iterator[list[Path]]:
    """The files of data in an archive, in a folder that is removed afterwards.

    Raises:
        DataError: The archive is damaged, encrypted, or larger unpacked than any honest one.
    """
    with tempfile.TemporaryDirectory(prefix="kerasft-archive-") as folder:
        try:
            files = _unpack(path, Path(folder))
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            hint = "Pack the files again without a password, or give them unpacked."
            raise DataError(f"The archive cannot be unpacked: {error}.", where=str(path), hint=hint) from None
        yield files


def _unpack(path: Path, folder: Path) -> list[Path]:
    found: list[Path] = []
    room = min(_MOST_BYTES, max(_MOST_RATIO * path.stat().st_size, 50 << 20))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [(one.filename, one.file_size) for one in archive.infolist() if not one.is_dir()]
            _check(members, room, path)
            for name, _ in members:
                if is_data_name(name) and "__macosx/" not in name.lower():
                    with archive.open(name) as source:
                        room -= _copy(source, target := _target(folder, name), room, path)
                        found.append(target)
        return sorted(found)
    with tarfile.open(path) as archive:
        entries = [one for one in archive if one.isreg()]
        _check([(one.name, one.size) for one in entries], room, path)
        for one in entries:
            member = archive.extractfile(one)
            if member is not None and is_data_name(one.name):
                with member:
                    room -= _copy(member, target := _target(folder, one.name), room, path)
                    found.append(target)
    return sorted(found)


def _check(members: list[tuple[str, int]], room: int, path: Path) -> None:
    size = sum(size for _, size in members)
    if size > room or len(members) > _MOST_FILES:
        message = f"The archive is {size / 1e9:,.1f} GB unpacked, in {len(members):,} files; the limit is {room / 1e9:,.1f} GB."
        raise DataError(message, where=str(path), hint="Unpack it yourself and give the files.")


def _target(folder: Path, name: str) -> Path:
    """Where a member goes: always within the folder."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".") and ":" not in part]
    target = folder.joinpath(*parts or ["data"])
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _copy(source: IO[bytes], target: Path, room: int, path: Path) -> int:
    """Copy a member, whatever size its archive says it has; gives its bytes."""
    copied = 0
    with target.open("wb") as file:
        while block := source.read(1 << 20):
            copied += len(block)
            if copied > room:
                raise DataError("The archive is larger unpacked than it says.", where=str(path), hint="Unpack it yourself.")
            file.write(block)
    return copied
