"""The running app and strangers: other host names, other pages, frames and forms, a port that is taken."""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.steps import CHROMIUM

FOREIGN = "http://another.test"


def ask(url: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and body, asked at the loopback address by whatever name."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode("utf-8", errors="replace")
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=a", "/nothing"])
def test_every_route_refuses_a_foreign_host(app: tuple[str, Path], path: str) -> None:
    status, body = ask(app[0], "GET", path, {"Host": "evil.example"})
    assert status == 403
    assert "--allow-host" in body


def test_uploads_of_other_pages_are_refused(app: tuple[str, Path]) -> None:
    own = urlsplit(app[0]).netloc
    for origin in (FOREIGN, "null", "http://127.0.0.1:1", f"https://{own}"):
        assert ask(app[0], "POST", "/gradio_api/upload", {"Host": own, "Origin": origin, "Content-Length": "0"})[0] == 403
    assert ask(app[0], "POST", "/gradio_api/upload", {"Host": own, "Origin": f"http://{own}", "Content-Length": "0"})[0] != 403


def test_a_browser_neither_reaches_the_app_by_another_name_nor_frames_it(app: tuple[str, Path]) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    port = urlsplit(app[0]).port
    rules = "--host-resolver-rules=MAP another.test 127.0.0.1"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rules])
        page = browser.new_page()
        answer = page.goto(f"{FOREIGN}:{port}/")
        assert answer is not None
        assert answer.status == 403
        assert "is not asked by the name" in page.inner_text("body")
        violations: list[str] = []
        page = browser.new_page()
        page.on("console", lambda message: violations.append(message.text) if "Security Policy" in message.text else None)
        page.goto(app[0])
        page.wait_for_selector("#use-example")
        assert violations == []
        page.goto("about:blank")
        page.set_content(f"<iframe src='{app[0]}'></iframe>")
        page.wait_for_timeout(1500)
        framed = [frame for frame in page.frames if frame != page.main_frame]
        assert not any(frame.query_selector("#use-example") for frame in framed)
        browser.close()


def test_a_port_that_is_taken_is_one_sentence(app: tuple[str, Path], tmp_path: Path) -> None:
    port = str(urlsplit(app[0]).port)
    command = [sys.executable, "-m", "kerasft_app", "--runs", str(tmp_path), "--port", port, "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "The app cannot be started" in done.stderr
    assert "Traceback" not in done.stderr
    assert "share=True" not in done.stderr
