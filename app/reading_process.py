"""Files are read in processes of their own: a slow one delays nobody's page, and can be cancelled.

The processes are forks of one that has the reading code loaded, so that one begins within milliseconds. No Gradio here.
"""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from kerasft.errors import DataError, KerasFTError
from kerasft_app.reading import ReadFile, read_for_page

CANCELLED = DataError("Reading was cancelled.", hint="Upload the file again, or another one.")


class Reader:
    """Reads files for pages, one at a time for each page."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["kerasft_app.reading"])
        self._at_work: dict[str, Any] = {}  # processes, by page
        self._lock = threading.Lock()

    def read(self, page: str | None, source: Any, options: dict[str, Any]) -> ReadFile | KerasFTError:
        """Read a source, see `read_for_page`; what the page was reading before is cancelled.

        Args:
            page: Names the page: Gradio's session hash.
            source: A file, several, or a pattern.
            options: Of reading.

        Returns:
            What was read, or the error to show, also where reading was cancelled or its process has died.
        """
        self.cancel(page)
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(theirs, source, options), daemon=True)
        process.start()
        theirs.close()
        with self._lock:
            self._at_work[page or ""] = process
        try:
            result: ReadFile | KerasFTError = ours.recv()
        except EOFError:
            process.join()
            with self._lock:
                was_cancelled = self._at_work.get(page or "") is not process
            result = CANCELLED if was_cancelled else _died(source, process.exitcode)
        finally:
            ours.close()
            process.join()
            with self._lock:
                if self._at_work.get(page or "") is process:
                    del self._at_work[page or ""]
        return result

    def cancel(self, page: str | None) -> bool:
        """End what is being read for a page; whether there was anything."""
        with self._lock:
            process = self._at_work.pop(page or "", None)
        if process is None:
            return False
        with suppress(ValueError):  # it has ended and was closed
            process.kill()
        return True


def _work(answer: Connection, source: Any, options: dict[str, Any]) -> None:
    answer.send(read_for_page(source, options))


def _died(source: Any, status: int | None) -> DataError:
    hint = "Often there was too little memory: try a part of the file, or another format such as Parquet."
    return DataError(f"The process that read the file has died (status {status}).", where=str(source), hint=hint)
