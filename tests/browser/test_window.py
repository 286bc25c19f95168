"""The desktop window, on a virtual screen: it shows the page, and a run outlives its closing."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerasft.runs import run_state
from tests.conftest import write_reviews

MISSING = [
    name for name in ("webview", "PySide6.QtWebEngineCore", "qtpy") if not importlib.util.find_spec(name.partition(".")[0])
]

if os.environ.get("KERASFT_REQUIRE_BROWSER") and (MISSING or not shutil.which("Xvfb")):
    raise RuntimeError(f"KERASFT_REQUIRE_BROWSER is set; missing: {MISSING or 'Xvfb'}")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(bool(MISSING), reason=f"the extra 'desktop' is not installed ({', '.join(MISSING)})"),
    pytest.mark.skipif(not shutil.which("Xvfb"), reason="no virtual screen here; get one with: apt-get install xvfb"),
]


def test_the_window_shows_the_app_and_a_run_survives_closing_it(presets: dict[str, str], tmp_path: Path) -> None:
    screen = ":87"
    xvfb = subprocess.Popen(["Xvfb", screen, "-screen", "0", "1280x900x24"], stderr=subprocess.DEVNULL)
    environment = {**os.environ, "DISPLAY": screen, "QT_QPA_PLATFORM": "xcb", "QTWEBENGINE_REMOTE_DEBUGGING": "9387"}
    runs = tmp_path / "runs"
    log = tmp_path / "window.log"
    try:
        with log.open("w") as output:
            app = subprocess.Popen(
                [sys.executable, "-m", "kerasft_app", "--window", "--runs", str(runs)],
                env=environment,
                stdout=output,
                stderr=output,
            )
        page = _page_over_the_debugging_port(9387, log)
        assert page["title"] == "KerasFT"
        folder = runs / "long"
        folder.mkdir()
        data = write_reviews(tmp_path / "reviews.csv", repeat=8)
        recipe = {"preset": presets["bert"], "data": {"path": str(data)}, "train": {"epochs": 1000, "tensorboard": False}}
        (folder / "run.json").write_text(json.dumps(recipe))
        (folder / "QUEUED").touch()
        _wait(lambda: (folder / "events.jsonl").exists() and "Step" in (folder / "events.jsonl").read_text(), log)
        app.send_signal(signal.SIGTERM)
        app.wait(timeout=30)
        assert run_state(folder) == "running"
        (folder / "STOP").touch()
        _wait(lambda: run_state(folder) == "stopped", log)
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()
        xvfb.terminate()
        xvfb.wait()


def _page_over_the_debugging_port(port: int, log: Path) -> dict[str, str]:
    """What Qt's Chromium says it shows; a window that stayed blank would have no title."""
    import urllib.request

    found: list[dict[str, str]] = []

    def look() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=2) as answer:
                found[:] = [page for page in json.load(answer) if page["title"] == "KerasFT"]
        except OSError:
            return False
        return bool(found)

    _wait(look, log)
    return found[0]


def _wait(condition: object, log: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.3)
    raise AssertionError(log.read_text()[-2000:])
