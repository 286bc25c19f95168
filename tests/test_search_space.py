"""Ranges of a search: what can be written, and what is refused before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

import kerasft as kft
from kerasft.recipe import RunConfig
from kerasft.search_space import Range, read_space
from kerasft.tuning import TUNINGS

TRAIN = kft.TrainConfig(learning_rate=1e-4, epochs=3, batch_size=32)


def run(tuning: kft.Tuning | None = None) -> RunConfig:
    return RunConfig(preset="any", tuning=tuning or kft.LoRA(), train=TRAIN)


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("train.learning_rate", "1e-5..1e-3:log", Range("train.learning_rate", 1e-5, 1e-3, True)),
        ("train.learning_rate", (1e-5, 1e-3, "log"), Range("train.learning_rate", 1e-5, 1e-3, True)),
        ("train.learning_rate", "x5", Range("train.learning_rate", 2e-5, 5e-4, True)),
        ("train.epochs", "2..5", Range("train.epochs", 2, 5, whole=True)),
        ("train.epochs", (2, 5), Range("train.epochs", 2, 5, whole=True)),
        ("tuning.rank", "4, 8,16", Range("tuning.rank", choices=(4, 8, 16))),
        ("tuning.rank", [4, 8], Range("tuning.rank", choices=(4, 8))),
        ("train.schedule", "linear,cosine", Range("train.schedule", choices=("linear", "cosine"))),
        ("tuning.decompose", [True, False], Range("tuning.decompose", choices=(True, False))),
        ("task.max_length", [64, 128], Range("task.max_length", choices=(64, 128))),
    ],
)
def test_ranges_can_be_written_in_several_ways(option: str, given: Any, expected: Range) -> None:
    [made] = read_space(run(), {option: given})
    assert made.low is None or (made.low, made.high) == pytest.approx((expected.low, expected.high))
    assert (made.option, made.log, made.whole, made.choices) == (option, expected.log, expected.whole, expected.choices)
    assert all(end in made for end in made.ends)
    assert str(made)


@pytest.mark.parametrize(
    ("option", "given", "told"),
    [
        ("train.learing_rate", "1e-5..1e-3", "is no option of this run"),
        ("tuning.length", "4..8", "is no option of this run"),  # a prompt's, and this is LoRA
        ("data.validation", "0.1..0.2", "is no option of this run"),
        ("train.learning_rate", "1e-3..1e-5:log", "low end must be below"),
        ("train.learning_rate", "0..1e-3:log", "must be at least 1e-08"),
        ("train.learning_rate", "1e-3..2", "must be at most 1"),
        ("train.learning_rate", "fast", "takes a number"),
        ("train.learning_rate", "1e-5..1e-3:lin", "can end in ':log'"),
        ("train.learning_rate", 3, "has no range"),
        ("train.weight_decay", (0.0, 0.1, "log"), "factors need a low end above 0"),
        ("tuning.rank", "8", "two different values"),
        ("tuning.rank", [8, 8], "two different values"),
        ("tuning.rank", "0,8", "must be at least 1"),
        ("train.epochs", "1.5..3", "takes a whole number"),
        ("train.schedule", "linear,round", "must be one of"),
        ("train.schedule", ("a", "b"), "must be one of"),
        ("tuning.targets", [["query"], ["key"]], "several names at once"),
    ],
)
def test_impossible_ranges_are_refused_with_what_was_received(option: str, given: Any, told: str) -> None:
    with pytest.raises(kft.ConfigError, match=told):
        read_space(run(), {option: given})


def test_an_end_that_contradicts_another_option_is_refused() -> None:
    with pytest.raises(kft.ConfigError, match="needs a 'text'"):
        read_space(run(kft.PromptTuning()), {"tuning.initial": ["vocabulary", "text"]})
    with pytest.raises(kft.ConfigError, match="no option to search"):
        read_space(run(), {})


@pytest.mark.parametrize("name", TUNINGS.all())
def test_every_method_has_a_space_around_its_own_values(name: str) -> None:
    tuning = TUNINGS.get(name)()
    recipe = run(tuning)
    space = {r.option: r for r in read_space(recipe, None)}
    assert {"train.learning_rate", "train.batch_size"} <= set(space)
    for option, tried in space.items():
        part, _, own = option.partition(".")
        value = getattr({"train": TRAIN, "tuning": tuning, "task": recipe.task}[part], own)
        if option != "tuning.rank" or name == "lora":
            assert value in tried, option
