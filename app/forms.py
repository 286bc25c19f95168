"""Any `Options` class -> Gradio widgets, and the widgets' values -> options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from kerasft.config import Options, OptionSpec
from kerasft_app.labels import label


class Form:
    """Widgets for the options of one class; call inside a Gradio layout.

    Args:
        cls: The options class.
        skip: Options that have a place of their own.
    """

    def __init__(self, cls: type[Options], *, skip: Sequence[str] = ()) -> None:
        self.specs = [spec for spec in cls.specs() if spec.name not in skip]
        self.widgets: dict[str, Any] = {}

    def render(self, *, advanced: bool) -> None:
        """Add the widgets of the plain or of the advanced options to the current layout."""
        wanted = [spec for spec in self.specs if spec.advanced == advanced]
        for start in range(0, len(wanted), 2):
            with gr.Row():
                for spec in wanted[start : start + 2]:
                    self.widgets[spec.name] = widget(spec)

    @property
    def components(self) -> list[Any]:
        """The widgets, in the order `read` takes their values."""
        return list(self.widgets.values())

    def fill(self, given: Mapping[str, Any]) -> list[Any]:
        """Values for the widgets: those of options that are given, the default of every other."""
        specs = {spec.name: spec for spec in self.specs}
        return [shown(specs[name], given.get(name, specs[name].default)) for name in self.widgets]

    def read(self, values: Sequence[Any]) -> dict[str, Any]:
        """Values of the widgets as options; what equals the default is left out, so that the recipe stays short."""
        specs = {spec.name: spec for spec in self.specs}
        found = {}
        for name, value in zip(self.widgets, values, strict=True):
            converted = convert(specs[name], value)
            if converted != specs[name].default:
                found[name] = converted
        return found


def widget(spec: OptionSpec) -> Any:
    """The widget for one option."""
    about: dict[str, Any] = {
        "value": shown(spec, spec.default), "label": label(spec.name), "info": spec.help
    }  # fmt: skip
    if spec.choices:
        return gr.Dropdown(list(spec.choices), multiselect=spec.kind is tuple, **about)
    if spec.kind is bool and not spec.optional:
        return gr.Checkbox(**about)
    if spec.kind is int and not spec.optional:
        return gr.Number(precision=0, **about)
    return gr.Textbox(placeholder=spec.none if spec.default is None else None, max_lines=1, **about)


def shown(spec: OptionSpec, value: Any) -> Any:
    """An option's value as its widget has it; `convert` gives it back."""
    if spec.kind is tuple and spec.choices:
        return list(value)
    if spec.choices or (spec.kind in (bool, int) and not spec.optional):
        return value
    if value is None:
        return ""
    short = f"{value:g}" if spec.kind is float else ""
    return short if short and float(short) == value else str(value)


def convert(spec: OptionSpec, value: Any) -> Any:
    """A widget's value as a value of the option.

    Raises:
        ConfigError: It is not of the option's type.
    """
    if spec.kind is tuple and isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and spec.kind is not str:
        return spec.parse(value) if value.strip() else (None if spec.optional else spec.default)
    if value in ("", None):
        return None if spec.optional else spec.default
    return int(value) if spec.kind is int and not isinstance(value, bool) else value
