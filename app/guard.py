"""Who may ask the app: hosts and origins are checked before anything is answered; answers say what a browser may do with them.

Without a check of `Host`, any web page could read and change runs through DNS rebinding: its name is made to point to 127.0.0.1,
after which the browser takes the app for part of that page. Without a check of `Origin`, a form on any page could send files.
"""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_LOCAL = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("0.0.0.0", "::", "")
_PORTS = {"http": 80, "https": 443}
# Gradio's page has scripts and styles in itself and makes others; nothing may come from, or go to, another place.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; frame-src 'none'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}


class Guard:
    """ASGI middleware: refuses foreign hosts and origins, and hidden files; adds the headers.

    Args:
        app: What is guarded.
        host: Address the app listens on.
        allowed: Further names by which it may be asked.
        any_host: Whether every name may be used, since a password is asked for: a foreign page has no cookie of this name.
        root: Folder of the runs, of which hidden files are not served.
    """

    def __init__(self, app: Any, *, host: str, allowed: Iterable[str] = (), any_host: bool = False, root: Path) -> None:
        self._app = app
        self._hosts = {name.lower().strip("[]") for name in (*_LOCAL, host, *allowed) if name not in _EVERYWHERE}
        self._any_address = host in _EVERYWHERE
        self._any_host = any_host
        self._root = str(root.resolve())

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reason = self._refusal(scope, headers)
        if reason is not None:
            await _refuse(scope, send, *reason)
            return
        is_file = "/file=" in scope.get("path", "") or "/file/" in scope.get("path", "")

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                added = dict(_HEADERS) | ({"content-disposition": "attachment"} if is_file else {})
                more = [(name.encode(), value.encode()) for name, value in added.items() if name.encode() not in given]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status and sentence of a refusal; None if the request may be answered."""
        host = headers.get("host", "")
        if not self._is_allowed(host):
            return 403, (
                f"This app is not asked by the name {_shown(host)}. Open it by the address that it printed, or start it with "
                f"--allow-host {_shown(_split(host)[0])} (or --auth) if that is its name."
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_same_origin(origin, scope, headers):
            return 403, f"Requests from {_shown(origin)} are not answered: they come from another page."
        if scope.get("method") not in ("GET", "HEAD", "OPTIONS") and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return 403, "Requests from another page are not answered."
        if self._is_hidden(scope.get("path", "")):
            return 404, "There is no such file."
        return None

    def _is_allowed(self, host: str) -> bool:
        name = _split(host)[0]
        if self._any_host or name in self._hosts:
            return True
        return self._any_address and _is_address(name)  # no name that could be made to point elsewhere

    def _is_same_origin(self, origin: str, scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
        """Scheme, host and port of the page against those of the request; a proxy says which scheme it was asked by."""
        scheme = headers.get("x-forwarded-proto", scope.get("scheme", "http")).split(",")[0].strip()
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        try:
            parts = urlsplit(origin)
            theirs = (parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme))
        except ValueError:
            return False
        name, port = _split(headers.get("host", ""))
        return theirs == (scheme, name, port or _PORTS.get(scheme))

    def _is_hidden(self, path: str) -> bool:
        """Whether a file of the runs' folder is asked for whose name, or a folder of it, begins with a dot."""
        _, mark, asked = path.partition("/file=")
        if not mark:
            return False
        asked = posixpath.normpath(unquote(asked))
        full = asked if asked.startswith("/") else posixpath.normpath(posixpath.join(str(Path.cwd()), asked))
        if not full.startswith(self._root + "/"):
            return False
        return any(part.startswith(".") for part in full[len(self._root) + 1 :].split("/"))


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a `Host` header."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:200]


async def _refuse(scope: Mapping[str, Any], send: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:120]})
        return
    body = (reason + "\n").encode("utf-8")
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **_HEADERS}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
