"""How a source is read: what a person may say about a file when looking at it is not enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

READING = (
    "delimiter",
    "encoding",
    "header",
    "quote",
    "escape",
    "sheet",
    "repair",
)  # what a person may say wherever a file is read
QUOTES = ("auto", '"', "'", "none")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Everything that bears on the reading of one file or table; `DataConfig` holds the same for people.

    Attributes:
        delimiter: Delimiter of a CSV file; None finds it.
        encoding: Encoding of a text file; None detects it.
        header: Whether the first row of a CSV file names the columns; None decides by content.
        quote: Quoting character of a CSV file: `auto`, `"`, `'` or `none`.
        escape: Character before a quotation mark that belongs to the text (a backslash); None decides by content.
        sheet: Sheet of a workbook; None takes the only one that is not empty.
        tag_column: Column of the tags of a CoNLL file, from 1; None decides by content.
        sentence: Column that names the sentence, in tables of one token a row; None goes by usual names.
        text: Column the person named as the text.
        label: Column the person named as the label.
        repair: Whether texts that were decoded wrongly once, HTML entities and control characters are repaired.
        every_record: Whether records that cannot be used are kept as rows (`Table.unread`), as for answers to a file.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quote: str = "auto"
    escape: str | None = None
    sheet: str | None = None
    tag_column: int | None = None
    sentence: str | None = None
    text: str | None = None
    label: str | None = None
    repair: bool = False
    every_record: bool = False

    @property
    def says_csv(self) -> bool:
        """Whether an option that only a table of cells has says that the file is one."""
        return self.delimiter is not None or self.header is not None or self.quote != "auto" or self.escape is not None


def as_trained(recipe: Mapping[str, Any], how: ReadOptions | None = None) -> ReadOptions:
    """What is said about reading, and where nothing is, how the training rows were read.

    That is: the column of the tags, the column that names the sentence, whether damage was repaired.

    Args:
        recipe: Of a model.
        how: What is said for these rows.
    """
    data = recipe.get("data")
    then = data if isinstance(data, Mapping) else {}
    how = how or ReadOptions()
    return replace(
        how,
        tag_column=how.tag_column or then.get("tag_column"),
        sentence=how.sentence or then.get("sentence"),
        repair=bool(how.repair or then.get("repair")),
    )
