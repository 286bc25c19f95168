"""Label Studio's JSON export (every kind of task) and JSON_MIN.

JSON: `{"id", "data": {"text": ...}, "annotations": [{"result": [{"from_name", "type", "value": {...}}], "was_cancelled"}]}`;
older versions write `completions`. JSON_MIN: the data and, under the name of each control, its values.
Source: https://labelstud.io/guide/export and the converter's sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.cells import as_json
from kerasft.data.formats.base import Rows, objects, row_error
from kerasft.data.table import Note, row_notes
from kerasft.errors import name_values

NAME = "an export of Label Studio"
_MIN_KEYS = frozenset({"annotator", "annotation_id", "lead_time", "created_at", "updated_at"})
_SPAN_KEYS = ("labels", "hypertextlabels", "paragraphlabels")  # keys that hold the labels of a span


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    return bool(rows) and (all(map(_is_task, rows)) or all(map(_is_minimal, rows)))


def _is_task(row: Mapping[str, Any]) -> bool:
    annotations = row.get("annotations", row.get("completions", [] if isinstance(row.get("predictions"), list) else None))
    has_results = isinstance(annotations, list) and all(isinstance(item, Mapping) and "result" in item for item in annotations)
    return isinstance(row.get("data"), Mapping) and has_results


def _is_minimal(row: Mapping[str, Any]) -> bool:
    return len(_MIN_KEYS & set(row)) >= 3


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    tasks = list(rows)
    is_full = all(_is_task(row) for _, row in tasks[:100])
    for number, row in tasks:
        if not isinstance(row, Mapping) or (is_full and not _is_task(row)):
            raise row_error(number, row, source, NAME)
    read_tasks = [(number, *(_task(row) if is_full else _minimal(row))) for number, row in tasks]
    controls = list(dict.fromkeys(name for _, _, answers, _ in read_tasks for name in answers))
    multi_valued = {name for _, _, answers, _ in read_tasks for name, values in answers.items() if _is_list(values)}
    skipped = [number for number, _, _, state in read_tasks if state == "skipped"]
    differing = [number for number, _, _, state in read_tasks if state == "differing"]
    disagreement = "Several annotators disagree in {count} tasks; the most frequent answer (or the first) is used."
    predicted = [number for number, row in tasks if is_full and row.get("predictions") and not _annotations(row)]
    notes += row_notes(
        (
            "predictions",
            predicted,
            "{count} tasks have only predictions of a model and no annotation; they are not used as labels.",
        ),
        ("skipped_tasks", skipped, "{count} tasks were skipped or cancelled by their annotators and are left out."),
        ("several_annotators", differing, disagreement),
    )
    if len(controls) > 1:
        notes.append(
            Note("controls", f"The project has several controls; each becomes a column: {name_values(controls, most=10)}.")
        )
    for number, data, answers, state in read_tasks:
        if state == "skipped":
            continue
        columns = dict(data)
        for name in controls:
            value = answers.get(name)
            column = "label" if len(controls) == 1 and "label" not in data else name
            if isinstance(value, list) and name in multi_valued and not all(isinstance(one, dict) for one in value):
                columns[column] = as_json(value)
            elif isinstance(value, list):
                columns["entities" if len(controls) == 1 else column] = as_json(value)
            else:
                columns[column] = as_json([value]) if name in multi_valued and value is not None else value
        yield number, columns


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and not all(isinstance(one, dict) for one in value)


def _task(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any], str]:
    """The data of a task, its answers by control, and `skipped`, `differing` or an empty string."""
    annotations = _annotations(row)
    valid = [one for one in annotations if not one.get("was_cancelled") and not one.get("skipped")]
    data = dict(row["data"])
    if annotations and not valid:
        return data, {}, "skipped"
    ground_truth = [one for one in valid if one.get("ground_truth")]
    answers = [_answers(one.get("result") or []) for one in (ground_truth or valid)]
    if not answers:
        return data, {}, ""
    counts = Counter(as_json(answer) for answer in answers)
    most_frequent, _ = counts.most_common(1)[0]
    first = next(answer for answer in answers if as_json(answer) == most_frequent)
    return data, first, "differing" if len(counts) > 1 else ""


def _annotations(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in row.get("annotations", row.get("completions")) or [] if isinstance(one, Mapping)]


def _answers(results: Sequence[Any]) -> dict[str, Any]:
    """The answers of an annotation by the names of its controls."""
    answers: dict[str, Any] = {}
    for result in results:
        value = result.get("value") if isinstance(result, Mapping) else None
        if not isinstance(value, Mapping):
            continue
        name = str(result.get("from_name") or "label")
        kind = str(result.get("type") or "")
        labels = next((value[key] for key in _SPAN_KEYS if isinstance(value.get(key), list)), None)
        if labels is not None and "start" in value:
            for label in labels:
                span = {"start": value["start"], "end": value.get("end"), "label": label, "text": value.get("text")}
                answers.setdefault(name, []).append({key: one for key, one in span.items() if one is not None})
        elif kind == "choices" or "choices" in value:
            choices = value.get("choices") or []
            choices = choices if isinstance(choices, list) else [choices]
            answers[name] = choices[0] if len(choices) == 1 else list(choices)
        elif isinstance(value.get("taxonomy"), list):
            paths = [" / ".join(map(str, path)) for path in value["taxonomy"] if isinstance(path, list)]
            answers[name] = paths[0] if len(paths) == 1 else paths
        elif "rating" in value or "number" in value:
            answers[name] = value.get("rating", value.get("number"))
        elif "selected" in value or "pairwise" in kind:
            answers[name] = value.get("selected")
        elif isinstance(value.get("text"), list) and len(value["text"]) == 1:
            answers[name] = value["text"][0]
    return answers


def _minimal(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any], str]:
    data: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for key, value in row.items():
        if key in _MIN_KEYS or key == "id":
            continue
        if isinstance(value, list) and value and all(isinstance(one, Mapping) and "start" in one for one in value):
            answers[key] = [
                {"start": one["start"], "end": one.get("end"), "label": label, **({"text": one["text"]} if "text" in one else {})}
                for one in value
                for label in next((one[kind] for kind in _SPAN_KEYS if isinstance(one.get(kind), list)), [])
            ]
        elif isinstance(value, Mapping) and isinstance(value.get("choices"), list):
            answers[key] = list(value["choices"])
        else:
            data[key] = value
    return data, answers, ""
