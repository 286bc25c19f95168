"""Gradio's clocks, slowed down.

Gradio shows for each event how long it has taken, and for that draws with every frame of the screen, also where the clock is
hidden. The clock of its own "Loading" never ends (Gradio 6.31: it is removed while it runs), so that every page works sixty
times a second for as long as it is open, on the processor that trains. The script lets such clocks go on five times a second.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

_BETWEEN = 200  # milliseconds

# Known by their text, `(performance.now() - start) / 1e3`; whatever else draws is left alone, and all is where the text changes.
_SCRIPT = f"""<script>
(() => {{
  const frame = window.requestAnimationFrame.bind(window);
  const clock = /^\\(\\)\\s*=>\\s*\\{{.{{0,30}}\\(performance\\.now\\(\\)\\s*-.{{0,20}}\\/\\s*1e3/;
  window.requestAnimationFrame = (draw) => {{
    if (clock.test(Function.prototype.toString.call(draw))) return setTimeout(draw, {_BETWEEN}, 0), 0;
    return frame(draw);
  }};
}})();
</script>"""


class SlowClocks:
    """ASGI middleware: puts the script before all others of the page.

    What Gradio calls `head` comes later, when its own scripts have taken the function that is replaced.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope.get("path", "").removeprefix(scope.get("root_path", "")) != "/":
            await self._app(scope, receive, send)
            return
        started: dict[str, Any] = {}
        parts: list[bytes] = []

        async def change(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                body = b"".join(parts).replace(b"<head>", b"<head>" + _SCRIPT.encode("ascii"), 1)
                others = [(name, value) for name, value in started["headers"] if name.lower() != b"content-length"]
                await send({**started, "headers": [*others, (b"content-length", str(len(body)).encode("ascii"))]})
                await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, change)
