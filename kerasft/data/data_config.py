"""`DataConfig`: where the rows of a run are, what their columns mean, and how they are split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kerasft.config import Options, option
from kerasft.data.read_options import QUOTES, ReadOptions

SET_ASIDE = 0.1  # share of the training rows, for validation, where nobody says another
LEAST_HELD_OUT = 30  # rows, below which none are set aside unasked: each would be more than three points of a figure

LEAST_FOR_FOLDS = 10  # rows, below which nothing is cross-validated unasked


@dataclass(frozen=True, kw_only=True)
class DataConfig(Options):
    """Where the rows are, what their columns mean and how they are split."""

    path: str | None = option(
        None,
        "File of any format in docs/data.md (CSV, TSV, Excel, JSON, Parquet, CoNLL, plain text ...; packed or not), "
        "pattern of files (notes/*.txt), folder, archive, or hub name.",
    )
    text: str | None = option(None, "Column of the text; found by name and content when not given.")
    text_pair: str | None = option(
        None, "Column of the second text, for pairs; taken by itself only under a usual name. The word none: no column."
    )
    label: str | None = option(
        None,
        "Column of the label; found by name and content when not given. Several columns of 0 and 1: joy,anger,fear. "
        "The word none: no column.",
    )
    split: str | None = option(None, "Column that says train, validation or test in each row.", advanced=True)
    validation: float | None = option(
        None,
        "Share of the training rows set aside for validation when none is given; auto is 0.1, and none where that is fewer than "
        "30 rows: the model then learns from all rows, and its figures come from cross-validation.",
        low=0,
        high=0.9,
    )
    test: float = option(0.0, "Share of the training rows set aside for a final test when none is given.", low=0, high=0.9)
    validation_path: str | None = option(None, "File of the validation rows.", advanced=True)
    test_path: str | None = option(None, "File of the test rows.", advanced=True)
    split_seed: int = option(0, "Seed of the random split; same seed, same split.", low=0, advanced=True)
    per_label: int | None = option(
        None, "Number of training rows to keep of each label (few-shot), drawn with split_seed.", low=1, none="off", advanced=True
    )
    delimiter: str | None = option(None, "Delimiter of a CSV file; found by content when not given.", advanced=True)
    encoding: str | None = option(None, "Encoding of text files; found by content when not given.", advanced=True)
    header: bool | None = option(None, "Whether the first row of a table names the columns; decided by content.", advanced=True)
    quote: str = option(
        "auto", "Quoting character of a CSV file; none where a quotation mark is only a character.", choices=QUOTES, advanced=True
    )
    escape: str | None = option(
        None, "Character before a quotation mark that belongs to the text: a backslash (Spark, MySQL).", advanced=True
    )
    sheet: str | None = option(None, "Sheet of an Excel workbook; the only one that is not empty when not given.", advanced=True)
    repair: bool = option(
        False, "Whether texts that were decoded wrongly once, HTML entities and control characters are repaired.", advanced=True
    )
    tag_column: int | None = option(
        None, "Column of the tags in a CoNLL file, counted from 1; UPOS or the last when not given.", low=1, advanced=True
    )
    sentence: str | None = option(
        None, "Column that names the sentence, in tables of one token a row; found by name when not given.", advanced=True
    )

    def cross_faults(self) -> Iterator[str]:
        if (self.validation or 0) + self.test >= 1:
            yield f"'validation' and 'test' together must stay below 1. Received: {self.validation} and {self.test}."
        for name, usual in (("validation", SET_ASIDE), ("test", 0)):
            share = getattr(self, name)
            if getattr(self, f"{name}_path") and share not in (None, 0, usual):
                yield f"'{name}' sets rows aside where none are given, and '{name}_path' gives them. Received both: {share}."
        if self.delimiter is not None and len(self.delimiter) != 1:
            yield f"'delimiter' must be one character. Received: {self.delimiter!r}."
        if self.escape not in (None, "\\"):
            yield f"'escape' can only be a backslash. Received: {self.escape!r}."

    def reading(self, *, text: str | None, label: str | None) -> ReadOptions:
        """The options for reading a file, with the columns that the user named."""
        names = ("delimiter", "encoding", "header", "quote", "escape", "sheet", "tag_column", "sentence", "repair")
        return ReadOptions(**{name: getattr(self, name) for name in names}, text=text, label=label)
