"""The records of a file answered by a model: every one of them, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasft.bulk import answer_file
from kerasft.data.columns import Columns
from kerasft.data.given_rows import as_split
from kerasft.data.read_options import ReadOptions, as_trained
from kerasft.data.split import Split


def rows_to_answer(model: Any, source: Any, *, text: str | None = None, **reading: Any) -> Split:
    """All records of a source, with the columns a model reads; none is left out.

    Args:
        model: A `FineTunedModel`.
        source: As for `FineTunedModel.predict_file`.
        text: Name of the text column, if it is another than in training.
        **reading: How a file is read; see `ReadOptions`.
    """
    columns = Columns(text or model.columns.text, model.columns.text_pair if model.paired else None)
    return as_split(source, columns, need_label=False, how=as_trained(model.recipe, ReadOptions(every_record=True, **reading)))


def answer_split(
    model: Any, split: Split, out: Path, progress: Callable[[int], None] | None = None, *, harmless: bool = False
) -> int:
    """Write the rows of a split with a model's answers.

    Args:
        model: A `FineTunedModel`.
        split: The rows.
        out: File to write, UTF-8: `.csv`, `.jsonl` or `.parquet`.
        progress: Called with the number of rows done.
        harmless: Whether cells of a CSV that a spreadsheet would compute are written so that it does not.

    Returns:
        How many rows have no answer.
    """

    def answer(part: Split, share: Callable[[float], None]) -> list[Any]:
        return list(model.answer([text or "" for text in part.cells("text")], part.cells("text_pair"), progress=share))

    return answer_file(split, out, answer, lambda found: model.task.cells(found, model.learned), progress, harmless=harmless)
