"""Which words an answer rests on: integrated gradients (Sundararajan et al. 2017) from token embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasft.errors import ConfigError
from kerasft.own_settings import own_settings
from kerasft.preprocessing.batching import pad_rows, predict_rows
from kerasft.preprocessing.encoding import encode
from kerasft.tasks.asking import Answered
from kerasft.tasks.base import Generating, Task

_BATCH = 16  # points of the path a call
_MOST_STEPS = 512


@dataclass(frozen=True)
class Contribution:
    """A word as the model reads it, and how far it moved the score; negative speaks against the answer."""

    text: str
    score: float


@dataclass(frozen=True)
class Explanation:
    """Why a score is what it is.

    Attributes:
        target: What is explained, such as `logit of 'good'`.
        score: It, for the text.
        baseline: It, for the same text with every word blanked out.
        words: The words in order. Their contributions add up to `score - baseline`.
        gap: How far the contributions' sum is from that; small because more steps are taken until it is.
        steps: Points of the path the gradient was taken at.
    """

    target: str
    score: float
    baseline: float
    words: tuple[Contribution, ...]
    gap: float
    steps: int

    def __str__(self) -> str:
        words = " ".join(f"{word.text}({word.score:+.2f})" for word in self.words)
        return f"{self.target}: {self.score:.3f} (blank text {self.baseline:.3f}): {words}"


class Cut(NamedTuple):
    """A model cut at its token embeddings: `below` from ids to vectors, `above` from vectors and the inputs `names`."""

    below: Any
    above: Any
    names: tuple[str, ...]


def cut(model: Any, encoder: Any) -> Cut:
    """Cut a task's model at `encoder.embedded`."""
    names = tuple(encoder.inputs)  # also the ids: a head may look for a gap in them
    above = keras.Model([encoder.embedded, *(encoder.inputs[name] for name in names)], model.output)
    return Cut(keras.Model(encoder.inputs["token_ids"], encoder.embedded), above, names)


def integrated_gradients(
    model: Cut, framer: Any, encoded: Any, window: int, scalar: Callable[[Any], Any], target: str
) -> Explanation:
    """Explain a scalar of one window's outputs.

    The path goes from the window with every token but the special ones replaced by the padding token's embedding to
    the window itself. Steps double until the contributions add up to the score's change within 1 %.

    Args:
        model: Of `cut`.
        framer: `backbones.tokenization.Framer`, for special ids and the tokens' texts.
        encoded: The row's windows.
        window: Which of them.
        scalar: From outputs (B, ...) to (B,) scores.
        target: What the scalar is, for people.
    """
    inputs = pad_rows(encoded, np.asarray([window]))
    ids = inputs["token_ids"][0]
    special = {*framer.start, *framer.end, framer.pad_id, framer.mask_id}
    blank = np.asarray([i if i in special else framer.pad_id for i in ids], dtype=np.int32)
    here, there = (np.asarray(model.below(tf.constant(row[None])), dtype=np.float32)[0] for row in (ids, blank))

    def score(points: tf.Tensor) -> tf.Tensor:
        rest = [tf.repeat(tf.constant(inputs[name]), tf.shape(points)[0], axis=0) for name in model.names]
        return tf.cast(scalar(model.above([points, *rest], training=False)), tf.float32)

    def gradients(shares: np.ndarray) -> np.ndarray:
        points = tf.constant(there[None] + shares[:, None, None].astype(np.float32) * (here - there)[None])
        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(score(points))
        return np.asarray(tape.gradient(total, points))

    base, full = (float(value) for value in score(tf.constant(np.stack([there, here]))))
    steps = 32
    while True:
        nodes, weights = np.polynomial.legendre.leggauss(steps)  # on -1..1
        shares, weights = (nodes + 1) / 2, weights / 2
        mean = np.zeros_like(here, dtype=np.float64)
        for start in range(0, steps, _BATCH):
            part = slice(start, start + _BATCH)
            mean += (gradients(shares[part]) * weights[part, None, None]).sum(axis=0)
        each = (mean * (here - there)).sum(axis=-1)  # (L,)
        gap = abs(float(each.sum()) - (full - base))
        if gap <= 0.01 * max(abs(full - base), 0.1) or steps >= _MOST_STEPS:
            break
        steps *= 2
    return Explanation(target, full, base, _words(framer, ids, each, special), gap, steps)


def _words(framer: Any, ids: np.ndarray, each: np.ndarray, special: set[int | None]) -> tuple[Contribution, ...]:
    """Contributions of words from those of sub-words; special tokens have none, since the path keeps them."""
    words: list[tuple[bytes, float]] = []
    again = True  # whether the next piece begins a word, whatever it looks like
    for number, value in zip(ids, each, strict=True):
        if int(number) in special:
            again = True
            continue
        text, begins = framer.family.show_piece(framer.tokenizer, int(number))
        if begins or again or not words:
            words.append((text, float(value)))
        else:
            words[-1] = (words[-1][0] + text, words[-1][1] + float(value))
        again = False
    shown = ((text.decode("utf-8", errors="replace"), score) for text, score in words)
    return tuple(Contribution(text.strip() or text, score) for text, score in shown)


def not_explained(task: Any) -> ConfigError:
    """The error for a task that has no score to explain."""
    return ConfigError(
        f"Answers of task '{task.name}' have no single score to explain.",
        hint="Explain a classifier, tagger, regressor or QA model.",
    )


@own_settings()
def explain_text(model: Any, text: Any, target: Any = None) -> Explanation:
    """Which words the answer of a `FineTunedModel` to one text rests on; see `FineTunedModel.explain`.

    Raises:
        ConfigError: The task has no single score, or there is no such target.
    """
    task = model.task
    if type(task).scalar is Task.scalar:
        raise not_explained(task)
    first, second = task.row(text, model.paired, 0)
    if isinstance(task, Generating):
        first += task.prompt_end(model.learned)
    encoded = encode(model.framer, [([first], [second])], paired=model.paired, framing=model.framing)
    row = Answered(predict_rows(model.scorer, encoded), encoded, model.learned, model.keras_model, model.framer)
    chosen = task.scalar(row, target)
    if chosen is None:
        raise not_explained(task)
    window, scalar, name = chosen
    return integrated_gradients(model.cut, model.framer, encoded, window, scalar, name)
