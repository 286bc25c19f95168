"""How a run that fails or is interrupted ends its log: with an event that says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerasft.errors import KerasFTError, RunError, is_disk_full
from kerasft.events import Emit, Failed, Stopped
from kerasft.memory import is_out_of_memory
from kerasft.runs import last_event
from kerasft.training.stopping import StopRequest


@contextmanager
def telling_failure(emit: Emit, folder: Path, stop: StopRequest) -> Iterator[None]:
    """End the log of a run that fails with an event that says why."""
    try:
        yield
    except KerasFTError as error:
        emit(Failed(error=type(error).__name__, message=error.message, where=error.where or "", hint=error.hint or ""))
        raise
    except (KeyboardInterrupt, SystemExit):
        step = getattr(last_event(folder), "step", 0)
        emit(Stopped(step=step, reason=stop.reason or "an interruption"))
        raise
    except BaseException as error:
        if is_disk_full(error):
            full = RunError("The disk is full.", where=str(folder), hint=f"Make room; then go on: kerasft resume {folder}")
            with suppress(OSError):  # there may be no room for this either
                emit(Failed(error="RunError", message=full.message, where=str(folder), hint=full.hint or ""))
            raise full from error
        if isinstance(error, FileNotFoundError) and Path(str(error.filename)).is_relative_to(folder):
            gone = RunError("A file of the run was removed while it was at work.", where=str(error.filename))
            with suppress(OSError):  # with the whole folder
                emit(Failed(error="RunError", message=gone.message, where=gone.where or ""))
            raise gone from error
        memory = is_out_of_memory(error)
        hint = "Halve batch_size and double accumulate, or shorten max_length." if memory else ""
        emit(Failed(error=type(error).__name__, message=str(error)[:2000], hint=hint))
        if memory:
            raise RunError("The machine ran out of memory.", hint=hint) from error
        raise
