"""Decode files to text: compression, encodings, and files that only look like text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from kerasft.data.file_kinds import binary_kind
from kerasft.data.limits import limited
from kerasft.data.plausible_text import best_encoding, plausibility
from kerasft.data.table import Note
from kerasft.errors import DataError

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMPRESSED: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ", lzma.open),
)
_SAMPLE = 1 << 20
_DAMAGED = 0.02  # up to this share of lines that are not UTF-8 (of those beyond ASCII that are) is damage, not an encoding
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
    """The file's bytes, unpacked; gzip, bzip2 and xz are recognised by their first bytes, not by the name.

    Raises:
        DataError: The file is absent, a folder, empty, not readable, or not a text file at all.
    """
    if (kind := binary_kind(path)) != "text":
        raise DataError(f"The file is of kind {kind}, not a text table.", where=str(path), hint="Pass it to load_data directly.")
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
    for magic, unpack in _COMPRESSED:
        if head.startswith(magic):
            return limited(unpack(path, "rb"), path)
    return path.open("rb")


def blocks(path: Path) -> Iterator[bytes]:
    """The (unpacked) bytes in blocks of a megabyte.

    Raises:
        DataError: The file, most often a gzip file, is cut short or damaged.
    """
    try:
        with open_binary(path) as file:
            while block := file.read(_SAMPLE):
                yield block
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise _cut_short(error, path) from None


def _cut_short(error: Exception, path: Path) -> DataError:
    hint = "Fetch or pack the file again."
    return DataError(f"The file cannot be read to its end: {error}.", where=str(path), hint=hint)


@dataclass(frozen=True)
class TextFile:
    """A text file and how its bytes are decoded.

    Attributes:
        path: Plain or gzip file.
        encoding: A Python codec name. With `foreign` it is that of those lines.
        forgiving: Whether bytes the encoding leaves undefined are shown as U+FFFD instead of refused.
        foreign: Numbers of the lines that are not UTF-8, in a file of two encodings.
    """

    path: Path
    encoding: str
    forgiving: bool = False
    foreign: tuple[int, ...] = ()

    @contextmanager
    def open(self) -> Iterator[TextIO]:
        """The text, its line ends kept; see `open_text`."""
        if self.foreign:
            with decoded_by_line(self.path, self.encoding) as file:
                yield file
        else:
            with open_text(self.path, self.encoding, forgiving=self.forgiving) as file:
                yield file

    @property
    def notes(self) -> list[Note]:
        """What the user should know about the decoding."""
        if self.foreign:
            count = len(self.foreign)
            if self.encoding == "utf-8":
                message = f"{count:,} lines are not valid UTF-8, unlike the others; unreadable bytes in them are shown as U+FFFD."
                return [Note("damaged_lines", message, self.foreign)]
            message = f"The lines are in two encodings: {count:,} were read as {self.encoding}, the others as UTF-8."
            return [Note("mixed_encoding", message, self.foreign)]
        return encoding_notes(self.encoding)


def find_text(path: Path, encoding: str | None = None) -> TextFile:
    """Determine the encoding of a file, unless it is given.

    Raises:
        DataError: The bytes are not text in any encoding.
    """
    if encoding is not None:
        return TextFile(path, encoding)
    chosen, foreign = detect(path)
    return TextFile(path, chosen, not chosen.startswith("utf"), foreign)


def detect_encoding(path: Path) -> str:
    """The encoding of a text file; in a file of two encodings, that of the lines that are not UTF-8."""
    return detect(path)[0]


def detect(path: Path) -> tuple[str, tuple[int, ...]]:
    """The encoding of a text file: by byte-order mark, then strict UTF-8 over the whole file, then by statistics.

    Statistics are those of the library charset-normalizer on the first lines that are not ASCII; Windows-1252 is
    preferred where it fits equally, because that is what spreadsheet programs of Western Europe and America write.

    Returns:
        The encoding, and the numbers of the lines in that encoding if the other lines are UTF-8 (as when two exports were
        appended); no numbers if the whole file is in one encoding.

    Raises:
        DataError: The bytes are not text in any encoding.
    """
    head = non_ascii = b""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    valid = True
    position = 0
    for block in blocks(path):
        if not position:
            head = block
            for bom, name in _BOMS:
                if block.startswith(bom) and name != "utf-8-sig":
                    return name, ()
        if valid:
            try:
                utf8.decode(block)
            except UnicodeDecodeError:
                valid = False
        if b"\x00" in block:
            if guess := _utf16_without_mark(head):
                return guess, ()
            offset = position + block.index(b"\x00")
            hint = "This is a binary file, or a text file damaged in transfer; export it again as CSV UTF-8."
            raise DataError(f"The file holds a NUL byte at offset {offset:,}.", where=str(path), hint=hint)
        if len(non_ascii) < _SAMPLE // 4 and not block.isascii():
            non_ascii += b"".join(line for line in block.splitlines(keepends=True) if not line.isascii())
        position += len(block)
    if not position:
        raise DataError("The file is empty (0 bytes after unpacking).", where=str(path))
    try:
        utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    if valid:
        return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8", ()
    foreign, sample, utf8_lines = _lines_not_utf8(path)
    has_bom = head.startswith(codecs.BOM_UTF8)
    if foreign and len(foreign) <= _DAMAGED * utf8_lines:
        return "utf-8", foreign  # UTF-8 with a few damaged lines, such as texts cut within a character
    encoding = _by_statistics(head, sample if utf8_lines else non_ascii, path)
    # East Asian lines are sometimes valid UTF-8 by chance, Western ones hardly ever.
    appended = has_bom or utf8_lines > (0.1 * len(foreign) if encoding in _EAST_ASIAN else 0)
    return encoding, foreign if appended else ()


def _lines_not_utf8(path: Path) -> tuple[tuple[int, ...], bytes, int]:
    """The numbers of the lines that are not UTF-8, some of their bytes, and how many lines beyond ASCII are UTF-8."""
    numbers: list[int] = []
    sample: list[bytes] = []
    size = utf8_lines = 0
    with open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                utf8_lines += 1
            except UnicodeDecodeError:
                numbers.append(number)
                if size < _SAMPLE // 4:
                    sample.append(line)
                    size += len(line)
    return tuple(numbers), b"".join(sample), utf8_lines


@contextmanager
def decoded_by_line(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file whose lines are UTF-8 or, where they are not, in another encoding."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as decoded:
        try:
            with open_binary(path) as file:
                for line in file:
                    line = line.removeprefix(codecs.BOM_UTF8)  # also where a file was appended
                    try:
                        text = line.decode("utf-8")
                    except UnicodeDecodeError:
                        text = _decode_line(line, encoding)
                    decoded.write(text)
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise _cut_short(error, path) from None
        decoded.seek(0)
        yield decoded


def _decode_line(line: bytes, encoding: str) -> str:
    """Decode a line that is not UTF-8; also join halves of characters that Java and MySQL write as three bytes each (CESU-8)."""
    if any(line[i] == 0xED and line[i + 1] >= 0xA0 for i in range(len(line) - 1)):
        try:
            halves = line.decode("utf-8", errors="surrogatepass")
            return halves.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")
        except UnicodeDecodeError:
            pass
    return line.decode(encoding, errors="replace")


def _utf16_without_mark(head: bytes) -> str | None:
    even, odd = head[0:4000:2], head[1:4000:2]
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros and zeros.count(0) > 0.7 * len(zeros) and others.count(0) < 0.05 * len(others):
            return name
    return None


def _by_statistics(head: bytes, non_ascii: bytes, path: Path) -> str:
    """The likeliest encoding of the lines `non_ascii`, the only ones in which encodings differ."""
    from charset_normalizer import from_bytes

    control = sum(head.count(bytes([byte])) for byte in range(32) if byte not in (9, 10, 12, 13))
    if control > 0.02 * len(head):
        hint = "Choose a CSV, TSV, JSONL or Parquet file."
        raise DataError("The file is binary data, not text.", where=str(path), hint=hint)
    sample = non_ascii[: _SAMPLE // 4]
    if len(sample) < len(non_ascii):
        sample = sample[: sample.rfind(b"\n") + 1] or sample  # a sample cut inside a character misleads the statistics
    if sum(byte >= 0x80 for byte in sample) <= 0.1 * len(sample):
        # Few accents among plain letters; an accent and its neighbour would also pass for a Chinese character.
        candidates = list(from_bytes(sample, cp_isolation=list(_LATIN)))
    else:
        candidates = list(from_bytes(sample, cp_isolation=list(_CODE_PAGES)))
    if not candidates:
        return _by_fewest_errors(sample)
    first = candidates[0].encoding
    if (better := best_encoding(sample, first, (*_CODE_PAGES, "cp932"))) != first:
        return better
    names = {name for match in candidates for name in (match.encoding, *match.could_be_from_charset)}
    is_latin = candidates[0].encoding in _LATIN  # these differ in a few characters only
    if is_latin and _is_turkish(sample):
        return "cp1254"
    return "cp1252" if is_latin and "cp1252" in names else candidates[0].encoding


def _is_turkish(sample: bytes) -> bool:
    """Whether the bytes that differ between Windows-1254 and Windows-1252 are Turkish letters rather than Icelandic ones."""
    text = sample.decode("cp1252", errors="replace")
    turkish = sum(text.count(letter) for letter in "þðýÞÐÝ")
    return turkish > sum(text.count(letter) for letter in "áíóúæÁÍÓÚÆ")


def _by_fewest_errors(sample: bytes) -> str:
    """The encoding of lines that none fits completely: an East Asian one if it fits nearly all bytes, otherwise Windows-1252."""
    high = sum(byte >= 0x80 for byte in sample)
    errors = {name: sample.decode(name, errors="replace").count("\ufffd") for name in _EAST_ASIAN}
    texts = {name: sample.decode(name, errors="replace") for name in errors}
    best = min(errors, key=lambda name: (errors[name], -plausibility(texts[name])))
    return best if high > 0.1 * len(sample) and errors[best] < 0.01 * high else "cp1252"


def encoding_notes(encoding: str) -> list[Note]:
    """The note on an encoding other than UTF-8."""
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
        raise DataError(message, where=f"{path}{_first_error(path, codec)}", hint=hint) from None
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise _cut_short(error, path) from None


def _first_error(path: Path, encoding: str) -> str:
    """The line of the first byte that does not fit the encoding, for a message; empty if it is unknown."""
    try:
        with io.TextIOWrapper(open_binary(path), encoding, errors="replace", newline="") as file:
            return next((f", line {number}" for number, line in enumerate(file, start=1) if "\ufffd" in line), "")
    except (UnicodeError, EOFError, OSError, zlib.error):
        return ""
