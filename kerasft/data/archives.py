"""Unpack the data files of ZIP and TAR archives into a temporary folder, within limits on size and number."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from kerasft.data.file_kinds import binary_kind
from kerasft.data.limits import limits
from kerasft.errors import DataError

_SUSPICIOUS = (
    "Unpack it yourself and give the files, or raise the limits: KERASFT_MAX_RATIO, KERASFT_MAX_UNPACKED, KERASFT_MAX_FILES "
    "(the app's --max-ratio, --max-unpacked, --max-files)."
)
_NOT_DATA = (".ds_store", "thumbs.db", "desktop.ini", ".license", "license", "readme")


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP archive or a TAR archive, compressed or not."""
    if binary_kind(path) in ("zip", "tar"):
        return True
    name = path.name.lower()
    return name.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")) and tarfile.is_tarfile(path)


def is_data_name(name: str) -> bool:
    """Whether a file name can be that of a data file, rather than of a readme, a licence or a system file."""
    file_name = PurePosixPath(name).name.lower()
    return not file_name.startswith((".", "__")) and not any(
        file_name == other or file_name.startswith(f"{other}.") for other in _NOT_DATA
    )


@contextmanager
def unpack(path: Path) -> Iterator[list[Path]]:
    """Unpack the data files of an archive into a folder that is removed afterwards.

    Raises:
        DataError: The archive is damaged, encrypted, or suspiciously large when unpacked.
    """
    with tempfile.TemporaryDirectory(prefix="kerasft-archive-") as folder:
        try:
            files = _unpack_into(path, Path(folder))
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            hint = "Pack the files again without a password, or unpack them yourself and give the files."
            raise DataError(f"The archive cannot be unpacked: {error}.", where=str(path), hint=hint) from None
        yield files


def _unpack_into(path: Path, folder: Path) -> list[Path]:
    files: list[Path] = []
    bytes_left = limits().unpacked_of(path.stat().st_size)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [(info.filename, info.file_size) for info in archive.infolist() if not info.is_dir()]
            _check_size(members, bytes_left, path)
            for name, _ in members:
                if is_data_name(name) and "__macosx/" not in name.lower():
                    with archive.open(name) as source:
                        bytes_left -= _copy(source, target := _target(folder, name), bytes_left, path)
                        files.append(target)
        return sorted(files)
    with tarfile.open(path) as archive:
        entries = [entry for entry in archive if entry.isreg()]
        _check_size([(entry.name, entry.size) for entry in entries], bytes_left, path)
        for entry in entries:
            member = archive.extractfile(entry)
            if member is not None and is_data_name(entry.name):
                with member:
                    bytes_left -= _copy(member, target := _target(folder, entry.name), bytes_left, path)
                    files.append(target)
    return sorted(files)


def _check_size(members: list[tuple[str, int]], max_bytes: int, path: Path) -> None:
    size, most = sum(size for _, size in members), limits().files
    if size > max_bytes or len(members) > most:
        message = (
            f"The archive holds {size / 1e9:,.1f} GB in {len(members):,} files when unpacked; "
            f"the limits are {max_bytes / 1e9:,.1f} GB and {most:,} files."
        )
        raise DataError(message, where=str(path), hint=_SUSPICIOUS)


def _target(folder: Path, name: str) -> Path:
    """The path to write a member to, which always lies within the folder."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".") and ":" not in part]
    target = folder.joinpath(*parts or ["data"])
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _copy(source: IO[bytes], target: Path, max_bytes: int, path: Path) -> int:
    """Copy a member and return its number of bytes; the size that the archive states is not trusted."""
    copied = 0
    with target.open("wb") as file:
        while block := source.read(1 << 20):
            copied += len(block)
            if copied > max_bytes:
                raise DataError(
                    "The archive is larger when unpacked than it states.",
                    where=str(path),
                    hint="Unpack it yourself and give the files.",
                )
            file.write(block)
    return copied
