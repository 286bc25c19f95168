"""Starting the server: guarded, and waited for as long as a slow machine needs."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from kerasft_app.clocks import SlowClocks
from kerasft_app.guard import Guard
from kerasft_app.pulse import Pulse

_PATIENCE = 60.0  # seconds
_QUEUE_LOOKS = 0.01  # seconds; Gradio looks a thousand times a second whether somebody asks, 5 % of a core for an idle page


def launch(
    blocks: Any,
    root: Path,
    *,
    host: str,
    port: int | None,
    login: Callable[[str, str], bool] | None,
    allowed: Sequence[str],
    **options: Any,
) -> str:
    """Start the server in a thread of its own, and wait until it answers.

    Args:
        blocks: The `gr.Blocks` of the app.
        root: Folder of the runs; its files may be downloaded.
        host: Address to listen on.
        port: Port; None for the first free one.
        login: Says whether a name and a password are right; None asks for none.
        allowed: Further names by which the app may be asked.
        options: Others of Gradio's `launch`.

    Returns:
        The address of the page.

    Raises:
        OSError: The port is taken, the address is none of this machine, or nothing answers within a minute.
    """
    from starlette.middleware import Middleware

    shared = bool(options.get("share"))
    guard = Middleware(
        Guard, host=host, allowed=tuple(allowed), any_host=shared or (login is not None and not allowed), root=root
    )
    _, url, public = blocks.launch(
        server_name=host,
        server_port=port,
        auth=login,
        allowed_paths=[str(root)],
        prevent_thread_lock=True,
        run_history=False,  # every call's texts, kept in the browser and written anew with each event: pages got slow
        quiet=True,
        app_kwargs={"middleware": [guard, Middleware(Pulse, root=root), Middleware(_FirstPage), Middleware(SlowClocks)]},
        _frontend=False,  # leaves out Gradio's own check, which gives up after three seconds and then advises a public link
        **options,
    )
    blocks._queue.sleep_when_free = _QUEUE_LOOKS
    _wait_for(url)
    return str(public or url)


class _FirstPage:
    """ASGI middleware: packs the page itself, a description of all its fields, to a tenth; other answers pass as they are."""

    def __init__(self, app: Any) -> None:
        from starlette.middleware.gzip import GZipMiddleware

        self._plain, self._packed = app, GZipMiddleware(app, minimum_size=10_000)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        await (self._packed if path in ("/", "/config") else self._plain)(scope, receive, send)


def _wait_for(url: str) -> None:
    """Wait until the page answers; never through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            opener.open(url, timeout=_PATIENCE).close()
            return
        except urllib.error.HTTPError:
            return  # it answers: a login is asked for
        except OSError as error:
            if time.monotonic() > deadline:
                raise OSError(f"The app does not answer at {url} ({error}).") from None
            time.sleep(0.2)
