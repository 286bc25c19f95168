"""The contenders of a bake-off: each a recipe made from one run, or a sentence on why it cannot take part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kerasft.bake_off_report import CONTENDERS, LAST, WORDS, ZERO_SHOT
from kerasft.config import read_json
from kerasft.errors import ConfigError, KerasFTError
from kerasft.presets import fetch, find_preset
from kerasft.recipe import RunConfig
from kerasft.tasks import Task
from kerasft.tasks.cloze import ClozeClassification
from kerasft.tuning import TUNINGS
from kerasft.tuning.freezing import FreezeLayers
from kerasft.tuning.frozen import FrozenFeatures
from kerasft.word_counts import FITS

_LEARNING = 2  # blocks of `last_layers`
_COUNTS = ("num_hidden_layers", "n_layer", "num_layers")  # what checkpoints call their number of blocks


def known() -> list[str]:
    """Names a bake-off takes: the usual ones, and every tuning method."""
    return list(dict.fromkeys([*CONTENDERS, *TUNINGS.all()]))


def contender(name: str, run: RunConfig, cloze: ClozeClassification | None) -> RunConfig | str:
    """The recipe of one contender, or why there is none.

    Args:
        name: One of `known`.
        run: The run the bake-off is about; its tuning method counts only where it is this contender's.
        cloze: How `zero_shot` asks; the labels' own names in the usual sentence when not given.
    """
    run = replace(run, train=replace(run.train, score_test=False))
    special: Mapping[str, Callable[[], RunConfig | str]] = {
        WORDS: lambda: _word_counts(run),
        ZERO_SHOT: lambda: _zero_shot(run, cloze),
        LAST: lambda: _last_layers(run),
        "frozen": lambda: _frozen(run),
    }
    if name in special:
        return special[name]()
    return run if run.tuning.name == name else replace(run, tuning=_method(name)())


def _method(name: str) -> Any:
    if name not in TUNINGS.all():
        raise ConfigError(f"There is no contender {name!r}.", hint=f"There are: {', '.join(known())}.")
    return TUNINGS.get(name)


def _word_counts(run: RunConfig) -> RunConfig | str:
    if run.task.name not in FITS:
        return f"There is no baseline of word counts for task '{run.task.name}'."
    return run


def _zero_shot(run: RunConfig, cloze: ClozeClassification | None) -> RunConfig | str:
    task: Task = cloze or ClozeClassification()
    if run.task.name != "text_classification":
        return "Only texts with one label each can be asked as a gap in a sentence."
    if run.data.text_pair is not None and "{text_pair}" not in task.template:  # type: ignore[attr-defined]
        return "For pairs it needs a template with {text} and {text_pair}."
    return replace(run, task=task, tuning=_method("full")(), train=replace(run.train, epochs=0))


def _last_layers(run: RunConfig) -> RunConfig | str:
    blocks = count_blocks(run.preset)
    if blocks is None or blocks <= _LEARNING:
        return f"The model has no more than {_LEARNING} blocks." if blocks else "The model's number of blocks is not known."
    return replace(run, tuning=FreezeLayers(layers=blocks - _LEARNING))


def _frozen(run: RunConfig) -> RunConfig:
    """With cached features, the same result and far faster, but where other tokens are hidden in every epoch."""
    frozen = run.tuning if isinstance(run.tuning, FrozenFeatures) else FrozenFeatures(cache=run.task.name != "masked_lm")
    return replace(run, tuning=frozen)


def count_blocks(preset: str) -> int | None:
    """Transformer blocks of a preset, from its configuration alone; None when it cannot be told."""
    try:
        config = read_json(fetch(find_preset(preset)) / "config.json")
    except KerasFTError:
        return None
    places = [config, config.get("config", {}), config.get("backbone", {})]
    counts = (place.get(name) for place in places if isinstance(place, dict) for name in _COUNTS)
    return next((int(count) for count in counts if isinstance(count, int)), None)
