"""What a search tries: ranges of a run's options, checked against the options' own rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kerasft.config import Options, OptionSpec
from kerasft.errors import ConfigError
from kerasft.recipe import RunConfig, changed

_HINT = (
    "Write 1e-5..1e-3:log, 2..5, or 8,16,32; in Python also (1e-5, 1e-3, 'log'), (2, 5) or [8, 16, 32]; "
    "x5 means a fifth to five times the value in the recipe."
)


@dataclass(frozen=True)
class Range:
    """The values of one option that are tried.

    Attributes:
        option: Dotted name, such as `train.learning_rate`.
        low: Lowest number; None where there are choices.
        high: Highest number.
        log: Whether steps are factors and not differences.
        whole: Whether numbers are whole.
        choices: The values, where they are listed.
    """

    option: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    @classmethod
    def read(cls, option: str, given: Any, spec: OptionSpec, own: Any) -> Range:
        """The range that a person or an option's metadata gives.

        Args:
            option: Dotted name.
            given: Text, a tuple (low, high) or (low, high, "log"), or a list of choices.
            spec: Of the option.
            own: The recipe's value, for ranges around it.

        Raises:
            ConfigError: It is no range, or leaves the option's own.
        """
        if spec.kind is tuple:
            raise ConfigError(f"{option!r} takes several names at once, which a search cannot try.", hint="Fix it in the recipe.")
        if isinstance(given, str):
            made = cls._parse(option, given, spec, own)
        elif isinstance(given, tuple) and len(given) in (2, 3) and given[2:] in ((), ("log",)):
            made = cls(option, given[0], given[1], len(given) == 3, spec.kind is int)
        elif isinstance(given, list | tuple):
            made = cls(option, choices=tuple(given))
        else:
            raise ConfigError(f"{option!r} has no range. Received: {given!r}.", hint=_HINT)
        faults = list(made._faults(spec))
        if faults:
            raise ConfigError(f"The range of {option!r}: " + " ".join(faults), hint=_HINT)
        return made

    @classmethod
    def _parse(cls, option: str, text: str, spec: OptionSpec, own: Any) -> Range:
        plain, _, kind = text.strip().partition(":")
        if kind not in ("", "log"):
            raise ConfigError(f"The range of {option!r} can end in ':log'. Received: {text!r}.", hint=_HINT)
        if ".." in plain:
            low, _, high = plain.partition("..")
            return cls(option, spec.parse(low), spec.parse(high), kind == "log", spec.kind is int)
        if plain[:1] == "x" and own is not None and spec.kind is float:
            factor = float(plain[1:])
            return cls(option, max(own / factor, spec.low or 0), min(own * factor, spec.high or own * factor), log=True)
        return cls(option, choices=tuple(spec.parse(part) for part in plain.split(",") if part.strip()))

    def _faults(self, spec: OptionSpec) -> Iterator[str]:
        ends = self.choices or (self.low, self.high)
        for value in ends:
            yield from spec.faults(value)
        if self.choices and (len(self.choices) < 2 or len(set(self.choices)) < len(self.choices)):
            yield f"it needs two different values at least, each once. Received: {list(self.choices)}."
        if not self.choices and spec.kind not in (int, float):
            yield f"it takes listed values, not numbers. Received: {self.low!r} to {self.high!r}."
        elif not self.choices and all(isinstance(value, int | float) for value in ends):
            if self.low >= self.high:  # type: ignore[operator]
                yield f"its low end must be below its high one. Received: {self.low!r} to {self.high!r}."
            if self.log and self.low <= 0:  # type: ignore[operator]
                yield f"factors need a low end above 0. Received: {self.low!r}."

    @property
    def ends(self) -> tuple[Any, ...]:
        """Every choice, or both ends."""
        return self.choices or (self.low, self.high)

    def __contains__(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        if self.choices:
            return ",".join(map(str, self.choices))
        return f"{self.low:g}..{self.high:g}{':log' * self.log}"


def read_space(run: RunConfig, given: Mapping[str, Any] | None) -> tuple[Range, ...]:
    """The ranges of a search.

    Args:
        run: The recipe, with nothing left to be decided, around which is searched.
        given: Ranges by dotted option; those of the options' own metadata when not given.

    Raises:
        ConfigError: An option is unknown, a range is impossible, or no run could be made with one of its ends.
    """
    parts: dict[str, Options] = {"task": run.task, "tuning": run.tuning, "train": run.train}
    specs = {f"{part}.{spec.name}": spec for part, options in parts.items() for spec in options.specs()}
    wanted = {name: spec.search for name, spec in specs.items() if spec.search} if given is None else dict(given)
    unknown = [name for name in wanted if name not in specs]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} is no option of this run.", hint=f"There are: {', '.join(sorted(specs))}.")
    if not wanted:
        raise ConfigError("The space has no option to search.", hint=_HINT)
    space = []
    for name, text in wanted.items():
        part, _, option = name.partition(".")
        space.append(Range.read(name, text, specs[name], getattr(parts[part], option)))
        for end in space[-1].ends:
            RunConfig.from_dict(changed(run.to_dict(), {name: end}))  # rules that join several options
    return tuple(space)
