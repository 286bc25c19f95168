"""A wheel built from the checkout works in an empty environment outside it: train, predict, export, open the app."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import write_reviews

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_goes_the_whole_road(presets: dict[str, str], tmp_path: Path) -> None:
    """Installs from the package index; a few minutes."""

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(ROOT))
    wheel = next((tmp_path / "dist").glob("kerasft-*.whl"))
    run(sys.executable, "-m", "venv", str(tmp_path / "env"))
    binaries = tmp_path / "env" / "bin"
    run(str(binaries / "pip"), "install", "-q", "-c", str(ROOT / "constraints.txt"), f"{wheel}[app]")
    data = write_reviews(tmp_path / "reviews.csv")
    kerasft = str(binaries / "kerasft")
    run(kerasft, "train", "--preset", presets["bert"], "--data", str(data), "--train.epochs", "1", "--out", "run")
    assert run(kerasft, "predict", "run", "a good film").split("\t")[0] in ("good", "bad")
    assert "2 of 2 answers equal" in run(kerasft, "export", "run")
    assert "tickets.csv" in run(
        str(binaries / "python"), "-c", "from kerasft_app.page import EXAMPLE; print(EXAMPLE, EXAMPLE.stat())"
    )
    app = subprocess.Popen(
        [str(binaries / "kerasft-app"), "--no-browser", "--port", "7893"], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(60):
            try:
                with urllib.request.urlopen("http://127.0.0.1:7893/", timeout=2) as answer:
                    assert b"KerasFT" in answer.read()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail("the app did not answer")
    finally:
        app.terminate()
        app.wait()
