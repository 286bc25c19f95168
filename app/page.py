"""What the tabs share: the runs, the prediction process, the chosen data and the chosen run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft_app.runs import RunBoard
from kerasft_app.worker import Predictor

EXAMPLE = Path(str(resources.files("kerasft_app.examples"))) / "tickets.csv"


@dataclass
class Page:
    """Shared by all tabs of one page.

    Attributes:
        board: The runs.
        predictor: Answers texts.
        data: State: options of the chosen data (`DataConfig` values), or None.
        run: Dropdown of the chosen run.
        tabs: The tabs, to switch from one to another.
        loaded: Event: a browser has opened or reloaded the page.
    """

    board: RunBoard
    predictor: Predictor
    data: Any = None
    run: Any = None
    tabs: Any = None
    loaded: Any = None

    def run_choices(self) -> list[tuple[str, str]]:
        """Labels and names of all runs for the dropdown, newest first."""
        return [(f"{run.name}  ·  {run.state}{'  ·  ' + run.score if run.score else ''}", run.name) for run in self.board.runs()]

    def runs_update(self, chosen: str | None = None) -> Any:
        """The dropdown with today's runs; keeps `chosen`, or else takes the one that is running, or the newest."""
        runs = self.board.runs()
        names = [run.name for run in runs]
        if chosen not in names:
            busy = [run.name for run in runs if run.state == "running"] + [run.name for run in runs if run.state == "queued"]
            chosen = (busy or names or [None])[0]
        return gr.Dropdown(choices=self.run_choices(), value=chosen)
