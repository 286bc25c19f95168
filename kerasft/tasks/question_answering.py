"""Extractive question answering: the answer to a question as a span of its context."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from kerasft.config import option
from kerasft.errors import ConfigError, DataError
from kerasft.evaluation.answers import answer_f1, best_no_answer_threshold, exact_match
from kerasft.evaluation.metrics import mean_interval
from kerasft.evaluation.report import WORST, Report, mistakes
from kerasft.tasks.answer_cells import Gold, read_answers
from kerasft.tasks.asking import Answered, check_untargeted
from kerasft.tasks.base import TASKS, Answering, Learned
from kerasft.tasks.telling import Told

_BATCH = 64  # windows whose spans are compared at a time


@dataclass(frozen=True)
class AnswerPrediction:
    """The answer to one question: `context[start:end]`, or "" with offsets -1 when the context holds none."""

    answer: str
    score: float
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.answer or '(no answer)'}\t{self.score:.4f}"


class SpanFound(NamedTuple):
    """What was found for one question: the best span and its score, that of no answer, the log of the sum over all
    spans, the context, and the loss of its windows with their number.
    """

    start: int
    end: int
    score: float
    null: float
    total: float
    loss: float
    windows: int


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Answering):
    """The answer to a question as a span of the context, or none (SQuAD 1.1 and 2.0).

    Long contexts are read in overlapping windows; the best span of all windows is the answer. Whether "no answer" is
    said depends on a threshold chosen on the validation rows. GPT-2 reads from left to right and points to an answer
    before having read what follows it; BERT of the same size is clearly better.
    """

    name = "question_answering"
    title = "Question answering (extractive)"

    max_length: int = option(256, "Tokens of a window: question, context and special tokens.", low=32, high=8192)
    overlap: int = option(96, "Context tokens two neighbouring windows share (SQuAD's stride is 128 of 384).", low=0, high=4096)
    max_question: int = option(64, "Tokens of the question that are read.", low=4, high=512, advanced=True)
    max_answer: int = option(30, "Tokens of the longest answer.", low=1, high=512)
    span_head: str = option(
        "start_end",
        "How a span is scored: by its start and end, or also by the mean of the vectors inside, among all spans.",
        choices=("start_end", "span"),
        advanced=True,
    )
    head_dropout: float = option(0.1, "Dropout before the last layer, 0 to 1.", low=0, high=0.9, advanced=True)

    asks = "a question ||| its context"
    shows = "answer"
    monitors = ("f1", "exact_match")

    def paired(self, columns: Any) -> bool:
        return True

    def faults(self, columns: Any, family: str, config: Any) -> Iterator[str]:
        yield from super().faults(columns, family, config)
        if columns.text_pair is None:
            yield "Question answering needs a column of questions (text) and one of contexts (text_pair)."

    def row(self, item: Any, paired: bool, number: int) -> tuple[str, str | None]:
        if isinstance(item, tuple | list) and len(item) == 2 and all(isinstance(text, str) for text in item):
            return item[0], item[1]
        hint = (
            "For example model.predict([('Who came?', 'On Monday Ada came.')]); on the command line "
            '"Who came? ||| On Monday Ada came."'
        )
        raise DataError(f"This model reads pairs of question and context. Item {number} is {str(item)[:60]!r}.", hint=hint)

    def learn_from(self, split: Any) -> Learned:
        gold, _ = read_answers(split)
        if not any(row.start >= 0 for row in gold):
            hint = "Answers are pieces of the context, copied exactly. Is the answer column the right one?"
            raise DataError("No training answer was found in its context.", where=split.table.source, hint=hint)
        return Learned((), {"no_answer": any(not row.texts for row in gold), "threshold": 0.0})

    def gold(self, split: Any, learned: Learned) -> list[Gold]:
        return read_answers(split)[0]

    def remarks(self, split: Any, learned: Learned) -> list[str]:
        return read_answers(split)[1]

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        from kerasft.preprocessing.question_framing import QuestionFraming

        return QuestionFraming(framer, self.overlap, self.max_question)

    def targets(self, encoded: Any, gold: list[Gold], learned: Learned) -> Any:
        targets = np.full((len(encoded), 2), -1, dtype=np.int32)
        starts, ends, null = (np.asarray(encoded.flat[name]) for name in ("starts", "ends", "null"))
        for window, owner in enumerate(encoded.owners):
            row = gold[owner]
            if not row.learnable:
                continue
            first, last = encoded.offsets[window : window + 2]
            inside = np.flatnonzero(starts[first:last] >= 0)
            targets[window] = int(np.flatnonzero(null[first:last])[0])
            if row.start < 0 or not len(inside):
                continue
            begin, end = starts[first:last][inside], ends[first:last][inside]
            if begin[0] <= row.start and row.end <= end[-1]:
                targets[window] = inside[np.searchsorted(end, row.start, "right")], inside[np.searchsorted(begin, row.end) - 1]
        return replace(encoded, targets=targets)

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        start, end = (int(place) for place in targets)
        if start < 0:
            return Told(window="nothing: the answer does not occur")
        if inputs["token_ids"][start] in framer.special_ids:
            return Told(window="no answer in this window", tokens={start: "no answer"})
        return Told(tokens={i: "start" if i == start else "end" if i == end else "inside" for i in range(start, end + 1)})

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        import keras

        from kerasft.layers.spans import SpanHead

        head = SpanHead(self.span_head == "span", dropout=self.head_dropout, seed=seed, name="head")
        return keras.Model(encoder.inputs, head(encoder.sequence, encoder.inputs["padding_mask"]), name="question_answerer")

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        from kerasft.layers.spans import SpanCrossentropy

        return SpanCrossentropy(self.max_answer if self.span_head == "span" else 0)

    def main_metric(self, learned: Learned) -> str:
        return "f1"

    def collect(self, outputs: np.ndarray, encoded: Any) -> list[SpanFound]:
        windows = [part for start in range(0, len(encoded), _BATCH) for part in self._windows(outputs, encoded, start)]
        best: list[SpanFound] = []
        for owner, window in zip(encoded.owners, windows, strict=True):
            if owner == len(best):
                best.append(window)
                continue
            before = best[-1]
            chosen = window if window.score > before.score else before
            best[-1] = chosen._replace(
                null=min(before.null, window.null),
                total=float(np.logaddexp(before.total, window.total)),
                loss=before.loss + window.loss,
                windows=before.windows + window.windows,
            )
        return best

    def _windows(self, outputs: np.ndarray, encoded: Any, start: int) -> Iterator[SpanFound]:
        """What each of some windows says by itself."""
        import tensorflow as tf

        from kerasft.layers.spans import best_spans

        rows = np.arange(start, min(start + _BATCH, len(encoded)))
        lengths = encoded.lengths[rows]
        part = slice(encoded.offsets[rows[0]], encoded.offsets[rows[-1] + 1])
        ragged = tf.RaggedTensor.from_row_lengths(outputs[part], lengths)
        figures = ragged.to_tensor(-1e9)
        starts, ends, null = (
            tf.RaggedTensor.from_row_lengths(np.asarray(encoded.flat[name][part]), lengths) for name in ("starts", "ends", "null")
        )
        found = best_spans(figures, starts.to_tensor(-1) >= 0, self.max_answer)
        first, last, score, total = (value.numpy() for value in found)
        place = null.to_tensor(0).numpy().argmax(axis=1)
        at_null = figures.numpy()[np.arange(len(rows)), place]
        nulls = at_null[:, 0] + at_null[:, 1] + (at_null[:, 2] if at_null.shape[1] == 3 else 0)
        losses, known = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
        if encoded.targets is not None:
            known = encoded.targets[rows, 0] >= 0
            if known.any():
                loss = self.loss(label_smoothing=0.0)
                loss.reduction = None
                losses[known] = loss(encoded.targets[rows][known], tf.boolean_mask(figures, known)).numpy()
        starts, ends = starts.to_tensor(-1).numpy(), ends.to_tensor(-1).numpy()
        for i in range(len(rows)):
            place_found = (int(starts[i, first[i]]), int(ends[i, last[i]]))
            yield SpanFound(*place_found, float(score[i]), float(nulls[i]), float(total[i]), float(losses[i]), int(known[i]))

    def answered(self, row: SpanFound, learned: Learned) -> bool:
        """Whether the span is given as the answer, rather than none."""
        if row.score <= -1e8:
            return False  # the context has no words
        return not learned.facts["no_answer"] or row.null - row.score <= learned.facts["threshold"]

    def score(self, found: list[SpanFound], gold: list[Gold], learned: Learned) -> dict[str, float]:
        # During training the texts are not at hand: an answer is right when it stands where the first gold one does.
        overlaps = [_overlap(row, wanted, self.answered(row, learned)) for row, wanted in zip(found, gold, strict=True)]
        windows = sum(row.windows for row in found)
        return {
            "loss": sum(row.loss for row in found) / windows if windows else math.nan,
            "f1": float(np.mean([both for both, _ in overlaps])),
            "exact_match": float(np.mean([exact for _, exact in overlaps])),
        }

    def calibrate(self, found: list[SpanFound], gold: list[Gold], learned: Learned) -> Learned:
        if not learned.facts["no_answer"]:
            return learned
        if_answered = [_overlap(row, wanted, True)[0] for row, wanted in zip(found, gold, strict=True)]
        nulls = [row.null - row.score for row in found]
        threshold, _ = best_no_answer_threshold(nulls, if_answered, [bool(row.texts) for row in gold])
        # Halfway to the next score: on a row's own score the last digit would decide between answer and none.
        above = [value for value in nulls if value > threshold]
        threshold = (threshold + min(above)) / 2 if above else threshold + 1.0
        return replace(learned, facts={**learned.facts, "threshold": float(threshold)})

    def decode(
        self, found: list[SpanFound], learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]
    ) -> list[AnswerPrediction]:
        answers = []
        for row, context in zip(found, pairs, strict=True):
            total = np.logaddexp(row.total, row.null) if learned.facts["no_answer"] else row.total
            if self.answered(row, learned):
                text = (context or "")[row.start : row.end]
                answers.append(AnswerPrediction(text, float(np.exp(row.score - total)), row.start, row.end))
            else:
                share = np.exp(row.null - total) if learned.facts["no_answer"] else 1.0
                answers.append(AnswerPrediction("", float(share), -1, -1))
        return answers

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str]:
        check_untargeted(self.name, target)
        outputs, encoded = row.outputs, row.encoded
        windows = [part for start in range(0, len(encoded), _BATCH) for part in self._windows(outputs, encoded, start)]
        window = max(range(len(windows)), key=lambda i: windows[i].score)
        best = windows[window]
        if best.score <= -1e8:
            raise ConfigError("The context has no word to explain.")
        part = slice(encoded.offsets[window], encoded.offsets[window + 1])
        first = int(np.flatnonzero(np.asarray(encoded.flat["starts"][part]) == best.start)[0])
        last = int(np.flatnonzero(np.asarray(encoded.flat["ends"][part]) == best.end)[-1])
        return window, lambda found: found[:, first, 0] + found[:, last, 1], "start and end logits of the answer"

    def report(self, found: list[SpanFound], gold: list[Gold], learned: Learned, split: Any, notes: list[str]) -> Report:
        questions, contexts = split.cells("text"), split.cells("text_pair")
        answers = self.decode(found, learned, questions, contexts)
        exact = np.asarray([exact_match(answer.answer, row.texts) for answer, row in zip(answers, gold, strict=True)])
        overlap = np.asarray([answer_f1(answer.answer, row.texts) for answer, row in zip(answers, gold, strict=True)])
        has = np.asarray([bool(row.texts) for row in gold])
        figures = {"f1": float(overlap.mean()), "exact_match": float(exact.mean())}
        baseline = {}
        if not has.all():
            figures["f1_with_answer"] = float(overlap[has].mean()) if has.any() else math.nan
            figures["right_without_answer"] = float(exact[~has].mean())
            baseline = {"f1": float((~has).mean()), "exact_match": float((~has).mean())}
        figures["loss"] = self.score(found, gold, learned)["loss"]
        worst = sorted(np.flatnonzero(overlap == 0), key=lambda i: -answers[i].score)[:WORST]
        return Report(
            split=split.name,
            source=split.table.source,
            examples=len(gold),
            metrics=figures,
            intervals={"f1": mean_interval(overlap), "exact_match": mean_interval(exact)},
            baseline=baseline,
            baseline_is="always no answer" if baseline else "no baseline",
            worst=mistakes(
                split,
                worst,
                [gold[i].texts[0] if gold[i].texts else "(no answer)" for i in worst],
                [answers[i].answer or "(no answer)" for i in worst],
                [answers[i].score for i in worst],
            ),
            notes=notes,
        )

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        from kerasft.tasks.serving import serve_spans

        threshold = learned.facts["threshold"] if learned.facts["no_answer"] else None
        return serve_spans(outputs, framed, texts[1], longest=self.max_answer, threshold=threshold)

    def expect(self, answer: AnswerPrediction) -> dict[str, Any]:
        return {"answer": answer.answer, "score": answer.score, "start": answer.start, "end": answer.end}

    def cells(self, answer: AnswerPrediction, learned: Learned) -> dict[str, str]:
        offsets = {"answer_start": str(answer.start), "answer_end": str(answer.end)}
        return {"predicted_answer": answer.answer, "score": f"{answer.score:.6f}", **offsets}


def _overlap(row: SpanFound, gold: Gold, answered: bool) -> tuple[float, float]:
    """F1 of the characters of found and true span, and whether both are the same."""
    if not answered or gold.start < 0:
        same = float(not answered and not gold.texts)
        return same, same
    common = min(row.end, gold.end) - max(row.start, gold.start)
    both = max(0, common) * 2 / max(1, row.end - row.start + gold.end - gold.start)
    return both, float((row.start, row.end) == (gold.start, gold.end))
