"""Older exports of doccano, whose `annotations` hold objects with label numbers.

`{"text", "annotations": [{"label": 2, "start_offset": 0, "end_offset": 4, "user": 1}]}` (spans) or `[{"label": 2, "user": 1}]`
(classes).
Newer exports, `{"text", "label": [[0, 4, "PER"]]}`, `{"text", "label": ["a"]}` and
`{"text", "entities": [{"label", "start_offset", "end_offset"}], "relations": []}`, are read by
`data.spans` and `data.list_cells`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.cells import as_json
from kerasft.data.formats.base import Rows, objects, row_error
from kerasft.data.table import Note

NAME = "an older export of doccano"


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    lists = [row.get("annotations") for row in rows]
    if not rows or not all("text" in row for row in rows) or not all(isinstance(annotations, list) for annotations in lists):
        return False
    items = [item for annotations in lists for item in annotations or ()]
    return bool(items) and all(isinstance(item, Mapping) and "label" in item and "start" not in item for item in items)


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    checked_rows = []
    for number, row in rows:
        items = row.get("annotations") if isinstance(row, Mapping) else None
        if not isinstance(items, list) or not all(isinstance(item, Mapping) and "label" in item for item in items):
            raise row_error(number, row, source, NAME)
        checked_rows.append((number, row))
    spans = any("start_offset" in item for _, row in checked_rows for item in row["annotations"])
    by_user = not spans and any(len({item.get("user") for item in row["annotations"]} - {None}) > 1 for _, row in checked_rows)
    multi_label = not by_user and any(len({str(item["label"]) for item in row["annotations"]}) > 1 for _, row in checked_rows)
    disagreements = []
    numbers = all(isinstance(item["label"], int) for _, row in checked_rows for item in row["annotations"])
    for number, row in checked_rows:
        columns = {key: value for key, value in row.items() if key not in ("annotations", "annotation_approver", "meta")}
        items = row["annotations"]
        if spans and not all("start_offset" in item and "end_offset" in item for item in items):
            raise row_error(number, row, source, NAME)
        if spans:
            columns["entities"] = as_json(
                [{"start": item["start_offset"], "end": item["end_offset"], "label": str(item["label"])} for item in items]
            )
        elif by_user:
            counts = Counter(str(item["label"]) for item in items)
            columns["label"] = counts.most_common(1)[0][0] if counts else None
            if len(counts) > 1:
                disagreements.append(number)
        else:
            labels = list(dict.fromkeys(str(item["label"]) for item in items))
            columns["label"] = as_json(labels) if multi_label else (labels[0] if labels else None)
        yield number, columns
    if by_user:
        message = (
            f"Several annotators labelled each text and disagree in {len(disagreements):,} rows; "
            "the most frequent label (or the first) is used."
        )
        notes.append(Note("several_annotators", message, tuple(disagreements)))
    if numbers:
        notes.append(
            Note("label_numbers", "The labels are doccano's numbers, not names. To see the names, export the labels too.")
        )
