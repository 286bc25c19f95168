"""Bytes to text: compression, encodings, and the files that only look like text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kerasft.data.table import Note
from kerasft.errors import DataError

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (.xlsx)", "Save it as CSV UTF-8 in the spreadsheet program."),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file (.xls)", "Save it as CSV UTF-8 in the spreadsheet program."),
    (b"%PDF", "a PDF document", "Export its table as CSV."),
    (b"PAR1", "a Parquet file", "Give it the ending .parquet."),
    (b"BZh", "a bzip2 archive", "Unpack it first, or use gzip (.gz)."),
    (b"\xfd7zXZ", "an xz archive", "Unpack it first, or use gzip (.gz)."),
    (b"\x89PNG", "a picture", "Choose a text file."),
    (b"\xff\xd8\xff", "a picture", "Choose a text file."),
    (b"ARROW1", "an Arrow file", "Save it as Parquet or CSV."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
)
_SAMPLE = 1 << 20
_EAST_ASIAN = ("big5hkscs", "gb18030", "cp932", "euc_kr")
_LATIN = ("cp1252", "cp1250", "cp1254")
_CODE_PAGES = (
    *_LATIN,
    "cp1251",
    "cp1253",
    "cp1255",
    "cp1256",
    "koi8_r",
    "big5",
    "cp932",
    "gb18030",
    "euc_kr",
    "euc_jp",
)


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes; gzip is recognised by its first bytes, not by its name.

    Raises:
        DataError: The file is absent, a folder, empty, not readable, or not a text file at all.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise DataError("There is no such file.", where=str(path), hint="Check the spelling and the folder.") from None
    except IsADirectoryError:
        raise DataError("This is a folder, not a file.", where=str(path)) from None
    except OSError as error:
        raise DataError(f"The file cannot be opened: {error.strerror}.", where=str(path)) from None
    except ValueError:
        raise DataError("A file name cannot hold a NUL character.", where=repr(str(path))) from None
    if not head:
        raise DataError("The file is empty (0 bytes).", where=str(path), hint="Choose a file with a header and rows.")
    for magic, what, hint in _NOT_TEXT:
        if head.startswith(magic):
            raise DataError(f"The file is {what}, not a text table.", where=str(path), hint=hint)
    return gzip.open(path, "rb") if head[:2] == b"\x1f\x8b" else path.open("rb")  # type: ignore[return-value]


def blocks(path: Path) -> Iterator[bytes]:
    """The (unpacked) bytes in blocks of a megabyte.

    Raises:
        DataError: The file, most often a gzip file, is cut short or damaged.
    """
    try:
        with open_binary(path) as file:
            while block := file.read(_SAMPLE):
                yield block
    except (EOFError, OSError, zlib.error) as error:
        raise _cut_short(error, path) from None


def _cut_short(error: Exception, path: Path) -> DataError:
    hint = "Fetch or pack the file again."
    return DataError(f"The file cannot be read to its end: {error}.", where=str(path), hint=hint)


def detect_encoding(path: Path) -> str:
    """The encoding of a text file: by byte-order mark, then strict UTF-8 over the whole file, then by statistics.

    Statistics are those of the library charset-normalizer on the first lines that are not ASCII; Windows-1252 is
    preferred where it fits equally, because that is what spreadsheet programs of Western Europe and America write.

    Raises:
        DataError: The bytes are no text in any encoding.
    """
    head = odd = b""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    valid = True
    position = 0
    for block in blocks(path):
        if not position:
            head = block
            for bom, name in _BOMS:
                if block.startswith(bom):
                    return name
        if valid:
            try:
                utf8.decode(block)
            except UnicodeDecodeError:
                valid = False
        if b"\x00" in block:
            if guess := _utf16_without_mark(head):
                return guess
            offset = position + block.index(b"\x00")
            hint = "This is a binary file, or a text file damaged in transfer; export it again as CSV UTF-8."
            raise DataError(f"The file holds a NUL byte at offset {offset:,}.", where=str(path), hint=hint)
        if len(odd) < _SAMPLE // 4 and not block.isascii():
            odd += b"".join(line for line in block.splitlines(keepends=True) if not line.isascii())
        position += len(block)
    if not position:
        raise DataError("The file is empty (0 bytes after unpacking).", where=str(path))
    try:
        utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    return "utf-8" if valid else _by_statistics(head, odd, path)


def _utf16_without_mark(head: bytes) -> str | None:
    even, odd = head[0:4000:2], head[1:4000:2]
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros and zeros.count(0) > 0.7 * len(zeros) and others.count(0) < 0.05 * len(others):
            return name
    return None


def _by_statistics(head: bytes, odd: bytes, path: Path) -> str:
    """The likeliest encoding of the lines `odd`, which are all that differ between encodings."""
    from charset_normalizer import from_bytes

    control = sum(head.count(bytes([byte])) for byte in range(32) if byte not in (9, 10, 12, 13))
    if control > 0.02 * len(head):
        hint = "Choose a CSV, TSV, JSONL or Parquet file."
        raise DataError("The file is binary data, not text.", where=str(path), hint=hint)
    sample = odd[: _SAMPLE // 4]
    if len(sample) < len(odd):
        sample = sample[: sample.rfind(b"\n") + 1] or sample  # a sample cut inside a character misleads the statistics
    if sum(byte >= 0x80 for byte in sample) <= 0.1 * len(sample):
        # Few accents among plain letters; an accent and its neighbour would also pass for a Chinese character.
        candidates = list(from_bytes(sample, cp_isolation=list(_LATIN)))
    else:
        candidates = list(from_bytes(sample, cp_isolation=list(_CODE_PAGES)))
    if not candidates:
        return _by_fewest_faults(sample)
    names = {name for match in candidates for name in (match.encoding, *match.could_be_from_charset)}
    alike = candidates[0].encoding in _LATIN  # these differ in a few signs only
    return "cp1252" if alike and "cp1252" in names else candidates[0].encoding


def _by_fewest_faults(sample: bytes) -> str:
    """For lines in which no encoding fits every byte: an East Asian one if it misses next to none, else Windows-1252."""
    high = sum(byte >= 0x80 for byte in sample)
    faults = {name: sample.decode(name, errors="replace").count("\ufffd") for name in _EAST_ASIAN}
    best = min(faults, key=lambda name: faults[name])
    return best if high > 0.1 * len(sample) and faults[best] < 0.01 * high else "cp1252"


def encoding_notes(encoding: str) -> list[Note]:
    """What a person should know of the encoding a file was read with."""
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    return [] if utf8 else [Note("encoding", f"Read as {encoding}, not UTF-8.")]


@contextmanager
def open_text(path: Path, encoding: str, *, forgiving: bool = False) -> Iterator[io.TextIOWrapper]:
    """The file as text, its line ends kept, a byte-order mark of UTF-8 left out.

    Args:
        path: Plain or gzip file.
        encoding: A Python codec name.
        forgiving: Show bytes the encoding leaves undefined as U+FFFD instead of failing.

    Raises:
        DataError: The encoding is unknown, the file cannot be opened, or what is read of it is not valid.
    """
    try:
        " ".encode(encoding)  # fails for an unknown name and for codecs that are not of text, such as base64
    except (LookupError, ValueError):
        hint = "Use a name such as utf-8, cp1252, utf-16 or big5."
        raise DataError(f"There is no text encoding named {encoding!r}.", where=str(path), hint=hint) from None
    codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    try:
        with io.TextIOWrapper(open_binary(path), codec, errors="replace" if forgiving else "strict", newline="") as file:
            yield file
    except UnicodeError as error:
        hint = "Save the file as UTF-8, or name its encoding, for example encoding='cp1252' (--data.encoding cp1252)."
        message = f"The bytes are not valid {encoding}: {getattr(error, 'reason', error)}."
        raise DataError(message, where=f"{path}{_first_fault(path, codec)}", hint=hint) from None
    except (EOFError, OSError, zlib.error) as error:
        raise _cut_short(error, path) from None


def _first_fault(path: Path, encoding: str) -> str:
    """The line of the first byte that does not fit the encoding, for a message; empty if it cannot be told."""
    try:
        with io.TextIOWrapper(open_binary(path), encoding, errors="replace", newline="") as file:
            return next((f", line {number}" for number, line in enumerate(file, start=1) if "\ufffd" in line), "")
    except (UnicodeError, EOFError, OSError, zlib.error):
        return ""
