"""How far a run is, put together from the events in its folder. No Gradio here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kerasft import events
from kerasft.runs import STOP_FILE, ending_signal, has_checkpoint, run_state


@dataclass
class Progress:
    """How far a run is, put together from its events.

    Attributes:
        state: See `kerasft.runs.RunSummary.state`.
        phase: What it is doing, in words.
        steps: Step events.
        validations: Validated events.
        warnings: Warnings of the newest attempt.
        started: The newest Started event.
        estimated: The newest Estimated event.
        ended: The event that ended it, or None.
        stopping: Whether it was asked to stop and has not heard it yet.
        ended_by: The signal that ended its process, where that is known.
        can_go_on: Whether there is a checkpoint to go on from.
    """

    state: str
    phase: str = ""
    steps: list[events.Step] = field(default_factory=list)
    validations: list[events.Validated] = field(default_factory=list)
    warnings: list[events.Warned] = field(default_factory=list)
    started: events.Started | None = None
    estimated: events.Estimated | None = None
    ended: events.Event | None = None
    stopping: bool = False
    ended_by: int | None = None
    can_go_on: bool = True


def progress_in(folder: Path) -> Progress:
    """Put together how far the run in a folder is."""
    progress = Progress(
        state=run_state(folder),
        stopping=(folder / STOP_FILE).exists(),
        ended_by=ending_signal(folder),
        can_go_on=has_checkpoint(folder),
    )
    for event in events.read_events(folder / "events.jsonl"):
        if isinstance(event, events.Phase):
            if event.phase == "data":
                progress.warnings, progress.ended = [], None
            progress.phase = f"{_PHASES.get(event.phase, event.phase)} {event.detail}".strip()
        elif isinstance(event, events.Started):
            progress.started, progress.phase = event, "training"
            # What came after the checkpoint a run goes on from is done again; the curve must not show it twice.
            progress.steps = [step for step in progress.steps if step.step <= event.first_step]
            progress.validations = [v for v in progress.validations if v.step <= event.first_step]
        elif isinstance(event, events.Step):
            progress.steps.append(event)
        elif isinstance(event, events.Estimated):
            progress.estimated = event
        elif isinstance(event, events.Validated):
            progress.validations.append(event)
            # The event comes again if it is still so.
            progress.warnings = [warned for warned in progress.warnings if warned.code != events.ONE_CLASS]
        elif isinstance(event, events.Warned):
            progress.warnings.append(event)
        elif isinstance(event, events.Finished | events.Stopped | events.Failed):
            progress.ended = event
    return progress


_PHASES = {
    "stopping": "stopping:",
    "data": "reading",
    "download": "downloading",
    "model": "loading",
    "tokenise": "tokenising",
    "features": "computing features of",
    "head_start": "solving the head on",
    "solve": "solving the head on",
    "fold": "cross-validation, part",
    "evaluate": "evaluating",
}
