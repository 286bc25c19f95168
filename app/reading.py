"""A file as the page shows it: what it is for, its report, its first rows, its columns; or one sentence on why it cannot be used.

No Gradio here, so that the same code can be tried on many files.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasft.data.columns import Columns
from kerasft.data.data_config import DataConfig
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.label_columns import NAME as JOINED
from kerasft.data.label_columns import columns_of_0_and_1
from kerasft.data.quality import QualityReport, check_data
from kerasft.data.recognise import Suggestion, suggest_task
from kerasft.errors import DataError, KerasFTError, disk_fault
from kerasft.presets import default_preset, fetch, find_preset
from kerasft.tasks import TASKS, get_task
from kerasft.token_counts import token_counter
from kerasft_app.reports import readable

_PREVIEW = 50


@dataclass(frozen=True)
class ReadFile:
    """What a source was understood to be.

    Attributes:
        config: The options it was read with.
        columns: Roles of its columns.
        columns_there: Names of all columns of the training rows.
        usable: Rows of each split that have all that the task needs.
        marks: Columns of 0 and 1 that were taken for one label each, joined with commas; empty where there are none.
        suggestion: The task they are for.
        report: What was found in them.
        title: The task's title.
        windows: Whether the task reads long texts in several windows.
        names: Columns of the first rows, those that are read first.
        cells: The first rows, as people read them; the first cell is the row's number.
    """

    config: DataConfig
    columns: Columns
    columns_there: list[str]
    usable: dict[str, int]
    marks: str
    suggestion: Suggestion
    report: QualityReport
    title: str
    windows: bool
    names: list[str]
    cells: list[list[Any]]

    @property
    def file(self) -> str:
        """The file's name, for people."""
        return Path(str(self.config.path)).name

    @property
    def sizes(self) -> str:
        """Rows by split, in words."""
        parts = []
        for name, count in self.report.rows.items():
            used = self.usable.get(name, count)
            parts.append(f"{count:,} {name}" if used == count else f"{used:,} of {count:,} {name}")
        return ", ".join(parts) + " rows"

    def known(self) -> dict[str, Any]:
        """What other tabs need to know: task, columns by role, file, rows of each split and lengths of the texts."""
        columns = {role: getattr(self.columns, role) for role in ("text", "text_pair", "label")}
        facts = {"file": self.file, "sizes": self.sizes, "rows": self.usable, "lengths": self.report.lengths}
        return {"name": self.suggestion.task, "columns": columns, **facts}


def read_for_page(source: Any, options: dict[str, Any]) -> ReadFile | KerasFTError:
    """Read a source with the page's options.

    Returns:
        What it was understood to be, or the error to show. Nothing is raised: whatever goes wrong, the page says so in one
        sentence, and no run can start on it.
    """
    try:
        return _read(load_data(source, **options))
    except KerasFTError as error:
        return error
    except Exception as error:
        if (fault := disk_fault(error)) is not None:
            return fault
        logging.getLogger(__name__).exception("The file %s could not be read.", source)
        what = f"The file could not be read, because of an error in KerasFT: {type(error).__name__}: {error}"
        hint = "Please report it, with the first lines of the file. Other formats (CSV UTF-8, JSONL) may work."
        return DataError(what, where=str(source), hint=hint)


def _read(data: Dataset) -> ReadFile:
    suggestion = suggest_task(data)
    cls: Any = TASKS.get(suggestion.task)
    data = data if cls.learns_labels else data.divided()  # as a run of it will
    counter = token_counter(fetch(find_preset(default_preset(cls.families))))
    report = check_data(data, get_task(suggestion.task), count_tokens=counter)
    windows = any(spec.name == "overlap" for spec in cls.specs())
    table = _first_split(data).table
    needs = get_task(suggestion.task).needs(data.columns)
    usable = {name: len(split.usable(need_label=needs)[0]) for name, split in data.splits.items()}
    return ReadFile(
        data.config, data.columns, list(table.names), usable, _marks(data, table), suggestion, report, cls.title, windows,
        *first_rows(data),
    )  # fmt: skip


def _marks(data: Dataset, table: Any) -> str:
    columns = data.columns
    if data.config.label is not None:
        return data.config.label if "," in data.config.label else ""
    if not columns.label == JOINED == table.names[-1]:
        return ""
    return ",".join(columns_of_0_and_1(table, but=(columns.text, columns.text_pair, columns.split)))


def first_rows(data: Dataset) -> tuple[list[str], list[list[Any]]]:
    """Names and cells of the first rows; the columns a model reads and learns from come first, after the row's number."""
    first, columns = _first_split(data), data.columns
    near = first.table.columns.slice(0, _PREVIEW)
    used = [name for name in (columns.text, columns.text_pair, columns.label) if name in near.column_names]
    names = [*used, *(name for name in near.column_names if name not in used)]
    cells = [[readable(cell) for cell in near[name].to_pylist()] for name in names]
    numbers = [int(row) for row in first.table.rows[:_PREVIEW]]
    return ["row", *names], [list(row) for row in zip(numbers, *cells, strict=True)]


def _first_split(data: Dataset) -> Any:
    """The training rows, or the first split of data without any."""
    return data["train"] if "train" in data else next(iter(data.splits.values()))
