"""Recognise by its content which reader a file needs, or which unsupported format it is in."""

from __future__ import annotations

import re
import stat
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kerasft.data.columns import LABEL_NAMES, TEXT_NAMES
from kerasft.errors import DataError

_AS_CSV = "Save it as CSV UTF-8, TSV, JSONL or Parquet."
# First bytes -> name of the kind; kinds in READ have a reader.
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (.xls, .doc)"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"FEA1", "a Feather file of version 1"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"$FL2", "an SPSS file"),
    (b"<stata_dta>", "a Stata file"),
    (b"\x80\x03c", "a Python pickle"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
)
READ = frozenset({"parquet", "arrow", "zip", "tar", "xlsx", "text"})
_HINTS = {
    "an old Office file (.xls, .doc)": "Save it as .xlsx or CSV UTF-8 in the spreadsheet program.",
    "a PDF document": "Export its table as CSV.",
    "an SQLite database": "Export the table as CSV.",
    "a picture": "Choose a text file.",
}
_OFFICE = (
    ("word/", "a Word document (.docx)"),
    ("ppt/", "a PowerPoint document (.pptx)"),
    ("content.xml", "an OpenDocument file (.ods or .odt)"),
    ("META-INF/", "a Java archive"),
)
# Lines of code; they must also end like code, so that the sentence "return my order" does not match.
_CODE = re.compile(
    r"\s*(?:#!/.*|import [\w.]+(?: as \w+)?;?|from [\w.]+ import [\w*, ()]+|def \w+\(.*:|class \w+(?:\(.*\))?\s*[:{]|"
    r"(?:export |async )*function \w*\(.*[{)]|#include\s*[<\"].*[>\"]|public (?:class|static).*[{;]|package [\w.]+;|"
    r"using [\w.:]+;|<\?php.*|"
    r"(?:export )?(?:const|let|var) \w+ = .*[;\[{(]|export default .*;|return\b.*;|if __name__ ==.*:|[\]})]+;|"
    r"(?:CREATE TABLE|INSERT INTO|DROP TABLE)\b.*[;(,]?)\s*"
)
_LIBSVM = re.compile(r"[-+]?[\d.]+(?:,\d+)*(?:\s+qid:\d+)?(?:\s+\d+:[-+]?[\d.eE+-]+){2,}\s*(?:#.*)?")
_MAIL = re.compile(
    r"(From|To|Cc|Subject|Date|Received|Return-Path|Delivered-To|MIME-Version|Message-ID|Content-Type|Reply-To|X-[\w-]+): ",
    re.IGNORECASE,
)
_MAIL_ONLY = {"subject", "received", "message-id", "mime-version", "delivered-to", "return-path"}
_RECORD = re.compile(r"([A-Za-z]\w{0,19}):\s")
_KEY = re.compile(r"\s*(?:- )?[\w.-]+:(?: .*)?$|\s*- \S.*$|\s*-$")
_ONLY_KEY = re.compile(r"\s*(?:- )?[\w.-]+:\s*[|>]?-?\s*$")
_ROOT = re.compile(r"<([A-Za-z][\w:.-]*)(?:\s[^<>]*)?/?>")
_MARKDOWN = re.compile(r"#{1,6} \S|[-*+] \S|\d+\. \S|```|\|?\s*:?-{3,}:?\s*\|")
_RULE = re.compile(r"\s*\|?(?:\s*:?-{3,}:?\s*\|)+\s*(?::?-{3,}:?)?\s*\|?\s*$")


def binary_kind(path: Path) -> str:
    """The kind of a file by its first bytes: one of `READ`; `text` for what may be text.

    Raises:
        DataError: The path is not a regular file, or the format is not supported.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise DataError(f"This is {what}, not a file.", where=str(path), hint="Give a regular file.")
        with path.open("rb") as file:
            head = file.read(265)
    except (OSError, ValueError):
        return "text"  # the text reader reports the error
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            kind = _zip_kind(path) if kind == "zip" else kind
            if kind not in READ:
                raise DataError(f"The file is {kind}, not a text table.", where=str(path), hint=_HINTS.get(kind, _AS_CSV))
            return kind
    return "tar" if head[257:262] == b"ustar" else "text"


def _zip_kind(path: Path) -> str:
    """What a ZIP archive is: a workbook, another office document, or an archive of files."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a damaged ZIP archive"
    if any(name.startswith("xl/") for name in names):
        return "xlsx"
    return next((kind for start, kind in _OFFICE if any(name.startswith(start) for name in names)), "zip")


def refuse_other_text(lines: Sequence[str], path: Path) -> None:
    """Refuse text that is neither a table nor a list of texts, and name its format.

    Args:
        lines: The first lines.
        path: Path of the file, whose end may be read too.

    Raises:
        DataError: The format of the lines is not supported.
    """
    filled = [line.rstrip("\r\n") for line in lines if line.strip("\ufeff \t\r\n")][:200]
    if not filled:
        return
    kind = _text_kind([filled[0].lstrip("\ufeff"), *filled[1:]], path)
    if kind:
        what, hint = kind
        raise DataError(f"The file is {what}, not a table or a list of texts.", where=str(path), hint=hint or _AS_CSV)


def _text_kind(filled: Sequence[str], path: Path) -> tuple[str, str] | None:
    first = filled[0].strip()
    suffix = path.suffix.lower()
    if first.startswith("version https://git-lfs.github.com/spec"):
        return "a pointer of Git LFS, not the file itself", "Fetch the file: git lfs pull."
    if first.startswith("#FORMAT=WebAnno TSV"):
        return "an export of INCEpTION or WebAnno (TSV 3)", "Export it as CoNLL 2002 or as JSON lines of texts and spans."
    if all(re.match(r"[TREAMN#*]\d*\t", line) for line in filled[:20]) and any(
        re.match(r"T\d+\t\S+ \d+ \d+", line) for line in filled[:20]
    ):
        return "an annotation file of BRAT (.ann)", "Convert it to CoNLL or to JSON lines of texts and spans."
    if re.match(r"<!doctype html|<html", first, re.IGNORECASE):
        return "an HTML page", "The page of a link may have been saved instead of the file. Download the file itself."
    if first.startswith("<?xml") or (first.startswith("<") and _closes_root_tag(first, filled, path)):
        return "an XML file", "Convert it to CSV or JSONL: one row for each text with its label."
    directives = [line.strip().lower() for line in filled if not line.strip().startswith("%")]
    if (
        directives
        and directives[0].startswith("@relation")
        and any(line.startswith(("@attribute", "@data")) for line in directives)
    ):
        return "an ARFF file (Weka)", "Save it as CSV in Weka."
    if kind := _kind_by_first_lines(filled):
        return kind, ""
    if first.startswith(("\\documentclass", "\\begin{")):
        return "a LaTeX document", ""
    if suffix in (".yml", ".yaml") or _is_yaml(filled):
        return "a YAML file", "Convert it to CSV or JSONL: one row for each text with its label."
    if (
        suffix in (".md", ".markdown", ".rst")
        or any(_RULE.match(line) and "|" in line for line in filled[:5])
        or _is_markdown(filled, suffix)
    ):
        return "a Markdown document", "Save its table as CSV, or its text as .txt."
    if suffix in (".py", ".js", ".java", ".c", ".cpp", ".sql", ".r", ".sh", ".php", ".ts", ".go") or _is_code(filled):
        return "program code", "Choose the file that the code reads or writes."
    return None


def _kind_by_first_lines(filled: Sequence[str]) -> str | None:
    """The format, if the first lines identify it."""
    head = [line.strip() for line in filled[:60]]
    first = head[0]
    if re.match(
        r"@(?:article|book|inproceedings|misc|incollection|phdthesis|techreport|online|string)\s*\{", first, re.IGNORECASE
    ):
        return "a BibTeX file"
    if first.startswith("WEBVTT") or (first.isdigit() and len(head) > 1 and re.match(r"\d\d:\d\d:\d\d[,.]\d+ --> ", head[1])):
        return "subtitles (SRT or WebVTT)"
    if first.startswith("diff --git ") or (first.startswith("--- ") and len(head) > 2 and head[1].startswith("+++ ")):
        return "a patch (diff)"
    if sum(bool(_LIBSVM.fullmatch(line)) for line in head) >= 0.9 * len(head):
        return "a file of numbered features (LIBSVM, SVMlight)"
    if any(line.startswith("msgid ") for line in head) and any(line.startswith("msgstr ") for line in head):
        return "a translation file (gettext, .po)"
    headers = {match.group(1).lower() for line in head[:30] if (match := _MAIL.match(line))}
    if _MAIL.match(first) and len(headers) >= 4 and headers & _MAIL_ONLY:
        return "an e-mail"
    keys = Counter(match.group(1).lower() for line in head if (match := _RECORD.match(line)))
    is_example = bool(TEXT_NAMES & set(keys)) and bool(LABEL_NAMES & set(keys))
    if is_example and keys.total() >= 0.9 * len(head) and min(keys.values()) > 1:
        return f"a list of records with one line for each field ({next(iter(keys))}: ...)"
    assigned = sum(bool(re.match(r"[\w.-]+\s*=\s*\S", line)) for line in head)
    if re.fullmatch(r"\[{1,2}[\w.\" -]+\]{1,2}", first) and assigned >= 0.5 * len(head):
        return "a settings file (TOML or INI)"
    if first == "(lp0" or (first.startswith(("(dp", "(lp", "ccopy_reg")) and len(head) > 1):
        return "a Python pickle"
    return None


def _closes_root_tag(first: str, filled: Sequence[str], path: Path) -> bool:
    """Whether the first tag is closed at the end of the file, like the root of an XML file, and not in its own line."""
    root = _ROOT.match(first)
    if root is None or (len(filled) > 1 and f"</{root.group(1)}>" in first):
        return False
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2000))
            end = file.read().decode("utf-8", errors="replace").rstrip()
    except OSError:
        return False
    return end.endswith(f"</{root.group(1)}>")


def _is_yaml(filled: Sequence[str]) -> bool:
    if filled[0].startswith("%YAML") or (filled[0].strip() == "---" and len(filled) > 1 and _KEY.match(filled[1])):
        return True
    keys = sum(bool(_KEY.match(line)) for line in filled)
    nested = sum(bool(_ONLY_KEY.match(line)) for line in filled)
    return len(filled) >= 3 and keys >= 0.9 * len(filled) and nested >= 1 and any(line[:1] in " -" for line in filled)


def _is_markdown(filled: Sequence[str], suffix: str) -> bool:
    """Whether the lines are Markdown headings and lists, which a .txt file may contain as well."""
    if suffix == ".txt" or not re.match(r"#{1,6} \S", filled[0]):
        return False
    return sum(bool(_MARKDOWN.match(line)) for line in filled) >= 3


def _is_code(filled: Sequence[str]) -> bool:
    """Whether the first line and enough of the others are program code."""
    head = filled[:60]
    first = next((line for line in head if not line.lstrip().startswith(("#", "//", "--", "/*", "*"))), "")
    code_lines = sum(bool(_CODE.fullmatch(line)) for line in head)
    if head[0].startswith(("#!/", "<?php")) or re.fullmatch(r"[\w.$]+\(\s*[\[{].*[\]}]\s*\);?", head[0].strip()):  # JSONP
        return True
    return bool(_CODE.fullmatch(first)) and code_lines >= 2 and code_lines >= 0.15 * len(head)
