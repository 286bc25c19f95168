"""Read lines that begin with their labels: `__label__pos a good film`, `NUM:count How many ...`, trees `(3 (2 It) (4 works))`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from kerasft.data.cells import as_json
from kerasft.data.table import Note, Table, TableBuilder, row_notes
from kerasft.data.text_files import TextFile
from kerasft.errors import DataError

_FASTTEXT = re.compile(r"((?:__label__\S+[ \t,]*)+)(.*)")
_FASTTEXT_END = re.compile(r"(.*?)[ \t]+((?:__label__\S+[ \t]*)+)")
_MIN_LABELLED = 0.6  # share of lines with a label; the others are reported
_ONE = re.compile(r"__label__([^\s,]+)")
_TREE = re.compile(r"\((\d) \(\d ")  # a sentiment tree, whose first label is that of the whole sentence
_LEAF = re.compile(r"\(\d ([^()]+)\)")
_COARSE = re.compile(r"([A-Z]{2,}:[A-Za-z]+)[ \t]+(\S.*)")


def looks_like_labelled_lines(lines: Sequence[str]) -> bool:
    """Whether nearly all lines begin (or end) with fastText's labels, or all with a label `COARSE:fine`."""
    filled = [line.strip("\ufeff \t\r\n") for line in lines if line.strip("\ufeff \t\r\n")]
    if not filled:
        return False
    if len(filled) >= 3 and all(map(_TREE.match, filled)) and all(line.count("(") == line.count(")") for line in filled):
        return True
    if sum("__label__" in line for line in filled) >= _MIN_LABELLED * len(filled):
        marked = [line for line in filled if "__label__" in line]
        return sum(bool(_FASTTEXT.fullmatch(line) or _FASTTEXT_END.fullmatch(line)) for line in marked) >= 0.9 * len(marked)
    labels = Counter(match.group(1) for line in filled if (match := _COARSE.fullmatch(line)))
    return len(filled) >= 5 and labels.total() == len(filled) and len(labels) <= 0.6 * len(filled)


def read_labelled_lines(text: TextFile) -> Table:
    """Read lines of labels and text as columns `text` and `label`, several labels of a line as a JSON list.

    Raises:
        DataError: No line has a label and a text.
    """
    rows: list[tuple[int, str, list[str]]] = []
    unlabelled: list[int] = []
    with text.open() as file:
        for number, line in enumerate(file, start=1):
            stripped = line.strip("\ufeff \t\r\n")
            if not stripped:
                continue
            parts = _parts(stripped)
            if parts is None:
                unlabelled.append(number)
                rows.append((number, stripped, []))
            else:
                rows.append((number, *parts))
    if not rows:
        raise DataError("The file holds nothing but blank lines.", where=str(text.path))
    multi_label = any(len(labels) > 1 for _, _, labels in rows)
    builder = TableBuilder(["text", "label"])
    for number, content, labels in rows:
        builder.add(number, [content or None, as_json(labels) if multi_label else (labels[0] if labels else None)])
    message = "The labels were read from the lines themselves, before or after the texts (as in fastText files)."
    notes = [
        *text.notes,
        Note("labelled_lines", message),
        *row_notes(("no_label", unlabelled, "{count} lines have no label: {rows}.")),
    ]
    return builder.build(text.path.name, notes)


def _parts(line: str) -> tuple[str, list[str]] | None:
    if match := _TREE.match(line):
        return " ".join(_LEAF.findall(line)), [match.group(1)]
    if match := _FASTTEXT.fullmatch(line):
        return match.group(2).strip(), _ONE.findall(match.group(1))
    if match := _FASTTEXT_END.fullmatch(line):
        return match.group(1).strip(), _ONE.findall(match.group(2))
    if match := _COARSE.fullmatch(line):
        return match.group(2), [match.group(1)]
    return None
