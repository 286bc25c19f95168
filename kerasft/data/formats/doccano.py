"""doccano's older exports, whose `annotations` hold objects with label numbers; newer ones are plain columns or spans.

`{"text", "annotations": [{"label": 2, "start_offset": 0, "end_offset": 4, "user": 1}]}` (spans) or `[{"label": 2, "user": 1}]`
(classes).
Newer: `{"text", "label": [[0, 4, "PER"]]}`, `{"text", "entities": [{"label", "start_offset", "end_offset"}], "relations": []}`
and `{"text", "label": ["a"]}`, which `data.spans` and `data.list_cells` read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.cells import as_json
from kerasft.data.formats.base import Rows, misfit, objects
from kerasft.data.table import Note

NAME = "an older export of doccano"


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    held = [row.get("annotations") for row in rows]
    if not rows or not all("text" in row for row in rows) or not all(isinstance(one, list) for one in held):
        return False
    items = [item for one in held for item in one or ()]
    return bool(items) and all(isinstance(item, Mapping) and "label" in item and "start" not in item for item in items)


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    kept = []
    for number, row in rows:
        items = row.get("annotations") if isinstance(row, Mapping) else None
        if not isinstance(items, list) or not all(isinstance(item, Mapping) and "label" in item for item in items):
            raise misfit(number, row, source, NAME)
        kept.append((number, row))
    spans = any("start_offset" in item for _, row in kept for item in row["annotations"])
    by_user = not spans and any(len({item.get("user") for item in row["annotations"]} - {None}) > 1 for _, row in kept)
    several = not by_user and any(len({str(item["label"]) for item in row["annotations"]}) > 1 for _, row in kept)
    differing = []
    numbers = all(isinstance(item["label"], int) for _, row in kept for item in row["annotations"])
    for number, row in kept:
        columns = {key: value for key, value in row.items() if key not in ("annotations", "annotation_approver", "meta")}
        items = row["annotations"]
        if spans and not all("start_offset" in item and "end_offset" in item for item in items):
            raise misfit(number, row, source, NAME)
        if spans:
            columns["entities"] = as_json(
                [{"start": item["start_offset"], "end": item["end_offset"], "label": str(item["label"])} for item in items]
            )
        elif by_user:
            counts = Counter(str(item["label"]) for item in items)
            columns["label"] = counts.most_common(1)[0][0] if counts else None
            if len(counts) > 1:
                differing.append(number)
        else:
            labels = list(dict.fromkeys(str(item["label"]) for item in items))
            columns["label"] = as_json(labels) if several else (labels[0] if labels else None)
        yield number, columns
    if by_user:
        message = (
            f"Several people labelled each text, in {len(differing):,} rows differently; "
            "the most frequent label (or the first) is used."
        )
        notes.append(Note("several_annotators", message, tuple(differing)))
    if numbers:
        notes.append(
            Note("label_numbers", "The labels are doccano's numbers, not names; export the labels too to know what they mean.")
        )
