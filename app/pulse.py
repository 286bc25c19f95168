"""Tell a page that something has changed: a small answer that it asks for in place of whole events.

An idle page asks every five seconds, one with a run in progress every two, one that nobody sees never. Its handlers run only
when the answer is another than before, and only those of the tab that is shown: each costs Gradio's page a tenth of a second of
a processor that trains meanwhile. It is also answered where a login is asked for: it says only that some run has changed, and
whether one is in progress.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from kerasft.alone import is_in_use
from kerasft.runs import PROCESS_FILE, QUEUED_FILE, STOP_FILE, is_alive

PATH = "/kerasft-pulse"
# Hidden buttons that a page presses: a run got on; runs, models or states changed, for the shown tab and for the page's head.
STEP, CHANGE, LIST = "kft-step", "kft-change", "kft-list"
_LOG = "events.jsonl"
_WATCHED = (
    "run.json", _LOG, "report.json", "about.json", "model.safetensors", PROCESS_FILE, QUEUED_FILE, STOP_FILE,
    "study.json", "bake-off.json", "search.json",
)  # fmt: skip
_KEPT = 0.5  # seconds for which one look serves all pages
_IDLE, _BUSY, _LOST = 5000, 2000, 10000  # milliseconds between two questions of a page

SCRIPT = f"""() => {{
  if (window.kerasftPulse) return;
  window.kerasftPulse = true;
  let last = {{}}, timer = null;
  const press = (kind) => {{
    for (const button of document.querySelectorAll('.' + kind)) if (button.offsetParent) button.click();
  }};
  const beat = async () => {{
    clearTimeout(timer);
    let wait = {_IDLE};
    if (!document.hidden) {{
      try {{
        const answer = await (await fetch('{PATH.lstrip("/")}', {{ cache: 'no-store' }})).json();
        // The first time the page has just been given the runs, and chooses the one that its address names.
        if (answer.states !== last.states && last.busy !== undefined) press('{LIST}');
        if (answer.states !== last.states) press('{CHANGE}');
        if (answer.version !== last.version) press('{STEP}');
        last = answer;
        if (answer.busy) wait = {_BUSY};
      }} catch (error) {{ wait = {_LOST}; }}
    }}
    clearTimeout(timer);
    timer = setTimeout(beat, wait);
  }};
  document.addEventListener('visibilitychange', () => {{ if (!document.hidden) beat(); }});
  document.addEventListener('click', (event) => {{ if (event.isTrusted) setTimeout(beat, 300); }});
  beat();
}}"""


class Pulse:
    """ASGI middleware: answers `PATH` with a version of the runs' folder and whether a run is in progress.

    Args:
        app: What answers everything else.
        root: Folder of the runs.
    """

    def __init__(self, app: Any, *, root: Path) -> None:
        self._app, self._root = app, root
        self._lock = threading.Lock()
        self._looked, self._answer = 0.0, b""

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope.get("path", "").removeprefix(scope.get("root_path", "")) != PATH:
            await self._app(scope, receive, send)
            return
        body = await anyio.to_thread.run_sync(self._body)  # it looks at files, and others must not wait for them
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _body(self) -> bytes:
        with self._lock:
            if time.monotonic() - self._looked > _KEPT:
                self._answer = json.dumps(look(self._root)._asdict()).encode("ascii")
                self._looked = time.monotonic()
            return self._answer


class Seen(NamedTuple):
    """What a look at the runs' folder has found.

    Attributes:
        version: Changes whenever a run or study does.
        states: Changes when a run or study begins, ends, is renamed, or gets a model or report; not with each of its steps.
        busy: Whether one is in progress or waits.
    """

    version: int
    states: int
    busy: bool


def look(root: Path) -> Seen:
    """Look at all runs and studies in a folder."""
    seen: list[Any] = []
    states: list[Any] = []
    busy = False
    for folder in _folders(root):
        files = [(name, *_stamp(folder / name)) for name in _WATCHED]
        there = {name for name, size, _ in files if size >= 0}
        alive = (PROCESS_FILE in there and is_alive(folder)) or is_in_use(folder)
        busy = busy or alive or QUEUED_FILE in there
        states.append((folder.name, alive, tuple(file for file in files if file[0] != _LOG)))
        if alive and "study.json" in there:  # the run that a study is doing
            files += [(str(path), *_stamp(path)) for path in sorted(folder.glob("*/events.jsonl"))]
        seen.append((folder.name, alive, tuple(files)))
    return Seen(hash(tuple(seen)), hash(tuple(states)), busy)


def _folders(root: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:  # removed meanwhile
        return


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, 0)
    return (status.st_size, status.st_mtime_ns)
