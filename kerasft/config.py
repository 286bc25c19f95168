"""Options as data: one description of an option feeds docs, command line, app widget and search range."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.metadata
import json
import math
import pkgutil
import stat
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from kerasft.errors import ConfigError

T = TypeVar("T")
Self = TypeVar("Self", bound="Options")


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    advanced: bool = False,
    none: str = "auto",
    search: str | None = None,
) -> Any:
    """A field of an `Options` dataclass.

    Args:
        default: The value when none is given; without one the option is required.
        help: One sentence: meaning, unit, and what the default does.
        low: Smallest value allowed, inclusive.
        high: Largest value allowed, inclusive.
        choices: The only strings allowed.
        advanced: True keeps it out of the first screen of the app.
        none: What None means, in a word: `auto` (decided for the person) or `off`.
        search: The range a search tries where none is given, as `search_space.Range.read` reads it; None leaves it alone.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "advanced": advanced, "none": none, "search": search}
    if isinstance(default, (dict, list)):
        raise TypeError("a mutable default is shared between objects; use a tuple or None")
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class OptionSpec:
    """What is known of one option: read from the dataclass, used by command line, app and docs."""

    name: str
    kind: type  # int, float, str, bool or tuple (of str)
    optional: bool  # None is allowed
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...] | None
    advanced: bool
    none: str
    search: str | None = None

    @property
    def shown_default(self) -> str:
        """The default as a person would write it."""
        if self.default is None:
            return self.none
        return ",".join(self.default) if self.kind is tuple else str(self.default)

    @property
    def required(self) -> bool:
        """True when there is no default."""
        return self.default is MISSING

    def parse(self, text: str) -> Any:
        """The value that `text` (a command-line argument or a form field) stands for.

        Raises:
            ConfigError: The text is not of this option's type.
        """
        plain = text.strip()
        # Where text is asked for, `none` may be said and mean something; elsewhere it is another word for not given.
        if self.optional and plain.lower() in ("", self.none, *(() if self.kind is str else ("none",))):
            return None
        try:
            if self.kind is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[plain.lower()]
            if self.kind is tuple:
                return tuple(part.strip() for part in plain.split(",") if part.strip())
            return text if self.kind is str else self.kind(plain)
        except (KeyError, ValueError):
            expected = {bool: "true or false", int: "a whole number", float: "a number"}[self.kind]
            raise ConfigError(f"Option '{self.name}' takes {expected}. Received: {text!r}.") from None

    def faults(self, value: Any) -> Iterator[str]:
        """Sentences on what is wrong with `value`; none when it is fine."""
        if value is None:
            if not self.optional:
                yield f"'{self.name}' needs a value. Received: None."
            return
        accepted = (int, float) if self.kind is float else self.kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.kind is not bool):
            yield f"'{self.name}' must be of type {self.kind.__name__}. Received: {value!r}."
            return
        if isinstance(value, float) and not math.isfinite(value):
            yield f"'{self.name}' must be a finite number. Received: {value!r}."
        if self.low is not None and value < self.low:
            yield f"'{self.name}' must be at least {_written(self.low)}. Received: {value!r}."
        if self.high is not None and value > self.high:
            yield f"'{self.name}' must be at most {_written(self.high)}. Received: {value!r}."
        for chosen in value if self.kind is tuple else (value,):
            if self.choices and chosen not in self.choices:
                close = difflib.get_close_matches(str(chosen), self.choices, n=1)
                meant = f" Did you mean {close[0]!r}?" if close else ""
                yield f"'{self.name}' must be {_one_of(self)} {', '.join(self.choices)}. Received: {chosen!r}.{meant}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every options object: frozen, keyword-only, checked whole when made, JSON in and out."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for spec in self.specs():
            value = getattr(self, spec.name)
            if spec.kind is tuple and isinstance(value, list):
                object.__setattr__(self, spec.name, tuple(value))
        faults = [fault for spec in self.specs() for fault in spec.faults(getattr(self, spec.name))]
        faults = faults or list(self.cross_faults())
        if faults:
            raise ConfigError(f"{type(self).__name__}: " + " ".join(faults), where=self.name or None)

    def cross_faults(self) -> Iterator[str]:
        """Sentences on combinations that are impossible; each option by itself is already known to be fine."""
        return iter(())

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the class's docstring, on one line: what it is and when to take it."""
        return " ".join((cls.__doc__ or "").strip().partition("\n\n")[0].split())

    @classmethod
    def specs(cls) -> tuple[OptionSpec, ...]:
        """The options of this class, in order."""
        return _specs(cls)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a registered class adds its `name`."""
        values = {spec.name: getattr(self, spec.name) for spec in self.specs()}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {"name": self.name, **plain} if self.name else plain

    @classmethod
    def from_dict(cls: type[Self], values: dict[str, Any]) -> Self:
        """The object that `to_dict` described.

        Raises:
            ConfigError: An unknown option, or a value that breaks its rule; all faults at once.
        """
        known = {spec.name for spec in cls.specs()}
        given = {key: value for key, value in values.items() if key != "name" or "name" in known}
        unknown = [key for key in given if key not in known]
        if unknown:
            meant = [difflib.get_close_matches(key, known, n=1) for key in unknown]
            hints = [f"'{k}' (did you mean '{m[0]}'?)" if m else f"'{k}'" for k, m in zip(unknown, meant, strict=True)]
            raise ConfigError(f"{cls.__name__} has no option {', '.join(hints)}.", hint=f"Options: {', '.join(sorted(known))}.")
        missing = [spec.name for spec in cls.specs() if spec.required and spec.name not in given]
        if missing:
            raise ConfigError(f"{cls.__name__} needs {', '.join(missing)}.")
        return cls(**given)


def _specs(cls: type[Options]) -> tuple[OptionSpec, ...]:
    hints = typing.get_type_hints(cls)
    specs = []
    for item in dataclasses.fields(cls):
        kinds = typing.get_args(hints[item.name]) if _is_union(hints[item.name]) else (hints[item.name],)
        kind = next(k for k in kinds if k is not type(None))
        kind = tuple if typing.get_origin(kind) is tuple else kind
        specs.append(
            OptionSpec(
                name=item.name,
                kind=kind,
                optional=type(None) in kinds,
                default=item.default,
                help=item.metadata.get("help", ""),
                low=item.metadata.get("low"),
                high=item.metadata.get("high"),
                choices=item.metadata.get("choices"),
                advanced=item.metadata.get("advanced", False),
                none=item.metadata.get("none", "auto"),
                search=item.metadata.get("search"),
            )
        )
    return tuple(specs)


def _one_of(spec: OptionSpec) -> str:
    return "of" if spec.kind is tuple else "one of"


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _written(number: float) -> str:
    """A number with all its digits: 2147483647, not 2.14748e+09."""
    return str(int(number)) if float(number).is_integer() else repr(number)


class Registry(Generic[T]):
    """Finds the classes of one kind: every module of a package, then the entry points of other packages.

    Args:
        kind: What is registered, for messages: `task`, `tuning method`.
        package: The package whose modules register themselves when imported.
    """

    def __init__(self, kind: str, package: str) -> None:
        self._kind = kind
        self._package = package
        self._found: dict[str, type[T]] = {}
        self._broken: dict[str, str] = {}
        self._searched = False

    def register(self, cls: type[T]) -> type[T]:
        """Class decorator; the class is found by its `name`."""
        name = cls.name  # type: ignore[attr-defined]
        other = self._found.get(name)
        if other is not None and other.__qualname__ != cls.__qualname__:
            raise ConfigError(f"Two {self._kind}s are named '{name}': {other.__module__} and {cls.__module__}.")
        self._found[name] = cls
        return cls

    def all(self) -> dict[str, type[T]]:
        """Every class, by name, sorted."""
        if not self._searched:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
            for point in importlib.metadata.entry_points(group=self._package):
                try:
                    self.register(point.load())
                except Exception as error:  # of another package, whose fault must not stop what does not need it
                    self._broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
            self._searched = True
        return dict(sorted(self._found.items()))

    def get(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            ConfigError: There is none; the message lists those there are.
        """
        found = self.all()
        if name in self._broken and name not in found:
            what = f"The {self._kind} {name!r} of another package cannot be loaded ({self._broken[name]})."
            raise ConfigError(what, hint="Repair or remove that package.")
        if name not in found:
            close = difflib.get_close_matches(name, found, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(found)}."
            raise ConfigError(f"There is no {self._kind} named {name!r}.", hint=hint)
        return found[name]


def read_json(path: Path) -> Any:
    """The JSON in a file.

    Raises:
        ConfigError: The file is absent or is not JSON; names the line.
    """
    try:
        mode = path.stat().st_mode  # a pipe would be waited for
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ConfigError(f"{str(path)!r} is no regular file.")
        text = path.read_text(encoding="utf-8")
        if text.startswith("version https://git-lfs"):
            raise ConfigError(f"{str(path)!r} is a pointer of Git LFS, not the file itself.", hint="Fetch it: git lfs pull.")
        return json.loads(text)
    except ConfigError:
        raise
    except FileNotFoundError:
        raise ConfigError(f"There is no file {str(path)!r}.") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(f"{str(path)!r} cannot be read as JSON text: {error}.") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{str(path)!r} is not valid JSON: {error.msg}.", where=f"{path}, line {error.lineno}") from None
    except RecursionError:
        raise ConfigError(f"{str(path)!r} is nested too deeply to be read.") from None
    except ValueError as error:  # a number of thousands of digits, a NUL in the name
        raise ConfigError(f"{str(path)!r} cannot be read as JSON: {error}.") from None
