"""Layouts of rows that annotation tools and benchmarks write, one file each: `recognise` and `read`.

A format takes rows as a JSON file has them and gives rows of plain columns (`text`, `label`, `entities`, `prompt`,
`completion`), each with the number of the row it came from. A note counts the rows that were left out.
"""

from __future__ import annotations

from kerasft.data.formats.base import Rows, read_rows

__all__ = ["Rows", "read_rows"]
