"""Cloze classification: the label is the word the language model itself would put into a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kerasft.config import option
from kerasft.errors import ConfigError
from kerasft.tasks.base import TASKS, Learned
from kerasft.tasks.classification import SingleLabel, single_labels


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class ClozeClassification(SingleLabel):
    """One label for each text, asked as a gap in a sentence (Schick & Schütze 2021): good with few or no examples.

    `{text} It was [MASK].` with the words `positive=great,good; negative=bad` gives each label the mean logit of its
    words in the gap. Because the head is the pre-trained language model's own, it answers before any training (set
    `epochs` to 0) and learns from a handful of examples (`data.per_label`). BERT needs a checkpoint with its
    masked-LM head; GPT-2 reads up to the gap, which must come last.
    """

    name = "cloze_classification"
    title = "Cloze classification (few-shot)"

    template: str = option("{text} It was [MASK].", "The sentence with {text}, perhaps {text_pair}, and the gap [MASK].")
    words: str | None = option(
        None, "Words of each label, `positive=great,good; negative=bad`; the label's own name when not given."
    )
    max_length: int = option(256, "Most tokens of the filled template; the text is cut to fit.", low=8, high=8192)

    def cross_faults(self) -> Iterator[str]:
        if self.template.count("[MASK]") != 1:
            yield f"'template' needs one gap, written [MASK]. Received: {self.template!r}."
        if self.template.count("{text}") != 1 or self.template.count("{text_pair}") > 1:
            yield f"'template' needs {{text}} once, and {{text_pair}} at most once. Received: {self.template!r}."

    def faults(self, columns: Any, family: str, config: Any) -> Iterator[str]:
        yield from super().faults(columns, family, config)
        if "{text_pair}" in self.template and columns.text_pair is None:
            yield "'template' has {text_pair}, and the data have no second text column."
        if columns.text_pair is not None and "{text_pair}" not in self.template:
            yield "The data have a second text column, and 'template' has no {text_pair}."

    def learn_from(self, split: Any) -> Learned:
        learned = super().learn_from(split)
        self._words(single_labels(split))
        return learned

    def _words(self, labels: tuple[str, ...]) -> list[list[str]]:
        """The words of each label.

        Raises:
            ConfigError: The option names other labels than the data have.
        """
        if self.words is None:
            return [[label] for label in labels]
        given: dict[str, list[str]] = {}
        for part in self.words.split(";"):
            label, _, words = part.partition("=")
            given[label.strip()] = [word.strip() for word in words.split(",") if word.strip()]
        if set(given) != set(labels) or not all(given.values()):
            hint = (
                f"The labels are: {', '.join(labels[:20])}. Write for example: {'; '.join(f'{name}=word' for name in labels[:3])}"
            )
            raise ConfigError(f"'words' must give words for each label. Received: {self.words!r}.", hint=hint)
        return [given[label] for label in labels]

    def framing(self, framer: Any, learned: Learned | None = None) -> Any:
        from kerasft.preprocessing.cloze_framing import ClozeFraming

        parts = self.template.partition("[MASK]")
        if framer.family.causal and "{" in parts[2]:
            raise ConfigError(f"A model that reads from left to right needs [MASK] last. Received: {self.template!r}.")
        return ClozeFraming(framer, self.template)

    def _word_ids(self, framer: Any, labels: tuple[str, ...]) -> list[list[int]]:
        """The one id of each word, by label.

        Raises:
            ConfigError: A word is not in the vocabulary as one piece, or stands for two labels.
        """
        import tensorflow as tf

        found: dict[int, str] = {}
        ids = []
        for label, words in zip(labels, self._words(labels), strict=True):
            own = []
            for word in words:
                pieces = framer.tokenize(tf.constant([f" {word}" if framer.family.causal else word])).values.numpy()
                hint = "Choose another word: 'words' (--task.words \"a=great; b=bad\")."
                if len(pieces) != 1 or int(pieces[0]) == framer.unknown_id:
                    raise ConfigError(f"The word {word!r} of label {label!r} is not one piece of the vocabulary.", hint=hint)
                if found.setdefault(int(pieces[0]), label) != label:
                    raise ConfigError(
                        f"The word {word!r} stands for two labels, {found[int(pieces[0])]!r} and {label!r}.", hint=hint
                    )
                own.append(int(pieces[0]))
            ids.append(own)
        return ids

    def build(self, encoder: Any, framer: Any, learned: Learned, *, seed: int) -> Any:
        import keras

        from kerasft.layers.heads import Pooling
        from kerasft.layers.language import GapPooling, WordLogits

        word_ids = self._word_ids(framer, learned.labels)
        if framer.family.causal:
            gap = Pooling("last", name="gap")(encoder.sequence, encoder.inputs["padding_mask"])
        else:
            gap = GapPooling(framer.mask_id, name="gap")(encoder.sequence, encoder.inputs["token_ids"])
        if encoder.parts.lm_head is not None:
            gap = encoder.parts.lm_head(gap)
        logits = encoder.parts.token_embedding(gap, reverse=True)  # (B, V)
        head = WordLogits(word_ids, name="head")
        model = keras.Model(encoder.inputs, head(logits), name="cloze")
        if encoder.parts.lm_bias is not None:
            head.bias.assign([encoder.parts.lm_bias[number] for ids in word_ids for number in ids])
        return model

    def cautions(self, encoder: Any, framer: Any) -> list[str]:
        if framer.family.causal or encoder.parts.lm_head is not None:
            return []
        return [
            "The preset has no masked-LM head (cls.predictions), so its guesses for the gap mean little before training; "
            "take a checkpoint of BertForMaskedLM for zero-shot and few-shot work."
        ]
