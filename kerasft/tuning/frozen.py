"""Feature extraction: the backbone stays as it is, only the head learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kerasft.config import option
from kerasft.tuning.base import TUNINGS, Recommended, Tuning, by_size, freeze

SOLVERS = ("auto", "exact", "steps")
_STEPS_ONLY: dict[str, Any] = {  # options of training, and their values where they are not given
    "learning_rate": None,
    "head_learning_rate": None,
    "epochs": None,
    "label_smoothing": 0.0,
    "focal": 0.0,
    "sampling": "none",
}


@TUNINGS.register
@dataclass(frozen=True, kw_only=True)
class FrozenFeatures(Tuning):
    """Only the head learns, on features the frozen backbone computes without dropout: for a first look in seconds, or few rows.

    The head of a classifier, a tagger or a regression is solved to convergence, as scikit-learn's logistic and ridge regression
    are, on features that are computed once; its dense layer is saved, exported and served like any other.
    """

    name = "frozen"
    title = "Frozen features"
    tunes_backbone = False
    sparse = True
    shares_base = True

    solver: str = option(
        "auto",
        "How the head is found: exact solves it to convergence and chooses its regularisation by cross-validation, steps trains "
        "it as other methods do; auto is exact for heads of one dense layer, unless learning_rate, epochs, "
        "label_smoothing, focal or sampling are given.",
        choices=SOLVERS,
    )
    cache: bool = option(
        False,
        "Compute the features once and keep them on disk while the run goes: the epochs then cost next to nothing. The exact "
        "solver always does.",
    )

    @property
    def caches_features(self) -> bool:
        return self.cache or self.solves_head

    @property
    def solves_head(self) -> bool:
        return self.solver == "exact"

    def settle(self, linear_head: str, train: Any) -> Tuning:
        if self.solver != "auto":
            return self
        exact = linear_head and not _of_steps(train)
        return replace(self, solver="exact" if exact else "steps")

    def faults(self, linear_head: str, train: Any) -> Iterator[str]:
        if self.solver != "exact":
            return
        if not linear_head:
            yield "'solver' exact needs a task whose head is one dense layer: a classifier, a tagger or a regression."
        if given := _of_steps(train):
            yield f"'{given[0]}' has no meaning for the exact solver, which takes no steps: leave it out, or set solver=steps."

    def passes(self, blocks: int) -> float:
        return 1.0

    def apply(self, parts: Any, backbone: Any, *, seed: int) -> Any:
        from kerasft.layers.transformer_block import TransformerBlock

        freeze(parts)
        parts.embeddings_dropout = None
        causal = backbone.family.causal
        blocks = (
            TransformerBlock(block, causal=causal, inference=True, name=f"tuned_{i}") for i, block in enumerate(parts.blocks)
        )
        parts.blocks[:] = blocks
        return parts

    def recommended(self, parameters: int) -> Recommended:
        # Tiny and small: chosen on validation rows of examples/tickets.csv with MiniLM (0.48 at 3e-3, 0.77 at 3e-2).
        return Recommended(learning_rate=by_size(parameters, tiny=3e-2, small=3e-2, base=3e-3), epochs=8)


def _of_steps(train: Any) -> list[str]:
    """Options of training that are given and mean something for training steps only."""
    return [name for name, unset in _STEPS_ONLY.items() if getattr(train, name) != unset]
