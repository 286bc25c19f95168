"""Every error KerasFT raises on purpose.

    KerasFTError
    ├── ConfigError          (ValueError)       an option, or a combination of options, is not possible
    ├── DataError            (ValueError)       a file or table breaks a rule; names file, rows and column
    ├── PresetError          (LookupError)      a pretrained model is unknown, absent, damaged or refused
    ├── MissingPackageError  (ImportError)      an optional package is needed and not installed
    ├── RunError             (RuntimeError)     training cannot go on, or a run's folder is not usable
    │   └── RunExistsError                      the folder already holds a run
    ├── ArtifactError        (OSError)          a saved file is missing, damaged or from elsewhere
    └── ExportError          (RuntimeError)     a SavedModel would not serve what the model predicts

Each error has three parts: the rule that was broken, where (`where`), and what to do next (`hint`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FULL = ("No space left on device", "Disk quota exceeded", "disk is full")
_NO_RIGHT = ("Permission denied.", "Choose another folder, or see that you may read and write there.")
_REFUSED = {
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: ("This disk can only be read.", "Choose a folder on another disk."),
    errno.ENAMETOOLONG: ("The name is too long for this disk.", "Choose a shorter one."),
    errno.ENOTDIR: ("There is a file where a folder should be.", "Choose another folder, or move the file."),
    errno.EISDIR: ("There is a folder where a file should be.", "Choose another name."),
    errno.EEXIST: ("There is a file where a folder should be.", "Choose another folder, or move the file."),
    errno.EIO: ("The disk reports a fault.", "Check the disk, or choose a folder on another one."),
    errno.EMFILE: ("Too many files are open.", "Allow more (ulimit -n 4096), and try again."),
}  # fmt: skip


class KerasFTError(Exception):
    """Base of all errors of this library.

    Args:
        message: The rule that was broken and what was received.
        where: The file, rows, column or option concerned.
        hint: What to do next.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  hint:  {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.where, self.hint))


def explains_itself(name: str) -> bool:
    """Whether a class of that name is an error of this library, told in words for people; else a fault of a program."""
    found = globals().get(name)
    return isinstance(found, type) and issubclass(found, KerasFTError)


def _rebuild(cls: type[KerasFTError], message: str, where: str | None, hint: str | None) -> KerasFTError:
    return cls(message, where=where, hint=hint)


class ConfigError(KerasFTError, ValueError):
    """An option, or a combination of options, is not possible."""


class DataError(KerasFTError, ValueError):
    """A file or table breaks a rule."""


class PresetError(KerasFTError, LookupError):
    """A pretrained model is unknown, absent, damaged or refused."""


class MissingPackageError(KerasFTError, ImportError):
    """An optional package is needed and not installed."""


class RunError(KerasFTError, RuntimeError):
    """Training cannot go on, or a run's folder is not usable."""


class RunExistsError(RunError):
    """The folder already holds a run; it is never overwritten without being asked."""


class ArtifactError(KerasFTError, OSError):
    """A saved file is missing, damaged or from elsewhere."""


class ExportError(KerasFTError, RuntimeError):
    """A SavedModel would not serve what the model predicts."""


def is_disk_full(error: BaseException) -> bool:
    """True when an error, or the one that caused it, says that a disk has no room left, whichever library raised it."""
    full = getattr(error, "errno", None) in _NO_ROOM or any(sign in str(error) for sign in _FULL)
    return full or (error.__cause__ is not None and is_disk_full(error.__cause__))


def disk_fault(error: BaseException) -> RunError | None:
    """The error that says in words what a disk or folder refused; None for an error of another kind.

    Args:
        error: Of the operating system, or of a library that passes one on.
    """
    if is_disk_full(error):
        return RunError("The disk is full.", where=_place(error), hint="Make room and try again.")
    if isinstance(error, KerasFTError) or not isinstance(error, OSError) or error.errno not in _REFUSED:
        return None
    message, hint = _REFUSED[error.errno]
    return RunError(message, where=_place(error), hint=hint)


def _place(error: BaseException) -> str | None:
    """The file or folder an error names; for a temporary file the folder where it would be."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str):
        return None
    folder, file = os.path.split(name)
    return (folder or ".") if file.endswith(".part") else name


def count_of(number: int, what: str) -> str:
    """`1 row`, `1,204 rows`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def are(number: int) -> str:
    """`is` for one, else `are`."""
    return "is" if number == 1 else "are"


def have(number: int) -> str:
    """`has` for one, else `have`."""
    return "has" if number == 1 else "have"


def name_rows(rows: Sequence[int], *, most: int = 5) -> str:
    """Row numbers for a message: `rows 17, 204, 388 and 2 more`."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    text = "rows " + ", ".join(str(row) for row in rows[:most])
    return text if len(rows) <= most else f"{text} and {len(rows) - most:,} more"


def say_rows(rows: Sequence[int]) -> str:
    """Which rows are meant, as a sentence: `It is row 4.`, `They are rows 17 and 204.`."""
    return f"{'It is' if len(rows) == 1 else 'They are'} {name_rows(rows)}."


def name_values(values: Iterable[object], *, most: int = 6) -> str:
    """Values for a message: `'a', 'b' and 3 more`, each cut at 60 characters."""
    listed = list(values)
    shown = [repr(v) if len(repr(v)) <= 60 else repr(v)[:57] + "...'" for v in listed[:most]]
    text = ", ".join(shown)
    return text if len(listed) <= most else f"{text} and {len(listed) - most:,} more"
