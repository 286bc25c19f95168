"""Whatever a browser sends as the name of a run or study: every handler that reads one answers, and nothing is raised."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from kerasft_app.ui import create

NAMES: list[Any] = [
    None, "", " ", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "\x00", "a\nb", "a" * 5000, "~", "-rf", "%2e%2e",
    "<script>alert(1)</script>", "💥", "\ud800", ".uploads", ".removed", "nul", "absent", "one/run.json", 5, True, 0.5,
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings(  # Gradio makes an event loop that it does not close
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
NAMED = ("run-picker", "study", "study-part")


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    """The page over a folder with one run that has no model."""
    root = tmp_path_factory.mktemp("runs")
    (root / "one").mkdir()
    (root / "one" / "run.json").write_text("{}", encoding="utf-8")
    made, _ = create(root)
    yield made
    assert {path.name for path in root.iterdir()} <= {"one", ".removed", ".uploads"}  # no name has become a folder


def handlers(blocks: gr.Blocks) -> list[Any]:
    """Those that are given a name of a run or study."""
    named = [block for block in blocks.blocks.values() if getattr(block, "elem_id", None) in NAMED]
    assert len(named) == len(NAMED)
    return [fn for fn in blocks.fns.values() if fn.fn is not None and any(block in fn.inputs for block in named)]


async def call(blocks: gr.Blocks, fn: Any, name: Any) -> None:
    """What Gradio does when a browser sends this name and what the page has at first for all else."""
    state = SessionState(blocks)
    values = [
        name if getattr(block, "elem_id", None) in NAMED else None if isinstance(block, gr.State) else block.value
        for block in fn.inputs
    ]
    values = [None if callable(value) else value for value in values]
    request = gr.Request(session_hash="page", username=None)
    answer = await blocks.process_api(fn, values, state=state, request=request)
    while answer["is_generating"]:
        answer = await blocks.process_api(fn, values, state=state, request=request, iterator=answer["iterator"])


def test_there_are_many_handlers(blocks: gr.Blocks) -> None:
    assert len(handlers(blocks)) > 20


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
def test_no_handler_raises(blocks: gr.Blocks, name: Any) -> None:
    async def try_all() -> list[str]:
        faults = []
        for fn in handlers(blocks):
            try:
                await call(blocks, fn, name)
            except Exception as error:
                where = inspect.unwrap(fn.fn).__qualname__
                faults.append(f"{where}: {type(error).__name__}: {error}")
        return faults

    assert asyncio.run(try_all()) == []
