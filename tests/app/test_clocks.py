"""The script that slows Gradio's clocks stands before all others of the page, and in nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kerasft_app.clocks import SlowClocks

PAGE = b"<!doctype html><html><head><script>theirs()</script></head><body>x</body></html>"


async def page(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/html"), (b"content-length", str(len(PAGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE[:40], "more_body": True})
    await send({"type": "http.response.body", "body": PAGE[40:]})


def answer(path: str) -> tuple[dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(SlowClocks(page)({"type": "http", "path": path}, None, send))
    return dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


def test_the_script_comes_first_and_the_length_is_right() -> None:
    headers, body = answer("/")
    assert body.index(b"requestAnimationFrame") < body.index(b"theirs()")
    assert int(headers[b"content-length"]) == len(body)
    assert headers[b"content-type"] == b"text/html"


@pytest.mark.parametrize("path", ["/config", "/assets/index.js", "/gradio_api/info"])
def test_other_answers_pass_as_they_are(path: str) -> None:
    assert answer(path)[1] == PAGE
