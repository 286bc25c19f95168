"""What the tabs share: the runs, the prediction process, the chosen data and the chosen run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ArtifactError, KerasFTError
from kerasft.presets import list_presets
from kerasft_app.charts import note_box
from kerasft_app.facts import ModelFacts, model_facts
from kerasft_app.figures import spoken_score
from kerasft_app.predictors import Predictors
from kerasft_app.runs import RunBoard

EXAMPLE = Path(str(resources.files("kerasft_app.examples"))) / "tickets.csv"

TO_TOP = "() => { window.scrollTo({ top: 0 }); return []; }"  # before another tab is shown


@dataclass
class Page:
    """Shared by all tabs of one page.

    Attributes:
        board: The runs.
        predictor: Answers texts.
        data: State: options of the chosen data (`DataConfig` values), or None.
        task: State: name of the task the data were understood to be for, and their columns by role.
        run: Dropdown of the chosen run.
        model: Dropdown of the model a run begins with.
        recipe: From the values of `recipe_inputs` to the recipe the page says; raises what is wrong with it.
        recipe_inputs: The components that say it.
        tabs: The tabs, to switch from one to another.
        remembered: State of the browser: what the form of Train said last, and for which file; outside the tabs, because what is
            in a tab that is not shown stands still.
        opening: Event: the tab that is being built is opened.
        loaded: Event: a browser has opened or reloaded the page.
        closed: Event: a browser has closed or reloaded it.
        stepping: Event: a run or study has changed while the tab that is being built is shown (`kerasft_app.pulse`).
        changing: Event: one has begun, ended or been renamed, or has a model or report, while that tab is shown.
    """

    board: RunBoard
    predictor: Predictors
    data: Any = None
    task: Any = None
    run: Any = None
    model: Any = None
    recipe: Any = None
    recipe_inputs: Any = None
    tabs: Any = None
    remembered: Any = None
    opening: Any = None
    loaded: Any = None
    closed: Any = None
    stepping: Any = None
    changing: Any = None

    def model_folder(self, run: str | None) -> Path:
        """The folder of a run that has a model.

        Raises:
            ArtifactError: No run is chosen, or it has no model yet.
        """
        if not run:
            raise ArtifactError("No run is chosen.", hint="Train one first (tab Train).")
        folder: Path = self.board.folder(run)
        if not (folder / "model.safetensors").exists():
            raise ArtifactError(f"The run {run!r} has no model yet.", hint="Wait until it has finished, or choose another run.")
        return folder

    def facts(self, run: str | None) -> ModelFacts | None:
        """What is known of a run's model; None when no run is chosen."""
        try:
            return model_facts(self.board.folder(run)) if run else None
        except KerasFTError:
            return None

    @property
    def own_models(self) -> Path:
        """Folder of the models a person has made: new ones, and the backbones of runs."""
        return Path(self.board.root, ".models")

    def model_choices(self) -> list[tuple[str, str]]:
        """Labels and names of the models to begin with: a person's own, then those known by name."""
        folders = sorted(path for path in self.own_models.glob("*") if (path / "config.json").exists())
        own = [(f"{path.name}  (yours)", str(path)) for path in folders]
        return own + [(f"{preset.name}{'' if preset.here else '  (download)'}", preset.name) for preset in list_presets()]

    def models_update(self, chosen: str) -> Any:
        """The dropdown with today's models, and one of them chosen."""
        return gr.Dropdown(choices=self.model_choices(), value=chosen)

    def run_choices(self) -> list[tuple[str, str]]:
        """Labels and names of all runs for the dropdown, newest first."""
        runs = self.board.runs()
        titles = Counter(run.title for run in runs)
        choices = []
        for run in runs:
            title = run.title if titles[run.title] == 1 else f"{run.title} ({run.name})"
            choices.append(("  ·  ".join(part for part in (title, run.state, spoken_score(run.score)) if part), run.name))
        return choices

    def runs_refresh(self, chosen: str | None) -> list[Any]:
        """As `runs_update`, for what happens by itself: it leaves alone what is chosen, which may be another run by now.

        Returns:
            For the list of runs, and for the line above the tabs: that the chosen run is gone.
        """
        if any(run.name == chosen for run in self.board.runs()):
            return [gr.Dropdown(choices=self.run_choices()), gr.skip()]
        gone = bool(chosen) and not self.board.holds(str(chosen))
        message = f"The run {str(chosen)[:80]!r} is no longer here; another one is shown." if gone else ""
        return [self.runs_update(chosen), note_box(message) if message else ""]

    def runs_update(self, chosen: str | None = None) -> Any:
        """The dropdown with today's runs; keeps `chosen`, or else takes the one that is running, or the newest."""
        runs = self.board.runs()
        names = [run.name for run in runs]
        if not names:
            return gr.Dropdown(choices=[("no run yet", "")], value="")
        if chosen not in names:  # a study, or one that is gone
            busy = [run.name for run in runs if run.state == "running"] + [run.name for run in runs if run.state == "queued"]
            chosen = (busy or names)[0]
        return gr.Dropdown(choices=self.run_choices(), value=chosen)
