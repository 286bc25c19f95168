"""The options a person gave on the command line, as values of their types."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from kerasft.errors import ConfigError


def given_options(parsed: argparse.Namespace, prefix: str, specs: Sequence[Any]) -> dict[str, Any]:
    """The options of one group that were given.

    Args:
        parsed: What argparse read; dotted names are options.
        prefix: The group: `data`, `task`, `tuning`, `train`, ...
        specs: The options of the chosen class.

    Raises:
        ConfigError: One is no option of the class, or not of its type.
    """
    values = {key.partition(".")[2]: text for key, text in vars(parsed).items() if key.startswith(prefix + ".")}
    known = {spec.name: spec for spec in specs}
    odd = [name for name in values if name not in known]
    if odd:
        hint = f"Its options: {', '.join(known) or 'none'}."
        raise ConfigError(f"--{prefix}.{odd[0]} is no option of the chosen {prefix}.", hint=hint)
    return {name: known[name].parse(text) for name, text in values.items()}
