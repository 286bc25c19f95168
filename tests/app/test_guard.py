"""Who may ask the app: hosts, origins, hidden files, and what its answers tell a browser."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kerasft_app.guard import Guard
from kerasft_app.start import _wait_for

ROOT = Path("/srv/my runs")


def ask(
    headers: dict[str, str], *, method: str = "GET", path: str = "/config", kind: str = "http", **options: Any
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a guarded app that answers everything with 200."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"secret"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "scheme": "ws" if kind == "websocket" else "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    guard = Guard(app, **{"host": "127.0.0.1", "root": ROOT, **options})
    asyncio.run(guard(scope, None, send))
    if sent[0]["type"] == "websocket.close":
        return 403, {}, ""
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("host", "options", "allowed"),
    [
        ("127.0.0.1:7860", {}, True),
        ("localhost:7860", {}, True),
        ("LOCALHOST", {}, True),
        ("[::1]:7860", {}, True),
        ("evil.example", {}, False),
        ("evil.example:7860", {}, False),
        ("localhost.evil.example", {}, False),
        ("127.0.0.1.evil.example", {}, False),
        ("127.0.0.1@evil.example", {}, False),
        ("", {}, False),
        ("[::1", {}, False),
        ("localhost:port", {}, False),
        ("192.168.1.5:7860", {}, False),
        ("192.168.1.5:7860", {"host": "192.168.1.5"}, True),
        ("192.168.1.5:7860", {"host": "0.0.0.0"}, True),  # an address cannot be made to point elsewhere, a name can
        ("evil.example", {"host": "0.0.0.0"}, False),
        ("box.local:7860", {"host": "0.0.0.0", "allowed": ["box.local"]}, True),
        ("box.local", {"allowed": ["BOX.local"]}, True),
        ("evil.example", {"any_host": True}, True),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_only_known_hosts_are_answered(host: str, options: dict[str, Any], allowed: bool, kind: str) -> None:
    status, _, body = ask({"Host": host}, kind=kind, **options)
    assert status == (200 if allowed else 403)
    assert allowed or "secret" not in body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("origin", "headers", "allowed"),
    [
        ("http://127.0.0.1:7860", {}, True),
        ("http://127.0.0.1:9999", {}, False),  # another program of this machine
        ("http://localhost:7860", {}, False),
        ("https://127.0.0.1:7860", {}, False),
        ("http://evil.example", {}, False),
        ("null", {}, False),
        ("http://[", {}, False),
        ("https://127.0.0.1:7860", {"X-Forwarded-Proto": "https"}, True),
    ],
)
def test_only_the_page_itself_may_ask(origin: str, headers: dict[str, str], allowed: bool, method: str) -> None:
    status, _, _ = ask({"Host": "127.0.0.1:7860", "Origin": origin, **headers}, method=method, path="/gradio_api/upload")
    assert status == (200 if allowed else 403)


def test_ports_that_a_scheme_has_by_itself_are_the_same() -> None:
    assert ask({"Host": "localhost", "Origin": "http://localhost:80"})[0] == 200
    forwarded = {"Host": "box.local", "Origin": "https://box.local", "X-Forwarded-Proto": "https"}
    assert ask(forwarded, allowed=["box.local"])[0] == 200


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)])
def test_a_form_of_another_page_is_refused_also_without_an_origin(site: str, status: int) -> None:
    assert ask({"Host": "localhost", "Sec-Fetch-Site": site}, method="POST")[0] == status
    assert ask({"Host": "localhost", "Sec-Fetch-Site": site})[0] == 200  # a link to the app is followed


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gradio_api/file=/srv/my runs/first/report.md", 200),
        ("/gradio_api/file=/srv/my%20runs/first/report.md", 200),
        ("/gradio_api/file=/srv/my runs/.removed/first/report.md", 404),
        ("/gradio_api/file=/srv/my%20runs/first/%2elock", 404),
        ("/gradio_api/file=/srv/my runs/first/x/../.lock", 404),
        ("/gradio_api/file=/tmp/gradio/.x/a.csv", 200),  # not of the runs: Gradio decides
    ],
)
def test_hidden_files_of_the_runs_are_not_served(path: str, status: int) -> None:
    found, headers, _ = ask({"Host": "localhost"}, path=path)
    assert found == status
    if status == 200:
        assert headers["content-disposition"] == "attachment"


def test_answers_say_what_a_browser_may_do() -> None:
    for headers in (ask({"Host": "localhost"})[1], ask({"Host": "evil.example"})[1]):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["frame-ancestors"] == "'none'"
        assert policy["frame-src"] == "'none'"
        assert not any("http" in sources or "*" in sources for sources in policy.values())
    assert "content-disposition" not in ask({"Host": "localhost"})[1]


def test_a_refusal_says_what_to_do_and_repeats_nothing_odd() -> None:
    _, headers, body = ask({"Host": "box\x1b.local"})
    assert headers["content-type"].startswith("text/plain")
    assert "--allow-host" in body
    assert "\x1b" not in body


@contextmanager
def slow_server(seconds: float) -> Iterator[str]:
    """A server whose first answer takes a while."""

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(seconds)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_a_slow_machine_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio's own check gives up after three seconds; a proxy of the environment is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with slow_server(3.5) as url:
        _wait_for(url)


def test_a_server_that_never_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasft_app.start._PATIENCE", 0.5)
    with pytest.raises(OSError, match="does not answer at"):
        _wait_for("http://127.0.0.1:9/")
