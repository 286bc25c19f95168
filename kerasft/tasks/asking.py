"""How a model is asked, which may be another way than it learned, and one row with what it said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kerasft.errors import ConfigError, DataError


@dataclass(frozen=True)
class Asking:
    """From what a person asks to what the task decodes.

    Attributes:
        framing: How texts become token ids.
        model: The `keras.Model` whose outputs are decoded.
        feed: From encoded rows to what a batch holds, a `preprocessing.batching.Feed`.
        dense: From framed texts to the model's inputs, in the graph.
        collect: From the outputs of all encoded rows to one item a row.
        serve: From the outputs, framed texts and texts to the served graph's answers.
        serve_flat: The same, not filled up to the longest of a batch, but with the number of each value's text; None where
            nothing is filled up.
    """

    framing: Any
    model: Any
    feed: Callable[[Any], Any]
    dense: Callable[[Any], dict[str, Any]]
    collect: Callable[[Any, Any], Any]
    serve: Callable[[Any, Any, tuple[Any, ...]], dict[str, Any]]
    serve_flat: Callable[[Any, Any, tuple[Any, ...]], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Answered:
    """One row and what the model said.

    Attributes:
        outputs: Of all the row's windows, as `predict_rows` gives them.
        encoded: The windows.
        learned: What the task took from its rows.
        model: The `keras.Model` that was asked.
        framer: Of the backbone.
    """

    outputs: Any
    encoded: Any
    learned: Any
    model: Any
    framer: Any


def check_untargeted(task: str, target: Any) -> None:
    """Refuse a target where there is but one score.

    Raises:
        ConfigError: One was given.
    """
    if target is not None:
        raise ConfigError(f"Task '{task}' has one score, so there is no target to choose. Received: {target!r}.")


def rows_of_items(task: Any, items: Any, *, paired: bool, imported: bool = False) -> list[tuple[str, str | None]]:
    """Given texts or pairs as rows, each looked at.

    Args:
        task: Whose items they are.
        items: What a person gave to `predict`.
        paired: Whether pairs are read.
        imported: Whether the model was taken over from transformers, which does not say so.

    Raises:
        DataError: An item is no text, or not a pair where pairs are read.
    """
    # What could be gone through, but not text by text: a dictionary's keys, a table's column names, numbers of bytes.
    if isinstance(items, bytes | Mapping) or hasattr(items, "columns") or not isinstance(items, Iterable):
        what = "pairs" if paired else "texts"
        hint = "Give one or a list of them; predict_file answers the rows of a file."
        raise DataError(f"This model reads {what}. Received: {type(items).__name__}.", hint=hint)
    rows = list(items)
    if imported and not paired and any(isinstance(item, tuple) for item in rows):
        hint = "If it was trained on pairs, take it over again with text_pair=True (--text-pair yes)."
        raise DataError("This model was taken over as one that reads single texts. Received: a pair.", hint=hint)
    return [task.row(item, paired, i) for i, item in enumerate(rows)]
