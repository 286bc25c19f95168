"""What the options are called on the page: words that people know, in sentence case. The library's names stay what they are."""

from __future__ import annotations

import re

from kerasft.data.data_config import DataConfig
from kerasft.training.options import TrainConfig

_SAID = {"True": "on", "False": "off"}

_LABELS = {
    "max_length": "Maximum length (tokens)",
    "max_question": "Maximum length of the question (tokens)",
    "max_answer": "Maximum length of the answer (tokens)",
    "max_new_tokens": "Maximum number of new tokens",
    "head_learning_rate": "Learning rate of the head",
    "focal": "Focal loss (gamma)",
    "label_weights": "Weights of labels",
    "sampling": "Sampling of rows",
    "folds": "Folds of cross-validation",
    "head_start": "Weights the head begins with",
    "accumulate": "Steps per update",
    "warmup": "Warm-up",
    "clip_norm": "Gradient clipping (norm)",
    "validate_every": "Steps between validations",
    "patience": "Early stopping (patience)",
    "monitor": "Figure that decides",
    "restore_best": "End with the best weights",
    "group_by_length": "Group texts of similar length",
    "jit_compile": "Compile with XLA",
    "strategy": "Devices",
    "checkpoint_minutes": "Minutes between checkpoints",
    "keep_checkpoints": "Number of checkpoints kept",
    "score_test": "Evaluate on the test rows",
    "tensorboard": "TensorBoard logs",
    "normalise": "Vectors of length 1",
    "drop_unknown": "Leave out unknown labels",
    "evaluate_generation": "Rows generated for BLEU and chrF",
    "cache": "Keep the features on disk",
    "top_k": "Top k",
    "top_p": "Top p",
}

_PLACES = {"data": "tab Data", "task": "tab Train", "tuning": "tab Train", "train": "tab Train"}
_AS_OPTION = re.compile(  # `repair=True (--data.repair true)`, `(--data.sheet, sheet='...')`, `(--data.label, Label in the app)`
    r"(?:(?P<name>\w+)=(?P<value>'[^']*'|[\w.]+) )?\(--(?P<part>data|task|tuning|train)\.(?P<option>\w+)[^)]*\)"
)

_SNAKE = re.compile(r"(?<![\w.-])[a-z]+(?:_[a-z]+)+(?![\w(])")
_OPTIONS = frozenset(spec.name for cls in (DataConfig, TrainConfig) for spec in cls.specs()) | frozenset(_LABELS)

_CONTENDERS = {
    "word_counts": "Word counts: TF-IDF with a linear model, no Transformer; the baseline to beat",
    "zero_shot": "Zero-shot: the model fills a gap with a word of the label; nothing is trained",
    "frozen": "Frozen: only the head is trained, on features of the unchanged model; the fastest",
    "last_layers": "Last layers: the last two blocks and the head are trained",
    "lora": "LoRA: low-rank updates beside frozen weights, about 1 % of them",
    "adapters": "Adapters: small layers inside frozen blocks",
    "prompt_tuning": "Prompt tuning: a few learned vectors before the text; weak with small models",
    "full": "Full fine-tuning: all weights; usually the best score, and the slowest",
}


def contender(name: str) -> str:
    """A contender of the bake-off and what it is, in a line."""
    return _CONTENDERS.get(name, name)


def on_screen(hint: str) -> str:
    """A hint of the library, which names options as the command line and Python do, in the words of the page."""

    def spoken(match: re.Match[str]) -> str:
        field, place = label(match["option"]), _PLACES[match["part"]]
        if not match["name"]:
            return f"({field}, {place})"
        value = match["value"].strip("'")
        if value == "...":
            return f"{field} ({place})"
        return f"{field}: {_SAID.get(value, value)} ({place})"

    def named(match: re.Match[str]) -> str:
        return label(match[0]) if match[0] in _OPTIONS else match[0]

    return _SNAKE.sub(named, _AS_OPTION.sub(spoken, hint))


def label(option: str) -> str:
    """The label of an option's field."""
    return _LABELS.get(option) or option.replace("_", " ").capitalize()
