"""Folders of data: files named after splits, shards, a folder for each class, `save_to_disk` of `datasets`, Kaggle's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasft.data.archives import is_data_name
from kerasft.data.columns import SPLIT_ALIASES
from kerasft.errors import DataError

_NO_DATA = frozenset(
    {
        ".md",
        ".py",
        ".ipynb",
        ".sh",
        ".yaml",
        ".yml",
        ".toml",
        ".log",
        ".pdf",
        ".png",
        ".jpg",
        ".html",
        ".cfg",
        ".ini",
        ".crc",
        ".lock",
    }
)
_NOT_ROWS = re.compile(
    r"(?:sample_?submission|submission|dataset_infos?|dataset_dict|state|config|labels?|license|readme|metadata|_success)"
)
_NO_ROWS = re.compile(
    r"(?:sample_?submission|submission|dataset_infos?|dataset_dict|state|config|license|readme|metadata|_success)"
)
_CLASS_WORDS = frozenset({"pos", "neg", "neu", "positive", "negative", "neutral", "spam", "ham", "good", "bad", "true", "false"})
_SHARD = re.compile(r"(?:[-_.]?\d+(?:[-_]of[-_]\d+)?)(?=\.|$)")
_SPARK = re.compile(r"part-\d+[\w-]*(\.[\w.]+)?")  # part-00000-<uuid>-c000.csv


@dataclass(frozen=True)
class Class:
    """A folder whose texts are of one class.

    Attributes:
        label: The folder's name.
        files: One text each, or with `by_line` one text in each line.
    """

    label: str
    files: tuple[Path, ...]
    by_line: bool = False


Part = Path | list[Path] | list[Class]


def split_parts(folder: Path) -> dict[str, Part]:
    """What a folder holds for each split: a file, the shards of one, or folders of classes.

    Raises:
        DataError: Nothing there can be taken for data, or two files are for one split.
    """
    if parts := _saved_to_disk(folder):
        return parts
    if parts := _class_folders(folder):
        return parts
    everything = [path for path in sorted(folder.iterdir()) if path.is_file()]
    if any(path.suffix == ".ann" and path.with_suffix(".txt").exists() for path in everything):
        hint = "Convert it to CoNLL or to JSON lines of texts and spans."
        raise DataError("The folder holds annotations of BRAT (.ann), which are not read.", where=str(folder), hint=hint)
    files = [path for path in everything if _may_hold_rows(path)]
    if classes := _class_files(files):
        return {"train": classes}
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
    inner = folder / "data" if (folder / "data").is_dir() else below[0] if len(below) == 1 else None
    if not files and inner is not None:
        return split_parts(inner)
    found = _by_split(files, folder)
    if "train" in found or "test" in found:
        return found
    if len(files) == 1:
        return {"train": files[0]}
    if len(files) > 1 and _are_shards(files):
        return {"train": list(files)}
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    hint = "Name the files train.csv, validation.csv and test.csv (any of the formats), or give one file or a pattern (*.txt)."
    raise DataError(f"The folder holds no split files. It holds: {there}.", where=str(folder), hint=hint)


def unread_files(parts: Mapping[str, Part]) -> list[str]:
    """Names of the files that may hold rows and lie beside those that are read, but are not read themselves."""
    read = {path for part in parts.values() for path in (part if isinstance(part, list) else [part]) if isinstance(path, Path)}
    folders = {path.parent for path in read}
    beside = [path for folder in folders for path in folder.iterdir() if path.is_file() and path not in read]
    return sorted(path.name for path in beside if is_data_name(path.name) and not _holds_no_rows(path))


def _holds_no_rows(path: Path) -> bool:
    return path.suffix.lower() in _NO_DATA or bool(_NO_ROWS.fullmatch(path.name.split(".")[0].lower()))


def _may_hold_rows(path: Path) -> bool:
    stem = path.name.split(".")[0].lower()
    named = stem in SPLIT_ALIASES
    return is_data_name(path.name) and (named or (path.suffix.lower() not in _NO_DATA and not _NOT_ROWS.fullmatch(stem)))


def _by_split(files: Sequence[Path], folder: Path) -> dict[str, Part]:
    """The files by the split that their names say: whole names first, then words in them."""
    named = [(path, SPLIT_ALIASES.get(_SHARD.sub("", path.name.split(".")[0].lower()))) for path in files]
    if not any(split in ("train", "test") for _, split in named):
        named = [(path, _split_within(path.name)) for path in files]
    found: dict[str, list[Path]] = {}
    for path, split in named:
        if split:
            found.setdefault(split, []).append(path)
    for split, several in found.items():
        if len(several) > 1 and not _are_shards(several):
            names = " and ".join(path.name for path in several[:3])
            raise DataError(
                f"Two files for the split '{split}': {names}.", where=str(folder), hint="Leave one, or name both files."
            )
    return {split: several[0] if len(several) == 1 else several for split, several in found.items()}


def _split_within(name: str) -> str | None:
    """The split that one of the words of a file's name says."""
    words = [re.sub(r"(?:set|data|file)$", "", word) or word for word in re.split(r"[^a-z]+", name.lower())]
    splits = {SPLIT_ALIASES[word] for word in words if word in SPLIT_ALIASES}
    return splits.pop() if len(splits) == 1 else None


def _are_shards(files: Sequence[Path]) -> bool:
    """Whether files differ in a number only, as the parts of one table do."""
    if files and all(_SPARK.fullmatch(path.name) for path in files):
        return len({path.name.partition(".")[2] for path in files}) == 1
    names = {_SHARD.sub("", path.name) for path in files}
    return len(names) == 1 and all(_SHARD.search(path.name) for path in files)


def _saved_to_disk(folder: Path) -> dict[str, Part]:
    """The Arrow files of `Dataset.save_to_disk` or `DatasetDict.save_to_disk`; nothing for other folders."""
    if (folder / "dataset_dict.json").exists():
        try:
            names = json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
            return {str(name): _arrow_files(folder / str(name)) for name in names}
        except (OSError, ValueError, KeyError, TypeError):
            raise DataError("dataset_dict.json names no splits.", where=str(folder)) from None
    if (folder / "state.json").exists() and any(folder.glob("*.arrow")):
        return {"train": _arrow_files(folder)}
    return {}


def _arrow_files(folder: Path) -> list[Path]:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = [folder / Path(str(one["filename"])).name for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        files = sorted(folder.glob("*.arrow"))
    if not files or not all(path.is_file() for path in files):
        raise DataError("The folder lacks its Arrow files.", where=str(folder), hint="Save the data set again with save_to_disk.")
    return files


def _class_folders(folder: Path) -> dict[str, Part]:
    """A folder for each class (`neg`, `pos`), or that below a folder for each split (`train/neg`); nothing for other folders."""
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
    splits = {SPLIT_ALIASES[path.name.lower()]: path for path in below if path.name.lower() in SPLIT_ALIASES}
    if splits:
        found = {name: _classes(path) for name, path in splits.items()}
        if all(found.values()):
            return dict(found)
        files = {
            name: [one for one in sorted(path.iterdir()) if one.is_file() and _may_hold_rows(one)]
            for name, path in splits.items()
        }
        whole = all(len(several) == 1 or _are_shards(several) for several in files.values()) and "train" in files
        return {name: several[0] if len(several) == 1 else several for name, several in files.items()} if whole else {}
    classes: list[Class] = _classes(folder)
    return {"train": classes} if classes else {}


def _class_files(files: Sequence[Path]) -> list[Class]:
    """Files that are named after the classes of their lines: `pos.txt` and `neg.txt`, `rt-polarity.pos` and `rt-polarity.neg`."""
    if len(files) < 2:
        return []
    stems = {path: path.name.split(".")[0].lower() for path in files}
    if all(path.suffix.lower() in (".txt", "") and stems[path] in _CLASS_WORDS for path in files):
        return [Class(path.name.split(".")[0], (path,), by_line=True) for path in files]
    endings = {path.suffix[1:].lower() for path in files}
    if len(set(stems.values())) == 1 and len(endings) == len(files) and endings <= _CLASS_WORDS:
        return [Class(path.suffix[1:], (path,), by_line=True) for path in files]
    return []


def _classes(folder: Path) -> list[Class]:
    """The classes of a folder: at least two folders that hold nothing but texts."""
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
    found = []
    for path in below:
        files = tuple(sorted(one for one in path.rglob("*") if one.is_file() and is_data_name(one.name)))
        if path.name in ("unsup", "unsupervised") or not files:
            continue  # texts without a class, as in aclImdb
        if any(one.suffix.lower() not in (".txt", ".text", "") and not one.suffix[1:].isdigit() for one in files):
            return []
        found.append(Class(path.name, files))
    return found if len(found) >= 2 else []
