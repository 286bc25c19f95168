"""Find the data in a folder: files named after splits, shards, a folder per class, or the output of `save_to_disk`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasft.data.archives import is_data_name
from kerasft.data.columns import SPLIT_ALIASES
from kerasft.errors import DataError

_OTHER_SUFFIXES = frozenset(
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
_NO_ROWS = re.compile(r"sample_?submission|submission|dataset_infos?|dataset_dict|state|config|license|readme|metadata|_success")
_LABEL_LIST = re.compile(r"labels?")  # not read as rows either, but reported as unread
_CLASS_WORDS = frozenset({"pos", "neg", "neu", "positive", "negative", "neutral", "spam", "ham", "good", "bad", "true", "false"})
_SHARD = re.compile(r"(?:[-_.]?\d+(?:[-_]of[-_]\d+)?)(?=\.|$)")
_SPARK = re.compile(r"part-\d+[\w-]*(\.[\w.]+)?")  # part-00000-<uuid>-c000.csv


@dataclass(frozen=True)
class LabelledFiles:
    """Files whose texts all have one label.

    Attributes:
        label: Name of their folder, or a part of the name of the file.
        files: Files of one text each.
        by_line: Whether every line of a file is a text instead.
    """

    label: str
    files: tuple[Path, ...]
    by_line: bool = False


Part = Path | list[Path] | list[LabelledFiles]


def split_parts(folder: Path) -> dict[str, Part]:
    """Find what a folder holds for each split: a file, the shards of a file, or files by label.

    Raises:
        DataError: The folder holds no data, or two files for one split.
    """
    if parts := _saved_to_disk(folder):
        return parts
    if parts := _class_folders(folder):
        return parts
    all_files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    if any(path.suffix == ".ann" and path.with_suffix(".txt").exists() for path in all_files):
        hint = "Convert it to CoNLL or to JSON lines of texts and spans."
        raise DataError("The folder holds BRAT annotations (.ann), which KerasFT does not read.", where=str(folder), hint=hint)
    files = [path for path in all_files if _may_hold_rows(path)]
    if classes := _class_files(files):
        return {"train": classes}
    subfolders = _subfolders(folder)
    subfolder = folder / "data" if (folder / "data").is_dir() else subfolders[0] if len(subfolders) == 1 else None
    if not files and subfolder is not None:
        return split_parts(subfolder)
    by_split = _by_split(files, folder)
    if "train" in by_split or "test" in by_split:
        return by_split
    if len(files) == 1:
        return {"train": files[0]}
    if len(files) > 1 and _are_shards(files):
        return {"train": list(files)}
    content = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    hint = "Name the files train.csv, validation.csv and test.csv (any of the formats), or give one file or a pattern (*.txt)."
    raise DataError(f"The folder holds no split files. It holds: {content}.", where=str(folder), hint=hint)


def unread_files(parts: Mapping[str, Part]) -> list[str]:
    """Names of the files that may hold rows and lie beside the files that are read, but are not read themselves."""
    files = [item for part in parts.values() for item in (part if isinstance(part, list) else [part])]
    read = {item for item in files if isinstance(item, Path)}
    read |= {file for item in files if isinstance(item, LabelledFiles) for file in item.files}
    folders = {item.parent for item in files if isinstance(item, Path)}
    for item in files:
        if isinstance(item, LabelledFiles) and item.files:  # beside the folders of the classes, or the files of them
            folders.add(item.files[0].parent if item.by_line else _above(item))
    beside = [path for folder in folders for path in folder.iterdir() if path.is_file() and path not in read]
    return sorted(path.name for path in beside if is_data_name(path.name) and not _holds_no_rows(path))


def _above(item: LabelledFiles) -> Path:
    """The folder in which the folder of a class lies."""
    return next((parent.parent for parent in item.files[0].parents if parent.name == item.label), item.files[0].parent)


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]


def _holds_no_rows(path: Path) -> bool:
    return path.suffix.lower() in _OTHER_SUFFIXES or bool(_NO_ROWS.fullmatch(path.name.split(".")[0].lower()))


def _may_hold_rows(path: Path) -> bool:
    stem = path.name.split(".")[0].lower()
    named = stem in SPLIT_ALIASES
    return is_data_name(path.name) and (
        named or (path.suffix.lower() not in _OTHER_SUFFIXES and not _NO_ROWS.fullmatch(stem) and not _LABEL_LIST.fullmatch(stem))
    )


def _by_split(files: Sequence[Path], folder: Path) -> dict[str, Part]:
    """Group files by the split in their names: by whole names first, otherwise by words within the names."""
    named = [(path, SPLIT_ALIASES.get(_SHARD.sub("", path.name.split(".")[0].lower()))) for path in files]
    if not any(split in ("train", "test") for _, split in named):
        named = [(path, _split_within(path.name)) for path in files]
    by_split: dict[str, list[Path]] = {}
    for path, split in named:
        if split:
            by_split.setdefault(split, []).append(path)
    for split, paths in by_split.items():
        if len(paths) > 1 and not _are_shards(paths):
            names = " and ".join(path.name for path in paths[:3])
            raise DataError(
                f"Two files for the split '{split}': {names}.",
                where=str(folder),
                hint="Keep one of them, or give the files by name.",
            )
    return {split: paths[0] if len(paths) == 1 else paths for split, paths in by_split.items()}


def _split_within(name: str) -> str | None:
    """The split that the words in a file's name indicate; None if there is none or more than one."""
    words = [re.sub(r"(?:set|data|file)$", "", word) or word for word in re.split(r"[^a-z]+", name.lower())]
    splits = {SPLIT_ALIASES[word] for word in words if word in SPLIT_ALIASES}
    return splits.pop() if len(splits) == 1 else None


def _are_shards(files: Sequence[Path]) -> bool:
    """Whether the names differ in a number only, as those of the parts of one table do."""
    if files and all(_SPARK.fullmatch(path.name) for path in files):
        return len({path.name.partition(".")[2] for path in files}) == 1
    names = {_SHARD.sub("", path.name) for path in files}
    return len(names) == 1 and all(_SHARD.search(path.name) for path in files)


def _saved_to_disk(folder: Path) -> dict[str, Part]:
    """The Arrow files of `Dataset.save_to_disk` or `DatasetDict.save_to_disk`; empty for other folders."""
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
        raise DataError(
            "The Arrow files of the data set are missing.", where=str(folder), hint="Save the data set again with save_to_disk."
        )
    return files


def _class_folders(folder: Path) -> dict[str, Part]:
    """One folder per class (`neg`, `pos`), directly or within one folder per split (`train/neg`); empty for other folders."""
    subfolders = _subfolders(folder)
    splits = {SPLIT_ALIASES[path.name.lower()]: path for path in subfolders if path.name.lower() in SPLIT_ALIASES}
    if splits:
        by_split = {name: _classes(path) for name, path in splits.items()}
        if all(by_split.values()):
            return dict(by_split)
        files = {
            name: [file for file in sorted(path.iterdir()) if file.is_file() and _may_hold_rows(file)]
            for name, path in splits.items()
        }
        is_complete = all(len(paths) == 1 or _are_shards(paths) for paths in files.values()) and "train" in files
        return {name: paths[0] if len(paths) == 1 else paths for name, paths in files.items()} if is_complete else {}
    classes: list[LabelledFiles] = _classes(folder)
    return {"train": classes} if classes else {}


def _class_files(files: Sequence[Path]) -> list[LabelledFiles]:
    """Files of one text per line that are named after their class: `pos.txt` and `neg.txt`, or `x.pos` and `x.neg`."""
    if len(files) < 2:
        return []
    stems = {path: path.name.split(".")[0].lower() for path in files}
    if all(path.suffix.lower() in (".txt", "") and stems[path] in _CLASS_WORDS for path in files):
        return [LabelledFiles(path.name.split(".")[0], (path,), by_line=True) for path in files]
    endings = {path.suffix[1:].lower() for path in files}
    if len(set(stems.values())) == 1 and len(endings) == len(files) and endings <= _CLASS_WORDS:
        return [LabelledFiles(path.suffix[1:], (path,), by_line=True) for path in files]
    return []


def _classes(folder: Path) -> list[LabelledFiles]:
    """The classes of a folder: at least two subfolders that hold nothing but texts."""
    subfolders = _subfolders(folder)
    classes = []
    for path in subfolders:
        files = tuple(sorted(file for file in path.rglob("*") if file.is_file() and is_data_name(file.name)))
        if path.name in ("unsup", "unsupervised") or not files:
            continue  # texts without a class, as in aclImdb
        others = [file for file in files if not _may_be_text(file)]
        if others and len(others) >= 0.5 * len(files):
            return []
        if others:
            names = ", ".join(f"{path.name}/{file.name}" for file in others[:3])
            raise DataError(
                f"A folder of texts of one class also holds other files: {names}.",
                where=str(folder),
                hint="Move them elsewhere, or name them .txt if they are texts.",
            )
        classes.append(LabelledFiles(path.name, files))
    return classes if len(classes) >= 2 else []


def _may_be_text(file: Path) -> bool:
    return file.suffix.lower() in (".txt", ".text", "") or file.suffix[1:].isdigit()
