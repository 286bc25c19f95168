"""What the model sees: rows as the very windows it is trained on, token by token, with what is hidden, told and ignored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasft.backbones.loading import load_framer
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.split import Split
from kerasft.errors import DataError
from kerasft.preprocessing.encoding import encode
from kerasft.presets import fetch, find_preset
from kerasft.tasks import Task
from kerasft.tasks.base import pick

_ROWS = 4  # of a data set, when nothing else is said
_WINDOWS = 50
_AROUND = 200  # rows that are encoded: others share windows, or are the strangers of pairs


@dataclass(frozen=True)
class SeenToken:
    """One token of a window.

    Attributes:
        piece: What the model reads, as its vocabulary writes it.
        segment: 0 or 1, the first or the second text; or which of the documents that share a window and do not see each other.
        target: What must be told here, or "" where the token is only read.
        hidden: What another piece stands for, or "".
        unit: Hidden tokens of one word or span share a number, from 1; 0 for others.
        boundary: Numbers of the two tokens, from 0, from which it must be told as well, or None.
        special: Whether it stands for no text.
    """

    piece: str
    segment: int
    target: str
    hidden: str
    unit: int
    boundary: tuple[int, int] | None
    special: bool


@dataclass(frozen=True)
class SeenWindow:
    """One window of a row.

    Attributes:
        row: Number of the row in its file.
        window: Number of the window among the row's, from 1; and `windows`, how many the row has.
        windows: See `window`.
        tokens: In order, without padding.
        target: What must be told of the window as a whole, or "".
        cut: Tokens it lost because it was too long.
    """

    row: int
    window: int
    windows: int
    tokens: tuple[SeenToken, ...]
    target: str
    cut: int

    def __str__(self) -> str:
        part = f", window {self.window} of {self.windows}" if self.windows > 1 else ""
        head = f"row {self.row}{part}: {len(self.tokens)} tokens" + (f", {self.cut} cut" if self.cut else "")
        lines = [head + (f"; to tell: {self.target}" if self.target else "")]
        for token in self.tokens:
            told = f"  <- {token.target}" if token.target else ""
            unit = (
                f"  (unit {token.unit}, also from tokens {token.boundary[0]} and {token.boundary[1]})" if token.boundary else ""
            )
            lines.append(f"  {token.segment}  {token.piece:<16}{told}{unit}".rstrip())
        return "\n".join(lines)


def preview(preset: str, data: Any, task: Task, *, rows: int = _ROWS, epoch: int = 0, seed: int = 1) -> list[SeenWindow]:
    """Show rows as the model is trained on them. Loads the preset's tokenizer, not its weights.

    Args:
        preset: Name, folder, or `hf://owner/name`.
        data: A `Dataset`, anything `load_data` reads, or a list of texts (for tasks that need no label).
        task: What is learned.
        rows: How many rows of the training split.
        epoch: Of which epoch, where tasks draw anew in each.
        seed: Of what is drawn.

    Returns:
        The windows of the rows, at most 50.

    Raises:
        DataError: The data do not suit the task.
    """
    split = _split(data, task)
    usable, _ = split.usable(need_label=task.needs(split.columns))
    if not len(usable):
        raise DataError("There is no row to show.", where=split.table.source)
    learned = task.learn(usable)
    few = usable.take(np.arange(min(max(rows, _AROUND), len(usable))))
    gold = task.gold(few, learned)
    known = np.flatnonzero(~task.unknown(gold))
    few, gold = few.take(known), pick(gold, known)
    framer = load_framer(fetch(find_preset(preset)), task.max_length)  # type: ignore[attr-defined]
    read, paired = task.reading(few)
    encoded = task.targets(encode(framer, read, paired=paired, framing=task.framing(framer, learned)), gold, learned)
    feed = task.feed(encoded, framer, seed=seed, epoch=epoch)
    counts = np.bincount(encoded.owners, minlength=len(few))
    seen, before = [], dict.fromkeys(range(len(few)), 0)
    for i in np.flatnonzero(encoded.owners < rows)[:_WINDOWS].tolist():
        inputs, targets = feed.batch(np.asarray([i]))
        owner = int(encoded.owners[i])
        before[owner] += 1
        told = task.tell(_first(targets), _first(inputs), learned, framer)
        seen.append(
            SeenWindow(
                row=int(few.table.rows[owner]),
                window=before[owner],
                windows=int(counts[owner]),
                tokens=tuple(_tokens(_first(inputs), told, framer)),
                target=told.window,
                cut=int(encoded.full_lengths[i] - encoded.lengths[i]),
            )
        )
    return seen


def _split(data: Any, task: Task) -> Split:
    if isinstance(data, list) and data and all(isinstance(text, str) for text in data):
        data = load_data({"train": [{"text": text} for text in data]}, validation=0)
    dataset: Dataset = task.suited(data if isinstance(data, Dataset) else load_data(data))
    return dataset["train"]


def _first(values: Any) -> Any:
    """The only row of a batch."""
    return {name: value[0] for name, value in values.items()} if isinstance(values, dict) else values[0]


def _tokens(inputs: dict[str, np.ndarray], told: Any, framer: Any) -> Iterable[SeenToken]:
    mask = inputs["padding_mask"]
    # A window has second texts or, where it is shared, parts that the mask numbers; never both.
    segments = inputs.get("segment_ids", np.zeros_like(mask)) + np.maximum(mask - 1, 0)
    special = set(framer.special_ids) - {framer.mask_id}
    for place in range(int((mask > 0).sum())):
        number = int(inputs["token_ids"][place])
        yield SeenToken(
            piece=framer.pieces[number],
            segment=int(segments[place]),
            target=told.tokens.get(place, ""),
            hidden=told.hidden.get(place, ""),
            unit=told.units.get(place, 0),
            boundary=told.boundaries.get(place),
            special=number in special,
        )
