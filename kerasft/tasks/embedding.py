"""Text embedding: a vector for each text, as the model has it or tuned so that what belongs together lies together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasft.config import option
from kerasft.data.label_spelling import clean_label
from kerasft.evaluation.metrics import mean_interval
from kerasft.evaluation.report import WORST, Mistake, Report, mistakes
from kerasft.evaluation.retrieval import neighbour_accuracy, retrieval_scores
from kerasft.tasks.base import TASKS, Answering, Learned
from kerasft.tasks.pooling import POOLINGS, pool

_LOSS_ROWS = 64  # texts among which one must find its partner, in the loss of evaluations


@dataclass(frozen=True)
class EmbeddingPrediction:
    """The vector of one text, of length 1 unless `normalise` is off."""

    vector: tuple[float, ...]

    def __str__(self) -> str:
        shown = " ".join(f"{value:.4f}" for value in self.vector[:8])
        return f"[{shown}{' ...' if len(self.vector) > 8 else ''}]"


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class TextEmbedding(Answering):
    """A vector for each text: features of the frozen model, or learned by contrast.

    With tuning `frozen` nothing is trained and the vectors are the model's own. Otherwise the model learns by contrast
    within the batch: with a second text column each text is to find its partner (question and answer, paraphrases);
    without one each text is to find itself under another dropout (SimCSE, Gao et al. 2021). Labels, if there are any,
    are only used to evaluate.
    """

    name = "text_embedding"
    learns_labels = False
    title = "Text embedding"

    max_length: int = option(128, "Most tokens of a text that are read; longer ones are cut and counted.", low=8, high=8192)
    pooling: str = option(
        "auto",
        "Which vector stands for the text. auto takes what the checkpoint was trained to give, with its dense layers; where it "
        "says nothing, the mean of all tokens for BERT and the last for GPT-2.",
        choices=POOLINGS,
    )
    normalise: bool = option(True, "Give vectors of length 1, so that their product is the cosine.")
    temperature: float = option(
        0.05, "Of the contrastive loss; lower looks harder at the nearest wrong ones.", low=0.001, high=10
    )

    needs_label = False
    compares_rows = True
    shows = "vector"
    monitors = ("mrr", "recall_at_1", "recall_at_10", "neighbour_accuracy")

    def paired(self, columns: Any) -> bool:
        return False

    def reading(self, split: Any) -> tuple[Iterable[tuple[list[str | None], list[str | None]]], bool]:
        twins = split.columns.text_pair is not None
        return ((texts, pairs if twins else texts) for texts, pairs, _ in split.batches()), True

    def learn_from(self, split: Any) -> Learned:
        return Learned((), {"pairs": split.columns.text_pair is not None})

    def gold(self, split: Any, learned: Learned) -> list[tuple[str, str]]:
        """The label of each row, or "", and its partner's text: the same partner may belong to several texts."""
        cells = zip(split.cells("label"), split.cells("text_pair"), strict=True)
        return [(clean_label(label) or "", partner or "") for label, partner in cells]

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        from kerasft.preprocessing.twin_framing import TwinFraming

        return TwinFraming(framer)

    def targets(self, encoded: Any, gold: Any, learned: Learned) -> Any:
        return replace(encoded, targets=encoded.owners.astype(np.int32), together=2)

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        import keras

        pooled = pool(encoder, self.pooling_of(encoder.pooling, causal=framer.family.causal))
        for layer in encoder.parts.dense if self.pooling == "auto" else ():
            pooled = layer(pooled)
        if self.normalise:
            pooled = keras.layers.UnitNormalization(name="vector", dtype="float32")(pooled)
        return keras.Model(encoder.inputs, pooled, name="embedder")

    def pooling_of(self, trained: str, *, causal: bool) -> str:
        """Which vector stands for a text, on a checkpoint that was trained to give `trained`."""
        if self.pooling != "auto":
            return self.pooling
        usual = "last" if causal else "mean"
        return usual if trained == "pooled" else trained

    def monitored(self, learned: Learned) -> tuple[str, ...]:
        return self.monitors if learned.facts["pairs"] else ("neighbour_accuracy",)

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        from kerasft.layers.losses import ContrastiveLoss

        return ContrastiveLoss(self.temperature)

    def main_metric(self, learned: Learned) -> str:
        return "mrr" if learned.facts["pairs"] else "loss"

    def collect(self, outputs: np.ndarray, encoded: Any) -> np.ndarray:
        """(N, 2, H) of twins, (N, H) of single texts."""
        return outputs.reshape(-1, 2, outputs.shape[-1]) if encoded.together == 2 else outputs

    def score(self, found: np.ndarray, gold: list[tuple[str, str]], learned: Learned) -> dict[str, float]:
        figures: dict[str, float] = {}
        if learned.facts["pairs"]:
            _, first, right = np.unique([partner for _, partner in gold], return_index=True, return_inverse=True)
            figures |= retrieval_scores(found[:, 0], found[first, 1], right)
        labelled = [i for i, (label, _) in enumerate(gold) if label]
        if len(labelled) > 1:
            figures["neighbour_accuracy"] = neighbour_accuracy(found[labelled, 0], [gold[i][0] for i in labelled])
        return {**figures, "loss": _contrast(found, self.temperature)}

    def decode(
        self, found: np.ndarray, learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]
    ) -> list[EmbeddingPrediction]:
        return [EmbeddingPrediction(tuple(map(float, row))) for row in found]

    def report(self, found: np.ndarray, gold: list[tuple[str, str]], learned: Learned, split: Any, notes: list[str]) -> Report:
        figures = self.score(found, gold, learned)
        cosines = (_unit(found[:, 0]) * _unit(found[:, 1])).sum(axis=1)
        intervals = {}
        worst: list[Mistake] = []
        if learned.facts["pairs"]:
            figures["partner_cosine"] = float(cosines.mean())
            intervals["partner_cosine"] = mean_interval(cosines)
            rows = np.argsort(cosines, kind="stable")[:WORST]
            worst = mistakes(split, rows, ["partner"] * len(rows), ["far away"] * len(rows), cosines[rows])
        else:
            notes = [*notes, "Without a second text column or labels there is nothing to find, so only the loss is shown."]
        return Report(
            split=split.name,
            source=split.table.source,
            examples=len(found),
            metrics=figures,
            intervals=intervals,
            baseline={"recall_at_1": 1 / len({partner for _, partner in gold})} if learned.facts["pairs"] else {},
            baseline_is="a partner drawn at random",
            worst=worst,
            notes=notes,
        )

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        import tensorflow as tf

        return {"vector": tf.cast(outputs, tf.float32)}

    def expect(self, answer: EmbeddingPrediction) -> dict[str, Any]:
        return {"vector": list(answer.vector)}

    def cells(self, answer: EmbeddingPrediction, learned: Learned) -> dict[str, str]:
        return {"vector": " ".join(f"{value:.6g}" for value in answer.vector)}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def _contrast(found: np.ndarray, temperature: float) -> float:
    """The training loss, among `_LOSS_ROWS` neighbouring rows at a time; nan for a single row."""
    losses = []
    for start in range(0, len(found), _LOSS_ROWS):
        pair = _unit(found[start : start + _LOSS_ROWS].astype(np.float64))
        flat = pair.reshape(-1, pair.shape[-1])
        similar = flat @ flat.T / temperature
        np.fill_diagonal(similar, -np.inf)
        partner = np.arange(len(flat)) ^ 1
        highest = similar.max(axis=1)
        total = highest + np.log(np.exp(similar - highest[:, None]).sum(axis=1))
        losses.append(total - similar[np.arange(len(flat)), partner])
    return float(np.concatenate(losses).mean()) if losses else math.nan
