"""Marked parts of texts: every tool's shape becomes start, end and label; anything else stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kerasft.data.columns import Columns
from kerasft.data.dataset import load_data
from kerasft.data.readers import read_table

TEXT = "Mira sings in Oslo."
SPANS = [{"start": 0, "end": 4, "label": "PER"}, {"start": 14, "end": 18, "label": "LOC"}]


@pytest.mark.parametrize("name", ["entities", "spans", "label", "labels", "annotations"])
@pytest.mark.parametrize(
    "spans",
    [
        pytest.param(SPANS, id="as they shall be"),
        pytest.param([[0, 4, "PER"], [14, 18, "LOC"]], id="lists"),
        pytest.param([{"start_offset": s["start"], "end_offset": s["end"], "label": s["label"]} for s in SPANS], id="offsets"),
        pytest.param(
            [{"start": s["start"], "end": s["end"], "entity_group": s["label"], "score": 0.5} for s in SPANS], id="group"
        ),
    ],
)
def test_shapes(write, name: str, spans: list[Any]) -> None:
    rows = [{"text": "Nothing here.", name: []}, {"text": TEXT, name: spans}, {"text": "Unknown."}]
    data = load_data(write("a.jsonl", "\n".join(map(json.dumps, rows))), validation=0)
    assert data.columns == Columns("text", label=name)
    assert data["train"].cells("label") == ["[]", json.dumps(SPANS), None]
    usable, notes = data["train"].usable()
    assert len(usable) == 2
    assert [note.code for note in notes] == ["missing_label"]


def test_a_column_of_another_name_can_be_said() -> None:
    data = load_data([{"text": TEXT, "marks": [[0, 4, "PER"]]}], label="marks", validation=0)
    assert json.loads(data["train"].cells("label")[0]) == SPANS[:1]


@pytest.mark.parametrize(
    "cell",
    [
        ["joy", "fear"],
        [],
        "[0, 4",
        [[0, 4]],
        [["0", 4, "PER"]],
        [[0, 4, "PER", 1]],
        [{"start": 0}],
        [None],
        [SPANS[0] | {"id": 7}],
    ],
    ids=str,
)
def test_other_cells_stay(cell: Any) -> None:
    expected = cell if isinstance(cell, str) else json.dumps(cell)
    assert read_table([{"text": TEXT, "labels": cell}]).columns["labels"].to_pylist() == [expected]


def test_no_entities_at_all() -> None:
    assert load_data([{"text": TEXT, "entities": []}] * 3, validation=0).columns == Columns("text", label="entities")
