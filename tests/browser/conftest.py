"""The app on a free port and pages of it in headless Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.steps import CHROMIUM


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The app on a free port, and the folder of its runs."""
    runs, port = tmp_path_factory.mktemp("app") / "runs", free_port()
    command = [sys.executable, "-m", "kerasft_app", "--runs", str(runs), "--port", str(port), "--no-browser"]
    with (runs.parent / "log.txt").open("w") as log:  # a pipe that nobody reads would fill up
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/"
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            break
        except OSError:
            time.sleep(0.5)
    yield url, runs
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Of a test that fails: what the page said, without which a failure on another machine cannot be explained."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None and not page.is_closed():
        report.sections.append(("the page", f"{page.url}\n{page.locator('body').inner_text()}"))
        if folder := os.environ.get("KERASFT_PICTURES"):
            page.screenshot(path=f"{folder}/failed-{item.name}.png", full_page=True)
    return report


@pytest.fixture
def page(app: tuple[str, Path], browser: Any) -> Iterator[Any]:
    """A fresh page of the app; a script error on it fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(180_000)  # other tests train beside this one, perhaps on two slow cores
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(app[0])
    opened.wait_for_selector("#use-example")
    yield opened
    opened.close()
    assert errors == []


@pytest.fixture
def look() -> Callable[[Any, str], None]:
    """Takes pictures of a page, wide and narrow, light and dark, where KERASFT_PICTURES names a folder for them."""
    folder = os.environ.get("KERASFT_PICTURES")

    def take(opened: Any, name: str) -> None:
        for width, scheme in ((1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")) if folder else ():
            opened.set_viewport_size({"width": width, "height": 900})
            opened.emulate_media(color_scheme=scheme)
            opened.evaluate(f"document.body.classList.toggle('dark', {str(scheme == 'dark').lower()})")
            opened.wait_for_timeout(250)
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            opened.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png", full_page=True)
        opened.set_viewport_size({"width": 1280, "height": 900})

    return take
