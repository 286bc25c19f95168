"""The options for reading a source, for cases that its content alone does not decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# The options that the user may set wherever a file is read.
READING = ("delimiter", "encoding", "header", "quote", "escape", "sheet", "repair")
QUOTES = ("auto", '"', "'", "none")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """All options for reading one file or table; the user sets them in `DataConfig`.

    Attributes:
        delimiter: Delimiter of a CSV file; None detects it.
        encoding: Encoding of a text file; None detects it.
        header: Whether the first row of a CSV file names the columns; None decides by content.
        quote: Quoting character of a CSV file: `auto`, `"`, `'` or `none`.
        escape: Character that escapes a quotation mark within the text (a backslash); None decides by content.
        sheet: Sheet of a workbook; None takes the only one that is not empty.
        tag_column: Column of the tags of a CoNLL file, from 1; None decides by content.
        sentence: Column that names the sentence, in tables of one token per row; None looks for usual names.
        text: Column that the user named as the text.
        label: Column that the user named as the label.
        repair: Whether to repair wrongly decoded texts, HTML entities and control characters.
        every_record: Whether records that cannot be used are kept as rows (`Table.unread`), as for predictions on a file.
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
        """Whether an option that applies only to CSV files is set."""
        return self.delimiter is not None or self.header is not None or self.quote != "auto" or self.escape is not None


def as_trained(recipe: Mapping[str, Any], how: ReadOptions | None = None) -> ReadOptions:
    """Fill in the options that are not set with those used to read the training rows.

    These are the column of the tags, the column that names the sentence, and whether to repair texts.

    Args:
        recipe: The recipe of a model.
        how: The options set for these rows.
    """
    data = recipe.get("data")
    trained = data if isinstance(data, Mapping) else {}
    how = how or ReadOptions()
    return replace(
        how,
        tag_column=how.tag_column or trained.get("tag_column"),
        sentence=how.sentence or trained.get("sentence"),
        repair=bool(how.repair or trained.get("repair")),
    )
