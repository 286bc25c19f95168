"""`Asking`: how a model is asked, which may be another way than it learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
    """

    framing: Any
    model: Any
    feed: Callable[[Any], Any]
    dense: Callable[[Any], dict[str, Any]]
    collect: Callable[[Any, Any], Any]
    serve: Callable[[Any, Any, tuple[Any, ...]], dict[str, Any]]
