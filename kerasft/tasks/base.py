"""What a task is: from rows to targets, a head and a loss, from outputs to answers, scores and a served graph."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from kerasft.config import Options, Registry
from kerasft.errors import DataError
from kerasft.evaluation.report import Report
from kerasft.presets import default_preset
from kerasft.tasks.asking import Answered, Asking
from kerasft.tasks.telling import Told

TASKS: Registry[Task] = Registry("task", "kerasft.tasks")


@dataclass(frozen=True)
class Learned:
    """What a task takes from its rows beside weights; saved with the model.

    Attributes:
        labels: Label names, in the order of the logits; empty for tasks without classes.
        facts: Plain JSON values: the most frequent label, thresholds, mean and spread of a number.
    """

    labels: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


# Options of training that have a meaning for classes only, and their values without one.
OF_CLASSES = {"class_weights": "none", "label_weights": None, "label_smoothing": 0.0, "focal": 0.0}


@dataclass(frozen=True, kw_only=True)
class Task(Options):
    """Base of all tasks. Keras is imported inside the methods that build graphs, so that options can be listed
    (command line, app) without loading TensorFlow.

    Three words are used alike in all tasks: the *gold* of a split is what its labels say, one item a row; the
    *encoded* rows are framed token ids, of which one row may have several (windows); the *found* of a split is what
    the model's outputs say, one item a row of the split.
    """

    families: ClassVar[tuple[str, ...]] = ()  # backbone families it fits; empty for all
    needs_label: ClassVar[bool] = True
    reads_tokens: ClassVar[bool] = False  # takes lists of words for a text
    asks: ClassVar[str] = "some text"  # what to predict, as the command line takes it, for examples
    shows: ClassVar[str] = "label"  # how an answer is shown: label, labels, number, entities, answer, text, vector
    monitors: ClassVar[tuple[str, ...]] = ()  # figures besides the loss that may decide which weights are best
    weighs_classes: ClassVar[bool] = False  # whether class weights and label smoothing have a meaning
    one_class: ClassVar[bool] = False  # whether each row has one class, so that rows can be drawn by it
    compares_rows: ClassVar[bool] = False  # whether its loss compares all rows of a batch, which then cannot be shared
    must_tune_backbone: ClassVar[bool] = False  # has no weights of its own to learn
    learns_labels: ClassVar[bool] = (
        True  # whether people label its rows, which are then often few; not where texts alone are read
    )
    linear_head: ClassVar[str] = ""  # what turns the logits of one dense layer into answers: softmax, sigmoid, identity
    vocabulary_share: ClassVar[float] = 0.0  # share of the tokens for which scores of the whole vocabulary are computed

    @property
    def separates_documents(self) -> bool:
        """Whether documents that share a row see nothing of each other; the padding mask then numbers them."""
        return bool(getattr(self, "separate_documents", False))

    def paired(self, columns: Any) -> bool:
        """Whether it reads two texts at a time, given the data's columns."""
        return columns.text_pair is not None

    def suited(self, data: Any) -> Any:
        """The data with the roles this task gives their columns: mostly as they are."""
        return data

    def needs(self, columns: Any) -> bool:
        """Whether a row without a label is of no use."""
        return self.needs_label

    def reading(self, split: Any) -> tuple[Iterable[tuple[list[str | None], list[str | None]]], bool]:
        """The rows of a split as batches of texts and second texts, and whether second texts are read."""
        return ((texts, pairs) for texts, pairs, _ in split.batches()), self.paired(split.columns)

    def faults(self, columns: Any, family: str, config: Any) -> Iterator[str]:
        """Sentences on what does not fit together, found before anything is loaded."""
        if self.families and family not in self.families:
            fitting = f"{' or '.join(self.families)}, such as {default_preset(self.families)}"
            yield f"Task '{self.name}' needs a model of family {fitting}. Received: {family}."
        if self.needs_label and columns.label is None:
            named = "Name it: label='...' (--data.label, Label in the app)."
            yield f"Task '{self.name}' needs a label column, and the data have none. {named}"
        for option, off in OF_CLASSES.items():
            value = getattr(config.train, option)
            if not self.weighs_classes and value != off:
                yield f"'{option}' has no meaning for task '{self.name}'. Received: {value!r}."
        if config.train.sampling != "none" and not self.one_class:
            yield f"'sampling' draws rows by their class, and a row of task '{self.name}' has none or several."
        if config.train.monitor not in ("auto", "loss", *self.monitors):
            known = ", ".join(("auto", "loss", *self.monitors))
            yield f"'monitor' must be one of {known} for task '{self.name}'. Received: {config.train.monitor!r}."
        if self.separates_documents and config.tuning.name == "prompt_tuning":
            yield "'separate_documents' does not fit prompt tuning: only the first document would see the prompt."
        yield from config.tuning.faults(self.linear_head, config.train)
        if config.train.folds and not self.learns_labels:
            yield f"'folds' cross-validates answers to labelled rows, and task '{self.name}' learns from the texts themselves."
        if config.train.head_start == "solved" and not self.linear_head:
            yield "'head_start' solved needs a task whose head is one dense layer: a classifier, a tagger or a regression."
        if self.must_tune_backbone and not config.tuning.tunes_backbone:
            yield f"Task '{self.name}' has no head of its own, so with tuning '{config.tuning.name}' nothing would learn."

    def recommended(self, advice: Any, backbone: Any, tuning: Any) -> Any:
        """Learning rate and epochs that work at the first click, from those the tuning method recommends.

        Args:
            advice: `tuning.base.Recommended`.
            backbone: What is tuned.
            tuning: The method.
        """
        return advice

    def cautions(self, encoder: Any, framer: Any) -> list[str]:
        """Sentences on what a person should know before training on this backbone."""
        return []

    def row(self, item: Any, paired: bool, number: int) -> tuple[str, str | None]:
        """One item given to `predict` as text and second text; `number` is for messages.

        Raises:
            DataError: It is neither a text nor, where that is read, a pair.
        """
        if paired:
            if isinstance(item, tuple | list) and len(item) == 2 and all(isinstance(text, str) for text in item):
                return item[0], item[1]
            hint = (
                "For example model.predict([('A dog barks.', 'An animal makes a sound.')]); on the command line "
                '"A dog barks. ||| An animal makes a sound."'
            )
            raise DataError(f"This model reads pairs. Item {number} is {str(item)[:60]!r}.", hint=hint)
        if not isinstance(item, str):
            what = f"of type {type(item).__name__}: {str(item)[:60]!r}"
            raise DataError(f"This model reads texts. Item {number} is {what}.", hint="Give a text or a list of texts.")
        return item, None

    def plain(self, cell: str) -> str:
        """The cell of a text column as the served graph reads it: a plain text."""
        return cell

    def learn(self, split: Any) -> Learned:
        """Label names and facts of the training rows; rows that lack a text or a label are passed over.

        Raises:
            DataError: The rows do not suit the task, or none of them is whole.
        """
        usable, _ = split.usable(need_label=self.needs(split.columns))
        if not len(usable):
            raise DataError(f"No row of {split.name} has what the task '{self.name}' needs.", where=split.table.source)
        return self.learn_from(usable)

    @abstractmethod
    def learn_from(self, split: Any) -> Learned:
        """As `learn`, of rows that are whole."""

    @abstractmethod
    def gold(self, split: Any, learned: Learned) -> Any:
        """What the labels of a split say: an array or a list, one item a row; see `unknown`.

        Raises:
            DataError: A label is impossible; names the rows.
        """

    def for_solver(self, learned: Learned) -> Learned:
        """What was taken from the rows, for a head that is solved on frozen features."""
        return learned

    def for_start(self, learned: Learned, backbone: Any) -> Learned:
        """What was taken from the rows, for a head that begins solved and is then trained with the rest."""
        return learned

    def remarks(self, split: Any, learned: Learned) -> list[str]:
        """Sentences on what was repaired in the labels of a split, with counts and rows."""
        return []

    def unknown(self, gold: Any) -> np.ndarray:
        """(rows,) True where the label is one the model has never seen and the row is to be left out."""
        return np.zeros(len(gold), dtype=bool)

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        """How rows become token ids: an object called with texts in the graph, as `backbones.tokenization.Framer`.

        Args:
            framer: Of the backbone.
            learned: What the task took from its rows, where that is known.
        """
        return framer

    @abstractmethod
    def targets(self, encoded: Any, gold: Any, learned: Learned) -> Any:
        """The encoded rows with what the loss compares the outputs with."""

    def remarks_on_tokens(self, encoded: Any, framer: Any, *, training: bool) -> list[str]:
        """Sentences on what the tokens of a split are like.

        Raises:
            DataError: It is the training split, and nothing can be learned from it.
        """
        return []

    def feed(self, encoded: Any, framer: Any, *, seed: int, epoch: int | None) -> Any:
        """What a batch of encoded rows holds, a `preprocessing.batching.Feed`: for most tasks their token ids.

        Args:
            encoded: Of `targets`.
            framer: Of the backbone.
            seed: Of what is drawn anew in every epoch.
            epoch: Its number, from 0; None for an evaluation, which must draw the same each time.
        """
        from kerasft.preprocessing.batching import TokenFeed
        from kerasft.preprocessing.packing import PartsFeed

        return PartsFeed(encoded) if self.separates_documents else TokenFeed(encoded)

    def evaluated(self, encoded: Any) -> Any:
        """The encoded rows as they are scored, where that is not as they are learned from."""
        return encoded

    def tell(self, targets: Any, inputs: dict[str, Any], learned: Learned, framer: Any) -> Told:
        """What the targets of one window say.

        Args:
            targets: Of one row of a batch of `feed`, as its inputs.
            inputs: See `targets`.
            learned: What the task took from its rows.
            framer: Of the backbone.
        """
        return Told()

    @abstractmethod
    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        """A plain `keras.Model`: the encoder with this task's head; outputs logits."""

    @abstractmethod
    def loss(self, *, label_smoothing: float, focal: float = 0.0) -> Any:
        """The Keras loss on logits and targets; of a model with several outputs one for each, by name."""

    def scorer(self, model: Any) -> Any:
        """The `keras.Model` whose outputs are evaluated and decoded; another only where logits would be too large."""
        return model

    def collect(self, outputs: np.ndarray, encoded: Any) -> Any:
        """What was found, one item a row of the split, from outputs of all encoded rows."""
        return outputs

    @abstractmethod
    def score(self, found: Any, gold: Any, learned: Learned) -> dict[str, float]:
        """Figures during training: `loss` and the task's metrics, `main_metric` among them."""

    def calibrate(self, found: Any, gold: Any, learned: Learned) -> Learned:
        """What is chosen on the validation rows once training is over, such as thresholds."""
        return learned

    @abstractmethod
    def report(self, found: Any, gold: Any, learned: Learned, split: Any, notes: list[str]) -> Report:
        """The full evaluation of a split."""

    def scalar(self, row: Answered, target: Any) -> tuple[int, Any, str] | None:
        """What of the outputs for one row to explain; None for a task without a single score.

        Args:
            row: The row and what the model said.
            target: What the person asked for; None for what the answer rests on.

        Returns:
            The window, a function from the model's outputs (B, ...) to (B,) scores, and what that is, for people.

        Raises:
            ConfigError: The target is none, or the text has nothing to explain.
        """
        return None

    def enrich(self, report: Report, split: Any, learned: Learned, answer: Any) -> Report:
        """The report with figures that need answers; `answer` gives one for each of a list of texts."""
        return report

    @abstractmethod
    def expect(self, answer: Any) -> dict[str, Any]:
        """What the served graph must say where `predict` gave this answer: plain values by output name."""

    @abstractmethod
    def cells(self, answer: Any, learned: Learned) -> dict[str, str]:
        """The answer as cells of a table, by column name."""

    def as_learned(self, split: Any, learned: Learned) -> Any:
        """A split to be scored with the roles it was learned with."""
        return split

    def monitored(self, learned: Learned) -> tuple[str, ...]:
        """Those of `monitors` that `score` gives for what was learned."""
        return self.monitors

    @abstractmethod
    def main_metric(self, learned: Learned) -> str:
        """The figure in `score` by which the best weights are chosen; higher is better unless it is `loss`."""


class Answering(Task):
    """A task that answers from one pass of the model over a text."""

    def asking(self, model: Any, scorer: Any, framer: Any, learned: Learned) -> Asking:
        """How it is asked: mostly as it is evaluated.

        Args:
            model: Of `build`.
            scorer: Of `scorer`.
            framer: Of the backbone.
            learned: What the task took from its rows.
        """
        from kerasft.preprocessing.batching import TokenFeed

        serve = partial(self.serve, learned=learned)
        return Asking(self.framing(framer, learned), scorer, TokenFeed, framer.dense, self.collect, serve)

    @abstractmethod
    def decode(self, found: Any, learned: Learned, texts: Sequence[str], pairs: Sequence[str | None]) -> list[Any]:
        """One answer a row: a frozen dataclass of plain values."""

    @abstractmethod
    def serve(self, outputs: Any, framed: Any, texts: tuple[Any, ...], learned: Learned) -> dict[str, Any]:
        """The served graph's answers: TensorFlow tensors by name, one item a text.

        Args:
            outputs: The model's outputs, one item a window.
            framed: The windows.
            texts: (N,) strings, and second strings where the model reads pairs.
            learned: What the task took from its rows.
        """


class Generating(Task):
    """A task that answers by writing text, one token after the other, through `backbones.generation.Generator`."""

    max_new_tokens: int

    @abstractmethod
    def prompt_end(self, learned: Learned) -> str:
        """What is added to every prompt."""


def get_task(name: str, **options: Any) -> Task:
    """A task by name.

    Raises:
        ConfigError: No task has that name, or an option is impossible.
    """
    return TASKS.get(name).from_dict(options)


def pick(items: Any, rows: np.ndarray) -> Any:
    """The items at `rows`, of an array or of a list."""
    return items[rows] if isinstance(items, np.ndarray) else [items[i] for i in rows]
