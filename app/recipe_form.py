"""The form of a run: model, task, tuning method and options. Train lays it out; Search and the code beside it read it, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from kerasft.data.columns import Columns
from kerasft.data.data_config import DataConfig
from kerasft.errors import ConfigError, KerasFTError
from kerasft.presets import default_preset, find_preset, locate
from kerasft.tasks import TASKS
from kerasft.tasks.base import OF_CLASSES
from kerasft.tasks.classification import TextClassification
from kerasft.token_counts import longest_input
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS
from kerasft.tuning.full import Full
from kerasft_app.forms import Form
from kerasft_app.recipes import checked

_PARTS = ("task", "tuning")


class RecipeForm:
    """Widgets that say the recipe of a run; build inside a Gradio layout, wire when all tabs' states are there.

    Attributes:
        task: Dropdown of the task.
        tuning: Dropdown of the tuning method.
        model: Dropdown of the model.
        components: All widgets: task, tuning and model, then the options. `read` takes their values in this order.
    """

    def __init__(self, models: list[tuple[str, str]], below_model: Callable[[Any], None]) -> None:
        """Lay out the widgets.

        Args:
            models: Labels and names of the models.
            below_model: Lays out what follows the model, such as the form of a new one; receives the dropdown.
        """
        self.model = gr.Dropdown(models, value=default_preset(), label="Model", elem_id="model", allow_custom_value=True,
                                 info="A name, a folder with config.json and weights, or hf://owner/name.")  # fmt: skip
        self._about = gr.Markdown(about_model(default_preset()), elem_classes="hint")
        below_model(self.model)
        self._forms = {"task": _forms(TASKS), "tuning": _forms(TUNINGS)}
        self._groups: dict[str, dict[str, list[Any]]] = {part: {} for part in _PARTS}
        self.task = gr.Dropdown(_titles(TASKS), value=TextClassification.name, label="Task", elem_id="task")
        self._task_about = gr.Markdown(_summary(TASKS, TextClassification.name), elem_classes="hint")
        self._render("task", TextClassification.name, advanced=False)
        self.tuning = gr.Dropdown(_titles(TUNINGS), value=Full.name, label="Tuning method", elem_id="tuning")
        self._tuning_about = gr.Markdown(_summary(TUNINGS, Full.name), elem_classes="hint")
        self._render("tuning", Full.name, advanced=False)
        self.train = Form(TrainConfig)
        self.train.render(advanced=False)
        with gr.Accordion("Advanced", open=False):
            self._render("task", TextClassification.name, advanced=True)
            self._render("tuning", Full.name, advanced=True)
            self.train.render(advanced=True)
        options = [widget for forms in self._forms.values() for form in forms.values() for widget in form.components]
        self.components = [self.task, self.tuning, self.model, *self.train.components, *options]
        self._lengths = [form.widgets["max_length"] for form in self._forms["task"].values() if "max_length" in form.widgets]
        for widget in self._lengths:
            widget.value = within(self.model.value, widget.value)
        self._switched = gr.State(None)  # the model that was replaced because it did not fit the task, and by which one

    def read(self, known: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
        """The recipe without its data.

        Args:
            known: What the page knows of the data: the columns by role.
            values: Of `components`.

        Raises:
            ConfigError: An option is impossible, or the parts do not go together.
            PresetError: There is no such model.
        """
        task, tuning, model, *rest = values
        preset = find_preset(model or "")
        train, rest = rest[: len(self.train.components)], rest[len(self.train.components) :]
        picked = {}
        for part, chosen in zip(_PARTS, (task, tuning), strict=True):
            for name, form in self._forms[part].items():
                own, rest = rest[: len(form.components)], rest[len(form.components) :]
                if name == chosen:
                    picked[part] = {"name": chosen, **form.read(own)}
        recipe = {"preset": model, **picked, "train": self.train.read(train)}
        return dict(checked(recipe, Columns(**known["columns"]), preset.family))

    def whole(self, data: Mapping[str, Any] | None, known: Mapping[str, Any] | None, *values: Any) -> dict[str, Any]:
        """The recipe with its data.

        Raises:
            ConfigError: As `read`, or there are no data.
            PresetError: There is no such model.
        """
        if data is None or known is None:
            hint = "In the tab Data, upload a file or take the example, and answer what is asked there."
            raise ConfigError("No data are ready.", hint=hint)
        return {**self.read(known, values), "data": DataConfig.from_dict(dict(data)).to_dict()}

    def fill(self, recipe: Mapping[str, Any]) -> list[Any]:
        """Values of `components` for a recipe.

        Raises:
            ConfigError: The recipe names no model, task or method of this form.
        """
        own = {part: {"name": "", **(recipe.get(part) or {})} for part in _PARTS}
        if not recipe.get("preset") or any(own[part]["name"] not in self._forms[part] for part in _PARTS):
            raise ConfigError("That run has no options to take.", hint="Choose one at the top of the page that was trained here.")
        options = [
            value
            for part in _PARTS
            for name, form in self._forms[part].items()
            for value in form.fill(own[part] if name == own[part]["name"] else {})
        ]
        chosen = [own["task"]["name"], own["tuning"]["name"], recipe["preset"]]
        return [*chosen, *self.train.fill(recipe.get("train") or {}), *options]

    def change(self, changes: Mapping[str, Any]) -> list[Any]:
        """Updates of `components` for an alternative: `tuning`, `model` or `max_length`, the others as they are."""
        named = {"tuning": self.tuning, "model": self.model}
        updates = {id(named[key]): value for key, value in changes.items() if key in named}
        for form in self._forms["task"].values():
            if "max_length" in changes and "max_length" in form.widgets:
                updates[id(form.widgets["max_length"])] = changes["max_length"]
        return [updates.get(id(widget), gr.skip()) for widget in self.components]

    @property
    def optional(self) -> list[Any]:
        """The widgets of the options."""
        return self.components[3:]

    def mark(self, message: str, before: Sequence[str]) -> tuple[list[str], list[Any]]:
        """Say what is wrong with an option beside its field.

        Args:
            message: Of an error, which names options in quotation marks; empty for none.
            before: Names of the options that are marked.

        Returns:
            Names of the options that are marked now, and updates of `optional`.
        """
        sentences = re.split(r"(?<=\.)\s+(?=')|^\w+: ", message)
        faults = {name: sentence for sentence in sentences if sentence for name in re.findall(r"'(\w+)'", sentence)[:1]}
        updates = []
        for form in self._all_forms():
            helps = {spec.name: spec.help for spec in form.specs}
            for name in form.widgets:
                if name in faults:
                    updates.append(gr.update(info=faults[name], elem_classes=["faulty"]))
                else:
                    updates.append(gr.update(info=helps[name], elem_classes=[]) if name in before else gr.skip())
        return [name for name in faults if any(name in form.widgets for form in self._all_forms())], updates

    def _all_forms(self) -> list[Form]:
        return [self.train, *(form for forms in self._forms.values() for form in forms.values())]

    def wire(self, task_state: Any, remembered: Any) -> None:
        """Keep the parts of the form in step with each other and with the task the data were understood to be for.

        Args:
            task_state: State: the task's name and the columns, or None.
            remembered: State of the browser: `file` and `recipe` of the form before the page was loaded again.
        """
        quiet: dict[str, Any] = {"show_progress": "hidden"}
        task_state.change(_task_of, [task_state, remembered], self.task, **quiet)
        self.model.change(about_model, self.model, self._about, **quiet)
        self.model.change(
            lambda model, *values: [within(model, value) for value in values],
            [self.model, *self._lengths],
            self._lengths,
            **quiet,
        )
        self.task.change(fitting_model, [self.task, self.model, self._switched], [self.model, self._switched], **quiet)
        self.task.change(of_classes, self.task, [self.train.widgets[name] for name in OF_CLASSES], **quiet)
        self.task.change(lambda chosen: _summary(TASKS, chosen), self.task, self._task_about, **quiet)
        self.tuning.change(lambda chosen: _summary(TUNINGS, chosen), self.tuning, self._tuning_about, **quiet)
        for picker, part in ((self.task, "task"), (self.tuning, "tuning")):
            names = [name for name, shown in self._groups[part].items() for _ in shown]
            picker.change(
                lambda chosen, names=names: [gr.Group(visible=name == chosen) for name in names],
                picker,
                [group for shown in self._groups[part].values() for group in shown],
            )

    @property
    def switched(self) -> Any:
        """State to clear when a model is chosen for another reason than the task."""
        return self._switched

    def _render(self, part: str, first: str, *, advanced: bool) -> None:
        """Lay out the plain or the advanced options of every form in a group of its own, of which only the chosen one shows."""
        for name, form in self._forms[part].items():
            if any(spec.advanced == advanced for spec in form.specs):
                with gr.Group(visible=name == first) as group:
                    form.render(advanced=advanced)
                self._groups[part].setdefault(name, []).append(group)


def _task_of(known: Mapping[str, Any] | None, kept: Any) -> Any:
    """The task the data were understood to be for, unless another one was chosen for the same file, understood alike, before."""
    if not known:
        return gr.skip()
    same = isinstance(kept, dict) and (kept.get("file"), kept.get("understood")) == (known.get("file"), known.get("name"))
    if same:
        name = ((kept.get("recipe") or {}).get("task") or {}).get("name")
        if name in TASKS.all():
            return name
    return known["name"]


def within(model: str, value: Any) -> Any:
    """A maximum length that the model can read: the one that is there, or the model's own where that is lower."""
    try:
        preset = find_preset(model or "")
        most = longest_input(locate(preset)) if preset.here else None
    except KerasFTError:
        return value
    return most if most and isinstance(value, int | float) and value > most else value


def of_classes(task: str) -> list[Any]:
    """Options with a meaning for classes only: hidden, and off, for a task without any."""
    shown = TASKS.get(task).weighs_classes
    return [gr.update(visible=shown, **({} if shown else {"value": off})) for off in OF_CLASSES.values()]


def fitting_model(task: str, model: str, switched: tuple[str, str] | None) -> list[Any]:
    """A model that fits the task in place of one that nobody chose.

    Args:
        task: The task's name.
        model: What stands in the field.
        switched: What stood there before the last switch, and what was put in its place.
    """
    families = TASKS.get(task).families

    def fits(name: str) -> bool:
        return not families or find_preset(name).family in families

    if switched and model == switched[1] and fits(switched[0]):
        return [switched[0], None]
    if model not in (default_preset(), default_preset(("gpt2",))) or fits(model):
        return [gr.skip(), switched]
    return [default_preset(families), (model, default_preset(families))]


def about_model(model: str) -> str:
    """Family, size, languages, licence and place of a model, or what is wrong with its name."""
    try:
        preset = find_preset(model or "")
    except KerasFTError as error:
        return f"**{error.message}** {error.hint or ''}"
    here = "here already" if preset.here else f"downloaded on first use from {preset.source}"
    size = preset.size if preset.parameters else "size unknown"
    facts = (preset.family.upper(), size, preset.languages, preset.licence, here)
    return " · ".join(dict.fromkeys(facts))  # of a folder languages and licence stand in one place


def _forms(registry: Any) -> dict[str, Form]:
    """A form for each class of a registry."""
    return {name: Form(cls) for name, cls in registry.all().items()}


def _titles(registry: Any) -> list[tuple[str, str]]:
    return [(cls.title, name) for name, cls in registry.all().items()]


def _summary(registry: Any, name: str) -> str:
    return str(registry.get(name).summary())
