"""Answers as JSON lines: what `kerasft predict --jsonl` speaks, and the app with it.

The first line out says `{"ready": true, "task", "shows", "labels", "paired"}`. Then for each line in, an object with
`text` and for pairs `text_pair`, comes one line out: the answer's fields, or `error`. With `"explain": true` (and perhaps
`"target"`) the answer has `explanation`. With `"sampling": {...}` a generating model takes those options, and with
`"stream": true` it first sends lines `{"partial": "text so far"}`. An embedding model adds `neighbours`, the nearest texts of
its training data, with `"neighbours": 5`. The answer to a text that is too long for the model has `cut`: how many `tokens` it has
and how many of them were `read`. A line `{"use": "folder of another run"}` switches to that run's model, over the same base
weights if both were tuned from one, and is answered with a new `ready` line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, TextIO

import numpy as np

from kerasft.data.data_config import DataConfig
from kerasft.data.dataset import load_data
from kerasft.errors import KerasFTError
from kerasft.evaluation.retrieval import neighbours
from kerasft.preprocessing.encoding import encode
from kerasft.tasks.base import Answering

_CORPUS = 5_000  # training texts among which neighbours are looked for


def answer_lines(model: Any, lines: Iterable[str], out: TextIO) -> None:
    """Answer each line at once; a faulty line gets an `error` and the next is read.

    Args:
        model: A `FineTunedModel`.
        lines: JSON objects, one a line.
        out: Where the answers go, each line flushed.
    """
    corpus = _Corpus(model)

    def say(values: dict[str, Any]) -> None:
        line = json.dumps(values, ensure_ascii=False)
        out.write(line.encode("utf-8", errors="replace").decode("utf-8") + "\n")  # a cut JSON escape is half a character
        out.flush()

    say(_ready(model))
    for line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if "use" in row:
                model = model.use(row["use"])
                corpus = _Corpus(model)
                say(_ready(model))
                continue
            for answer in _answers(model, corpus, row):
                say(answer)
        except KerasFTError as error:
            say({"error": str(error)})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            expected = "A line is a JSON object with 'text' (and 'text_pair' for pairs)"
            say({"error": f"{expected}. Received: {line.strip()[:80]!r} ({error})."})


def _ready(model: Any) -> dict[str, Any]:
    task = model.task
    return {"ready": True, "task": task.name, "shows": task.shows, "labels": model.labels, "paired": model.paired}


def _answers(model: Any, corpus: _Corpus, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    item = (row["text"], row["text_pair"]) if model.paired else row["text"]
    if "sampling" in row and row.get("stream"):
        made = None
        for made in model.stream(item, **row["sampling"]):
            yield {"partial": made.text}
        yield asdict(made)  # type: ignore[arg-type]
        return
    answer = asdict(model.generate(item, **row["sampling"]) if "sampling" in row else model.predict(item))
    answer |= _cut(model, item)
    if row.get("explain"):
        answer["explanation"] = asdict(model.explain(item, target=row.get("target")))
    if row.get("neighbours"):
        answer["neighbours"] = corpus.nearest(answer["vector"], int(row["neighbours"]))
    yield answer


def _cut(model: Any, item: Any) -> dict[str, Any]:
    """What to say of a text of which the model has read the beginning only."""
    if not isinstance(model.task, Answering):
        return {}
    text, pair = item if model.paired else (item, None)
    encoded = encode(model.framer, [([text], [pair])], paired=model.paired, framing=model.asking.framing)
    if not encoded.cut:
        return {}
    return {"cut": {"tokens": int(encoded.full_lengths[0]), "read": int(encoded.lengths[0])}}


class _Corpus:
    """Training texts of the run and their vectors, made when first asked for."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._texts: list[str] = []
        self._vectors: np.ndarray | None = None

    def nearest(self, vector: list[float], count: int) -> list[dict[str, Any]]:
        if self._vectors is None:
            data = load_data(None, DataConfig.from_dict(self._model.recipe.get("data", {})))
            split = data["train"]
            cells = split.take(np.arange(min(len(split), _CORPUS))).cells("text")
            self._texts = list(dict.fromkeys(text for text in cells if text and text.strip()))
            self._vectors = np.asarray([answer.vector for answer in self._model.predict(self._texts)])
        numbers, cosines = neighbours(np.asarray([vector]), self._vectors, min(count, len(self._texts)))
        return [{"text": self._texts[i], "cosine": float(c)} for i, c in zip(numbers[0], cosines[0], strict=True)]
