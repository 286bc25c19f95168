"""The desktop window, on a virtual screen: the whole road with its downloads, a second start, closing it while a run goes on."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kerasft.runs import run_state
from tests.browser.conftest import free_port
from tests.browser.devtools import DevTools
from tests.conftest import write_reviews

MISSING = [name for name in ("webview", "PySide6", "qtpy") if not importlib.util.find_spec(name)]
MISSING += [program for program in ("Xvfb", "openbox", "xdotool") if not shutil.which(program)]

if os.environ.get("KERASFT_REQUIRE_BROWSER") and MISSING:
    raise RuntimeError(f"KERASFT_REQUIRE_BROWSER is set; missing: {MISSING}")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        bool(MISSING), reason=f"not installed here: {', '.join(MISSING)} (extra 'desktop'; apt-get install xvfb openbox xdotool)"
    ),
]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of programs on a virtual screen, with a home of their own."""
    display = next(f":{number}" for number in range(80, 200) if not Path(f"/tmp/.X{number}-lock").exists())
    xvfb = subprocess.Popen(["Xvfb", display, "-screen", "0", "1280x900x24"], stderr=subprocess.DEVNULL)
    home = tmp_path / "home"
    (home / "Downloads").mkdir(parents=True)
    own = {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    wait(lambda: Path(f"/tmp/.X{display[1:]}-lock").exists())
    manager = subprocess.Popen(["openbox"], env={**os.environ, **own}, stderr=subprocess.DEVNULL)  # closes windows, gives focus
    yield {**os.environ, **own}
    for program in (manager, xvfb):
        program.terminate()
        program.wait()


def start(screen: dict[str, str], runs: Path, log: Path, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    with log.open("w") as output:
        command = [sys.executable, "-m", "kerasft_app", "--window", "--runs", str(runs), *options]
        environment = {**screen, "QTWEBENGINE_REMOTE_DEBUGGING": str(port)}
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output), port


def press(screen: dict[str, str], *words: str) -> None:
    subprocess.run(["xdotool", *words], env=screen, check=False)


def saved(screen: dict[str, str], name: str) -> Path:
    """Answer the dialog that asks where to save, and the message after it, by Enter, until the file is there."""
    path = Path(screen["HOME"]) / "Downloads" / name
    deadline = time.monotonic() + 400
    while not path.exists() and time.monotonic() < deadline:
        press(screen, "key", "Return")
        time.sleep(1)
    assert path.exists()
    time.sleep(1)
    press(screen, "key", "Return")  # the message that says where it is
    return path


def wait(condition: Callable[[], Any], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.3)
    raise AssertionError("it did not come")


def test_the_whole_road_with_its_downloads(presets: dict[str, str], tmp_path: Path, screen: dict[str, str]) -> None:
    runs, log = tmp_path / "runs", tmp_path / "window.log"
    app, port = start(screen, runs, log)
    try:
        page = DevTools(port, log)
        page.wait("document.querySelector('#to-train')")
        page.upload("#upload input[type=file]", write_reviews(tmp_path / "reviews.csv", repeat=4))
        page.wait("document.querySelector('#understood')?.innerText.includes('reviews.csv')")
        page.click("#to-train")
        page.choose("#model input", presets["bert"])
        page.fill("#run-name input, #run-name textarea", "road")
        page.wait("document.querySelector('#train-chosen').innerText.includes(' bert ')")
        page.click("#train")
        page.wait("document.querySelector('.kft-status.s-finished')")
        page.click("#to-results")
        page.wait("document.querySelector('#report .cards')")
        page.click("#report-download")
        assert "accuracy" in saved(screen, "report.md").read_text()
        page.click("#tab-try-button")
        page.wait("document.querySelector('#bulk-in input[type=file]')")
        page.upload("#bulk-in input[type=file]", write_reviews(tmp_path / "new.csv"))
        page.click("#bulk-predict")
        page.click("#bulk-out a")
        assert "predicted_label" in saved(screen, "new-answers.csv").read_text()
        page.click("#tab-export-button")
        page.click("#export")
        page.wait("document.querySelector('#export-said')?.innerText.includes('answers equal')")
        page.click("#export-file a")
        with zipfile.ZipFile(saved(screen, "road-serving-1.zip")) as archive:
            assert "1/saved_model.pb" in archive.namelist()
    finally:
        app.kill()
        app.wait()


def test_a_second_start_shows_the_first_window_and_a_run_outlives_its_closing(
    presets: dict[str, str], tmp_path: Path, screen: dict[str, str]
) -> None:
    runs, log = tmp_path / "runs", tmp_path / "window.log"
    app, port = start(screen, runs, log)
    try:
        page = DevTools(port, log)
        page.wait("document.querySelector('#to-train')")
        second, _ = start(screen, runs, tmp_path / "second.log")
        assert second.wait(timeout=180) == 0
        assert "brought to the front" in (tmp_path / "second.log").read_text()
        folder = runs / "long"
        folder.mkdir()
        data = write_reviews(tmp_path / "reviews.csv", repeat=8)
        recipe = {"preset": presets["bert"], "data": {"path": str(data)}, "train": {"epochs": 1000, "tensorboard": False}}
        (folder / "run.json").write_text(json.dumps(recipe))
        (folder / "QUEUED").touch()
        wait(lambda: (folder / "events.jsonl").exists() and "Step" in (folder / "events.jsonl").read_text())
        press(screen, "key", "alt+F4")
        time.sleep(3)
        assert app.poll() is None  # it asks first: a run is in progress
        wait(lambda: press(screen, "key", "Return") or app.poll() is not None)
        assert app.returncode == 0
        assert run_state(folder) == "running"
        (folder / "STOP").touch()
        wait(lambda: run_state(folder) == "stopped")
        assert (Path(screen["XDG_STATE_HOME"]) / "kerasft" / "window.json").exists()  # size and position
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()


def test_a_failed_start_is_explained_in_the_window(tmp_path: Path, screen: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        log = tmp_path / "window.log"
        app, port = start(screen, tmp_path / "runs", log, "--port", str(taken.getsockname()[1]))
        try:
            wait(lambda: "cannot be started" in log.read_text())
            time.sleep(1)
            assert app.poll() is None  # the window stays, with the reason in it
            assert "cannot be started" in DevTools(port, log, begins="").run("document.body.innerText")
            press(screen, "key", "alt+F4")
            assert app.wait(timeout=60) == 2
        finally:
            if app.poll() is None:
                app.kill()
                app.wait()


def test_a_menu_entry_is_written_for_the_person(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    runs = tmp_path / 'my "runs" 100%'
    command = [sys.executable, "-m", "kerasft_app", "--install-desktop-entry", "--runs", str(runs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    entry = tmp_path / "share" / "applications" / "kerasft.desktop"
    assert str(entry) in done.stdout
    lines = dict(line.split("=", 1) for line in entry.read_text().splitlines() if "=" in line)
    assert Path(lines["Icon"]).read_bytes().startswith(b"<svg")
    assert '\\\\"runs\\\\" 100%%"' in lines["Exec"]
    assert not runs.exists()
