"""Options: checked whole, JSON in and out, parsed from text; the registry; errors' three parts."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerasft as kft
from kerasft.config import Options, OptionSpec, option
from kerasft.data.data_config import DataConfig
from kerasft.errors import ConfigError, DataError, name_rows, name_values
from kerasft.tuning import get_tuning


@dataclass(frozen=True, kw_only=True)
class Example(Options):
    """An options class for these tests."""

    count: int = option(3, "How many.", low=1, high=9)
    rate: float | None = option(0.5, "A rate.", low=0, high=1, none="off")
    mode: str = option("fast", "A mode.", choices=("fast", "slow"))
    names: tuple[str, ...] = option((), "Names.")
    on: bool = option(True, "Whether.")


def spec(name: str) -> OptionSpec:
    return next(spec for spec in Example.specs() if spec.name == name)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Example(count=0, rate=2.0, mode="fats")
    text = str(error.value)
    assert "'count' must be at least 1" in text
    assert "'rate' must be at most 1" in text
    assert "Did you mean 'fast'?" in text


@pytest.mark.parametrize(
    "values", [{"count": "3"}, {"count": True}, {"count": 2.5}, {"on": 1}, {"rate": float("nan")}, {"mode": None}]
)
def test_wrong_types_are_refused(values: dict) -> None:
    with pytest.raises(ConfigError):
        Example(**values)


def test_an_unknown_option_names_the_close_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'count'"):
        Example.from_dict({"cuont": 3})


@given(st.builds(Example, count=st.integers(1, 9), rate=st.none() | st.floats(0, 1), names=st.lists(st.text()).map(tuple)))
def test_dictionary_and_back_is_the_identity(example: Example) -> None:
    assert Example.from_dict(example.to_dict()) == example


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("count", " 4 ", 4), ("rate", "off", None), ("rate", "0.25", 0.25), ("on", "No", False), ("names", "a, b,", ("a", "b"))],
)
def test_text_is_parsed_by_type(name: str, text: str, value: object) -> None:
    assert spec(name).parse(text) == value


def test_none_may_mean_something_where_text_is_asked_for() -> None:
    label = next(found for found in DataConfig.specs() if found.name == "label")
    assert (label.parse("none"), label.parse("auto"), label.parse("")) == ("none", None, None)
    assert spec("rate").parse("none") is None


def test_text_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="'count' takes a whole number. Received: 'four'"):
        spec("count").parse("four")


def test_the_registry_names_what_there_is() -> None:
    assert get_tuning("freeze_layers", layers=3) == kft.FreezeLayers(layers=3)
    with pytest.raises(ConfigError, match="Did you mean 'frozen'"):
        get_tuning("frozn")


def test_an_error_shows_rule_evidence_and_next_step_and_survives_a_process_border() -> None:
    error = DataError("Rule.", where="file.csv, row 3", hint="Do this.")
    assert str(error) == "Rule.\n  where: file.csv, row 3\n  hint:  Do this."
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (DataError, str(error))
    assert isinstance(error, ValueError)


def test_lists_in_messages_are_short() -> None:
    assert name_rows([7]) == "row 7"
    assert name_rows(list(range(1, 9))) == "rows 1, 2, 3, 4, 5 and 3 more"
    assert name_values(["a", "b" * 100], most=1) == "'a' and 1 more"
