"""Token classification: a tag for each word of a text (names, parts of speech, chunks)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from kerasft.config import option
from kerasft.data.outside_tags import outside_question
from kerasft.errors import ConfigError, DataError, name_rows, name_values
from kerasft.evaluation.report import Report
from kerasft.evaluation.tag_spelling import (
    TagSpelling,
    label_parts,
    odd_spelling,
    runs_to_bio,
    scheme_and_spelling,
)
from kerasft.evaluation.tagging import tagging_report, tagging_score
from kerasft.evaluation.tags import odd_tags, to_bio
from kerasft.tasks.advice import bolder
from kerasft.tasks.asking import Answered, Asking
from kerasft.tasks.base import TASKS, Answering, Learned
from kerasft.tasks.tag_cells import needs_fine_words, read_tags, spans_to_tags, word_pattern
from kerasft.tasks.telling import Told


@dataclass(frozen=True)
class Word:
    """One word with its tag; offsets are characters of the text, the end exclusive."""

    text: str
    tag: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class Entity:
    """One entity: `text[start:end]` is its text, `score` the mean probability of its words' tags."""

    text: str
    type: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class TagsPrediction:
    """The answer to one text: every word's tag, and the entities they form (none for parts of speech)."""

    text: str
    words: tuple[Word, ...]
    entities: tuple[Entity, ...]

    def __str__(self) -> str:
        if self.entities or not any("-" not in word.tag and word.tag != "O" for word in self.words):
            return "; ".join(f"{e.text} [{e.type} {e.score:.2f}]" for e in self.entities) or "(none)"
        return " ".join(f"{word.text}/{word.tag}" for word in self.words)


class Tagged(NamedTuple):
    """What was found for one text of M words: `logits` (M, C), `starts` and `ends` (M,) offsets."""

    logits: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


UNTYPED = "ENTITY"  # the type of entities whose tags name none


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class TokenClassification(Answering):
    """A tag for each word: entities (BIO, IOB1 or BIOES tags, or character spans), parts of speech, chunks.

    A word's tag is that of its first sub-word. Long texts are read in overlapping windows, and each word is scored
    in the window that shows most around it, so nothing is cut. GPT-2 reads from left to right and so tags a word
    without having seen what follows: BERT of the same size is clearly better.
    """

    name = "token_classification"
    title = "Token classification (NER, POS)"

    max_length: int = option(192, "Tokens of a window; longer texts are read in several.", low=16, high=8192)
    overlap: int = option(48, "Tokens two neighbouring windows share.", low=0, high=4096, advanced=True)
    sub_words: str = option(
        "first",
        "Which sub-words learn a word's tag: the first only, or all (B- on the first, I- on the rest).",
        choices=("first", "all"),
        advanced=True,
    )
    decoding: str = option(
        "repair",
        "How impossible sequences such as O I-PER are avoided: repaired afterwards, or never chosen (Viterbi).",
        choices=("repair", "constrained"),
    )
    head_dropout: float = option(0.1, "Dropout before the last layer, 0 to 1.", low=0, high=0.9, advanced=True)
    drop_unknown: bool = option(False, "Leave out texts with a tag the training rows do not have.", advanced=True)

    reads_tokens = True
    shows = "entities"
    monitors = ("f1", "precision", "recall", "accuracy")
    weighs_classes = True
    linear_head = "softmax"

    def recommended(self, advice: Any, backbone: Any, tuning: Any) -> Any:
        return bolder(advice, backbone, tuning)

    def row(self, item: Any, paired: bool, number: int) -> tuple[str, str | None]:
        if isinstance(item, list | tuple) and all(isinstance(word, str) for word in item):
            return json.dumps(list(item), ensure_ascii=False), None
        return super().row(item, paired, number)

    def plain(self, cell: str) -> str:
        from kerasft.preprocessing.word_framing import words_of

        words = words_of(cell)
        return cell if words is None else " ".join(words)

    def paired(self, columns: Any) -> bool:
        return False

    def learn_from(self, split: Any) -> Learned:
        tags, spans = read_tags(split)
        if spans:
            types = sorted({span.label for row in spans for span in row})
            labels, scheme = bio_labels(types), "spans"
            fine = {"words": "fine"} if needs_fine_words(split.cells("text"), spans) else {}
            return Learned(labels, {"scheme": scheme, "majority": "O", **fine})
        if odd := odd_spelling({tag for row in tags for tag in row}):
            where = f"{split.table.source} ({split.name}), column {split.columns.label!r}"
            hint = "Write O, B-PER and I-PER: a prefix and a type, joined by a hyphen (or _ : .)."
            raise DataError(f"The tags look like entities with {odd}, which is not read.", where=where, hint=hint)
        scheme, spelling = scheme_and_spelling(tags)
        tags = self._bio(split, tags, scheme, spelling)
        if scheme == "plain":
            labels = tuple(sorted({tag for row in tags for tag in row}))
        else:
            labels = bio_labels(sorted({tag[2:] for row in tags for tag in row if tag != "O"}))
        if len(labels) < 2:
            what = f"only the tag {labels[0]!r}" if labels else "none"
            raise DataError(f"A tagger needs at least two different tags; the training rows have {what}.")
        counts = Counter(tag for row in tags for tag in row) if scheme == "plain" else Counter(["O"])
        written = {} if spelling.is_usual else {"spelling": spelling.to_dict()}
        return Learned(labels, {"scheme": scheme, "majority": counts.most_common(1)[0][0], **written})

    def _bio(self, split: Any, tags: list[list[str]], scheme: str, spelling: TagSpelling) -> list[list[str]]:
        """Tags of that scheme and spelling in BIO; plain ones as they are."""
        tags = [spelling.canonical(row) for row in tags]
        if scheme == "IO":
            return [runs_to_bio(row) for row in tags]
        self._check_tags(split, tags, scheme)
        if scheme != "plain":  # B, I and O alone: one kind of entity
            tags = [[f"{tag}-{UNTYPED}" if len(tag) == 1 and tag != "O" else tag for tag in row] for row in tags]
        return tags if scheme == "plain" else [to_bio(row, scheme) for row in tags]

    @staticmethod
    def _check_tags(split: Any, tags: list[list[str]], scheme: str) -> None:
        odd = set(odd_tags(tags, scheme))
        if odd:
            rows = [int(split.table.rows[i]) for i, row in enumerate(tags) if odd & set(row)]
            raise DataError(
                f"Tags of scheme {scheme} are O and tags such as B-PER and I-PER. Received: {name_values(sorted(odd))}.",
                where=f"{split.table.source} ({split.name}), column {split.columns.label!r}, {name_rows(rows)}",
                hint="Correct the tags; a prefix and the type are joined by a hyphen, or by one other sign in all of them.",
            )

    def gold(self, split: Any, learned: Learned) -> list[np.ndarray]:
        numbers = {label: i for i, label in enumerate(learned.labels)}
        tags, spans = read_tags(split)
        if spans is not None:
            tags = spans_to_tags(split.cells("text"), spans, word_pattern(learned.facts)).tags
        else:
            tags = self._as_learned(split, tags, learned)
        gold = [np.asarray([numbers.get(tag, -1) for tag in row], dtype=np.int32) for row in tags]
        unknown = sorted({tag for row in tags for tag in row} - set(numbers))
        if unknown and not self.drop_unknown:
            raise DataError(
                f"Column {split.columns.label!r} holds tags the model has never seen: {name_values(unknown)}.",
                where=f"{split.table.source} ({split.name}), "
                + name_rows([int(split.table.rows[i]) for i, row in enumerate(tags) if not set(row) <= set(numbers)]),
                hint="Fix them, or set drop_unknown=True (--task.drop_unknown true) to leave these texts out.",
            )
        return gold

    def _as_learned(self, split: Any, tags: list[list[str]], learned: Learned) -> list[list[str]]:
        """Tags as the model's labels have them; a split may be written in another scheme or spelling than the training rows."""
        known, scheme = set(learned.labels), learned.facts["scheme"]
        if scheme in ("plain", "spans") or (scheme == "taken over" and all(set(row) <= known for row in tags)):
            return tags
        spelling = TagSpelling.from_dict(learned.facts.get("spelling"))
        if spelling.bare:  # a small split may not show that it has no prefixes
            canonical = [spelling.canonical(row) for row in tags]
            if all(tag == "O" or f"B-{tag}" in known for row in canonical for tag in row):
                return [runs_to_bio(row) for row in canonical]
        own, spelling = scheme_and_spelling(tags)
        return self._bio(split, tags, own, spelling)

    def unknown(self, gold: list[np.ndarray]) -> np.ndarray:
        return np.asarray([bool((row < 0).any()) for row in gold], dtype=bool)

    def remarks(self, split: Any, learned: Learned) -> list[str]:
        tags, spans = read_tags(split)
        if spans is not None:
            return spans_to_tags(split.cells("text"), spans, word_pattern(learned.facts)).remarks
        if split.name != "train":
            return []
        if learned.facts["scheme"] == "IO":
            return ["The tags have no prefixes (IO): a run of one tag is read as one entity."]
        if learned.facts.get("spelling"):
            outside = learned.facts["spelling"].get("outside", "O")
            example = next((tag for row in tags for tag in row if tag not in ("O", "o", outside)), "O")
            beside = "" if outside in ("O", "o") else f", with {outside!r} in place of O"
            return [f"The tags are spelled such as {example!r}{beside}; read as BIO."]
        if learned.facts["scheme"] != "plain":
            return []
        counts = Counter(tag for row in tags for tag in row)
        question = outside_question(counts)
        return tag_warnings(counts) + ([question] if question else [])

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        from kerasft.preprocessing.word_framing import WordFraming

        return WordFraming(framer, self.overlap, word_pattern(learned.facts if learned else {}))

    def targets(self, encoded: Any, gold: list[np.ndarray], learned: Learned) -> Any:
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in gold])])
        flat = np.concatenate([*gold, np.zeros(0, np.int32)])
        words = np.asarray(encoded.flat["word"])
        place = offsets[encoded.owners[encoded.token_windows]] + np.maximum(words, 0)
        targets = np.where(words >= 0, flat[np.minimum(place, max(0, len(flat) - 1))], -1) if len(flat) else words * 0 - 1
        first = np.asarray(encoded.flat["first"]) > 0
        if self.sub_words == "first":
            targets = np.where(first, targets, -1)
        else:  # a B- tag never repeats inside a word
            inside = np.asarray([inside_of(label, learned.labels) for label in learned.labels], dtype=np.int32)
            targets = np.where(first | (targets < 0), targets, inside[np.maximum(targets, 0)])
        return replace(encoded, token_targets=targets.astype(np.int32))

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        return Told(tokens={i: learned.labels[int(tag)] for i, tag in enumerate(targets) if tag >= 0})

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        import keras

        from kerasft.layers.heads import ClassificationHead

        head = ClassificationHead(len(learned.labels), dropout=self.head_dropout, seed=seed, name="head")
        return keras.Model(encoder.inputs, head(encoder.sequence), name="token_classifier")

    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        from kerasft.layers.losses import TokenCrossentropy

        return TokenCrossentropy(label_smoothing=label_smoothing, focal=focal)

    def monitored(self, learned: Learned) -> tuple[str, ...]:
        return tuple(name for name in self.monitors if name != "f1" or learned.facts["scheme"] != "plain")

    def main_metric(self, learned: Learned) -> str:
        return "accuracy" if learned.facts["scheme"] == "plain" else "f1"

    def collect(self, outputs: np.ndarray, encoded: Any) -> list[Tagged]:
        scored = np.flatnonzero(np.asarray(encoded.flat["scored"]))
        owners = encoded.owners[encoded.token_windows[scored]]
        cuts = np.searchsorted(owners, np.arange(1, encoded.rows))
        columns = (outputs[scored], np.asarray(encoded.flat["starts"])[scored], np.asarray(encoded.flat["ends"])[scored])
        return [Tagged(*parts) for parts in zip(*(np.split(column, cuts) for column in columns), strict=True)][: encoded.rows]

    def score(self, found: list[Tagged], gold: list[np.ndarray], learned: Learned) -> dict[str, float]:
        return tagging_score([row.logits for row in found], self.tags(found, learned), gold, learned.labels)

    def tags(self, found: list[Tagged], learned: Learned) -> list[np.ndarray]:
        """The valid sequence of tag numbers of each text."""
        import tensorflow as tf

        from kerasft.preprocessing.tag_decoding import repair, tag_table, viterbi

        table = tag_table(learned.labels)
        chosen: list[np.ndarray] = []
        for start in range(0, len(found), 512):
            part = [row.logits for row in found[start : start + 512]]
            lengths = [len(row) for row in part]
            flat = np.concatenate([*part, np.zeros((0, len(learned.labels)), np.float32)])
            if self.decoding == "constrained":
                tags = viterbi(tf.RaggedTensor.from_row_lengths(tf.constant(flat), lengths), table)
            else:
                best = tf.constant(flat.argmax(axis=1).astype(np.int32))
                tags = repair(tf.RaggedTensor.from_row_lengths(best, lengths), table)
            chosen += np.split(tags.values.numpy(), np.cumsum(lengths)[:-1])
        return chosen

    def decode(
        self, found: list[Tagged], learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]
    ) -> list[TagsPrediction]:
        from kerasft.evaluation.metrics import softmax

        answers = []
        parts = label_parts(learned.labels, plain=learned.facts["scheme"] == "plain")
        for row, tags, cell in zip(found, self.tags(found, learned), texts, strict=True):
            text = self.plain(cell)
            sure = softmax(row.logits)[np.arange(len(tags)), tags] if len(tags) else np.zeros(0)
            offsets = [(int(start), int(end)) for start, end in zip(row.starts, row.ends, strict=True)]
            names = [learned.labels[tag] for tag in tags]
            words = tuple(
                Word(text[start:end], name, float(score), start, end)
                for name, score, (start, end) in zip(names, sure, offsets, strict=True)
            )
            runs = [(kind, first, last - 1) for kind, first, last in parts.entities([int(tag) for tag in tags])]
            places = [(kind, offsets[first][0], offsets[last][1], first, last) for kind, first, last in runs]
            spans = tuple(
                Entity(text[start:end], kind, float(sure[first : last + 1].mean()), start, end)
                for kind, start, end, first, last in places
            )
            answers.append(TagsPrediction(text, words, spans))
        return answers

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str]:
        outputs, encoded, learned = row.outputs, row.encoded, row.learned
        scored = np.flatnonzero(np.asarray(encoded.flat["scored"]))
        if not len(scored):
            raise ConfigError("The text has no word to explain.")
        best = self.tags([Tagged(outputs[scored], scored, scored)], learned)[0]
        named = np.flatnonzero(best != learned.labels.index("O")) if "O" in learned.labels else np.arange(len(best))
        wanted = str(target) if target is not None else str(named[0]) if len(named) else "0"
        if not wanted.isdecimal() or int(wanted) >= len(scored):
            raise ConfigError(f"There is no word {target!r} to explain; the text has {len(scored)}, counted from 0.")
        word = int(wanted)
        window = int(encoded.token_windows[scored[word]])
        place, tag = int(scored[word] - encoded.offsets[window]), int(best[word])
        return window, lambda found: found[:, place, tag], f"logit of {learned.labels[tag]!r} for word {word + 1}"

    def report(self, found: list[Tagged], gold: list[np.ndarray], learned: Learned, split: Any, notes: list[str]) -> Report:
        logits, tags = [row.logits for row in found], self.tags(found, learned)
        offsets = [(row.starts, row.ends) for row in found]
        how: dict[str, Any] = {"split": split, "notes": notes, "offsets": offsets, "plain": self.plain}
        return tagging_report(logits, tags, gold, learned.labels, learned.facts["majority"], **how)

    def asking(self, model: Any, scorer: Any, framer: Any, learned: Learned) -> Asking:
        asked = super().asking(model, scorer, framer, learned)
        return replace(asked, serve_flat=partial(self.serve, learned=learned, flat=True))

    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned, *, flat: bool = False) -> dict[str, Any]:
        from kerasft.tasks.serving import serve_tags

        return serve_tags(outputs, framed, learned.labels, texts[0], constrained=self.decoding == "constrained", flat=flat)

    def expect(self, answer: TagsPrediction) -> dict[str, Any]:
        expected: dict[str, Any] = {}
        for name, parts in (("word", answer.words), ("entity", answer.entities)):
            expected[f"{name}_texts"] = [part.text for part in parts]
            expected[f"{name}_types"] = [getattr(part, "tag", None) or getattr(part, "type", "") for part in parts]
            expected[f"{name}_scores"] = [part.score for part in parts]
            expected[f"{name}_starts"] = [part.start for part in parts]
            expected[f"{name}_ends"] = [part.end for part in parts]
        return expected

    def cells(self, answer: TagsPrediction, learned: Learned) -> dict[str, str]:
        found = [
            {"text": e.text, "type": e.type, "score": round(e.score, 6), "start": e.start, "end": e.end} for e in answer.entities
        ]
        words = [word.text for word in answer.words]
        tags = [word.tag for word in answer.words]
        return {
            "entities": json.dumps(found, ensure_ascii=False),
            "words": json.dumps(words, ensure_ascii=False),
            "predicted_tags": json.dumps(tags, ensure_ascii=False),
        }


def tag_warnings(counts: Counter[str]) -> list[str]:
    """Sentences on tags that are read as plain ones, which form no entities, and may not be meant so."""
    if counts and all(tag.isdigit() for tag in counts):
        return ["The tags are numbers, so no entities can be made of them: their names are needed (B-PER, I-PER, O)."]
    if "O" in counts:
        return [
            "Words without an entity have O, but the other tags fit no scheme (BIO, IOB1, BIOES, IO): no entities are made of "
            "them."
        ]
    return []


def bio_labels(types: Sequence[str]) -> tuple[str, ...]:
    """O and both tags of every type, whether they occur or not: a type seen only as B- may need I- tomorrow."""
    return ("O", *(f"{letter}-{kind}" for kind in types for letter in "BI"))


def inside_of(label: str, labels: Sequence[str]) -> int:
    """Number of the tag for the further sub-words of a word with this tag: `I-X` for `B-X`, else the same."""
    return labels.index("I-" + label[2:] if label.startswith("B-") else label)
