"""Masked language modelling: pre-training and domain adaptation of models that read both ways; fills gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from kerasft.config import option
from kerasft.errors import DataError
from kerasft.evaluation import generation
from kerasft.evaluation.report import WORST, Report, mistakes
from kerasft.tasks.advice import from_the_beginning
from kerasft.tasks.asking import Asking
from kerasft.tasks.base import TASKS, Answering, Learned
from kerasft.tasks.telling import Told

_GAP = "[MASK]"
_MASKED, _BOUNDARY, _NEXT = "masked", "boundary", "next_sentence"
_AT_ONCE = 1 << 22  # tokens
_UNKNOWN_SHARE = 0.2  # of a corpus; beyond, a person should know


@lru_cache(maxsize=8)  # one layer for all epochs and evaluations of a run, so that its graph is traced once
def _masking(
    kind: str, mask_id: int, vocabulary_size: int, special_ids: Sequence[int], rate: float, mask_rate: float, random_rate: float
) -> Any:
    from kerasft.layers.masking import SpanMasking, TokenMasking, WholeWordMasking

    return {"token": TokenMasking, "whole_word": WholeWordMasking, "span": SpanMasking}[kind](
        mask_id=mask_id,
        vocabulary_size=vocabulary_size,
        special_ids=special_ids,
        rate=rate,
        mask_rate=mask_rate,
        random_rate=random_rate,
    )


@dataclass(frozen=True)
class Filled:
    """What stands in the gaps of a text: of each gap the likeliest tokens and their probabilities, likeliest first."""

    text: str
    gaps: tuple[tuple[tuple[str, float], ...], ...]

    def __str__(self) -> str:
        first, *rest = self.text.split(_GAP)
        return first + "".join(f"{gap[0][0]}{piece}" for gap, piece in zip(self.gaps, rest, strict=True))


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class MaskedLM(Answering):
    """Hidden tokens from what stands around them (Devlin et al. 2018): pre-training, or going on with it on texts of a domain.

    Tokens, whole words or spans (SpanBERT, Joshi et al. 2020) are hidden, others in every epoch. To it can be added the
    span-boundary objective (the same tokens from the two beside their span) and next-sentence prediction. The model fills gaps:
    `predict("The film was [MASK].")`; what others need is `save_backbone`, a preset for the next run.
    """

    name = "masked_lm"
    learns_labels = False
    title = "Masked language model (pre-training)"

    masking: str = option(
        "token",
        "What is hidden at once: single tokens; whole words (all pieces of a word); spans of up to ten words.",
        choices=("token", "whole_word", "span"),
    )
    rate: float = option(0.15, "Share of the tokens (or words) that is hidden.", low=0.01, high=0.9)
    mask_rate: float = option(0.8, "Share of the hidden ones that [MASK] stands for.", low=0, high=1, advanced=True)
    random_rate: float = option(
        0.1, "Share of the hidden ones that another token stands for; the rest stays as it is.", low=0, high=1, advanced=True
    )
    span_boundary_objective: bool = option(
        False, "Whether hidden tokens are also predicted from the two tokens beside their span."
    )
    next_sentence: bool = option(
        False, "Also tell whether a second part follows the first in its document or, half of the time, is from another."
    )
    max_length: int = option(128, "Tokens of a window; longer documents are read in several.", low=16, high=8192)
    pack: bool = option(True, "Short documents share a window, with [SEP] between them (without next_sentence).", advanced=True)
    separate_documents: bool = option(
        False, "Documents that share a window do not see each other; slower (without next_sentence).", advanced=True
    )
    candidates: int = option(5, "How many tokens are given for a gap.", low=1, high=100, advanced=True)

    families = ("bert",)
    needs_label = False
    asks = "a text with [MASK]"
    shows = "gaps"
    monitors = ("masked_accuracy",)
    vocabulary_share = 0.15

    def cross_faults(self) -> Iterator[str]:
        if self.mask_rate + self.random_rate > 1 + 1e-9:
            yield f"'mask_rate' and 'random_rate' can be 1 together at most. Received: {self.mask_rate} and {self.random_rate}."
        if self.separate_documents and (self.next_sentence or not self.pack):
            yield "'separate_documents' has a meaning only with 'pack' and without 'next_sentence'."

    def faults(self, columns: Any, family: str, config: Any) -> Iterator[str]:
        yield from super().faults(columns, family, config)
        if config.tuning.caches_features:
            yield "Features cannot be cached for task 'masked_lm': other tokens are hidden in every epoch. Set cache to False."

    def recommended(self, advice: Any, backbone: Any, tuning: Any) -> Any:
        return from_the_beginning(advice, backbone, tuning)

    def paired(self, columns: Any) -> bool:
        return False

    def reading(self, split: Any) -> tuple[Iterable[tuple[list[str | None], list[str | None]]], bool]:
        if not self.next_sentence:
            return ((texts, pairs) for texts, pairs, _ in split.batches()), False
        from kerasft.data.sentences import split_sentences
        from kerasft.preprocessing.sentence_pairs import SEPARATOR

        def parted(text: str | None) -> str:
            return SEPARATOR.join(split_sentences((text or "").replace(SEPARATOR, " ")))

        return (([parted(text) for text in texts], pairs) for texts, pairs, _ in split.batches()), False

    def suited(self, data: Any) -> Any:
        return data.without("label", "text_pair")  # columns of a usual name have no role here

    def learn_from(self, split: Any) -> Learned:
        if self.next_sentence:
            self._check_pairs(split)
        return Learned()

    def _check_pairs(self, split: Any) -> None:
        """Refuse a corpus that has no pairs of sentences.

        Raises:
            DataError: It has one document only, or none of several sentences.
        """
        from kerasft.data.sentences import split_sentences

        cells = (text for texts, _, _ in split.batches() for text in texts)
        if len(split) < 2 or not any(len(split_sentences(text or "")) > 1 for text in cells):
            raise DataError(
                f"next_sentence needs at least two documents, and some of several sentences. Received: {len(split):,} rows.",
                where=split.table.source,
                hint="In a text file a blank line parts documents; in a table each row is one. Or leave next_sentence off.",
            )

    def gold(self, split: Any, learned: Learned) -> np.ndarray:
        return np.zeros(len(split))  # what is hidden is drawn later

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        from kerasft.preprocessing.corpus_framing import CorpusFraming
        from kerasft.preprocessing.sentence_pairs import SentenceFraming

        return SentenceFraming(framer) if self.next_sentence else CorpusFraming(framer)

    def targets(self, encoded: Any, gold: Any, learned: Learned) -> Any:
        from kerasft.preprocessing.packing import pack_windows
        from kerasft.preprocessing.sentence_pairs import cut_between_sentences

        if self.next_sentence:
            return cut_between_sentences(encoded, encoded.max_length - 3)  # [CLS] and two [SEP]
        return pack_windows(encoded) if self.pack else encoded

    def remarks_on_tokens(self, encoded: Any, framer: Any, *, training: bool) -> list[str]:
        counts = np.zeros(len(framer.pieces), dtype=np.int64)
        for start in range(0, len(encoded.ids), _AT_ONCE):
            counts += np.bincount(encoded.ids[start : start + _AT_ONCE], minlength=len(counts))
        unknown = int(counts[framer.unknown_id])
        ordinary = int(counts.sum() - counts[[*framer.start, *framer.end, framer.pad_id]].sum())
        if training and ordinary == unknown:
            hint = "Its vocabulary lacks the script of these texts: take another preset, or make one (create_preset)."
            raise DataError(f"The preset knows none of the {ordinary:,} tokens.", hint=hint)
        if unknown <= _UNKNOWN_SHARE * ordinary:
            return []
        return [f"{unknown / ordinary:.0%} of the tokens are unknown to the preset's vocabulary; nothing is learned about them."]

    def evaluated(self, encoded: Any) -> Any:
        from kerasft.preprocessing.packing import unpack_windows

        return unpack_windows(encoded)  # so that every hidden token counts for its own row

    def feed(self, encoded: Any, framer: Any, *, seed: int, epoch: int | None) -> Any:
        from kerasft.preprocessing.masked_feed import MaskedFeed
        from kerasft.preprocessing.sentence_pairs import SentencePairs

        rates = self.rate, self.mask_rate, self.random_rate
        layer = _masking(self.masking, framer.mask_id, len(framer.word_starts), tuple(framer.special_ids), *rates)
        pairs = SentencePairs(encoded, framer) if self.next_sentence else None
        return MaskedFeed(
            encoded,
            layer,
            framer.word_starts,
            seed=seed,
            epoch=epoch,
            boundary=self.span_boundary_objective,
            pairs=pairs,
            parts=self.separates_documents,
        )

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        tokens, hidden, units, boundaries = {}, {}, {}, {}
        numbers: dict[tuple[int, int], int] = {}
        for k, number in enumerate(targets[_MASKED]):
            place = int(inputs["places"][k])
            if number < 0:
                continue
            tokens[place] = framer.pieces[int(number)]
            if int(inputs["token_ids"][place]) != number:
                hidden[place] = tokens[place]
            if self.span_boundary_objective:
                boundaries[place] = int(inputs["left"][k]), int(inputs["right"][k])
                units[place] = numbers.setdefault(boundaries[place], len(numbers) + 1)
        kinds = {0: "the second part follows the first", 1: "the second part is of another document"}
        window = kinds.get(int(targets[_NEXT]), "one sentence: no pair") if _NEXT in targets else ""
        return Told(window, tokens, hidden, units, boundaries)

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        import keras

        from kerasft.layers.heads import ClassificationHead
        from kerasft.layers.language import MaskedLMTransform
        from kerasft.layers.pretraining import GatherTokens, SpanBoundary, VocabularyBias

        embedding, numerics = encoder.parts.token_embedding, encoder.numerics
        names = ["places", *(["left", "right"] if self.span_boundary_objective else [])]
        inputs = {**encoder.inputs, **{name: keras.Input((None,), dtype="int32", name=name) for name in names}}
        hidden = GatherTokens(name="hidden")(encoder.sequence, inputs["places"])  # (B, K, H)
        transform = encoder.parts.lm_head or MaskedLMTransform(seed=seed, name="lm_head", **numerics)
        bias = VocabularyBias(name="lm_bias", dtype="float32")
        outputs = {_MASKED: bias(embedding(transform(hidden), reverse=True))}  # (B, K, V)
        if encoder.parts.lm_bias is not None:
            bias.bias.assign(encoder.parts.lm_bias)
        if self.span_boundary_objective:
            head = SpanBoundary(seed=seed, name="head_boundary", **numerics)
            vectors = head(encoder.sequence, inputs["left"], inputs["right"], inputs["places"])
            told = embedding(vectors, reverse=True)
            outputs[_BOUNDARY] = VocabularyBias(name="head_boundary_bias", dtype="float32")(told)
        if self.next_sentence:
            outputs[_NEXT] = ClassificationHead(2, dropout=0.0, seed=seed, name="head_next_sentence")(encoder.pooled)
        return keras.Model(inputs, outputs, name="masked_language_model")

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        from kerasft.layers.losses import TokenCrossentropy

        return {name: TokenCrossentropy() for name in self._objectives}

    @property
    def _objectives(self) -> list[str]:
        return [_MASKED, *([_BOUNDARY] * self.span_boundary_objective), *([_NEXT] * self.next_sentence)]

    def scorer(self, model: Any) -> Any:
        import keras

        from kerasft.layers.pretraining import TokenFigures
        from kerasft.preprocessing.masked_feed import target_input

        inputs, figures = dict(model.input), []
        for name in self._objectives:
            shape = () if name == _NEXT else (None,)
            inputs[target_input(name)] = keras.Input(shape, dtype="int32", name=target_input(name))
            figures.append(TokenFigures(name=f"{name}_figures")(model.output[name], inputs[target_input(name)]))
        outputs = keras.layers.Concatenate(name="figures")(figures) if len(figures) > 1 else figures[0]
        return keras.Model(inputs, outputs, name="scorer")

    def collect(self, outputs: np.ndarray, encoded: Any) -> np.ndarray:
        # (rows, 3 a objective): nats, targets, right ones.
        found = np.zeros((encoded.rows, outputs.shape[1]))
        np.add.at(found, encoded.owners, outputs)
        return found

    def score(self, found: np.ndarray, gold: Any, learned: Learned) -> dict[str, float]:
        figures: dict[str, float] = {"loss": 0.0}
        for name, (nats, told, right) in zip(self._objectives, found.sum(axis=0).reshape(-1, 3).tolist(), strict=True):
            if not told:
                figures |= {f"{name}_loss": math.nan, f"{name}_accuracy": math.nan}
                continue
            figures["loss"] += nats / told
            figures |= {f"{name}_loss": nats / told, f"{name}_accuracy": right / told}
        figures["perplexity"] = generation.perplexity(figures[f"{_MASKED}_loss"])
        if not found[:, 1].sum():
            figures["loss"] = math.nan
        return figures

    def main_metric(self, learned: Learned) -> str:
        return "loss"

    def report(self, found: np.ndarray, gold: Any, learned: Learned, split: Any, notes: list[str]) -> Report:
        figures = self.score(found, gold, learned)
        rng = np.random.default_rng(0)
        draws = [found[rng.integers(0, len(found), len(found)), :2].sum(axis=0) for _ in range(500)]
        low, high = np.quantile([nats / max(1, told) for nats, told in draws], [0.025, 0.975])
        surprise = found[:, 0] / np.maximum(1, found[:, 1])
        worst = np.argsort(-surprise, kind="stable")[:WORST]
        hidden = [f"{told:.0f} hidden tokens" for told in found[worst, 1]]
        return Report(
            split=split.name,
            source=split.table.source,
            examples=len(found),
            metrics={name: value for name, value in figures.items() if name != "masked_loss" or len(self._objectives) > 1},
            intervals={"perplexity": (generation.perplexity(float(low)), generation.perplexity(float(high)))},
            baseline_is="no baseline",
            worst=mistakes(split, worst, hidden, ["(least expected)"] * len(worst), surprise[worst]),
            notes=[
                *notes,
                f"Figures are of {found[:, 1].sum():,.0f} hidden tokens, the same in every evaluation of these rows with this "
                f"vocabulary ({self.masking} masking, {self.rate:.0%}). perplexity is that of a hidden token given the rest; it "
                "cannot be compared with that of a model that reads from left to right, nor between vocabularies.",
            ],
        )

    def row(self, item: Any, paired: bool, number: int) -> tuple[str, str | None]:
        text, pair = super().row(item, paired, number)
        if _GAP not in text:
            hint = 'For example model.predict("The film was [MASK].").'
            raise DataError(f"Item {number} has no gap, written [MASK]: {text[:60]!r}.", hint=hint)
        return text, pair

    def asking(self, model: Any, scorer: Any, framer: Any, learned: Learned) -> Asking:
        import keras
        import tensorflow as tf

        from kerasft.layers.pretraining import LikeliestTokens
        from kerasft.preprocessing.corpus_framing import GapFeed, GapFraming, asked_places

        inputs = {name: tensor for name, tensor in model.input.items() if name not in ("left", "right")}
        count = min(self.candidates, len(framer.pieces) - len(framer.special_ids))
        likeliest = LikeliestTokens(count, hidden_ids=framer.special_ids, name="likeliest", dtype="float32")
        gaps = keras.Model(inputs, likeliest(model.output[_MASKED]), name="gaps")

        def collect(outputs: np.ndarray, encoded: Any) -> list[list[tuple[tuple[str, float], ...]]]:
            found: list[list[tuple[tuple[str, float], ...]]] = [[] for _ in range(encoded.rows)]
            for owner, values in zip(encoded.owners, outputs, strict=True):
                tokens = (framer.pieces[int(number)] for number in values[:count])
                found[owner].append(tuple(zip(tokens, values[count:].tolist(), strict=True)))
            return found

        def serve(outputs: Any, framed: Any, texts: tuple[Any, ...]) -> dict[str, Any]:
            answers = self.serve(outputs, framed, texts, learned)
            tokens = tf.gather(tf.constant(["", *framer.pieces]), answers["ids"] + 1)  # -1 fills up
            return {"tokens": tokens, "scores": answers["scores"]}

        def dense(framed: Any) -> dict[str, Any]:
            return {**framer.dense(framed), "places": asked_places(framed)}

        return Asking(GapFraming(framer), gaps, GapFeed, dense, collect, serve)

    def plain(self, cell: str) -> str:
        # Rows of a corpus have no gaps: a proof that the served graph answers alike needs one.
        words = cell.split()
        middle = len(words) // 2
        return cell if _GAP in cell or not words else " ".join([*words[:middle], _GAP, *words[middle + 1 :]])

    def decode(self, found: Any, learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]) -> list[Filled]:
        return [Filled(text, tuple(gaps)) for text, gaps in zip(texts, found, strict=True)]

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        """`ids` and `scores` of the candidates of each gap, (N, gaps, candidates), filled up with -1 and 0."""
        import tensorflow as tf

        count = outputs.shape[1] // 2
        owners, rows = tf.cast(framed.owners, tf.int64), tf.cast(tf.size(texts[0]), tf.int64)
        ids, scores = (tf.RaggedTensor.from_value_rowids(part, owners, nrows=rows) for part in tf.split(outputs, 2, axis=1))
        shape = [None, None, count]
        return {"ids": tf.cast(ids.to_tensor(-1.0, shape=shape), tf.int32), "scores": scores.to_tensor(0.0, shape=shape)}

    def expect(self, answer: Filled) -> dict[str, Any]:
        tokens = [[token for token, _ in gap] for gap in answer.gaps]
        return {"tokens": tokens, "scores": [[score for _, score in gap] for gap in answer.gaps]}

    def cells(self, answer: Filled, learned: Learned) -> dict[str, str]:
        best = [f"{gap[0][0]} ({gap[0][1]:.3f})" for gap in answer.gaps]
        return {"filled": str(answer), "gaps": "; ".join(best)}
