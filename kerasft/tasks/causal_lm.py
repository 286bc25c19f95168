"""Causal language modelling: continue texts, or answer prompts with completions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from kerasft.config import option
from kerasft.errors import ConfigError, DataError, name_rows
from kerasft.evaluation import generation
from kerasft.evaluation.report import WORST, Report, mistakes
from kerasft.tasks.advice import from_the_beginning
from kerasft.tasks.asking import Answered
from kerasft.tasks.base import TASKS, Generating, Learned
from kerasft.tasks.telling import Told

_SEPARATORS = {"newline": "\n", "space": " ", "none": ""}


@dataclass(frozen=True)
class Generated:
    """What was written after a prompt, without the prompt; `finish_reason` is `end`, `length` or `stop`.

    `prompt_tokens_cut` tokens at the beginning of the prompt were not read, since prompt and text together have to fit.
    """

    text: str
    prompt: str
    finish_reason: str
    prompt_tokens_cut: int = 0

    def __str__(self) -> str:
        return self.text


class TextFound(NamedTuple):
    """Of one text: the sum of its tokens' negative log-probabilities, its tokens, and how many were the likeliest."""

    nats: float
    tokens: int
    right: int


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class CausalLM(Generating):
    """Each next token from those before it: plain texts, or completions of prompts (loss on the completion only).

    Only for families that read from left to right. Texts longer than a window are read in several, and nothing is
    cut; a prompt and its completion stand in one window.
    """

    name = "causal_lm"
    title = "Text generation (causal LM)"

    max_length: int = option(256, "Tokens of a window in training.", low=8, high=8192)
    overlap: int = option(
        0, "Tokens a window repeats of the one before, to be read but not learned again.", low=0, high=4096, advanced=True
    )
    pack: bool = option(
        False, "Short documents share a window, <|endoftext|> between them: fewer steps (not with completions).", advanced=True
    )
    separate_documents: bool = option(False, "Documents that share a window do not see each other; slower.", advanced=True)
    separator: str = option(
        "newline",
        "What is put between a prompt and its completion, in training and after every prompt later.",
        choices=("newline", "space", "none"),
        advanced=True,
    )
    evaluate_generation: int = option(
        100, "So many rows with completions are also generated, greedily, for BLEU and chrF; 0 for none.", low=0, high=100_000
    )
    max_new_tokens: int = option(64, "Most tokens of a generated text, when nothing else is said.", low=1, high=8192)

    families = ("gpt2",)
    needs_label = False
    asks = "a prompt"
    shows = "text"
    monitors = ("accuracy",)
    must_tune_backbone = True
    learns_labels = False
    vocabulary_share = 1.0

    def cross_faults(self) -> Iterator[str]:
        if self.separate_documents and not self.pack:
            yield "'separate_documents' has a meaning only with 'pack'. Received: pack=False."

    def faults(self, columns: Any, family: str, config: Any) -> Iterator[str]:
        yield from super().faults(columns, family, config)
        if self.pack and columns.label is not None:
            yield "'pack' is for plain texts: a prompt and its completion have a window of their own."

    def recommended(self, advice: Any, backbone: Any, tuning: Any) -> Any:
        return from_the_beginning(advice, backbone, tuning)

    def paired(self, columns: Any) -> bool:
        return False

    def suited(self, data: Any) -> Any:
        from kerasft.data.columns import PROMPTS

        columns = data.columns
        named = data.config.label is not None or columns.label is None
        if named or (columns.text.lower(), columns.label.lower()) in PROMPTS:
            return data
        # A column that only looks like a label (author, language) is not what the texts are to be continued with.
        return data.without("label")

    def as_learned(self, split: Any, learned: Learned) -> Any:
        # The column left aside in training would be taken for a completion now.
        return split if learned.facts["completions"] else replace(split, columns=replace(split.columns, label=None))

    def needs(self, columns: Any) -> bool:
        return columns.label is not None

    def reading(self, split: Any) -> tuple[Iterable[tuple[list[str | None], list[str | None]]], bool]:
        completions = split.columns.label is not None
        return ((texts, labels if completions else pairs) for texts, pairs, labels in split.batches()), completions

    def learn_from(self, split: Any) -> Learned:
        return Learned((), {"completions": split.columns.label is not None})

    def gold(self, split: Any, learned: Learned) -> np.ndarray:
        """(rows,) words of what is predicted, for the perplexity of a word."""
        completions = learned.facts["completions"]
        if completions and (empty := [i for i, cell in enumerate(split.cells("text")) if not (cell or "").strip()]):
            rows = name_rows([int(split.table.rows[i]) for i in empty])
            raise DataError(f"{len(empty):,} prompts are empty.", where=f"{split.table.source}, {rows}", hint="Remove the rows.")
        counted = (
            len((cell or "").split()) for texts, _, labels in split.batches() for cell in (labels if completions else texts)
        )
        return np.fromiter(counted, dtype=np.int64)

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        from kerasft.preprocessing.document_framing import DocumentFraming

        return DocumentFraming(framer, self.overlap, _SEPARATORS[self.separator])

    def targets(self, encoded: Any, gold: Any, learned: Learned) -> Any:
        from kerasft.preprocessing.packing import pack_windows

        ids, scored = np.asarray(encoded.ids), np.asarray(encoded.flat["scored"])
        targets = np.full(len(ids), -1, dtype=np.int32)
        targets[:-1] = np.where(scored[1:] > 0, ids[1:], -1)
        targets[encoded.offsets[1:] - 1] = -1  # what follows a window's last token is another window
        encoded = replace(encoded, token_targets=targets)
        return pack_windows(encoded) if self.pack else encoded

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        return Told(tokens={i: framer.pieces[int(number)] for i, number in enumerate(targets) if number >= 0})

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        import keras

        from kerasft.layers.language import AsFloat32

        logits = encoder.parts.token_embedding(encoder.sequence, reverse=True)
        return keras.Model(encoder.inputs, AsFloat32(name="logits", dtype="float32")(logits), name="language_model")

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        from kerasft.layers.losses import TokenCrossentropy

        return TokenCrossentropy()

    def scorer(self, model: Any) -> Any:
        import keras

        from kerasft.layers.language import NextTokenScore

        return keras.Model(model.inputs, NextTokenScore(name="score")(model.output, model.input["token_ids"]), name="scorer")

    def main_metric(self, learned: Learned) -> str:
        return "loss"

    def collect(self, outputs: np.ndarray, encoded: Any) -> list[TextFound]:
        known = encoded.token_targets >= 0
        rows = encoded.token_rows[known]
        nats = np.bincount(rows, weights=-outputs[known, 0].astype(np.float64), minlength=encoded.rows)
        right = np.bincount(rows, weights=outputs[known, 1], minlength=encoded.rows)
        tokens = np.bincount(rows, minlength=encoded.rows)
        return [TextFound(float(n), int(t), int(r)) for n, t, r in zip(nats, tokens, right, strict=True)]

    def score(self, found: list[TextFound], gold: Any, learned: Learned) -> dict[str, float]:
        nats, tokens = sum(row.nats for row in found), sum(row.tokens for row in found)
        loss = nats / tokens if tokens else math.nan
        accuracy = sum(row.right for row in found) / max(1, tokens)
        return {"loss": loss, "perplexity": generation.perplexity(loss), "accuracy": accuracy}

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str]:
        import keras

        from kerasft.preprocessing.batching import pad_rows

        window = len(row.encoded) - 1
        place = int(row.encoded.lengths[window]) - 2  # the last token of the text; behind it stands the end
        if target is None:
            logits = row.model.predict_on_batch(pad_rows(row.encoded, np.asarray([window])))
            token = int(np.asarray(logits)[0, place].argmax())
        else:
            tokens = row.framer.frame([str(target).encode()], None).ids[: -len(row.framer.end)]
            if not len(tokens):
                raise ConfigError(
                    "The target is empty.", hint="Give the text to go on with; a space before a word belongs to it."
                )
            token = int(tokens[0])

        def next_token(found: Any) -> Any:
            return keras.ops.log_softmax(found[:, place])[:, token]

        return window, next_token, f"log-probability of {row.framer.pieces[token]!r} as the next token"

    def report(self, found: list[TextFound], gold: np.ndarray, learned: Learned, split: Any, notes: list[str]) -> Report:
        figures = self.score(found, gold, learned)
        nats, words = sum(row.nats for row in found), int(gold.sum())
        each = np.asarray([[row.nats, row.tokens] for row in found])
        rng = np.random.default_rng(0)
        draws = (each[rng.integers(0, len(each), len(each))].sum(axis=0) for _ in range(500))
        low, high = np.quantile([total[0] / max(1, total[1]) for total in draws], [0.025, 0.975])
        worst = np.argsort([-row.nats / max(1, row.tokens) for row in found], kind="stable")[:WORST]
        completions = [cell or "" for cell in split.take(worst).cells("label")]
        surprise = [found[i].nats / max(1, found[i].tokens) for i in worst]
        return Report(
            split=split.name,
            source=split.table.source,
            examples=len(found),
            metrics={
                "perplexity": figures["perplexity"],
                "word_perplexity": generation.perplexity(nats / words) if words else math.nan,
                "accuracy": figures["accuracy"],
                "loss": figures["loss"],
            },
            intervals={"perplexity": (generation.perplexity(float(low)), generation.perplexity(float(high)))},
            baseline_is="no baseline",
            worst=mistakes(split, worst, completions, ["(least expected)"] * len(worst), surprise),
            notes=[
                *notes,
                f"Perplexity is per token of the model's own byte-level vocabulary ({sum(row.tokens for row in found):,} tokens, "
                f"the end of each text among them); word_perplexity is per white-space word ({words:,}) and can be compared "
                "between vocabularies.",
            ],
        )

    def enrich(self, report: Report, split: Any, learned: Learned, answer: Any) -> Report:
        if not learned.facts["completions"] or not self.evaluate_generation:
            return report
        part = split.take(np.arange(min(len(split), self.evaluate_generation)))
        prompts = [prompt or "" for prompt in part.cells("text")]
        wanted = [completion or "" for completion in part.cells("label")]
        written = [made.text for made in answer(prompts)]
        figures = {
            "bleu": generation.bleu(written, wanted) / 100,
            "chrf": generation.chrf(written, wanted) / 100,
            "exact_match": float(np.mean([a.strip() == b.strip() for a, b in zip(written, wanted, strict=True)])),
            "distinct_1": generation.distinct(written, 1),
            "distinct_2": generation.distinct(written, 2),
        }
        note = f"bleu (sacrebleu, 13a), chrf, exact_match and distinct-n are of {len(part):,} greedily generated completions."
        first = min(WORST, len(part))
        shown = mistakes(part, range(first), wanted[:first], written[:first], [0.0] * first)
        return replace(report, metrics={**report.metrics, **figures}, notes=[*report.notes, note], worst=shown)

    def prompt_end(self, learned: Learned) -> str:
        # The separator, if the model learned completions.
        return _SEPARATORS[self.separator] if learned.facts["completions"] else ""

    def expect(self, answer: Generated) -> dict[str, Any]:
        cut = answer.prompt_tokens_cut
        return {"text": answer.text, "finish_reason": answer.finish_reason, "prompt_tokens_cut": cut}

    def cells(self, answer: Generated, learned: Learned) -> dict[str, str]:
        cut = str(answer.prompt_tokens_cut)
        return {"generated": answer.text, "finish_reason": answer.finish_reason, "prompt_tokens_cut": cut}
