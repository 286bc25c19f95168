"""What all tests share: tiny presets, small labelled data."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "-1")

from tests.tiny import make_bert, make_gpt2

GOOD = ["a good film", "great plot, love it", "the book was very fine", "it is not dull", "love the film", "great and good"]
BAD = ["a bad film", "awful plot, hate it", "the book was very dull", "it is not fine", "hate the film", "awful and bad"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests stay on one worker, so that what they share (a trained model) is made once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def presets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of tiny random presets by family."""
    root = tmp_path_factory.mktemp("presets")
    return {"bert": str(make_bert(root / "bert")), "gpt2": str(make_gpt2(root / "gpt2"))}


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A CSV of 24 labelled texts, both labels alike often."""
    return write_reviews(tmp_path / "reviews.csv")


def write_reviews(path: Path, repeat: int = 2) -> Path:
    """Write the reviews, each `repeat` times with a number that makes it a text of its own."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(repeat):
            for good, bad in zip(GOOD, BAD, strict=True):
                writer.writerow([f"{good} {i}", "good"])
                writer.writerow([f"{bad} {i}", "bad"])
    return path
