"""Eleven awkward files from public data portals: what a person sees in them is what must be read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from kerasft.data.readers import read_table

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "messy_csv"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder shared/data/messy_csv is not beside the repository")


class Seen(NamedTuple):
    """What is in a file, found by looking at its bytes."""

    rows: int
    columns: int
    first_names: tuple[str, ...]
    numbers: tuple[int, int]  # of the first and the last row
    cell: tuple[int, int, str | None]  # row of the file, column, what is there
    notes: dict[str, tuple[int, ...]] = {}


SEEN = {
    # Three rows of names, none of them unique: no header. A title before, nineteen commas alone in row 3.
    "begrotingsanalyse-2011.csv": Seen(41, 20, ("column_1", "column_2"), (2, 43), (7, 2, "Cluster"), {"preamble": (1,)}),
    # Big5, 223 cells with line breaks.
    "characters.csv": Seen(382, 18, ("id", "景點編號"), (2, 383), (3, 3, "蘆竹溝"), {"encoding": ()}),
    # The names are years, so numbers over numbers: read as a row, nothing lost. A cell with a line break in row 14.
    "excel_pasting.csv": Seen(17, 9, ("column_1",), (4, 21), (14, 1, "Machinery and \nequipment"), {"preamble": (1, 2, 3)}),
    # Bare carriage returns.
    "mixedGLB.csv": Seen(133, 19, ("Year", "Jan", "Feb"), (5, 137), (5, 15, "****"), {"preamble": (1, 2, 3)}),
    # No header; `null` is text, an empty cell is missing.
    "null.csv": Seen(10, 4, ("column_1", "column_2"), (1, 10), (3, 3, None)),
    # Bars; the last line ends otherwise than the rest.
    "simple.psv": Seen(28, 6, ("Year", "New dwellings"), (2, 29), (29, 6, "292000")),
    # Windows-1252. Row 116 is empty, row 117 a footnote.
    "spanish_chars.csv": Seen(115, 8, ("GF_ID", "FN_ID"), (2, 117), (3, 5, "Legislación"), {"encoding": ()}),
    # The header ends in a cell without a name, which twelve rows far below fill.
    "sparse_with_column_errors.csv": Seen(
        2200,
        3,
        ("LP", "Bezeichnung", "Kapitel/Titel"),
        (2, 2238),
        (312, 2, "Feuerungs- und Kraftwerkstechnik für den Kohleeinsatz"),
        {"encoding": (), "unnamed_cells": (312, 313, 326, 327, 333, 334, 344, 345, 346, 355, 356, 357)},
    ),
    "utf-16le_encoded.csv": Seen(327, 19, ("Organisation_code",), (2, 328), (3, 2, "Herefordshire PCT"), {"encoding": ()}),
    # Eleven lines of preamble, names that are years, sixteen lines of footnotes.
    "weird_head_padding.csv": Seen(
        77,
        10,
        ("column_1", "column_2"),
        (12, 94),
        (14, 3, "379"),
        {
            "preamble": tuple(range(1, 12)),
            "short_rows": (74, 75, 76, 78, 79, 81, 82, 83, 85, 86, 88, 89, 90, 92, 93, 94),
        },
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_is_read_as_a_person_sees_it(name: str) -> None:
    seen = SEEN[name]
    table = read_table(FOLDER / f"{name}.gz")
    assert (len(table), len(table.names)) == (seen.rows, seen.columns)
    assert tuple(table.names[: len(seen.first_names)]) == seen.first_names
    assert (table.rows[0], table.rows[-1]) == seen.numbers
    assert (table.rows[1:] > table.rows[:-1]).all()
    row, column, text = seen.cell
    assert table.columns.column(column - 1)[table.rows.tolist().index(row)].as_py() == text
    assert {note.code: note.rows for note in table.notes} == seen.notes


def test_a_header_that_looks_like_numbers_can_be_asked_for() -> None:
    table = read_table(FOLDER / "excel_pasting.csv.gz", header=True)
    assert table.names == ["Year", *(str(year) for year in range(2000, 2008))]
    assert table.columns["2007"][0].as_py() == "1,751"


def test_no_cell_of_the_chinese_file_is_garbled() -> None:
    columns = read_table(FOLDER / "characters.csv.gz").columns.columns
    cells = [cell for column in columns for cell in column.to_pylist() if cell]
    assert not any("\ufffd" in cell for cell in cells)
    assert sum("\n" in cell for cell in cells) == 223


def test_a_header_alone_is_refused(refused) -> None:
    refused(read_table, FOLDER / "utf8bom.csv.gz", "a header and no rows", "row 1")


def test_every_file_is_looked_at() -> None:
    assert {path.name.removesuffix(".gz") for path in FOLDER.iterdir()} == {*SEEN, "utf8bom.csv"}
